//! The declared estate: checked again here, compared with what is in force, kept, and handed out.

use super::{Services, status};
use crate::auth::Caller;
use crate::estate::InForce;
use crate::store::estates::EstateFile;
use model::Problem;
use plan::{Diagnostic, Severity, SourceFile};
use proto::v1;
use proto::v1::controller_message::Message;
use proto::v1::estate_server::Estate as Service;
use std::sync::Arc;
use tonic::{Code, Request, Response, Status};

/// Bytes of one file, and of all.
const MAX_FILE_BYTES: usize = 1024 * 1024;
const MAX_ALL_BYTES: usize = 4 * 1024 * 1024;
/// Diagnostics that one status carries.
const MAX_TOLD: usize = 20;

/// What the check found, as a status: one line each.
pub(crate) fn refused(what: &str, diagnostics: &[Diagnostic]) -> Status {
    let lines = diagnostics.iter().take(MAX_TOLD).map(one_line).collect();
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    let problem = Problem::new(
        "LB1370",
        format!("{what} does not pass the check: {errors} errors"),
        "`lifeboat plan check FOLDER` shows each with its place and how to mend it.",
    );
    proto::status_of_problem(Code::InvalidArgument, &problem.with_log(lines))
}

fn one_line(one: &Diagnostic) -> String {
    let Diagnostic { code, severity, path, line, column, message, help, .. } = one;
    format!("{path}:{line}:{column}: {} {code}: {message} ({help})", severity.as_str())
}

/// What would change from one estate to the next.
fn changes(current: Option<&Arc<InForce>>, next: &plan::CheckedEstate) -> Vec<v1::Change> {
    let before = current.map(|current| current.checked.nouns()).unwrap_or_default();
    let after = next.nouns();
    let change = |kind: v1::ChangeKind, noun: &String| v1::Change {
        kind: kind.into(),
        noun: noun.clone(),
        detail: String::new(),
    };
    let mut changes: Vec<v1::Change> = after
        .iter()
        .filter_map(|(noun, digest)| match before.get(noun) {
            None => Some(change(v1::ChangeKind::Added, noun)),
            Some(old) if old != digest => Some(change(v1::ChangeKind::Changed, noun)),
            Some(_) => None,
        })
        .collect();
    let gone = before.keys().filter(|noun| !after.contains_key(*noun));
    changes.extend(gone.map(|noun| change(v1::ChangeKind::Removed, noun)));
    changes
}

fn sized(files: Vec<v1::EstateFile>) -> Result<Vec<SourceFile>, Status> {
    let all: usize = files.iter().map(|file| file.text.len()).sum();
    if all > MAX_ALL_BYTES || files.iter().any(|file| file.text.len() > MAX_FILE_BYTES) {
        let advice = "A file may have 1 MiB, the whole estate 4 MiB.";
        return Err(status::invalid("LB1371", "the estate is too large", advice));
    }
    Ok(files.into_iter().map(|file| SourceFile { path: file.path, text: file.text }).collect())
}

fn moved(current: u64) -> Status {
    let problem = Problem::new(
        "LB1372",
        format!("version {current} of the estate is in force, not the one that you have seen"),
        "Look at the difference again: `lifeboat apply` shows it.",
    );
    proto::status_of_problem(Code::Aborted, &problem)
}

#[tonic::async_trait]
impl Service for Services {
    async fn apply(&self, request: Request<v1::ApplyRequest>) -> Result<Response<v1::ApplyResponse>, Status> {
        let by = Caller::of(&request).user()?.clone();
        let v1::ApplyRequest { files, dry_run, expected_version } = request.into_inner();
        let files = sized(files)?;
        let current = self.app.estate.get();
        let version = current.as_ref().map_or(0, |current| current.version);
        if expected_version != 0 && expected_version != version {
            return Err(moved(version));
        }
        let kept: Vec<EstateFile> = files
            .iter()
            .map(|file| EstateFile { path: file.path.clone(), text: file.text.clone() })
            .collect();
        // Lowering every plan takes its time, and this thread serves others.
        let checked = tokio::task::spawn_blocking(move || plan::check(&files))
            .await
            .map_err(|_| Status::internal("the check was cut off"))?;
        let Some(next) = checked.estate else { return Err(refused("the estate", &checked.diagnostics)) };
        let changes = changes(current.as_ref(), &next);
        let digest = next.digest().to_string();
        let mut answer = v1::ApplyResponse {
            version,
            digest: digest.clone(),
            changed: !changes.is_empty() || current.is_none(),
            changes,
            warnings: checked.diagnostics.iter().map(one_line).collect(),
        };
        if !dry_run && answer.changed {
            let store = &self.app.store;
            let added = store.add_estate(version, &digest, kept, by.as_str(), self.app.clock.now()).await;
            let Some(version) = added.map_err(status::of_store)? else { return Err(moved(version)) };
            self.app.estate.set(InForce { version, checked: next });
            tracing::info!(version, %by, "estate applied");
            self.push_assignments();
            self.app.bundles.wanted();
            answer.version = version;
        }
        Ok(Response::new(answer))
    }

    async fn get(
        &self,
        _request: Request<v1::GetEstateRequest>,
    ) -> Result<Response<v1::GetEstateResponse>, Status> {
        let Some(current) = self.app.estate.get() else {
            return Ok(Response::new(v1::GetEstateResponse::default()));
        };
        let files = current.checked.files().iter();
        let files = files.map(|file| v1::EstateFile { path: file.path.clone(), text: file.text.clone() });
        Ok(Response::new(v1::GetEstateResponse {
            version: current.version,
            digest: current.checked.digest().to_string(),
            files: files.collect(),
        }))
    }
}

impl Services {
    /// Hands the new version to whoever is connected; the others get it when they say hello.
    fn push_assignments(&self) {
        for (host, session) in self.app.fleet.sessions() {
            if let Some(assignment) = self.app.estate.assignment_for(&host, 0, self.app.epoch) {
                // An error means that the session is over.
                let _ = session.send(Message::Assignment(assignment));
            }
        }
    }
}
