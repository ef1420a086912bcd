//! Five teams' documents, transcribed: as they were written, with what the check says about them, and mended.
//!
//! `deploy/examples/SEED/as-written` is faithful to the document; `expected.txt` beside it is what `lifeboat plan check`
//! says. `mended` passes; its `expected.txt` holds the warnings of kinds whose job is still to come. `UPDATE=1 cargo
//! test` records anew; the codes that a document must be told stand here, where no update reaches them.

use super::{Place, root};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each document must be told.
const TOLD: [(&str, &[&str]); 3] = [
    (
        "interview-drills",
        &[
            "LB0201", "LB0303", "LB0308", "LB0310", "LB0319", "LB0322", "LB0325", "LB0326", "LB0328",
            "LB0341", "LB0352", "LB0356", "LB0370", "LB0371", "LB0412", "LB0415", "LB0422", "LB0423",
        ],
    ),
    (
        "resume-screening",
        &[
            "LB0109", "LB0308", "LB0310", "LB0319", "LB0322", "LB0327", "LB0341", "LB0342", "LB0351",
            "LB0352", "LB0355", "LB0370", "LB0371", "LB0372", "LB0401", "LB0411", "LB0412", "LB0415",
        ],
    ),
    (
        "voice-ai",
        &[
            "LB0201", "LB0313", "LB0318", "LB0319", "LB0324", "LB0326", "LB0341", "LB0353", "LB0370",
            "LB0371", "LB0373", "LB0401", "LB0403", "LB0411", "LB0412", "LB0415", "LB0422",
        ],
    ),
];

/// What may stand in a mended one: kinds whose job is still to come.
const TO_COME: [&str; 2] = ["LB0125", "LB0128"];

fn folders(which: &str) -> Vec<PathBuf> {
    let seeds = std::fs::read_dir(root().join("deploy/examples")).unwrap();
    let all = seeds.map(|seed| seed.unwrap().path().join(which));
    let mut all: Vec<PathBuf> = all.filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// The check's words about a folder, and whether they are as recorded beside it.
fn checked(folder: &Path, code: i32) -> (BTreeSet<String>, Option<String>) {
    let place = Place::new(&[]);
    let said = place.exits(&["check", folder.to_str().unwrap()], code).err;
    let path = folder.join("expected.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let codes = said.lines().filter_map(|line| line.split_once('[')?.1.split_once("]: "));
    let codes = codes.map(|(code, _)| code).filter(|code| code.starts_with("LB"));
    let codes = codes.map(str::to_string).collect();
    let wrong = (recorded != said).then(|| format!("{}: not as recorded:\n{said}", path.display()));
    (codes, wrong)
}

#[test]
fn a_document_as_it_was_written_is_told_every_fault_that_it_is_known_for() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for folder in folders("as-written") {
        let (codes, differs) = checked(&folder, 1);
        wrong.extend(differs);
        let seed = folder.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let told = TOLD.iter().find(|(name, _)| *name == seed).map_or(&[][..], |(_, codes)| codes);
        let missing: Vec<&&str> = told.iter().filter(|code| !codes.contains(**code)).collect();
        if told.is_empty() || !missing.is_empty() {
            wrong.push(format!("{seed}: not told {missing:?}"));
        }
        seen.insert(seed.to_string());
    }
    wrong.extend(TOLD.iter().filter(|(seed, _)| !seen.contains(*seed)).map(|(seed, _)| format!("no {seed}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_mended_one_passes_but_for_kinds_that_are_still_to_come() {
    let mut wrong = Vec::new();
    for folder in folders("mended") {
        let (codes, differs) = checked(&folder, 0);
        wrong.extend(differs);
        let strange: Vec<&String> = codes.iter().filter(|code| !TO_COME.contains(&code.as_str())).collect();
        if !strange.is_empty() {
            wrong.push(format!("{}: {strange:?}", folder.display()));
        }
    }
    assert_eq!(folders("mended").len(), TOLD.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_of_them_are_in_the_one_layout() {
    let place = Place::new(&[]);
    place.exits(&["fmt", "--check", root().join("deploy/examples").to_str().unwrap()], 0);
}
