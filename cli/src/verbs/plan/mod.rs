//! `lifeboat plan`: what needs no controller. One file a verb, listed here and in `args.rs`.

pub mod check;
pub mod explain;

use crate::args::{Cli, Plan};
use crate::failure::Failure;
use runtime::lifecycle::Exit;

/// Does what the command line says.
pub fn plan(cli: &Cli, args: &Plan) -> Result<Exit, Failure> {
    match args {
        Plan::Check { path } => check::check(cli, path),
        Plan::Explain(args) => explain::explain(cli, args),
    }
}
