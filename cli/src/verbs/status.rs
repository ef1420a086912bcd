//! `lifeboat status`

use crate::failure::Failure;
use crate::screen::{self, Mood, mood};
use crate::session::{Session, at, traced};
use comfy_table::Cell;
use model::{Micros, Outcome};
use proto::v1::{self, fleet_client::FleetClient};
use report::units::ago;
use runtime::lifecycle::Exit;
use std::time::Duration;

/// A clock that is off by more than this is shown, in microseconds.
const SKEW_US: i64 = 500_000;

/// Shows how everything is. Exit 1 when something is not as it should be, 4 when a run is open.
pub async fn status(session: &Session) -> Result<Exit, Failure> {
    let mut client = FleetClient::new(session.channel.clone());
    let status = client.status(traced(v1::StatusRequest {})).await?.into_inner();
    let rows = Rows::of(&status);
    screen::show(session.output, &json(&status, &rows), || text(&status, &rows));
    Ok(match (rows.bad(), status.open_runs.is_empty()) {
        (true, _) => Exit::No,
        (false, false) => Exit::Open,
        (false, true) => Exit::Done,
    })
}

/// One line of the table: what, where, word, detail.
struct Row {
    what: String,
    place: String,
    word: &'static str,
    mood: Mood,
    detail: String,
}

struct Rows {
    hosts: Vec<Row>,
    members: Vec<Row>,
    checks: Vec<Row>,
    sources: Vec<Row>,
    plans: Vec<Row>,
    rescue: Vec<Row>,
}

