//! Nothing is found where nothing is wrong, and what was checked survives being stored.

use crate::case::Case;
use crate::{extent, first_seed};
use fastrand::Rng;
use model::{Mode, Name};
use plan::{CheckedEstate, CheckedPlan, InputType, Severity, check};
use std::collections::BTreeMap;

/// What may be told of a right one: kinds and steps whose job is still to come.
const BESIDE: [&str; 2] = ["LB0125", "LB0128"];

fn show(case: &[plan::SourceFile]) -> String {
    case.iter().map(|file| format!("--- {}\n{}", file.path, file.text)).collect()
}

#[test]
fn right_estates_and_plans_have_no_error_and_survive_json() {
    let first = first_seed();
    let count = extent(300, 10_000);
    let mut warnings: BTreeMap<String, u64> = BTreeMap::new();
    // The first of each code.
    let mut wrong: BTreeMap<String, String> = BTreeMap::new();
    let (mut plans, mut compiled) = (0, 0);
    for seed in first..first + count {
        let case = Case::new(seed);
        let written = case.written(&mut Rng::with_seed(seed));
        let checked = check(&written.files);
        for one in &checked.diagnostics {
            let fine = one.severity == Severity::Warning && BESIDE.contains(&one.code.as_str());
            if !fine || case.world.ready && one.code.starts_with("LB01") {
                let told = || format!("seed {seed}: {one}\n{}\n{}", one.help, show(&written.files));
                wrong.entry(one.code.clone()).or_insert_with(told);
            }
            *warnings.entry(one.code.clone()).or_default() += 1;
        }
        plans += case.plans().len();
        // What keeps an estate from being one is told above.
        compiled += checked.estate.map_or(0, |estate| stored_and_loaded(&estate, case.world.ready, seed));
    }
    println!("{count} estates with {plans} plans; compiled {compiled} times; warnings: {warnings:?}");
    let wrong: Vec<&str> = wrong.values().map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(compiled > plans / 2);
}

/// Compiles every plan live and, where the estate has one, as a drill; gives how often that was possible.
fn stored_and_loaded(estate: &CheckedEstate, all: bool, seed: u64) -> usize {
    let mut count = 0;
    let drill = estate.files().iter().any(|file| file.text.contains("rehearsals"));
    for name in estate.plans() {
        let head = estate.plan(name).unwrap();
        if !head.alone {
            continue;
        }
        for mode in [Mode::Live, Mode::Drill, Mode::Preview] {
            // A text may stand for a region: one of them is right.
            let tried = estate.regions().map(|region| {
                let value = |(name, kind, _): &(String, InputType, _)| (name.clone(), value(*kind, region));
                compiled(estate, name, mode, &head.inputs.iter().map(value).collect())
            });
            match tried.reduce(Result::or).unwrap() {
                Ok(()) => count += 1,
                Err(found) => assert!(!all || mode == Mode::Drill && !drill, "seed {seed}: {name}: {found}"),
            }
        }
    }
    count
}

fn compiled(
    estate: &CheckedEstate,
    name: &Name,
    mode: Mode,
    inputs: &BTreeMap<String, String>,
) -> Result<(), String> {
    let plan = estate.compile(name, mode, inputs).map_err(|found| format!("{found:#?}"))?;
    let text = serde_json::to_string(&plan).unwrap();
    let back: CheckedPlan = serde_json::from_str(&text).unwrap();
    assert_eq!(plan, back);
    assert_eq!(plan.digest().unwrap(), back.digest().unwrap());
    Ok(())
}

fn value(kind: InputType, region: &Name) -> String {
    match kind {
        InputType::Text => region.to_string(),
        InputType::RestorePoint => "2026-11-20T21:04:05Z".to_string(),
        InputType::Version => "1.4.2".to_string(),
        InputType::Host => "nobody".to_string(),
        InputType::Number => "3".to_string(),
        InputType::Duration => "5s".to_string(),
    }
}
