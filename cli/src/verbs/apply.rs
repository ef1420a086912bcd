//! `lifeboat apply`

use super::plan::check::{count, print};
use crate::args::{Apply, Cli};
use crate::failure::Failure;
use crate::session::{Session, traced};
use crate::{folder, screen};
use plan::Severity;
use proto::v1::{self, estate_client::EstateClient};
use runtime::lifecycle::Exit;

/// Checks offline first: with an error nothing is sent. Then shows the difference, asks, and sends.
pub async fn apply(cli: &Cli, args: &Apply) -> Result<Exit, Failure> {
    let files = folder::read(&args.path)?;
    let checked = plan::check(&files);
    print(&checked.diagnostics);
    let errors = count(&checked.diagnostics, Severity::Error);
    if errors > 0 {
        screen::say(format!("{}: nothing was sent", report::units::count(errors as u64, "error", "errors")));
        return Ok(Exit::No);
    }
    let session = Session::open(cli).await?;
    let files: Vec<v1::EstateFile> =
        files.into_iter().map(|file| v1::EstateFile { path: file.path, text: file.text }).collect();
    let mut client =
        EstateClient::new(session.channel.clone()).max_encoding_message_size(proto::MAX_MESSAGE_BYTES);
    let dry = v1::ApplyRequest { files: files.clone(), dry_run: true, expected_version: 0 };
    let planned = client.apply(traced(dry)).await?.into_inner();
    if !planned.changed {
        show(&session, &planned, "nothing to change: version");
        return Ok(Exit::Done);
    }
    for change in &planned.changes {
        screen::say(line(change));
    }
    if args.dry_run {
        show(&session, &planned, "would change; in force stays version");
        return Ok(Exit::Done);
    }
    if !session.ask(&format!("Apply {} changes?", planned.changes.len())) {
        screen::say("nothing was applied; say --yes to apply without being asked");
        return Ok(Exit::Refused);
    }
    let real = v1::ApplyRequest { files, dry_run: false, expected_version: planned.version };
    let applied = client.apply(traced(real)).await?.into_inner();
    show(&session, &applied, "applied: version");
    Ok(Exit::Done)
}

fn show(session: &Session, answer: &v1::ApplyResponse, words: &str) {
    let changes: Vec<_> =
        answer.changes.iter().map(|change| (change.noun.clone(), change.detail.clone())).collect();
    let value = serde_json::json!({
        "version": answer.version, "digest": answer.digest, "changed": answer.changed, "changes": changes,
        "warnings": answer.warnings,
    });
    screen::show(session.output, &value, || format!("{words} {}", answer.version));
}

fn line(change: &v1::Change) -> String {
    let sign = match change.kind() {
        v1::ChangeKind::Added => '+',
        v1::ChangeKind::Removed => '-',
        v1::ChangeKind::Changed | v1::ChangeKind::Unspecified => '~',
    };
    format!("  {sign} {} {}", change.noun, change.detail).trim_end().to_string()
}
