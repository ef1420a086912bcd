//! `lifeboat plan`: what needs no controller. One file a verb, listed here and in `args.rs`.

pub mod check;
pub mod diff;
pub mod explain;
pub mod fmt;
pub mod init;
mod unreadable;

use crate::args::{Cli, Plan};
use crate::failure::Failure;
use runtime::lifecycle::Exit;

/// Does what the command line says.
pub fn plan(cli: &Cli, args: &Plan) -> Result<Exit, Failure> {
    match args {
        Plan::Check(args) => check::check(cli, args),
        Plan::Diff(args) => diff::diff(cli, args),
        Plan::Explain(args) => explain::explain(cli, args),
        Plan::Fmt(args) => fmt::fmt(cli, args),
        Plan::Init(args) => init::init(cli, args),
    }
}
