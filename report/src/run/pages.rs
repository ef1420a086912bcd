//! The report as sections: what matters most stands first.

use super::fence::{DecisionLine, FenceLine};
use super::loss::Certainty;
use super::recovery::{Recovery, Verdict};
use super::steps::ProblemLine;
use super::{BackupLine, CutoverLine, ProofLine, Report, RestoreLine, SwapLine};
use crate::document::{Block, Document, Section};
use crate::layout::COLUMNS;
use crate::state::shown;
use crate::tree::{command_lines, problem_lines};
use crate::units::{bytes, count, length, moment, short};
use model::UserName;
use model::jobs::RowComparison;
use std::time::Duration;

/// Log lines of a problem in a report.
const LOG_LINES: usize = 20;

/// The whole report.
pub fn document(report: &Report) -> Document {
    let mut lead: Vec<String> = report.break_glass.iter().map(|decision| broken(decision, report)).collect();
    lead.push(report.result.clone());
    lead.extend(report.recovery.as_ref().map(summary));
    let sections = [
        vec![head(report)],
        report.recovery.iter().map(recovery).collect(),
        vec![steps(report)],
        report.fences.iter().map(|fence| self::fence(fence, report)).collect(),
        approvals(report),
        report.cutovers.iter().map(cutover).collect(),
        data(report),
        notices(report),
        problems(report),
        next(report),
    ];
    let sections = sections.into_iter().flatten().filter(|section| !section.blocks.is_empty()).collect();
    Document { title: report.title.clone(), lead, sections }
}

