//! Block devices and images: every byte comes back, zeros cost nothing, and errors name their place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use repository::{Capture, Monitor, Repository, RestoreOptions, SnapshotSummary};
use support::{Local, meta, noise, objects, restic_agrees, restic_ok};

const MIB: u64 = 1024 * 1024;

/// 64 MiB and some bytes, of which few are not zero.
fn make_image(local: &Local) -> PathBuf {
    let path = local.beside("images").join("disk.img");
    let image = File::create(&path).unwrap();
    image.set_len(64 * MIB + 4097).unwrap();
    image.write_all_at(&noise(1, 3_000_000), 5 * MIB - 1).unwrap();
    image.write_all_at(b"last", 64 * MIB + 4093).unwrap();
    // Zeros that are no hole.
    image.write_all_at(&vec![0; 2 * 1024 * 1024], 20 * MIB).unwrap();
    path
}

fn back_up(repo: &Repository, device: &Path) -> SnapshotSummary {
    repo.backup_device(&meta(), "disk.img", device, &Monitor::new()).unwrap()
}

fn restored(local: &Local) -> PathBuf {
    let target = local.folder.path().join("restored");
    local
        .repo
        .restore_tree(&local.latest(), "", &target, RestoreOptions::default(), &Monitor::new())
        .unwrap();
    target.join("disk.img")
}

#[test]
fn a_sparse_image_comes_back_by_us_with_holes_and_by_restic() {
    let local = Local::new();
    let image = make_image(&local);
    let done = back_up(&local.repo, &image);
    assert_eq!(done.bytes, 64 * MIB + 4097);
    // Zeros, four pieces of noise, the end, and the tree.
    assert_eq!(done.blobs_new, 7);
    let wanted = fs::read(&image).unwrap();
    let ours = restored(&local);
    assert!(fs::read(&ours).unwrap() == wanted);
    assert!(fs::metadata(&ours).unwrap().blocks() * 512 < 6 * MIB, "holes come back as holes");
    restic_agrees(&local.path());
    let theirs = local.beside("theirs");
    restic_ok(&local.path(), &["restore", "latest", "--target", theirs.to_str().unwrap()]);
    assert!(fs::read(theirs.join("disk.img")).unwrap() == wanted);
}

#[test]
fn a_change_in_an_image_costs_one_piece() {
    let local = Local::new();
    let image = make_image(&local);
    back_up(&local.repo, &image);
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(b"changed", 6 * MIB + 17).unwrap();
    let done = back_up(&local.repo, &image);
    assert_eq!(done.blobs_new, 2, "the piece and the tree");
    assert!(local.dump("disk.img") == fs::read(&image).unwrap());
}

#[test]
fn an_image_of_zeros_is_one_blob_and_an_empty_one_is_none() {
    let local = Local::new();
    let image = local.folder.path().join("zeros");
    for (length, blobs) in [(2048 * MIB, 1 + 1), (0, 1), (1, 1 + 1)] {
        File::create(&image).unwrap().set_len(length).unwrap();
        let done = back_up(&local.repo, &image);
        assert_eq!((done.bytes, done.blobs_new), (length, blobs));
    }
    restic_agrees(&local.path());
}

#[test]
fn a_device_goes_into_two_repositories_at_once() {
    let (here, there) = (Local::new(), Local::new());
    let image = make_image(&here);
    let capture = Capture::into(&[&here.repo, &there.repo]).unwrap();
    let outcomes = capture.device(&meta(), "disk.img", &image, &Monitor::new()).unwrap();
    assert!(outcomes.iter().all(|done| done.as_ref().unwrap().blobs_new == 7));
    let wanted = fs::read(&image).unwrap();
    assert!(here.dump("disk.img") == wanted && there.dump("disk.img") == wanted);
}

#[test]
fn what_is_no_device_is_refused_and_links_are_followed() {
    let local = Local::new();
    let folder = local.beside("folder");
    let monitor = Monitor::new();
    for path in [folder.as_path(), Path::new("/dev/null")] {
        let error = local.repo.backup_device(&meta(), "d", path, &monitor).unwrap_err();
        assert_eq!(error.code(), "LB3070", "{error}");
    }
    let error = local.repo.backup_device(&meta(), "d", &folder.join("none"), &monitor).unwrap_err();
    assert_eq!(error.code(), "LB3060", "{error}");
    let link = folder.join("link");
    symlink(make_image(&local), &link).unwrap();
    back_up(&local.repo, &link);
    assert_eq!(local.repo.snapshots().unwrap().len(), 1);
}

#[test]
fn an_error_while_reading_names_the_place_and_leaves_no_snapshot() {
    let local = Local::new();
    let image = local.folder.path().join("image");
    File::create(&image).unwrap().set_len(3 * MIB).unwrap();
    let Some(device) = Loop::over(&image) else {
        eprintln!("SKIPPED: no loop devices here");
        return;
    };
    // The image below the device loses its end, which the device notices as an error of reading.
    File::options().write(true).open(&image).unwrap().set_len(MIB).unwrap();
    let error = local.repo.backup_device(&meta(), "d", &device.0, &Monitor::new()).unwrap_err();
    assert_eq!(error.code(), "LB3050", "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("at byte 1048576: "), "{cause}");
    assert!(local.repo.snapshots().unwrap().is_empty());
    assert!(objects(&local.path(), &["locks"]).is_empty());
}

#[test]
fn progress_knows_the_end_of_a_device_and_a_cancel_leaves_no_snapshot() {
    let local = Local::new();
    let (image, monitor) = (make_image(&local), Monitor::new());
    local.repo.backup_device(&meta(), "d", &image, &monitor).unwrap();
    let size = 64 * MIB + 4097;
    assert_eq!((monitor.progress().bytes_done, monitor.progress().bytes_expected), (size, Some(size)));
    monitor.cancel();
    let error = local.repo.backup_device(&meta(), "d", &image, &monitor).unwrap_err();
    assert!(matches!(error, repository::Error::Cancelled), "{error}");
    assert_eq!(local.repo.snapshots().unwrap().len(), 1);
}

/// A loop device, which ends when it is dropped.
struct Loop(PathBuf);

impl Loop {
    fn over(image: &Path) -> Option<Self> {
        let made =
            Command::new("losetup").args(["--find", "--show", "--read-only"]).arg(image).output().ok()?;
        made.status.success().then(|| Self(PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

#[test]
fn a_block_device_is_read_to_its_end() {
    let local = Local::new();
    let image = make_image(&local);
    // A device has whole sectors.
    File::options().write(true).open(&image).unwrap().set_len(64 * MIB + 8192).unwrap();
    let Some(device) = Loop::over(&image) else {
        eprintln!("SKIPPED: no loop devices here");
        return;
    };
    let done = back_up(&local.repo, &device.0);
    assert_eq!((done.bytes, done.blobs_new), (64 * MIB + 8192, 7));
    assert!(local.dump("disk.img") == fs::read(&image).unwrap());
    restic_agrees(&local.path());
}
