//! What is broken is found: of each class nearly all, in the right place and under the right code.

use crate::case::Case;
use crate::defects::{Broken, CLASSES, Class, NO_CLASS, in_place};
use crate::{extent, first_seed};
use fastrand::Rng;
use plan::{check, codes};
use std::collections::BTreeSet;
use std::fmt::Write;

/// How many of a hundred must be found, of all and of each class (of which one may be missed where there are few).
const RECALL: f64 = 98.0;
/// So many cases are tried for each defect that is wanted before a class counts as one that hardly fits.
const PATIENCE: u64 = 120;

/// What became of one class.
#[derive(Default)]
struct Count {
    injected: u64,
    found: u64,
    missed: String,
}

#[test]
fn what_is_broken_is_found() {
    let first = first_seed();
    let wanted = extent(8, 200);
    let mut counts: Vec<Count> = CLASSES.iter().map(|_| Count::default()).collect();
    for seed in first..first + wanted * PATIENCE {
        if counts.iter().all(|count| count.injected >= wanted) {
            break;
        }
        let case = Case::new(seed);
        for (number, (class, count)) in CLASSES.iter().zip(&mut counts).enumerate() {
            if count.injected < wanted {
                broken(&case, class, count, Rng::with_seed(seed ^ (number as u64) << 40), seed);
            }
        }
    }
    let (mut table, mut wrong) = (String::new(), String::new());
    let (mut injected, mut found) = (0, 0);
    for (class, count) in CLASSES.iter().zip(&counts) {
        let recall = 100.0 * count.found as f64 / count.injected as f64;
        let codes = class.codes.join(", ");
        writeln!(table, "{:38} {codes:15} {:5} {:5} {recall:6.1} %", class.name, count.injected, count.found)
            .unwrap();
        print!("{}", count.missed);
        if recall.is_nan() || recall < RECALL && count.injected - count.found > 1 {
            writeln!(wrong, "{}: {} of {} found{}", class.name, count.found, count.injected, count.missed)
                .unwrap();
        }
        injected += count.injected;
        found += count.found;
    }
    println!("{table}{found} of {injected} found, {:.2} %", 100.0 * found as f64 / injected as f64);
    assert!(wrong.is_empty(), "{wrong}");
    assert!(100.0 * found as f64 / injected as f64 >= RECALL);
}

fn broken(case: &Case, class: &Class, count: &mut Count, rng: Rng, seed: u64) {
    let mut broken = Broken::new(case, rng);
    if (class.inject)(&mut broken).is_none() {
        return;
    }
    let written = broken.written();
    let checked = check(&written.files);
    count.injected += 1;
    let told = checked.diagnostics.iter().any(|one| {
        class.codes.contains(&one.code.as_str()) && in_place(&broken.spots, &written, &one.path, one.line)
    });
    if told {
        count.found += 1;
    } else if count.missed.len() < 6_000 {
        let told: Vec<String> = checked
            .diagnostics
            .iter()
            .filter(|one| one.code != "LB0125" && one.code != "LB0128")
            .map(ToString::to_string)
            .take(4)
            .collect();
        let spots: Vec<String> = broken
            .spots
            .iter()
            .map(|(file, path)| format!("{}:{}", written.files[*file].path, path.join("/")))
            .collect();
        let lines = broken.spots.iter().filter_map(|(file, path)| {
            let (first, last) = *written.lines[*file].get(path)?;
            let lines =
                written.files[*file].text.lines().skip(first as usize - 1).take((last - first) as usize + 1);
            Some(lines.collect::<Vec<_>>().join("\n    "))
        });
        let lines: Vec<String> = lines.take(3).collect();
        write!(
            count.missed,
            "\n  seed {seed}, expected in {spots:?}, told {told:#?}\n    {}",
            lines.join("\n    ")
        )
        .unwrap();
    }
}

#[test]
fn every_code_has_a_class_or_a_reason_for_none() {
    let classes: BTreeSet<&str> = CLASSES.iter().flat_map(|class| class.codes.iter().copied()).collect();
    let reasons: BTreeSet<&str> = NO_CLASS.iter().map(|(code, _)| *code).collect();
    for code in codes::ALL {
        assert!(classes.contains(code.code) != reasons.contains(code.code), "{}: {}", code.code, code.title);
    }
    let known = |code: &&&str| codes::ALL.iter().any(|one| one.code == **code);
    assert_eq!(classes.union(&reasons).filter(known).count(), codes::ALL.len());
    let names: BTreeSet<&str> = CLASSES.iter().map(|class| class.name).collect();
    assert_eq!(names.len(), CLASSES.len());
}