impl Rows {
    fn of(status: &v1::StatusResponse) -> Rows {
        let now = at(status.now_us);
        Rows {
            hosts: status.hosts.iter().map(|host| host_row(host, now)).collect(),
            members: status.members.iter().map(member_row).collect(),
            checks: status.checks.iter().map(|check| check_row(check, now)).collect(),
            sources: status.sources.iter().map(|source| source_row(source, now)).collect(),
            plans: status.plans.iter().map(|plan| plan_row(plan, now)).collect(),
            rescue: rescue_rows(status, now),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Row> {
        let nouns = self.hosts.iter().chain(&self.members).chain(&self.checks).chain(&self.sources);
        nouns.chain(&self.plans).chain(&self.rescue)
    }

    fn bad(&self) -> bool {
        self.all().any(|row| row.mood == Mood::Bad)
    }
}

fn host_row(host: &v1::Host, now: Micros) -> Row {
    let (word, mood) = match host.state() {
        v1::HostState::Connected => ("up", Mood::Good),
        v1::HostState::Unreachable => ("unreachable", Mood::Bad),
        v1::HostState::NeverSeen => ("never seen", Mood::Bad),
        v1::HostState::Unspecified => ("unknown", Mood::Unsure),
    };
    let mut detail = format!("heard {}", ago(now, at(host.last_heard_us)));
    if host.skew_us.abs() > SKEW_US {
        let skew = report::units::short(Duration::from_micros(host.skew_us.unsigned_abs()));
        detail.push_str(&format!(", clock {skew} {}", if host.skew_us > 0 { "ahead" } else { "behind" }));
    }
    if !host.detail.is_empty() {
        detail.push_str(&format!(", {}", host.detail));
    }
    Row { what: host.name.clone(), place: host.region.clone(), word, mood, detail }
}

fn member_row(member: &v1::Member) -> Row {
    let (word, mood) = match member.role.as_str() {
        "primary" => ("primary", Mood::Good),
        "standby" => ("standby", Mood::Good),
        _ => ("down", Mood::Bad),
    };
    let mut detail =
        if member.lsn == 0 { String::new() } else { format!("at {}", report::units::lsn(member.lsn)) };
    if !member.sync_standbys.is_empty() {
        detail.push_str(&format!(", commits wait for {}", member.sync_standbys.join(", ")));
    }
    if !member.lease.is_empty() {
        detail.push_str(&format!("{}{}", if detail.is_empty() { "" } else { ", " }, member.lease));
    }
    if !member.trouble.is_empty() {
        detail.push_str(&format!(" {}", member.trouble));
    }
    Row { what: member.source.clone(), place: member.host.clone(), word, mood, detail }
}

fn check_row(check: &v1::MonitorState, now: Micros) -> Row {
    let outcome = check.outcome.clone().map(Outcome::try_from);
    let (word, mood, said) = match &outcome {
        Some(Ok(Outcome::Succeeded { output })) => {
            ("passes", Mood::Good, output["answer"].as_str().unwrap_or_default().to_string())
        }
        Some(Ok(other)) => ("fails", Mood::Bad, other.problem().map(ToString::to_string).unwrap_or_default()),
        Some(Err(_)) | None => ("unknown", Mood::Unsure, String::new()),
    };
    let detail = format!("{said} ({})", ago(now, at(check.at_us)));
    Row {
        what: check.check.clone(),
        place: check.host.clone(),
        word,
        mood,
        detail: detail.trim().to_string(),
    }
}

fn source_row(source: &v1::SourceState, now: Micros) -> Row {
    let (word, mood) = match (source.overdue, source.last_backup_us, source.rpo_ms) {
        (true, _, _) => ("overdue", Mood::Bad),
        (false, 0, _) => ("no backup", Mood::Unsure),
        (false, _, _) => ("backed up", Mood::Good),
    };
    let detail = match source.last_backup_us {
        0 => String::new(),
        at_us => {
            let (backup, proven) = (ago(now, at(at_us)), ago(now, at(source.last_proven_us)));
            format!("{backup}, proven {proven} {}", source.detail).trim().to_string()
        }
    };
    Row { what: source.source.clone(), place: String::new(), word, mood, detail }
}

/// What every host said when it was asked last night whether it would do its part.
fn plan_row(plan: &v1::PlanState, now: Micros) -> Row {
    let (word, mood) = if plan.ready { ("ready", Mood::Good) } else { ("refused", Mood::Bad) };
    let why: Vec<String> = plan.refusals.iter().map(refusal).collect();
    let detail = format!(
        "asked {}{}{}",
        ago(now, at(plan.at_us)),
        if why.is_empty() { "" } else { "; " },
        why.join("; ")
    );
    Row { what: plan.plan.clone(), place: String::new(), word, mood, detail }
}

/// Whether a rescue is possible, and how one stands that this controller is.
fn rescue_rows(status: &v1::StatusResponse, now: Micros) -> Vec<Row> {
    let row = |what: &str, word, mood, detail| Row {
        what: what.to_string(),
        place: String::new(),
        word,
        mood,
        detail,
    };
    let bundle = status.bundle.as_ref().map(|bundle| {
        let made = match bundle.made_at_us {
            0 => String::new(),
            at_us => format!("made {}, in {}", ago(now, at(at_us)), bundle.to),
        };
        match bundle.problem.is_empty() {
            true if bundle.made_at_us > 0 => row("bundle", "kept", Mood::Good, made),
            true => row("bundle", "none yet", Mood::Unsure, made),
            false => row("bundle", "not kept", Mood::Bad, format!("{} {made}", bundle.problem)),
        }
    });
    let rescue = Some(&status.rescue).filter(|words| !words.is_empty());
    let rescue = rescue.map(|words| row("this rescue", "rescue", Mood::Unsure, words.clone()));
    bundle.into_iter().chain(rescue).collect()
}

fn refusal(one: &v1::PlanRefusal) -> String {
    let problem = one.problem.clone().unwrap_or_default();
    let step = if one.step.is_empty() { String::new() } else { format!("{}: ", one.step) };
    format!("{step}{} ({})", problem.message, problem.code)
}

fn text(status: &v1::StatusResponse, rows: &Rows) -> String {
    let mut out = format!(
        "controller {} {}, epoch {}, estate version {}\n",
        status.controller, status.version, status.epoch, status.estate_version
    );
    for (title, rows) in [
        ("hosts", &rows.hosts),
        ("members", &rows.members),
        ("checks", &rows.checks),
        ("sources", &rows.sources),
        ("plans", &rows.plans),
        ("rescue", &rows.rescue),
    ] {
        if rows.is_empty() {
            continue;
        }
        let mut table = screen::table(&[title, "where", "is", ""]);
        for row in rows {
            let is = screen::cell(row.word, row.mood);
            table.add_row(vec![Cell::new(&row.what), Cell::new(&row.place), is, Cell::new(&row.detail)]);
        }
        out.push_str(&format!("\n{table}\n"));
    }
    for run in &status.open_runs {
        out.push_str(&format!("\nopen run: {} is {} {}\n", run.plan, run.status, run.detail));
    }
    out.push_str(&format!("\n{}\n", verdict(status, rows)));
    out
}

/// The whole in one line: never greener than its rows.
fn verdict(status: &v1::StatusResponse, rows: &Rows) -> String {
    let count = |wanted: Mood| rows.all().filter(|row| row.mood == wanted).count();
    match (status.estate_version, count(Mood::Bad), count(Mood::Unsure)) {
        (0, 0, _) => mood("no estate yet: lifeboat apply FOLDER", Mood::Unsure),
        (_, 0, 0) => mood("all green", Mood::Good),
        (_, 0, unsure) => mood(&format!("nothing is red; {unsure} to look at"), Mood::Unsure),
        (_, bad, _) => mood(&format!("{bad} not as they should be"), Mood::Bad),
    }
}

fn plan_json(plan: &v1::PlanState, now_us: i64) -> serde_json::Value {
    let row = plan_row(plan, at(now_us));
    let one = |refusal: &v1::PlanRefusal| {
        let problem = refusal.problem.clone().unwrap_or_default();
        serde_json::json!({"step": refusal.step, "code": problem.code, "message": problem.message, "advice": problem.advice})
    };
    serde_json::json!({"name": plan.plan, "is": row.word, "ok": plan.ready, "at": at(plan.at_us),
        "estate_version": plan.estate_version, "detail": row.detail,
        "refusals": plan.refusals.iter().map(one).collect::<Vec<_>>()})
}

fn json(status: &v1::StatusResponse, rows: &Rows) -> serde_json::Value {
    let list = |rows: &[Row]| -> Vec<serde_json::Value> {
        let one = |row: &Row| serde_json::json!({"name": row.what, "where": row.place, "is": row.word, "ok": row.mood != Mood::Bad, "detail": row.detail});
        rows.iter().map(one).collect()
    };
    serde_json::json!({
        "controller": status.controller, "version": status.version, "epoch": status.epoch,
        "estate_version": status.estate_version, "hosts": list(&rows.hosts), "members": list(&rows.members),
        "checks": list(&rows.checks), "sources": list(&rows.sources),
        "plans": status.plans.iter().map(|plan| plan_json(plan, status.now_us)).collect::<Vec<_>>(),
        "rescue": list(&rows.rescue),
        "bundle_made": status.bundle.as_ref().map(|bundle| at(bundle.made_at_us)),
        "open_runs": status.open_runs.iter().map(super::runs::json).collect::<Vec<_>>(),
        "now": at(status.now_us), "green": !rows.bad(),
    })
}
