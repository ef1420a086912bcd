//! The same work with its repository in a bucket: only the location differs from a folder's.

#[allow(dead_code)]
#[path = "../../../repository/tests/support/moto.rs"]
mod moto;

use crate::support::{Place, all_jobs, output, work};
use agent::jobs::{self, Context};
use model::jobs::{BackupOutput, ProveOutput, RestoreOutput};
use moto::Moto;
use serde_json::{Value, json};

/// A tree of one file, and an order of each kind over it.
struct Story {
    place: Place,
    repository: Value,
}

impl Story {
    fn new(endpoint: &str) -> Story {
        let place = Place::new();
        std::fs::create_dir_all(place.path("live")).unwrap();
        std::fs::create_dir_all(place.path("copies")).unwrap();
        std::fs::write(place.path("live/text"), "hello\n").unwrap();
        let keys = "[default]\naws_access_key_id = k\naws_secret_access_key = s\n";
        std::fs::write(place.path("credentials"), keys).unwrap();
        let mut repository = place.repository();
        repository["at"] = json!("s3://backups/tutor");
        repository["endpoint"] = json!(endpoint);
        repository["s3_region"] = json!("us-east-1");
        repository["credentials"] = json!({ "file": place.path("credentials") });
        Story { place, repository }
    }

    fn context(&self, marker: &str) -> Context {
        let policy = json!({
            "jobs": all_jobs(),
            "sources": [{ "name": "files", "kind": "files", "paths": [self.place.text("live")], "into": [self.place.text("copies")] }],
            "repositories": ["s3://backups/tutor"],
            "endpoints": [self.repository["endpoint"]],
            "secrets": [self.place.text("")],
        });
        self.place.context(marker, policy).0
    }

    fn order(&self, kind: &str, more: Value) -> model::Work {
        let source = json!({ "name": "files", "kind": "files", "paths": [self.place.text("live")] });
        let mut order = json!({ "source": source, "repository": self.repository });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        work(kind, order)
    }
}

#[tokio::test]
async fn a_repository_in_a_bucket_takes_the_same_work_as_a_folder() {
    let server = tokio::task::spawn_blocking(Moto::start).await.unwrap();
    let story = Story::new(&server.endpoint());
    let backup = jobs::perform(&story.order("backup", json!({})), &story.context("b")).await;
    let backup: BackupOutput = output(backup);
    let proof = jobs::perform(&story.order("prove", json!({ "point": "latest" })), &story.context("p")).await;
    let proof: ProveOutput = output(proof);
    assert_eq!(proof.snapshot, backup.snapshot);
    let into = story.place.text("copies/1");
    let restore = story.order("restore", json!({ "point": "latest", "into": into }));
    let restored: RestoreOutput = output(jobs::perform(&restore, &story.context("r")).await);
    assert!(restored.matches, "{restored:?}");
    let copy = story.place.path("copies/1").join(story.place.path("live").strip_prefix("/").unwrap());
    assert_eq!(std::fs::read_to_string(copy.join("text")).unwrap(), "hello\n");
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_is_named_with_what_to_do() {
    let story = Story::new("http://127.0.0.1:1");
    let outcome = jobs::perform(&story.order("backup", json!({})), &story.context("b")).await;
    let problem = outcome.problem().expect("it fails").clone();
    assert!(problem.code.starts_with("LB3") && !problem.advice.is_empty(), "{problem:?}");
}

#[tokio::test]
async fn a_listed_bucket_at_an_unlisted_server_is_refused() {
    let mut story = Story::new("http://127.0.0.1:1");
    let context = story.context("b");
    story.repository["endpoint"] = json!("http://127.0.0.1:2");
    let outcome = jobs::perform(&story.order("backup", json!({})), &context).await;
    let problem = outcome.problem().expect("it is refused");
    assert_eq!(outcome.as_str(), "refused");
    assert!(problem.advice.contains("endpoints"), "{problem:?}");
}
