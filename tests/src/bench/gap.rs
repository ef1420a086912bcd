//! For how long nobody can write while a primary is moved to its synchronous standby: planned, and after the
//! primary's host was killed (the run is started at once, by hand). Each round is a pair of servers of its own.
//!
//! The client tries both servers again and again, so that the gap is that of the databases and of the plan: no
//! name server's time to live is in it. What it was told is stored must be on the new primary.

use super::bed::Bed;
use super::writer::{SCHEMA, Writer, lost};
use super::{Extent, median};
use crate::{
    Failure,
    polling::until,
    ports,
    postgres::Postgres,
    programs::{Agent, Cli},
    scratch::Scratch,
};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// Rounds of each; goals are about the worst of them.
const ROUNDS: usize = 20;
/// Writes that are acknowledged before, and after.
const SOME_WRITES: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);
/// The database, which is also the source's name.
const DATABASE: &str = "db";

const BRING_UP: &str = "  primary: { start: { services: [postgres], region: east } }
  standby: { after: primary, start: { services: [postgres], region: west } }
";
const PLANNED: &str = "  fence: { fence: { source: db, region: east, evidence: stopped } }
  promote: { after: fence, promote: { source: db, region: west } }
";
const KILLED: &str = "  fence:
    fence:
      source: db
      region: east
      evidence: unreachable
      silence: 3s
      risk: nothing but silence says that east is dead
      approve: { role: commander, within: 10m }
  promote: { after: fence, promote: { source: db, region: west } }
";

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let (mut planned, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..extent.of(ROUNDS) {
        planned.push(round(false).await?);
        killed.push(round(true).await?);
    }
    Ok(json!({ "planned": figures(&planned), "killed": figures(&killed),
        "planned_worst_seconds": worst(&planned), "killed_worst_seconds": worst(&killed),
        "lost": planned.iter().chain(&killed).map(|gap| gap.lost).sum::<usize>() }))
}

/// What one round gave, in seconds; the last two from the request of the run.
struct Gap {
    seconds: f64,
    fenced: f64,
    promoted: f64,
    lost: usize,
}

fn worst(gaps: &[Gap]) -> f64 {
    gaps.iter().map(|gap| gap.seconds).fold(0.0, f64::max)
}

fn figures(gaps: &[Gap]) -> Value {
    let all = |of: fn(&Gap) -> f64| gaps.iter().map(of).collect::<Vec<f64>>();
    json!({
        "median_seconds": median(all(|gap| gap.seconds)),
        "rounds": all(|gap| gap.seconds),
        "fenced_seconds": all(|gap| gap.fenced),
        "promoted_seconds": all(|gap| gap.promoted),
    })
}

async fn round(killed: bool) -> Result<Gap, Failure> {
    let scratch = Scratch::new("gap")?;
    let at = |net| -> Result<SocketAddr, Failure> {
        let address = Ipv4Addr::new(127, net, 0, 10).into();
        Ok((address, ports::free(address)?).into())
    };
    let (mut east, mut west) = Postgres::pair(&scratch, at(1)?, at(2)?).await?;
    east.execute(&format!("create database {DATABASE}")).await?;
    east.execute_in(DATABASE, SCHEMA).await?;
    west.stop().await;
    east.stop().await;
    let mut bed = bed(scratch, &east, &west).await?;
    let second = second(&bed).await?;
    let run = bed.start(&["bring-up".to_owned()]).await?;
    bed.times(&run).await?;
    synchronous(&east).await?;
    let writer = Writer::start([east.address(), west.address()], DATABASE);
    let some = async |more: usize| {
        let wanted = writer.count() + more;
        until("acknowledged writes", PATIENCE, async || {
            if writer.count() >= wanted { Ok(()) } else { Err(format!("{} of {wanted}", writer.count())) }
        })
        .await
    };
    some(SOME_WRITES).await?;
    writer.begin();
    if killed && let Some(host) = bed.agents.get_mut("east-1") {
        host.kill_host();
    }
    let run = bed.start(&[if killed { "killed" } else { "planned" }.to_owned()]).await?;
    if killed {
        approve(&bed, &second, &run[0].to_string()).await?;
    }
    let times = bed.times(&run).await?;
    some(SOME_WRITES).await?;
    let (longest, acknowledged) = writer.finish();
    let since = |at: i64| (at - times[0].requested) as f64 / 1e6;
    Ok(Gap {
        seconds: longest.as_secs_f64(),
        fenced: since(done(&bed, &run[0].to_string(), "fence").await?),
        promoted: since(done(&bed, &run[0].to_string(), "promote").await?),
        lost: lost(&west, DATABASE, &acknowledged).await?,
    })
}

