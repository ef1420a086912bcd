//! What fires by the clock while nobody commands.

use crate::world::{Plans, SOON};
use std::time::Duration;
use tests::polling::until;

/// A schedule fires each minute; two firings are seen at worst.
const TWO_FIRINGS: Duration = Duration::from_secs(130);

#[tokio::test]
async fn fault_28_a_schedule_fires_with_no_controller_alive_and_its_point_is_known_later() {
    let plans = Plans::new("fault-28");
    let (folder, password) = (plans.folder(), "repository-password");
    std::fs::create_dir_all(format!("{folder}/documents")).unwrap();
    std::fs::write(format!("{folder}/documents/one.txt"), "one").unwrap();
    let estate = format!(
        "sources:
  documents: {{ kind: files, paths: [{folder}/documents], members: [east-1] }}
repositories:
  local: {{ at: {folder}/repository, region: west, password: {{ file: {folder}/{password} }} }}
schedules:
  often: {{ backup: documents, on: east-1, to: [local], at: \"* * * * *\", zone: UTC, keep: {{ days: 1 }} }}
"
    );
    let policy = format!(
        "sources:\n  - {{ name: documents, kind: files, paths: [{folder}/documents] }}\nrepositories: [{folder}/repository]\nsecrets: [{folder}/{password}]\n"
    );
    let plans = plans.secret(password, "a secret\n").estate(&estate).policy(&policy);
    let mut world = plans.start().await;
    world.controller.kill();
    let killed = model::Micros::from(jiff::Timestamp::now());
    let snapshots = std::path::PathBuf::from(format!("{folder}/repository/snapshots"));
    let count = || std::fs::read_dir(&snapshots).map_or(0, Iterator::count);
    let before = count();
    until("a snapshot without a controller", TWO_FIRINGS, async || match count() > before {
        true => Ok(()),
        false => Err(format!("{} snapshots", count())),
    })
    .await
    .unwrap();
    world.controller.start().await.unwrap();
    until("the point of that snapshot", SOON, async || {
        let points = world.say(&["points", "documents", "--output", "json"]).await;
        let points = points.json().map_err(|failure| failure.chain())?;
        let newest = points[0].clone();
        let at = newest["at"].to_string();
        let by_schedule = newest["origin"].as_str().is_some_and(|origin| origin.contains("often"));
        match by_schedule && newest["host"] == "east-1" && is_after(&newest["at"], killed) {
            true => Ok(()),
            false => Err(format!("{at}: {points}")),
        }
    })
    .await
    .unwrap();
    let shown = world.say(&["points", "documents"]).await.expect_code(0).unwrap();
    assert!(shown.stdout.contains("SNAPSHOT"), "{}", shown.stdout);
}

fn is_after(at: &serde_json::Value, then: model::Micros) -> bool {
    serde_json::from_value::<model::Micros>(at.clone()).is_ok_and(|at| at > then)
}
