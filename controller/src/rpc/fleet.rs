//! How everything is.

use super::{Services, show, status};
use crate::agents::fleet::Known;
use crate::app::App;
use crate::store::agents::AgentRow;
use crate::store::previews::PreviewRow;
use crate::store::scheduled::ScheduledRow;
use model::{HostName, Micros};
use plan::CheckedEstate;
use proto::v1;
use proto::v1::fleet_server::Fleet as Service;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tonic::{Request, Response, Status};

/// Open runs that are shown.
const MAX_RUNS: u32 = 100;
/// How late a scheduled backup may be before it counts as overdue.
const GRACE: Duration = Duration::from_secs(3600);

#[tonic::async_trait]
impl Service for Services {
    async fn status(
        &self,
        _request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        let app = &self.app;
        let agents = app.store.agents().await.map_err(status::of_store)?;
        let points = app.store.newest_points().await.map_err(status::of_store)?;
        let scheduled = app.store.newest_scheduled().await.map_err(status::of_store)?;
        let runs = app.store.runs(true, MAX_RUNS).await.map_err(status::of_store)?;
        let previews = app.store.previews().await.map_err(status::of_store)?;
        let (known, in_force) = (app.fleet.all(), app.estate.get());
        let estate = in_force.as_ref().map(|in_force| &in_force.checked);
        Ok(Response::new(v1::StatusResponse {
            controller: app.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            epoch: app.epoch.number,
            estate_version: in_force.as_ref().map_or(0, |in_force| in_force.version),
            hosts: hosts(app, estate, &agents, &known),
            members: known.values().flat_map(|known| members(app, known)).collect(),
            checks: known.iter().flat_map(|(host, known)| checks(host, known)).collect(),
            sources: estate
                .map(|estate| sources(estate, &points, &scheduled, app.clock.now()))
                .unwrap_or_default(),
            open_runs: runs.into_iter().map(|row| show::of_row(app, row)).collect(),
            now_us: app.clock.now().0,
            plans: estate.map(|estate| plans(estate, previews)).unwrap_or_default(),
            bundle: app.bundles.state().map(|state| v1::BundleState {
                made_at_us: state.made_at.0,
                to: state.to,
                problem: state.problem,
            }),
            rescue: app.rescue.as_ref().map(crate::rescue::Rescue::words).unwrap_or_default(),
        }))
    }
}

/// Every host that is declared, enrolled or was heard.
fn hosts(
    app: &App,
    estate: Option<&CheckedEstate>,
    agents: &[AgentRow],
    known: &BTreeMap<HostName, Known>,
) -> Vec<v1::Host> {
    let mut names: BTreeSet<HostName> = known.keys().cloned().collect();
    names.extend(agents.iter().filter_map(|agent| HostName::new(&agent.host).ok()));
    names.extend(estate.into_iter().flat_map(|estate| estate.hosts().map(|(host, _)| host.clone())));
    let rows: BTreeMap<&str, &AgentRow> = agents.iter().map(|agent| (agent.host.as_str(), agent)).collect();
    names
        .into_iter()
        .map(|name| {
            let row = rows.get(name.as_str()).copied();
            let region = estate.and_then(|estate| estate.region_of(&name));
            host(app, &name, region.map(ToString::to_string).unwrap_or_default(), row, known.get(&name))
        })
        .collect()
}

