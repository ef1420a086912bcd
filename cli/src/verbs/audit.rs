//! `lifeboat audit`

use crate::args::Audit;
use crate::failure::Failure;
use crate::screen;
use crate::session::{Session, at, traced};
use comfy_table::Cell;
use proto::v1::{self, audit_client::AuditClient};
use runtime::lifecycle::Exit;

/// What people did, or whether the record of it is whole.
pub async fn audit(session: &Session, args: &Audit) -> Result<Exit, Failure> {
    match args {
        Audit::Verify { known } => verify(session, known.as_deref()).await,
        Audit::List { run, limit } => list(session, run.as_deref(), *limit).await,
    }
}

/// Exit 1 when something is not as it was recorded.
async fn verify(session: &Session, known: Option<&str>) -> Result<Exit, Failure> {
    let known = known.map(mark).transpose()?;
    let request = traced(v1::VerifyRequest { known });
    let client = AuditClient::new(session.channel.clone());
    let mut client = client.max_decoding_message_size(proto::MAX_MESSAGE_BYTES);
    let found = client.verify(request).await?.into_inner();
    let last = found.last.as_ref().map(|mark| format!("{}:{}", mark.number, mark.hash));
    let line =
        |one: &v1::Finding| serde_json::json!({"run": one.run, "sequence": one.sequence, "what": one.what});
    let value = serde_json::json!({
        "runs": found.runs, "events": found.events, "checkpoints": found.checkpoints, "last": last,
        "whole": found.findings.is_empty(), "findings": found.findings.iter().map(line).collect::<Vec<_>>(),
    });
    screen::show(session.output, &value, || text(&found));
    if found.findings.is_empty() {
        if let Some(last) = last {
            screen::say(format!(
                "to prove later that nothing was taken from the end, keep this elsewhere:\n  lifeboat audit verify --known {last}"
            ));
        }
        return Ok(Exit::Done);
    }
    Err(Failure::no(
        "LB3100",
        format!("{} findings: the record of what was done is not whole", found.findings.len()),
        "Stop the controller, keep its data folder as it is, and compare it with a backup of it: somebody or something changed it behind the controller's back.",
    ))
}

fn text(found: &v1::VerifyResponse) -> String {
    let mut out = format!("{} runs, {} events, {} checkpoints", found.runs, found.events, found.checkpoints);
    for finding in &found.findings {
        let v1::Finding { run, sequence, what } = finding;
        match run.is_empty() {
            true => out.push_str(&format!("\ncheckpoint {sequence}: {what}")),
            false => out.push_str(&format!("\nrun {run}, event {sequence}: {what}")),
        }
    }
    if found.findings.is_empty() {
        out.push_str(": all as recorded");
    }
    out
}

fn mark(text: &str) -> Result<v1::Mark, Failure> {
    let parts =
        text.split_once(':').and_then(|(number, hash)| Some((number.parse().ok()?, hash.to_string())));
    match parts {
        Some((number, hash)) => Ok(v1::Mark { number, hash }),
        None => Err(Failure::usage(
            "LB3101",
            format!("{text:?} is no checkpoint"),
            "Give it as `lifeboat audit verify` printed it: NUMBER:HASH.",
        )),
    }
}

async fn list(session: &Session, run: Option<&str>, limit: u32) -> Result<Exit, Failure> {
    let run = match run {
        Some(name) => session.run(Some(name)).await?.0.as_bytes().to_vec(),
        None => Vec::new(),
    };
    let request = traced(v1::ListAuditRequest { run, limit });
    let acts = AuditClient::new(session.channel.clone()).list(request).await?.into_inner().acts;
    let line = |act: &v1::Act| serde_json::json!({"at": at(act.at_us), "by": act.by, "did": act.did, "run": act.run, "sequence": act.sequence, "plan": act.plan, "about": act.about, "reason": act.reason});
    let value = serde_json::Value::Array(acts.iter().map(line).collect());
    screen::show(session.output, &value, || {
        let mut table = screen::table(&["when", "who", "did", "plan", "of", "why"]);
        for act in &acts {
            let when = screen::moment(at(act.at_us));
            let cells = [&when, &act.by, &act.did, &act.plan, &act.about, &act.reason];
            table.add_row(cells.map(Cell::new).to_vec());
        }
        table.to_string()
    });
    Ok(Exit::Done)
}
