//! One file a verb (or a noun with its verbs), listed here.

mod apply;
mod audit;
mod commands;
mod login;
mod plain;
pub mod plan;
mod points;
pub mod repo;
mod rescue;
mod run;
mod runs;
mod status;
mod token;

use crate::args::{Cli, Verb};
use crate::failure::Failure;
use crate::session::Session;
use runtime::lifecycle::Exit;

/// Does what the command line says.
pub async fn perform(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.verb {
        Verb::Login(args) => return login::login(cli, args).await,
        Verb::Plan(args) => return plan::plan(cli, args),
        Verb::Repo(args) => return repo::repo(cli, args).await,
        Verb::Apply(args) => return apply::apply(cli, args).await,
        Verb::Rescue(args) => return rescue::rescue(cli, args),
        _ => {}
    }
    let session = Session::open(cli).await?;
    match &cli.verb {
        Verb::Login(_) | Verb::Plan(_) | Verb::Apply(_) | Verb::Repo(_) | Verb::Rescue(_) => Ok(Exit::Done),
        Verb::Status => status::status(&session).await,
        Verb::Run(args) => run::run(&session, args).await,
        Verb::Watch(args) => run::watch(&session, args).await,
        Verb::Approve(args) => commands::approve(&session, args).await,
        Verb::Answer(args) => commands::answer(&session, args).await,
        Verb::Retry(args) => commands::step(&session, commands::StepVerb::Retry, args).await,
        Verb::Skip(args) => commands::step(&session, commands::StepVerb::Skip, args).await,
        Verb::Waive(args) => commands::step(&session, commands::StepVerb::Waive, args).await,
        Verb::Unwind(args) => commands::whole(&session, commands::RunVerb::Unwind, args).await,
        Verb::End(args) => commands::whole(&session, commands::RunVerb::End, args).await,
        Verb::Cancel(args) => commands::whole(&session, commands::RunVerb::Cancel, args).await,
        Verb::Pause(args) => commands::whole(&session, commands::RunVerb::Pause, args).await,
        Verb::Resume(args) => commands::whole(&session, commands::RunVerb::Resume, args).await,
        Verb::Backup(args) => plain::backup(&session, args).await,
        Verb::Points(args) => points::points(&session, args).await,
        Verb::Restore(args) => plain::restore(&session, args).await,
        Verb::Prove(args) => plain::prove(&session, args).await,
        Verb::Check(args) => plain::check(&session, args).await,
        Verb::Start(args) => plain::services(&session, "start", args).await,
        Verb::Stop(args) => plain::services(&session, "stop", args).await,
        Verb::Restart(args) => plain::services(&session, "restart", args).await,
        Verb::Runs(args) => runs::runs(&session, args).await,
        Verb::Audit(args) => audit::audit(&session, args).await,
        Verb::Token(args) => token::token(&session, args).await,
    }
}