async fn synchronous(primary: &Postgres) -> Result<(), Failure> {
    until("the synchronous standby", PATIENCE, async || {
        let asked =
            "select coalesce(max(sync_state), 'absent') from pg_stat_replication where state = 'streaming'";
        match primary.text(asked).await {
            Ok(state) if state == "sync" => Ok(()),
            Ok(state) => Err(state),
            Err(failure) => Err(failure.chain()),
        }
    })
    .await
}

/// When a step was done.
async fn done(bed: &Bed, run: &str, step: &str) -> Result<i64, Failure> {
    let query = "select min(at) from journal where run || '/' || coalesce(json_extract(event, '$.step'), '') = $1 \
                 and json_extract(event, '$.event') = 'step-succeeded'";
    let row: (i64,) = bed.read(query, format!("{run}/{step}")).await.map_err(Failure::Unexpected)?;
    Ok(row.0)
}

/// A controller, and the agents of both servers.
async fn bed(scratch: Scratch, east: &Postgres, west: &Postgres) -> Result<Bed, Failure> {
    let address: SocketAddr = ([127, 0, 0, 1], ports::free([127, 0, 0, 1].into())?).into();
    let plans = [("bring-up", BRING_UP), ("planned", PLANNED), ("killed", KILLED)];
    let plans = plans.map(|(name, steps)| (name.to_owned(), steps.to_owned()));
    let agents = [("east-1", east), ("west-1", west)].into_iter().map(|(host, server)| {
        let agent = Agent::prepare(&scratch, host, address, &policy(server)?, "")?;
        Ok((host.to_owned(), agent))
    });
    let agents = agents.collect::<Result<_, Failure>>()?;
    let estate = estate(address, east, west)?;
    let mut bed = Bed::over(scratch, address, &estate, &plans).await?;
    bed.agents = agents;
    bed.bring_agents().await?;
    Ok(bed)
}

fn user(server: &Postgres) -> String {
    server.account().map(|account| format!(", user: {}", account.name)).unwrap_or_default()
}

fn policy(server: &Postgres) -> Result<String, Failure> {
    let argv = server.plain_argv()?;
    Ok(format!(
        "version: 1\njobs: [check, service, promote, fence]\nservices:\n  - {{ name: postgres, process: \"{}\", args: {:?}{} }}\nsources:\n  - {{ name: db, kind: postgres, databases: [{DATABASE}] }}\n",
        argv[0],
        &argv[1..],
        user(server)
    ))
}

fn estate(controller: SocketAddr, east: &Postgres, west: &Postgres) -> Result<String, Failure> {
    let service = |server: &Postgres| -> Result<String, Failure> {
        Ok(format!("{{ run: {:?}{}, stop-signal: INT }}", server.plain_argv()?, user(server)))
    };
    let member = |server: &Postgres| {
        format!("{{ address: {}, port: {} }}", server.address().ip(), server.address().port())
    };
    Ok(format!(
        "regions: {{ east: {{}}, west: {{}} }}
hosts: {{ east-1: {{ region: east }}, west-1: {{ region: west }} }}
controllers: {{ main: {{ region: west, at: \"{controller}\" }} }}
services:
  postgres:
    kind: process
    hosts:
      east-1: {}
      west-1: {}
sources:
  db:
    kind: postgres
    database: {DATABASE}
    user: postgres
    server: postgres
    members:
      east-1: {}
      west-1: {}
roles:
  commander: {{ primary: admin, backup: second }}
",
        service(east)?,
        service(west)?,
        member(east),
        member(west)
    ))
}

/// The second person, logged in.
async fn second(bed: &Bed) -> Result<Cli, Failure> {
    let token = bed.say(&["token", "create", "--user", "second"]).await?;
    let file = bed.scratch.write_secret("second-token", token.trim())?.display().to_string();
    let cli = Cli::new(&bed.scratch, "second")?;
    let words = ["login", &bed.controller.address().to_string(), "--user", "second", "--token-file", &file];
    cli.run(&words, PATIENCE).await?.expect_code(0)?;
    Ok(cli)
}

/// Approves what a run asks, as soon as it does.
async fn approve(bed: &Bed, second: &Cli, run: &str) -> Result<(), Failure> {
    until("a run that waits for a person", PATIENCE, async || {
        let (status,): (String,) = bed.read("select status from runs where run = $1", run.to_owned()).await?;
        if status == "waiting" { Ok(()) } else { Err(status) }
    })
    .await?;
    second.run(&["approve", run, "--yes"], PATIENCE).await?.expect_code(0).map(drop)
}
