//! Who did what, and whether the record of it is whole.

use super::{Services, status};
use crate::app::App;
use crate::store::checkpoints::Mark;
use model::RunId;
use proto::v1;
use proto::v1::audit_server::Audit as Service;
use serde_json::Value;
use tonic::{Request, Response, Status};

/// Acts that are listed when nobody says how many, and at most.
const ACTS: (u32, u32) = (50, 500);
/// Runs that are looked through for them, newest first.
const MAX_RUNS: u32 = 500;
/// Events of each run that are looked through.
const MAX_EVENTS: u32 = 20_000;

#[tonic::async_trait]
impl Service for Services {
    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<v1::VerifyResponse>, Status> {
        let known = request.into_inner().known.map(|mark| Mark { number: mark.number, hash: mark.hash });
        let audit = self.app.store.audit(known).await.map_err(status::of_store)?;
        for finding in &audit.findings {
            let crate::store::checkpoints::Finding { run, sequence, what } = finding;
            tracing::error!(%run, sequence, what, "the record is not whole");
        }
        let findings = audit.findings.into_iter();
        let findings =
            findings.map(|one| v1::Finding { run: one.run, sequence: one.sequence, what: one.what });
        Ok(Response::new(v1::VerifyResponse {
            runs: audit.runs,
            events: audit.events,
            checkpoints: audit.checkpoints,
            last: audit.last.map(|mark| v1::Mark { number: mark.number, hash: mark.hash }),
            findings: findings.collect(),
        }))
    }

    async fn list(
        &self,
        request: Request<v1::ListAuditRequest>,
    ) -> Result<Response<v1::ListAuditResponse>, Status> {
        let v1::ListAuditRequest { run, limit } = request.into_inner();
        let limit = if limit == 0 { ACTS.0 } else { limit.min(ACTS.1) } as usize;
        let one = if run.is_empty() { None } else { Some(proto::run_id_of(&run)?) };
        let acts = acts(&self.app, one, limit).await.map_err(status::of_store)?;
        Ok(Response::new(v1::ListAuditResponse { acts }))
    }
}

/// The newest acts. Runs are looked through from the newest on; one that is old and still open may have newer
/// acts than they, so those are looked through in any case.
async fn acts(app: &App, one: Option<RunId>, limit: usize) -> Result<Vec<v1::Act>, crate::store::StoreError> {
    let mut acts = Vec::new();
    let rows = match one {
        Some(run) => app.store.run(run).await?.into_iter().collect(),
        None => app.store.runs(false, MAX_RUNS).await?,
    };
    for row in rows {
        if acts.len() >= limit && !row.open {
            continue;
        }
        for event in app.store.events_after(row.run, 0, MAX_EVENTS).await? {
            let Ok(value) = serde_json::from_str::<Value>(&event.text) else { continue };
            let Some(by) = person(&value) else { continue };
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_string();
            let token = &value["token"];
            let of_token = || token["step"].as_str().unwrap_or_default().to_string();
            acts.push(v1::Act {
                at_us: event.at.0,
                by,
                did: text("event"),
                run: row.run.to_string(),
                sequence: event.sequence,
                plan: row.plan.clone(),
                about: if value["step"].is_string() { text("step") } else { of_token() },
                reason: text("reason"),
            });
        }
    }
    acts.sort_by_key(|act| std::cmp::Reverse((act.at_us, act.sequence)));
    acts.truncate(limit);
    Ok(acts)
}

/// Who did it, when it was a person.
fn person(event: &Value) -> Option<String> {
    match &event["by"] {
        Value::String(name) => Some(name.clone()),
        Value::Object(actor) if actor.get("who")?.as_str() == Some("person") => {
            actor.get("name")?.as_str().map(str::to_string)
        }
        _ => None,
    }
}
