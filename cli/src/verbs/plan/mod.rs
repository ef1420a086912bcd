//! `lifeboat plan`: what needs no controller. One file a verb, listed here and in `args.rs`.

pub mod check;
pub mod diff;
pub mod explain;
pub mod fmt;
pub mod init;
pub mod render;
mod unreadable;

use crate::args::{Cli, Plan};
use crate::failure::Failure;
use runtime::lifecycle::Exit;
use std::collections::BTreeMap;

/// Does what the command line says.
pub fn plan(cli: &Cli, args: &Plan) -> Result<Exit, Failure> {
    match args {
        Plan::Check(args) => check::check(cli, args),
        Plan::Diff(args) => diff::diff(cli, args),
        Plan::Explain(args) => explain::explain(cli, args),
        Plan::Fmt(args) => fmt::fmt(cli, args),
        Plan::Init(args) => init::init(cli, args),
        Plan::Render(args) => render::render(cli, args),
    }
}

/// Inputs as they are given on a command line, `name=value`.
fn inputs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pairs = given.iter().map(|text| {
        let pair = text.split_once('=').map(|(name, value)| (name.to_string(), value.to_string()));
        pair.ok_or_else(|| Failure::usage("LB4041", format!("{text:?} is no input"), "Write name=value."))
    });
    pairs.collect()
}