fn head(report: &Report) -> Section {
    let mut section = Section::new("");
    let inputs: Vec<String> = report.inputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let when = |at: Option<model::Micros>| at.map(|at| moment(at, &report.zone)).unwrap_or_default();
    section.facts(vec![
        ("plan", format!("{} ({})", report.plan, report.mode)),
        ("run", report.run.to_string()),
        ("inputs", inputs.join(", ")),
        ("asked by", report.requested_by.to_string()),
        ("asked at", when(Some(report.requested_at))),
        (
            "started",
            when(report.started_at.filter(|at| at.since(report.requested_at) >= Duration::from_secs(1))),
        ),
        ("ended", when(report.ended_at)),
        (
            "so far",
            if report.ended_at.is_none() { moment(report.written_at, &report.zone) } else { String::new() },
        ),
    ]);
    section
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn against(verdict: Verdict, objective: Option<u64>) -> String {
    let objective = objective.map(|objective| length(ms(objective))).unwrap_or_default();
    match verdict {
        Verdict::Met => format!("{objective}: met"),
        Verdict::Missed => format!("{objective}: MISSED"),
        Verdict::Unknown => format!("{objective}: not proven"),
        Verdict::NoObjective => "none".to_string(),
    }
}

/// The time against its objective; while the run goes on, a limit that has not passed is still open.
fn in_time(recovery: &Recovery) -> String {
    match (recovery.verdict, recovery.at) {
        (Verdict::Unknown, None) => format!("{}: still open", length(ms(recovery.rto_ms.unwrap_or(0)))),
        (verdict, _) => against(verdict, recovery.rto_ms),
    }
}

/// Recovery in one sentence.
fn summary(recovery: &Recovery) -> String {
    let took = length(ms(recovery.took_ms));
    let time = match recovery.recovered {
        true => format!("Recovered in {took} (RTO {}).", in_time(recovery)),
        false => format!("NOT recovered after {took} (RTO {}).", in_time(recovery)),
    };
    let losses: Vec<&str> = recovery
        .losses
        .iter()
        .map(|loss| match loss.certainty {
            Certainty::None => "none",
            Certainty::AtMost => "bounded",
            Certainty::Some => "some",
            Certainty::Unknown => "unknown",
        })
        .collect();
    if losses.is_empty() { time } else { format!("{time} Data loss: {}.", losses.join(", ")) }
}

fn recovery(recovery: &Recovery) -> Section {
    let mut section = Section::new("Recovery");
    let mut facts = vec![
        ("time", length(ms(recovery.took_ms))),
        ("measured", format!("from the request of the run {}", recovery.until)),
        ("RTO", in_time(recovery)),
    ];
    for loss in &recovery.losses {
        facts.push(("data loss", format!("{}: {}", loss.source, loss.words)));
        facts.push(("RPO", against(loss.verdict, recovery.rpo_ms)));
    }
    if recovery.losses.is_empty() {
        facts.push(("data loss", "not measured: nothing was promoted".to_string()));
    }
    section.facts(facts);
    section
}

fn steps(report: &Report) -> Section {
    let mut section = Section::new("Steps");
    let rows = report.steps.iter().map(|step| {
        let tries = if step.tries > 1 { format!("{} tries; ", step.tries) } else { String::new() };
        let outcome = if step.outcome.is_empty() { &step.summary } else { &step.outcome };
        vec![
            step.step.to_string(),
            shown(&step.state).text(),
            step.took_ms.map(|took| short(ms(took))).unwrap_or_default(),
            format!("{tries}{outcome}"),
        ]
    });
    section.table(&["step", "is", "time", "what came of it"], rows.collect());
    section
}

fn fence(fence: &FenceLine, report: &Report) -> Section {
    let mut section = Section::new(format!("Fence of {} (step {})", fence.source, fence.step));
    let evidence = fence.evidence.map_or_else(|| "none".to_string(), |evidence| evidence.to_string());
    let mut facts = vec![("evidence", evidence)];
    facts.extend(fence.seen.iter().map(|seen| ("seen", seen.clone())));
    let label = |about: &str| match about {
        "risk" => "risk",
        "waiver" => "waiver",
        _ => "question",
    };
    facts.extend(fence.decisions.iter().map(|decision| (label(&decision.about), said(decision, report))));
    section.facts(facts);
    section.blocks.extend(fence.decisions.iter().map(|decision| Block::Quote(decision.text.clone())));
    section
}

fn approvals(report: &Report) -> Vec<Section> {
    let mut section = Section::new("Approvals");
    for decision in &report.approvals {
        section.facts(vec![(decision.step.as_str(), said(decision, report))]);
        section.blocks.push(Block::Quote(decision.text.clone()));
    }
    vec![section]
}

/// One person decided alone: what, why, and who was told.
fn broken(decision: &DecisionLine, report: &Report) -> String {
    let by = decision.by.as_ref().map(ToString::to_string).unwrap_or_default();
    let at = moment(decision.at, &report.zone);
    let told =
        if decision.told.is_empty() { "nobody was told".to_string() } else { decision.told.join("; ") };
    format!(
        "BREAK-GLASS: {by} alone approved {} at {at}, because: {}. ({told})",
        decision.step,
        decision.reason.trim_end_matches('.')
    )
}

/// Who said what to the sentence, and when.
fn said(decision: &DecisionLine, report: &Report) -> String {
    let names: Vec<&str> = decision.voices.iter().map(UserName::as_str).collect();
    let by = match (&decision.by, names.is_empty(), decision.break_glass) {
        (Some(by), _, true) => format!(" by {by} ALONE (break-glass)"),
        (Some(_), false, false) => format!(" by {}", names.join(" and ")),
        (Some(by), true, false) => format!(" by {by}"),
        (None, _, _) => String::new(),
    };
    let at = moment(decision.at, &report.zone);
    let reason = if decision.reason.is_empty() { String::new() } else { format!(": {}", decision.reason) };
    format!("{}{by} at {at}{reason}", decision.answer)
}

fn cutover(line: &CutoverLine) -> Section {
    let mut section = Section::new(format!("Cut-over of {} (step {})", line.name, line.step));
    let output = &line.output;
    let undone = if line.undone { "it was put back later".to_string() } else { String::new() };
    section.facts(vec![
        ("record", format!("{} → {}", output.before.join(" "), output.after.join(" "))),
        (
            "verified",
            format!("after {} at {}", short(ms(output.verified_after_ms)), output.servers.join(", ")),
        ),
        (
            "resolvers",
            format!(
                "may hold the old value for {} (its TTL)",
                length(Duration::from_secs(output.ttl_seconds))
            ),
        ),
        ("generation", output.generation.to_string()),
        ("undone", undone),
    ]);
    section
}

fn id(snapshot: &model::SnapshotId) -> String {
    snapshot.as_str().chars().take(8).collect()
}

fn data(report: &Report) -> Vec<Section> {
    let backups = report.backups.iter().map(|line| backup(line, report));
    let restores = report.restores.iter().map(|line| restore(line, report));
    let proofs = report.proofs.iter().map(|line| proof(line, report));
    let swaps = report.swaps.iter().map(|line| swap(line, report));
    backups.chain(restores).chain(proofs).chain(swaps).collect()
}

fn backup(line: &BackupLine, report: &Report) -> Section {
    let output = &line.output;
    let rows: u64 = output.rows.values().sum();
    let tables = count(output.rows.len() as u64, "table", "tables");
    let mut section = Section::new(format!("Backup of {} (step {})", line.name, line.step));
    section.facts(vec![
        ("snapshot", format!("{} on {}", id(&output.snapshot), line.place)),
        ("shows", moment(output.at, &report.zone)),
        ("read", format!("{} in {}", bytes(output.read_bytes), count(output.files, "file", "files"))),
        ("stored", bytes(output.stored_bytes)),
        ("rows", if output.rows.is_empty() { String::new() } else { format!("{rows} in {tables}") }),
        ("server", output.server_version.clone().unwrap_or_default()),
    ]);
    section.facts(output.warnings.iter().map(|warning| ("warning", warning.clone())).collect());
    section
}

fn restore(line: &RestoreLine, report: &Report) -> Section {
    let output = &line.output;
    let mut section = Section::new(format!("Restore of {} (step {})", line.name, line.step));
    section.facts(vec![
        ("copy", format!("{} on {}; the live one was not touched", output.into, line.place)),
        ("snapshot", id(&output.snapshot)),
        ("shows", moment(output.at, &report.zone)),
        ("age", format!("{} when the run was asked for", length(report.requested_at.since(output.at)))),
        ("written", format!("{} in {}", bytes(output.bytes), short(ms(output.took_ms)))),
        ("compared", matches(output.matches).to_string()),
    ]);
    tables(&mut section, &output.tables);
    section
}

fn proof(line: &ProofLine, report: &Report) -> Section {
    let output = &line.output;
    let mut section = Section::new(format!("Proof of {} (step {})", line.name, line.step));
    section.facts(vec![
        ("snapshot", id(&output.snapshot)),
        ("shows", moment(output.at, &report.zone)),
        ("restored", format!("in {} on {}, then dropped", short(ms(output.took_ms)), line.place)),
        ("files", if output.files > 0 { format!("{} compared", output.files) } else { String::new() }),
        ("checks", output.checks.join(", ")),
    ]);
    tables(&mut section, &output.tables);
    section
}

fn swap(line: &SwapLine, report: &Report) -> Section {
    let mut section = Section::new(format!("Swap of {} (step {})", line.name, line.step));
    section.facts(vec![
        ("old data", format!("stays as {} on {}", line.output.old, line.place)),
        ("kept until", moment(line.output.keep_until, &report.zone)),
    ]);
    section
}

fn matches(matches: bool) -> &'static str {
    if matches {
        "everything is as it was recorded with the backup"
    } else {
        "NOT as it was recorded with the backup"
    }
}

