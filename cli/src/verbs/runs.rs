//! `lifeboat runs`

use crate::args::Runs;
use crate::failure::Failure;
use crate::screen;
use crate::session::{Session, at, short, traced};
use proto::v1;
use runtime::lifecycle::Exit;

/// Lists runs, or shows one with its report.
pub async fn runs(session: &Session, args: &Runs) -> Result<Exit, Failure> {
    match args {
        Runs::List { open, limit } => list(session, *open, *limit).await,
        Runs::Show(one) => {
            let run = session.run(one.run.as_deref()).await?;
            super::run::show(session, run).await
        }
    }
}

async fn list(session: &Session, open_only: bool, limit: u32) -> Result<Exit, Failure> {
    let request = traced(v1::ListRunsRequest { open_only, limit });
    let runs = session.runs().list(request).await?.into_inner().runs;
    let value: Vec<_> = runs.iter().map(json).collect();
    screen::show(session.output, &value, || {
        if runs.is_empty() {
            return "no runs".to_string();
        }
        let mut table = screen::table(&["run", "plan", "mode", "is", "asked by", "at"]);
        for run in &runs {
            let id = proto::run_id_of(&run.run).map(short).unwrap_or_default();
            let mode = model::Mode::try_from(run.mode()).map(|mode| mode.to_string()).unwrap_or_default();
            let asked = at(run.requested_us).to_string();
            table.add_row(vec![
                id,
                run.plan.clone(),
                mode,
                run.status.clone(),
                run.requested_by.clone(),
                asked,
            ]);
        }
        table.to_string()
    });
    Ok(Exit::Done)
}

/// A run's state for programs.
pub fn json(run: &v1::RunState) -> serde_json::Value {
    serde_json::json!({
        "run": proto::run_id_of(&run.run).map(|id| id.to_string()).unwrap_or_default(),
        "plan": run.plan, "title": run.title, "status": run.status, "detail": run.detail,
        "sequence": run.sequence, "requested_by": run.requested_by, "requested": at(run.requested_us),
        "ended": at(run.ended_us),
    })
}
