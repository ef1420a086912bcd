//! Backup, restore and proof of a tree of files.

use crate::support::{Place, all_jobs, is_root, output, work};
use agent::jobs::{self, Context, Probe};
use model::jobs::{BackupOutput, ProveOutput, RestoreOutput, RetainOutput};
use model::{Outcome, Work};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

struct Tree {
    place: Place,
}

impl Tree {
    fn new() -> Tree {
        let place = Place::new();
        let root = place.path("live");
        std::fs::create_dir_all(root.join("a/empty")).unwrap();
        std::fs::write(root.join("a/text"), "hello\n").unwrap();
        std::fs::set_permissions(root.join("a/text"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(root.join("big"), vec![7u8; 3_000_000]).unwrap();
        std::fs::hard_link(root.join("big"), root.join("a/big-again")).unwrap();
        symlink("a/text", root.join("link")).unwrap();
        if is_root() {
            std::os::unix::fs::lchown(root.join("a/text"), Some(12345), Some(54321)).unwrap();
        }
        let old = std::fs::File::options().write(true).open(root.join("a/text")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
        Tree { place }
    }

    fn context(&self, marker: &str) -> Context {
        let policy = json!({
            "jobs": all_jobs(),
            "sources": [{ "name": "files", "kind": "files", "paths": [self.place.text("live")], "into": [self.place.text("copies")] }],
            "repositories": [self.place.text("repository")],
            "secrets": [self.place.text("")],
        });
        std::fs::create_dir_all(self.place.path("copies")).unwrap();
        self.place.context(marker, policy).0
    }

    fn source(&self) -> Value {
        json!({ "name": "files", "kind": "files", "paths": [self.place.text("live")] })
    }

    fn order(&self, kind: &str, more: Value) -> Work {
        let mut order = json!({ "source": self.source(), "repository": self.place.repository() });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        work(kind, order)
    }

    fn restore(&self, into: &str) -> Work {
        self.order("restore", json!({ "point": "latest", "into": self.place.text(into) }))
    }
}

#[tokio::test]
async fn a_tree_comes_back_as_it_was() {
    let tree = Tree::new();
    let backup: BackupOutput =
        output(jobs::perform(&tree.order("backup", json!({})), &tree.context("b")).await);
    assert!(backup.files >= 4 && backup.warnings.is_empty(), "{backup:?}");
    let proof: ProveOutput =
        output(jobs::perform(&tree.order("prove", json!({ "point": "latest" })), &tree.context("p")).await);
    assert_eq!(proof.snapshot, backup.snapshot);
    assert!(proof.files >= 4);
    assert_eq!(std::fs::read_dir(tree.place.state().join("prove")).unwrap().count(), 0);

    let context = tree.context("r");
    assert_eq!(jobs::probe(&tree.restore("copies/1"), &context).await, Probe::NotDone);
    let restored: RestoreOutput = output(jobs::perform(&tree.restore("copies/1"), &context).await);
    assert!(restored.matches, "{restored:?}");
    let root = tree.place.path("copies/1").join(tree.place.path("live").strip_prefix("/").unwrap());
    let text = std::fs::metadata(root.join("a/text")).unwrap();
    assert_eq!((text.mode() & 0o7777, text.mtime()), (0o640, 1_000_000_000));
    if is_root() {
        assert_eq!((text.uid(), text.gid()), (12345, 54321));
    }
    assert_eq!(std::fs::read_to_string(root.join("link")).unwrap(), "hello\n");
    assert_eq!(std::fs::read(root.join("big")).unwrap(), vec![7u8; 3_000_000]);
    let (one, two) = (root.join("big").metadata().unwrap(), root.join("a/big-again").metadata().unwrap());
    assert_eq!(one.ino(), two.ino());
    assert!(root.join("a/empty").is_dir());
    assert_eq!(std::fs::read_dir(tree.place.path("copies")).unwrap().count(), 1);

    assert!(matches!(
        jobs::probe(&tree.restore("copies/1"), &context).await,
        Probe::Done(Outcome::Succeeded { .. })
    ));
    let again: RestoreOutput = output(jobs::perform(&tree.restore("copies/1"), &context).await);
    assert_eq!(again, restored);
}

#[tokio::test]
async fn fault_64_a_restore_replaces_nothing_that_is_not_ours() {
    let tree = Tree::new();
    output::<BackupOutput>(jobs::perform(&tree.order("backup", json!({})), &tree.context("b")).await);
    let context = tree.context("r");
    std::fs::create_dir(tree.place.path("copies/theirs")).unwrap();
    std::fs::create_dir(tree.place.path("copies/x.unfinished")).unwrap();
    std::fs::write(tree.place.path("copies/x.unfinished/precious"), "1").unwrap();
    for into in ["copies/theirs", "copies/x"] {
        let outcome = jobs::perform(&tree.restore(into), &context).await;
        assert_eq!(outcome.problem().unwrap().code, "LB2352", "{outcome:?}");
    }
    assert!(tree.place.path("copies/x.unfinished/precious").exists());
    // What a crash of ours left is replaced.
    std::fs::create_dir_all(tree.place.path("copies/y.unfinished/tree/half")).unwrap();
    std::fs::write(tree.place.path("copies/y.unfinished/lifeboat-unfinished"), "").unwrap();
    output::<RestoreOutput>(jobs::perform(&tree.restore("copies/y"), &context).await);
    assert!(!tree.place.path("copies/y.unfinished").exists());
    // The live folder is refused by the policy, and by the job where the policy is too open.
    let live = jobs::perform(&tree.restore("live"), &context).await;
    assert!(matches!(live, Outcome::Refused { .. }), "{live:?}");
}

#[tokio::test]
async fn what_a_crash_left_of_a_proof_is_removed_by_the_next_one_and_by_a_probe() {
    let tree = Tree::new();
    output::<BackupOutput>(jobs::perform(&tree.order("backup", json!({})), &tree.context("b")).await);
    let proofs = tree.place.state().join("prove");
    let leave = || {
        std::fs::create_dir_all(proofs.join("0123456789abcdef/tree/half")).unwrap();
        std::fs::write(proofs.join("0123456789abcdef/lifeboat-unfinished"), "").unwrap();
    };
    leave();
    std::fs::create_dir(proofs.join("theirs")).unwrap();
    let prove = tree.order("prove", json!({ "point": "latest" }));
    output::<ProveOutput>(jobs::perform(&prove, &tree.context("p")).await);
    assert!(!proofs.join("0123456789abcdef").exists());
    leave();
    assert_eq!(jobs::probe(&prove, &tree.context("p2")).await, Probe::NotDone);
    assert!(!proofs.join("0123456789abcdef").exists());
    assert!(proofs.join("theirs").exists());
}

#[tokio::test]
async fn a_link_in_the_way_of_a_copy_leads_it_nowhere() {
    let tree = Tree::new();
    output::<BackupOutput>(jobs::perform(&tree.order("backup", json!({})), &tree.context("b")).await);
    let context = tree.context("r");
    let outside = tree.place.path("outside");
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, tree.place.path("copies/out")).unwrap();
    symlink(tree.place.path("live"), tree.place.path("copies/in")).unwrap();
    symlink("nowhere", tree.place.path("copies/gone")).unwrap();
    for into in ["copies/out/1", "copies/out/a/b", "copies/in/1", "copies/gone/1"] {
        let outcome = jobs::perform(&tree.restore(into), &context).await;
        assert!(matches!(&outcome, Outcome::Refused { .. }), "{into}: {outcome:?}");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    // A link that stays below is as good as a folder.
    std::fs::create_dir(tree.place.path("copies/deep")).unwrap();
    symlink("deep", tree.place.path("copies/within")).unwrap();
    output::<RestoreOutput>(jobs::perform(&tree.restore("copies/within/1"), &context).await);
    assert!(tree.place.path("copies/deep/1").is_dir());
}

#[tokio::test]
async fn a_cancelled_restore_leaves_no_folder() {
    let tree = Tree::new();
    output::<BackupOutput>(jobs::perform(&tree.order("backup", json!({})), &tree.context("b")).await);
    let context = tree.context("r");
    context.cancel.cancel();
    assert_eq!(jobs::perform(&tree.restore("copies/1"), &context).await, Outcome::Cancelled);
    assert_eq!(std::fs::read_dir(tree.place.path("copies")).unwrap().count(), 0);
}

/// Moves the storage's own times of all snapshots back by so many days.
fn age(place: &Place, days: u64) {
    for entry in std::fs::read_dir(place.path("repository/snapshots")).unwrap() {
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.set_modified(written - std::time::Duration::from_secs(days * 24 * 3600)).unwrap();
    }
}

fn snapshots(place: &Place) -> usize {
    std::fs::read_dir(place.path("repository/snapshots")).unwrap().count()
}

#[tokio::test]
async fn a_schedule_lets_go_of_its_own_old_snapshots_and_of_nothing_else() {
    let tree = Tree::new();
    let backup = |tags: &[&str]| tree.order("backup", json!({ "tags": tags }));
    for (number, tags) in
        [vec!["schedule=nightly"], vec!["schedule=nightly"], vec!["schedule=weekly"], vec![]]
            .iter()
            .enumerate()
    {
        std::fs::write(tree.place.path("live/changed"), format!("{number}")).unwrap();
        let context = tree.context(&format!("b{number}"));
        output::<BackupOutput>(jobs::perform(&backup(tags), &context).await);
    }
    let retain = tree.order("retain", json!({ "tag": "schedule=nightly", "keep": "30d" }));
    let young: RetainOutput = output(jobs::perform(&retain, &tree.context("r0")).await);
    assert_eq!((young.forgotten, young.left), (0, None));
    age(&tree.place, 40);
    output::<BackupOutput>(jobs::perform(&backup(&["schedule=nightly"]), &tree.context("b9")).await);
    let Outcome::Succeeded { output: would } = jobs::would_you(&retain, &tree.context("w")).await else {
        panic!("a preview is refused")
    };
    assert!(would.to_string().contains("forget 2 snapshots"), "{would}");
    assert_eq!(snapshots(&tree.place), 5);
    let done: RetainOutput = output(jobs::perform(&retain, &tree.context("r1")).await);
    assert_eq!(done.forgotten, 2, "{done:?}");
    assert_eq!(snapshots(&tree.place), 3);
    // Of what is there now the newest stays, however old.
    age(&tree.place, 400);
    let last: RetainOutput = output(jobs::perform(&retain, &tree.context("r2")).await);
    assert_eq!((last.forgotten, snapshots(&tree.place)), (0, 3), "{last:?}");
    let proof = jobs::perform(&tree.order("prove", json!({ "point": "latest" })), &tree.context("p")).await;
    assert!(matches!(proof, Outcome::Succeeded { .. }), "{proof:?}");
}

#[tokio::test]
async fn the_last_proven_snapshot_is_never_forgotten() {
    let tree = Tree::new();
    let retain = tree.order("retain", json!({ "tag": "schedule=nightly", "keep": "30d" }));
    let mut made = Vec::new();
    for number in 0..3 {
        std::fs::write(tree.place.path("live/changed"), format!("{number}")).unwrap();
        let backup = tree.order("backup", json!({ "tags": ["schedule=nightly"] }));
        let done: BackupOutput = output(jobs::perform(&backup, &tree.context(&format!("b{number}"))).await);
        made.push(done.snapshot);
        let prove = tree.order("prove", json!({ "point": { "snapshot": made[0] } }));
        output::<ProveOutput>(jobs::perform(&prove, &tree.context(&format!("p{number}"))).await);
        if number < 2 {
            age(&tree.place, 40);
        }
    }
    let left = || {
        let folder = std::fs::read_dir(tree.place.path("repository/snapshots")).unwrap();
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let wanted = |numbers: &[usize]| numbers.iter().map(|n| made[*n].to_string()).collect::<BTreeSet<_>>();
    let done: RetainOutput = output(jobs::perform(&retain, &tree.context("r0")).await);
    assert_eq!((done.forgotten, left()), (1, wanted(&[0, 2])), "{done:?}");
    // A newer proof lets go of the older one.
    let prove = tree.order("prove", json!({ "point": "latest" }));
    output::<ProveOutput>(jobs::perform(&prove, &tree.context("p9")).await);
    let done: RetainOutput = output(jobs::perform(&retain, &tree.context("r1")).await);
    assert_eq!((done.forgotten, left()), (1, wanted(&[2])), "{done:?}");
}

#[tokio::test]
async fn proofs_that_cannot_be_read_let_nothing_go() {
    let tree = Tree::new();
    let backup = tree.order("backup", json!({ "tags": ["schedule=nightly"] }));
    output::<BackupOutput>(jobs::perform(&backup, &tree.context("b")).await);
    let prove = tree.order("prove", json!({ "point": "latest" }));
    output::<ProveOutput>(jobs::perform(&prove, &tree.context("p")).await);
    let context = tree.context("r");
    for file in std::fs::read_dir(context.state_dir.join("proofs")).unwrap() {
        std::fs::write(file.unwrap().path(), "{").unwrap();
    }
    let retain = tree.order("retain", json!({ "tag": "schedule=nightly", "keep": "30d" }));
    let Outcome::Failed { problem } = jobs::perform(&retain, &context).await else { panic!("it went on") };
    assert_eq!(problem.code, "LB2224");
}
