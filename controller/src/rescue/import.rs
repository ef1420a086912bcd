//! The old controller is back: it goes on from the store of the rescue.
//!
//! The rescue's store becomes this folder's, after all of it was verified; what only the old one has is added:
//! runs that the rescue never heard of, and who may log in. The old database stays beside, under another name,
//! as it is: a run that went on in both has its old tail there, and is told. Everything is prepared in a new file
//! that takes the place of the old one by one rename; a crash before leaves the old controller as it was.

use crate::auth::authority::CA_FILE;
use crate::settings::Settings;
use crate::store::lock::FolderLock;
use crate::store::{DATABASE_FILE, Store, StoreError, merge};
use model::{Micros, Problem};
use runtime::Explained as _;
use runtime::fs::sync_folder;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Takes over the store of a rescue. Gives what is said of it.
pub async fn import(settings: &Settings, from: &Path, now: Micros) -> Result<String, Problem> {
    let refused = |message: String| {
        let advice = "Stop this controller and the rescue, copy the whole data folder of the rescue to this machine, and name that copy with --from.";
        Problem::new("LB1253", message, advice)
    };
    if !settings.database.is_empty() {
        return Err(refused("only a store in a data folder takes a rescue's over; for a shared database, restore the rescue's into a new one".to_string()));
    }
    let (ours, theirs) = (settings.data.join(DATABASE_FILE), from.join(DATABASE_FILE));
    for path in [&ours, &theirs] {
        if !path.is_file() {
            return Err(refused(format!("{} is not there", path.display())));
        }
    }
    let ca = |folder: &Path| std::fs::read(folder.join(CA_FILE)).unwrap_or_default();
    if ca(&settings.data) != ca(from) {
        return Err(refused(format!("{} is the store of another estate: its CA is another", from.display())));
    }
    let failed = |error: StoreError| error.problem();
    let told = {
        let _old = FolderLock::take(&settings.data, &settings.name).map_err(failed)?;
        let fresh = settings.data.join("import");
        let _ = std::fs::remove_dir_all(&fresh);
        std::fs::create_dir(&fresh).map_err(|error| refused(format!("{}: {error}", fresh.display())))?;
        let told = prepare(from, &ours, &fresh).await?;
        let aside = settings.data.join(format!("{DATABASE_FILE}.before-import-{}", now.0));
        let moved = |error: std::io::Error| refused(format!("a file cannot be moved: {error}"));
        merge::fold_log(&ours).await.map_err(failed)?;
        std::fs::hard_link(&ours, &aside).map_err(moved)?;
        std::fs::rename(fresh.join(DATABASE_FILE), &ours).map_err(moved)?;
        sync_folder(&settings.data).map_err(|error| error.problem())?;
        let _ = std::fs::remove_dir_all(&fresh);
        format!("{told}\nthe old store is kept as {}\n", aside.display())
    };
    Ok(told)
}

/// The new store in a folder of its own: the rescue's, verified, and what only the old one has.
async fn prepare(from: &Path, ours: &Path, fresh: &Path) -> Result<String, Problem> {
    let failed = |error: StoreError| error.problem();
    let copy = fresh.join(DATABASE_FILE);
    {
        let _stopped = FolderLock::take(from, "an import").map_err(failed)?;
        merge::copy(&from.join(DATABASE_FILE), &copy).await.map_err(failed)?;
    }
    let (store, writer) = Store::open(fresh, "an import").await.map_err(failed)?;
    let stop = CancellationToken::new();
    let writing = tokio::spawn(writer.run_until(stop.clone()));
    let looked = verified(&store).await;
    stop.cancel();
    drop(store);
    // The file is whole once the writer has closed it.
    let _ = writing.await;
    let mut told = looked?;
    let merged = merge::merge(&copy, ours).await.map_err(failed)?;
    told.push_str(&format!("; {} runs that only this controller had were added", merged.added));
    for (run, sequence) in merged.forked {
        told.push_str(&format!(
            "\nrun {run} went on in the rescue from before event {sequence}: what this controller recorded from there on stays in the old store alone"
        ));
    }
    Ok(told)
}

async fn verified(store: &Store) -> Result<String, Problem> {
    let failed = |error: StoreError| error.problem();
    let rescue = store.rescue().await.map_err(failed)?;
    let Some(rescue) = rescue else {
        let advice = "Name the data folder that `lifeboat rescue` was given as --data.";
        return Err(Problem::new("LB1253", "that store is no rescue's", advice));
    };
    let audit = store.audit(None).await.map_err(failed)?;
    if let Some(finding) = audit.findings.first() {
        return Err(Problem::new(
            "LB1254",
            format!(
                "the rescue's journals are not as they were recorded: event {} of run {}: {}",
                finding.sequence, finding.run, finding.what
            ),
            "Copy its data folder again, with the rescue stopped. If it says the same, somebody or something changed it.",
        ));
    }
    Ok(format!(
        "taken over: {} runs with {} events of rescue {}, all verified",
        audit.runs, audit.events, rescue.id
    ))
}