fn host(
    app: &App,
    name: &HostName,
    region: String,
    row: Option<&AgentRow>,
    known: Option<&Known>,
) -> v1::Host {
    let heard = known.filter(|known| known.heard.is_some());
    let last_heard =
        heard.map(|known| known.heard_at).or(row.map(|row| row.last_heard_at)).unwrap_or_default();
    let state = if app.fleet.is_connected(name) {
        v1::HostState::Connected
    } else if last_heard == Micros(0) {
        v1::HostState::NeverSeen
    } else {
        v1::HostState::Unreachable
    };
    let detail = match (known.map(|known| known.trouble.clone()).unwrap_or_default(), row) {
        (trouble, _) if !trouble.is_empty() => trouble,
        (_, None) => "not enrolled".to_string(),
        (_, Some(_)) => String::new(),
    };
    v1::Host {
        name: name.to_string(),
        region,
        state: state.into(),
        last_heard_us: last_heard.0,
        skew_us: heard.map(|known| known.skew_us).or(row.map(|row| row.skew_us)).unwrap_or_default(),
        version: heard
            .map(|known| known.version.clone())
            .or(row.map(|row| row.version.clone()))
            .unwrap_or_default(),
        assignment_version: heard
            .map(|known| known.assignment_version)
            .or(row.map(|row| row.assignment_version))
            .unwrap_or_default(),
        detail,
    }
}

fn members(app: &App, known: &Known) -> Vec<v1::Member> {
    let member = |facts: &model::nouns::MemberFacts| v1::Member {
        source: facts.source.to_string(),
        host: facts.host.to_string(),
        role: facts.role.clone(),
        lsn: facts.lsn,
        sync_standbys: facts.sync_standbys.clone(),
        trouble: facts.trouble.clone().unwrap_or_default(),
        at_us: known.facts_at.0,
        lease: app.leases.words(&facts.source, &facts.host),
    };
    known.facts.iter().map(member).collect()
}

fn checks(host: &HostName, known: &Known) -> Vec<v1::MonitorState> {
    let state = |(check, monitor): (&model::Name, &crate::agents::fleet::Monitor)| v1::MonitorState {
        check: check.to_string(),
        host: host.to_string(),
        outcome: Some((&monitor.outcome).into()),
        at_us: monitor.at.0,
    };
    known.monitors.iter().map(state).collect()
}

/// Previews of plans that there still are.
fn plans(estate: &CheckedEstate, previews: Vec<PreviewRow>) -> Vec<v1::PlanState> {
    let declared: BTreeSet<&str> = estate.plans().map(model::Name::as_str).collect();
    let kept = previews.into_iter().filter(|row| declared.contains(row.plan.as_str()));
    let state = |row: PreviewRow| v1::PlanState {
        ready: row.outcome == "ready",
        plan: row.plan,
        at_us: row.at.0,
        estate_version: row.estate,
        refusals: row
            .refusals
            .into_iter()
            .map(|one| v1::PlanRefusal { step: one.step, problem: Some((&one.problem).into()) })
            .collect(),
    };
    kept.map(state).collect()
}

fn sources(
    estate: &CheckedEstate,
    points: &[(String, Micros, Micros)],
    scheduled: &[ScheduledRow],
    now: Micros,
) -> Vec<v1::SourceState> {
    estate
        .sources()
        .map(|source| {
            let newest = points.iter().find(|(name, _, _)| name == source.name.as_str());
            let (backup, proof) = newest.map(|(_, at, proven)| (*at, *proven)).unwrap_or_default();
            let schedules: Vec<_> =
                estate.schedules().filter(|schedule| schedule.source == source.name).collect();
            let missed = schedules.iter().any(|schedule| {
                backup > Micros(0) && schedule.at.next(backup).is_ok_and(|due| due.after(GRACE) < now)
            });
            let failed = scheduled.iter().find(|row| {
                row.outcome != "succeeded"
                    && schedules.iter().any(|schedule| schedule.name.as_str() == row.schedule)
            });
            let detail = match failed {
                Some(row) => {
                    format!("schedule {} on {}: {} {}", row.schedule, row.host, row.kind, row.outcome)
                }
                None if backup == Micros(0) => "never backed up".to_string(),
                None => String::new(),
            };
            let rpo = source.objectives.rpo.map_or(0, |rpo| rpo.as_millis());
            v1::SourceState {
                source: source.name.to_string(),
                last_backup_us: backup.0,
                last_proven_us: proof.0,
                rpo_ms: u64::try_from(rpo).unwrap_or(u64::MAX),
                overdue: missed,
                detail,
            }
        })
        .collect()
}
