//! The agent put together: state, desk, session, schedules, watchers.

use crate::assignment::Keeper;
use crate::desk::{self, Desk};
use crate::identity::{self, Files};
use crate::lease::{self, Leases};
use crate::policy::Policy;
use crate::rescue::{self, Lookout};
use crate::schedules::Schedules;
use crate::session;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::watchers::{self, Board};
use model::{HostName, Problem};
use runtime::Explained as _;
use runtime::clock::{Clock, Ids};
use runtime::tasks::{Policy as TaskPolicy, Tasks};
use std::sync::Arc;

/// Builds the agent and starts its tasks. What is wrong with this host is told here, before anything
/// runs: policy, state folder, spool, assignment, identity.
pub async fn start(settings: &Settings, tasks: &Tasks) -> Result<Desk, Problem> {
    let host = HostName::new(settings.host.clone())
        .map_err(|error| Problem::new("LB2161", error.to_string(), "Set `host` in the agent's settings."))?;
    let policy = Arc::new(Policy::load(&settings.policy)?);
    let clock = Clock::system();
    let files = Files::new(&settings.state);
    for address in &settings.controllers {
        files.dial(address)?;
    }
    let spool = Spool::open(&settings.state).map_err(|error| error.problem())?;
    if spool.torn_bytes > 0 {
        tracing::warn!(
            bytes = spool.torn_bytes,
            "a record that was never acknowledged was torn and is cut off"
        );
    }
    let keeper = Arc::new(Keeper::open(&settings.state, host.clone())?);
    let leases = Leases::default();
    let deps = desk::Deps {
        state_dir: settings.state.clone(),
        policy: policy.clone(),
        leases: leases.clone(),
        clock: clock.clone(),
        tasks: tasks.clone(),
    };
    let desk = Desk::open(deps, spool).map_err(|error| error.problem())?;
    let board = Board::default();
    let stop = tasks.token();

    let deps = lease::Deps {
        state_dir: settings.state.clone(),
        run_dir: settings.run.clone(),
        policy: policy.clone(),
        clock: clock.clone(),
        host: host.clone(),
        files: files.clone(),
    };
    if let Some(address) = settings.listen {
        let listener = lease::port::listen(address).await?;
        let serving = lease::port::serve(leases.clone(), deps.clone(), listener, stop.clone());
        tasks.spawn("members that ask", TaskPolicy::VITAL, serving);
    }
    tasks.spawn("leases", TaskPolicy::VITAL, leases.clone().run(deps, keeper.watch(), stop.clone()));
    let schedules = Schedules {
        desk: desk.clone(),
        host: host.clone(),
        clock: clock.clone(),
        ids: Ids::system(),
        folder: settings.state.clone(),
        assignment: keeper.watch(),
    };
    tasks.spawn("schedules", TaskPolicy::VITAL, schedules.run(stop.clone()));
    tasks.spawn(
        "members",
        TaskPolicy::BACKGROUND,
        watchers::members(board.clone(), host.clone(), policy, keeper.watch(), stop.clone()),
    );
    tasks.spawn(
        "checks",
        TaskPolicy::BACKGROUND,
        watchers::checks(board.clone(), desk.clone(), clock.clone(), keeper.watch(), stop.clone()),
    );
    let lookout = Lookout::open(rescue::Deps {
        state_dir: settings.state.clone(),
        run_dir: settings.run.clone(),
        desk: desk.clone(),
        files: files.clone(),
        keeper: keeper.clone(),
        clock: clock.clone(),
        after: settings.rescue_after,
    })?;
    let controllers = settings.controllers.clone();
    tasks.spawn(
        "certificate",
        TaskPolicy::BACKGROUND,
        identity::renew(
            files.clone(),
            host.clone(),
            controllers.clone(),
            lookout.clone(),
            clock.clone(),
            stop.clone(),
        ),
    );
    let deps = session::Deps {
        lookout,
        desk: desk.clone(),
        keeper,
        board,
        leases,
        state_dir: settings.state.clone(),
        host,
        clock,
        instance: Ids::system().fresh(),
    };
    tasks.spawn("session", TaskPolicy::VITAL, session::run(deps, controllers, dial(files), stop));
    Ok(desk)
}

/// Dials as this host, with the certificate that is on the disk now.
fn dial(files: Files) -> session::Dial {
    Arc::new(move |address| {
        let files = files.clone();
        Box::pin(async move {
            let dial = files.dial(&address)?;
            let channel = runtime::tls::connect(&dial).await;
            channel.map_err(|error| Box::new(error.problem()) as Box<dyn std::error::Error + Send + Sync>)
        })
    })
}