fn tables(section: &mut Section, tables: &[RowComparison]) {
    let rows = tables.iter().map(|table| {
        let verdict = if table.expected == table.found { "✔ equal" } else { "✘ DIFFERENT" };
        vec![table.table.clone(), table.expected.to_string(), table.found.to_string(), verdict.to_string()]
    });
    section.table(&["table", "rows then", "rows found", ""], rows.collect());
}

fn notices(report: &Report) -> Vec<Section> {
    let mut section = Section::new("Told");
    let rows = report.notices.iter().map(|line| {
        let tries = count(u64::from(line.output.tries), "try", "tries");
        vec![line.step.to_string(), line.output.channel.to_string(), tries]
    });
    section.table(&["step", "channel", "after"], rows.collect());
    vec![section]
}

fn problems(report: &Report) -> Vec<Section> {
    let mut section = Section::new("Problems");
    for line in &report.problems {
        section.blocks.push(Block::Lines(problem(line)));
    }
    vec![section]
}

fn problem(line: &ProblemLine) -> Vec<String> {
    let step = line.step.as_ref().map_or_else(|| "the run".to_string(), ToString::to_string);
    let place = if line.place.is_empty() { String::new() } else { format!(" on {}", line.place) };
    let overcome = if line.overcome { " (overcome)" } else { "" };
    let mut lines = vec![format!("{step}{place}{overcome}:")];
    lines.extend(problem_lines("  ", &line.problem, COLUMNS - 2, LOG_LINES));
    lines
}

fn next(report: &Report) -> Vec<Section> {
    let mut section = Section::new("What can be typed now");
    let lines: Vec<String> =
        report.next.iter().flat_map(|command| command_lines("", command, COLUMNS - 2)).collect();
    if !lines.is_empty() {
        section.blocks.push(Block::Lines(lines));
    }
    vec![section]
}
