//! No order that keeps the rules is faster than what is said to be forced.

use super::Random;
use model::{Mode, Name};
use plan::{CheckedEstate, SourceFile, check};
use std::collections::BTreeMap;
use std::time::Duration;

const PLANS: usize = 40;
/// Orders that are tried of each.
const ORDERS: usize = 10;
/// Plans of which every `after` is tried to be dropped, one after another.
const BARED: usize = 8;

/// Steps in an order that the rules accept, of a recovery that needs most of them.
const STEPS: [(&str, &str); 9] = [
    ("fence", "fence: { source: app-db, region: east }"),
    ("look", "check: { region: west, checks: [disk] }"),
    ("promote", "promote: { source: app-db, region: west }"),
    ("web", "start: { services: [web], region: west }"),
    ("start", "start: { services: [app], region: west }"),
    ("again", "restart: { services: [web], region: west }"),
    ("verify", "check: { region: west, checks: [app-health] }"),
    ("rows", "check: { region: west, checks: [rows-present] }"),
    ("cut-over", "cutover: { record: app, to: west }"),
];

fn estate(edges: &[(usize, usize)], takes: &[usize]) -> (Option<CheckedEstate>, usize) {
    let steps = STEPS.iter().enumerate().map(|(at, (name, verb))| {
        let after: Vec<&str> =
            edges.iter().filter(|(_, then)| *then == at).map(|(first, _)| STEPS[*first].0).collect();
        format!("  {name}: {{ after: [{}], takes: {}s, timeout: 1h, {verb} }}\n", after.join(", "), takes[at])
    });
    let file = |path: &str, text: String| SourceFile { path: path.to_string(), text };
    let text = format!("plan: p\nsteps:\n{}", steps.collect::<String>());
    let demo = include_str!("../../testdata/demo/estate.yaml")
        .replace("objectives: { rpo: 25h, rto: 2h }", "objectives: {}");
    let checked = check(&[file("estate.yaml", demo), file("p.yaml", text)]);
    (checked.estate, checked.diagnostics.len())
}

/// Everything that an order implies.
fn implied(edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut all = edges.to_vec();
    for then in 0..STEPS.len() {
        for middle in 0..then {
            if all.contains(&(middle, then)) {
                let more: Vec<usize> = (0..middle).filter(|first| all.contains(&(*first, middle))).collect();
                all.extend(more.into_iter().map(|first| (first, then)));
            }
        }
        all.sort_unstable();
        all.dedup();
    }
    all
}

fn length(estate: &CheckedEstate) -> (Duration, Duration) {
    let name = Name::new("p").unwrap();
    let said = estate.explain(&name, Mode::Live, &BTreeMap::new(), None).unwrap().prediction;
    (said.estimated.length, said.forced.unwrap().at_least)
}

#[test]
fn no_order_that_passes_the_check_is_faster_than_what_is_forced() {
    let mut random = Random::new(5);
    let (mut plans, mut tried, mut passed, mut reached, mut saved) = (0, 0, 0, 0, 0);
    while plans < PLANS {
        let pairs = (0..STEPS.len()).flat_map(|then| (0..then).map(move |first| (first, then)));
        let edges: Vec<(usize, usize)> = pairs.filter(|_| random.percent(65)).collect();
        let takes: Vec<usize> = STEPS.iter().map(|_| 1 + random.below(600)).collect();
        let (Some(whole), 0) = estate(&edges, &takes) else { continue };
        let (own, least) = length(&whole);
        assert!(least <= own);
        plans += 1;
        saved += usize::from(least < own);
        let mut try_order = |fewer: &[(usize, usize)]| {
            tried += 1;
            let (Some(other), 0) = estate(fewer, &takes) else { return None };
            let (length, _) = length(&other);
            assert!(length >= least, "{fewer:?} takes {length:?}, less than {least:?}");
            passed += 1;
            Some(length)
        };
        for _ in 0..ORDERS {
            let chance = random.below(80);
            let fewer: Vec<(usize, usize)> =
                edges.iter().copied().filter(|_| !random.percent(chance)).collect();
            try_order(&fewer);
        }
        if plans > BARED {
            continue;
        }
        // Neighbours first: what they imply stays as long as it is asked for.
        let mut bare = implied(&edges);
        let mut fastest = own;
        let mut all = bare.clone();
        all.sort_by_key(|(first, then)| then - first);
        for edge in all {
            let fewer: Vec<(usize, usize)> = bare.iter().copied().filter(|other| *other != edge).collect();
            if let Some(length) = try_order(&fewer) {
                fastest = fastest.min(length);
                bare = fewer;
            }
        }
        reached += usize::from(fastest == least);
    }
    println!(
        "{plans} plans, {tried} orders, {passed} pass: none is faster than the bound; \
         {saved} could be faster, {reached} of the first {BARED} reach the bound"
    );
    assert!(passed > 50 && saved > PLANS / 4 && reached > 0);
}
