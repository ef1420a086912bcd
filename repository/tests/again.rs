//! A large file that changed: what stayed is found where it was, and nothing is taken for what it is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use repository::{CheckOptions, Monitor, SnapshotSummary, TreeOptions};
use support::restic::newest;
use support::{Local, meta, noise, restic_agrees};

const BYTES: usize = 14 << 20;

/// The repository, and a file that is written and backed up again and again.
struct Scene {
    local: Local,
    content: Vec<u8>,
}

impl Scene {
    fn new(content: Vec<u8>) -> Self {
        let scene = Self { local: Local::new(), content };
        scene.back_up();
        scene
    }

    /// The content as it is now, which must come back.
    fn back_up(&self) -> SnapshotSummary {
        let path = self.local.beside("data").join("image");
        fs::write(&path, &self.content).unwrap();
        let (options, monitor) = (TreeOptions::default(), Monitor::new());
        let done =
            self.local.repo.backup_tree(&[self.local.beside("data")], &options, &meta(), &monitor).unwrap();
        assert!(done.troubles.is_empty(), "{:?}", done.troubles);
        assert_eq!((done.bytes, done.bytes_read), (self.content.len() as u64, self.content.len() as u64));
        assert!(self.local.dump(path.to_str().unwrap()) == self.content);
        done
    }

    /// Blobs of data that are new: each folder on the way has another tree, too.
    fn new_data(&self, done: &SnapshotSummary) -> u64 {
        done.blobs_new - self.local.beside("data").components().count() as u64
    }

    /// How many blobs the file has, by a restic that can tell.
    fn blobs(&self) -> Option<usize> {
        if !newest().is_at_least([0, 17]) {
            eprintln!("SKIPPED: restic {} is too old to show a folder's tree", newest().version);
            return None;
        }
        let folder = format!("{}:{}", self.local.latest().id, self.local.beside("data").display());
        let tree = newest().ok(&self.local.path(), &["cat", "tree", &folder]);
        let tree: serde_json::Value = serde_json::from_slice(&tree).unwrap();
        tree["nodes"][0]["content"].as_array().map(Vec::len)
    }
}

#[test]
fn bytes_changed_in_place_cost_the_blobs_around_them() {
    let mut scene = Scene::new(noise(1, BYTES));
    for (seed, at) in [(2, 0), (3, BYTES / 2), (4, BYTES - 100)] {
        scene.content[at..at + 100].copy_from_slice(&noise(seed, 100));
        let new = scene.new_data(&scene.back_up());
        assert!((1..=3).contains(&new), "{new} new blobs at {at}");
    }
    restic_agrees(&scene.local.path());
}

#[test]
fn bytes_put_in_between_cost_the_blobs_around_them_too() {
    let mut scene = Scene::new(noise(1, BYTES));
    scene.content.splice(1000..1000, *b"in between");
    let new = scene.new_data(&scene.back_up());
    assert!((1..=3).contains(&new), "{new} new blobs");
}

#[test]
fn a_file_that_grows_keeps_no_stub_of_a_blob_where_it_ended() {
    let mut scene = Scene::new(noise(1, BYTES));
    let blobs = scene.blobs();
    for seed in 2..6 {
        scene.content.extend(noise(seed, 100));
        assert_eq!(scene.new_data(&scene.back_up()), 1, "the last blob");
    }
    assert_eq!(scene.blobs(), blobs);
}

#[test]
fn whatever_becomes_of_a_file_it_comes_back() {
    let rounds = if support::is_full() { 300 } else { 12 };
    let mut random = StdRng::seed_from_u64(7);
    let mut scene = Scene::new(noise(1, BYTES));
    for round in 0..rounds {
        for _ in 0..random.random_range(1..4) {
            change(&mut scene.content, &mut random, round);
        }
        scene.back_up();
    }
    let everything = CheckOptions { read_data: true, ..CheckOptions::default() };
    assert!(scene.local.repo.check(everything, &Monitor::new()).unwrap().is_sound());
    println!("{rounds} changed files came back");
}

fn change(content: &mut Vec<u8>, random: &mut StdRng, seed: u64) {
    let at = random.random_range(0..=content.len());
    let length = random.random_range(0..3 << 20).min(content.len() - at);
    match random.random_range(0..7) {
        0 => content[at..at + length].copy_from_slice(&noise(seed, length)),
        1 => drop(content.splice(at..at, noise(seed, length))),
        2 => drop(content.drain(at..at + length)),
        3 => content.extend(noise(seed, length)),
        4 => content.truncate(content.len().max(8 << 20) - length.min(2 << 20)),
        // What is there moves, so that known blobs are at other places.
        5 => content.rotate_left(at),
        _ => content[at..at + length].fill(0),
    }
    content.truncate(2 * BYTES);
}
