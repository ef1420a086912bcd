//! Ten thousand agents of one controller, played by [`crate::swarm`] in processes of their own: what they cost it
//! while nothing happens, how long a step on 8, 1,000 and all of them takes, and how long all take to come back
//! when it is killed in the middle of a run.
//!
//! They run on the machine that they measure: what their own half of the work takes is shown beside the figures.

use super::bed::{Bed, cpu_seconds, host, memory_mib};
use super::{Extent, median, restart};
use crate::{
    Failure,
    polling::until,
    ports,
    process::{Process, Spec},
    programs::program,
    scratch::Scratch,
    swarm::{Counts, Member, enrol, make},
};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Agents, and how many of them one process plays.
const AGENTS: usize = 10_000;
const OF_ONE_PROCESS: usize = 5_000;
/// Agents of the smaller steps.
const FEW: usize = 8;
const MANY: usize = 1_000;
/// How long the idle controller is looked at, after what is left of the start is over.
const LOOK: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(15);
/// How long all may take to connect.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long one step may take.
const STEP: Duration = Duration::from_secs(60);
/// Restarts that are measured at most.
const RESTARTS: usize = 3;

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let agents = extent.of(AGENTS);
    let scratch = Scratch::new("swarm")?;
    let address: SocketAddr = ([127, 0, 0, 1], ports::free([127, 0, 0, 1].into())?).into();
    let plans = [step("few"), step("many"), step("all"), restart::long()];
    let mut bed = Bed::over(scratch, address, &estate(agents, extent.of(MANY), address), &plans).await?;
    let began = Instant::now();
    let members = members(&mut bed, agents).await?;
    let signed = began.elapsed();
    let swarm = Swarm::start(&bed, members)?;
    let joining = Instant::now();
    swarm.until_connected(agents).await?;
    let joined = joining.elapsed();
    let idle = idle(&bed, &swarm, extent).await?;
    let (few, many, all) = (
        took(&bed, "few", extent).await?,
        took(&bed, "many", extent).await?,
        took(&bed, "all", extent).await?,
    );
    let peak = bed.controller.id().map_or(0.0, |pid| memory_mib(pid, "VmHWM"));
    let (mut back, mut next, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..extent.rounds.min(RESTARTS) {
        let again = restarted(&mut bed, &swarm, agents).await?;
        back.push(again.back);
        next.push(again.next);
        failed.push(again.failed);
    }
    let mut figures = json!({
        "agents": agents,
        "signing_seconds": signed.as_secs_f64(),
        "joining_seconds": joined.as_secs_f64(),
        "controller_peak_mib": peak,
        "few_ms": median(few.clone()), "few_rounds": few,
        "many_ms": median(many.clone()), "many_rounds": many,
        "all_ms": (!all.is_empty()).then(|| median(all.clone())), "all_rounds": all,
        "reconnect_seconds": median(back.clone()), "reconnect_rounds": back,
        "next_step_seconds": median(next.clone()), "next_step_rounds": next,
        "failed_dials": failed,
    });
    if let (Some(all), Value::Object(idle)) = (figures.as_object_mut(), idle) {
        all.extend(idle);
    }
    Ok(figures)
}

/// A plan whose one step asks the hosts of a service of the same name.
fn step(name: &str) -> (String, String) {
    (name.to_owned(), format!("  ask: {{ check: {{ checks: [space-{name}] }} }}\n"))
}

fn estate(agents: usize, many: usize, controller: SocketAddr) -> String {
    let mut text = format!(
        "regions: {{ one: {{}} }}\ncontrollers: {{ main: {{ region: one, at: \"{controller}\" }} }}\nhosts:\n"
    );
    for number in 0..agents {
        let _ = writeln!(text, "  {}: {{ region: one }}", host(number));
    }
    text.push_str("services:\n");
    for (name, hosts) in [("few", FEW), ("many", many), ("all", agents)] {
        let _ = writeln!(text, "  {name}:\n    kind: process\n    hosts:");
        for number in 0..hosts {
            let _ = writeln!(text, "      {}: {{ run: [/bin/true] }}", host(number));
        }
    }
    text.push_str("checks:\n");
    for name in ["few", "many", "all"] {
        let _ =
            writeln!(text, "  space-{name}: {{ of: {name}, monitor: false, disk: {{ path: /, free: 1B }} }}");
    }
    // What the steps of the run ask that goes on while all come back.
    text + "  space: { of: few, monitor: false, disk: { path: /, free: 1B } }\n"
}

/// Certificates for all hosts, which the controller takes for enrolled when it is up again.
async fn members(bed: &mut Bed, agents: usize) -> Result<Vec<Member>, Failure> {
    bed.controller.stop().await;
    let hosts: Vec<String> = (0..agents).map(host).collect();
    let members = make(bed.controller.data(), &hosts)?;
    enrol(bed.controller.data(), &members).await?;
    bed.controller.start().await?;
    Ok(members)
}

/// The processes of a swarm, and where each writes what its agents did.
struct Swarm {
    processes: Vec<(Process, PathBuf)>,
}

impl Swarm {
    fn start(bed: &Bed, members: Vec<Member>) -> Result<Swarm, Failure> {
        let program = program("lifeboat-swarm")?.display().to_string();
        let mut processes = Vec::new();
        for (number, members) in members.chunks(OF_ONE_PROCESS).enumerate() {
            let text = serde_json::to_string(members).unwrap_or_default();
            let file = bed.scratch.write_secret(&format!("members-{number}"), &text)?;
            let counts = bed.scratch.path().join(format!("counts-{number}.json"));
            let argv = [
                program.clone(),
                "--controller".to_owned(),
                bed.controller.address().to_string(),
                "--ca".to_owned(),
                bed.controller.data().join("ca.pem").display().to_string(),
                "--members".to_owned(),
                file.display().to_string(),
                "--counts".to_owned(),
                counts.display().to_string(),
            ];
            let name = format!("swarm-{number}");
            processes.push((Spec::new(&name, bed.scratch.log(&name), argv).start()?, counts));
        }
        Ok(Swarm { processes })
    }

    /// What all agents did so far. What was not written yet counts as nothing.
    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for (_, path) in &self.processes {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let Ok(one) = serde_json::from_str::<Counts>(&text) else { continue };
            sum.connected += one.connected;
            sum.sessions += one.sessions;
            sum.ended += one.ended;
            sum.orders += one.orders;
            sum.acknowledged += one.acknowledged;
            sum.last_welcome = sum.last_welcome.max(one.last_welcome);
        }
        sum
    }

    async fn until_connected(&self, agents: usize) -> Result<Counts, Failure> {
        until("all agents connected", PATIENCE, async || {
            let counts = self.counts();
            if counts.connected == agents as u64 { Ok(counts) } else { Err(format!("{counts:?}")) }
        })
        .await
    }

    fn cpu_seconds(&self) -> f64 {
        self.processes.iter().map(|(process, _)| cpu_seconds(process.id())).sum()
    }
}

async fn idle(bed: &Bed, swarm: &Swarm, extent: Extent) -> Result<Value, Failure> {
    tokio::time::sleep(SETTLE).await;
    let controller = bed.controller.id().unwrap_or_default();
    let (before, begun) = ((cpu_seconds(controller), swarm.cpu_seconds()), Instant::now());
    tokio::time::sleep(if extent.small { LOOK / 4 } else { LOOK }).await;
    let took = begun.elapsed().as_secs_f64();
    let swarm_mib: f64 = swarm.processes.iter().map(|(process, _)| memory_mib(process.id(), "VmRSS")).sum();
    Ok(json!({
        "controller_mib": memory_mib(controller, "VmRSS"),
        "controller_cpu_percent": (cpu_seconds(controller) - before.0) / took * 100.0,
        "swarm_cpu_percent": (swarm.cpu_seconds() - before.1) / took * 100.0,
        "swarm_mib": swarm_mib,
    }))
}

/// How long runs of a plan took, by the journal, in milliseconds. One that takes too long is called off.
async fn took(bed: &Bed, plan: &str, extent: Extent) -> Result<Vec<f64>, Failure> {
    let mut all = Vec::new();
    for _ in 0..extent.rounds {
        let runs = bed.start(&[plan.to_owned()]).await?;
        let Ok(times) = tokio::time::timeout(STEP, bed.times(&runs)).await else {
            for run in &runs {
                restart::end(bed, &run.to_string()).await?;
            }
            let (what, last) = (format!("the end of plan {plan}"), "it was called off".to_owned());
            return Err(Failure::TimedOut { what, within: STEP, last });
        };
        all.extend(times?.iter().map(|times| (times.ended - times.requested) as f64 / 1e3));
    }
    Ok(all)
}

/// What a restart took, from the kill, in seconds.
struct Again {
    /// Until all were back.
    back: f64,
    /// Until the run that was under way had its next step done.
    next: f64,
    /// Dials and sessions that failed or ended meanwhile.
    failed: u64,
}

async fn restarted(bed: &mut Bed, swarm: &Swarm, agents: usize) -> Result<Again, Failure> {
    let run = restart::under_way(bed).await?;
    let before = swarm.counts();
    let killed = model::Micros::from(jiff::Timestamp::now());
    bed.controller.kill();
    bed.controller.start().await?;
    let next = restart::next_step(bed, &run).await?;
    let wanted = before.sessions + agents as u64;
    let after = until("all agents back", PATIENCE, async || {
        let counts = swarm.counts();
        let back = counts.sessions >= wanted && counts.connected == agents as u64;
        if back { Ok(counts) } else { Err(format!("{counts:?}")) }
    })
    .await?;
    restart::end(bed, &run).await?;
    Ok(Again {
        back: model::Micros(after.last_welcome).since(killed).as_secs_f64(),
        next: next.since(killed).as_secs_f64(),
        failed: after.ended - before.ended,
    })
}
