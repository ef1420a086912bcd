//! `cargo xtask test`: packages, the programs that end-to-end tests start, and all tests.
//!
//! With nextest each test is a process of its own, heavy ones two at a time (`.config/nextest.toml`);
//! without it `cargo test` runs them. Either way the last line is `N passed, N failed`, counted from
//! the runner's own report and never guessed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Failure, cargo, checkout, newest_restic,
    packages::{self, ALL},
    play::build_programs,
};

/// What `cargo xtask test` can be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run every seed, sweep and server, not each once.
    #[arg(long)]
    full: bool,
    /// Begin the random tests with the seed that this text (a commit) stands for.
    #[arg(long, value_name = "HASH")]
    slice: Option<String>,
    /// Passed on to the test runner: a filter, `-p PACKAGE`, …
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Where the tests find the newest restic; whoever sets it has one.
const NEWEST_RESTIC: &str = "LIFEBOAT_NEWEST_RESTIC";

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

/// Runs the suite.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    packages::ensure(ALL)?;
    build_programs()?;
    let (ended_well, count) = if cargo::succeeds(cargo::cargo().args(["nextest", "--version"])) {
        nextest(arguments)?
    } else {
        eprintln!("cargo-nextest is not installed: cargo test runs the tests instead");
        plain(arguments)?
    };
    println!("{} passed, {} failed", count.passed, count.failed);
    if ended_well && count.failed == 0 && count.passed > 0 { Ok(()) } else { Err(Failure::Tests) }
}

/// What the tests read to know how much to do, and beside what.
fn extent(arguments: &Arguments, command: &mut Command) {
    if std::env::var_os(NEWEST_RESTIC).is_none() {
        match newest_restic::ensure() {
            Ok(program) => drop(command.env(NEWEST_RESTIC, program)),
            Err(failure) => eprintln!(
                "the newest restic of Debian cannot be fetched, so the tests have the stable one alone: {failure}"
            ),
        }
    }
    if arguments.full {
        command.env("LIFEBOAT_FULL", "1");
    }
    if let Some(slice) = &arguments.slice {
        let seed = seed_of(slice);
        println!("random tests begin with seed {seed} (repeat them with --slice {slice})");
        command.env("LIFEBOAT_SEED", seed.to_string()).env("PROPTEST_RNG_SEED", seed.to_string());
    }
}

/// The seed that a commit's hash, or any other text, stands for: another one for each commit, the same one
/// for a repetition.
fn seed_of(slice: &str) -> u64 {
    let digits: String = slice.chars().take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or_else(|_| {
        slice.bytes().fold(0, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
    })
}

fn nextest(arguments: &Arguments) -> Result<(bool, Count), Failure> {
    // nextest keeps its reports in the checkout, wherever cargo builds to.
    let report = checkout::root().join("target/nextest/default/junit.xml");
    // An old report must not be counted when the runner dies before it writes its own.
    if report.exists() {
        std::fs::remove_file(&report).map_err(Failure::io(format!("remove {}", report.display())))?;
    }
    let mut command = cargo::cargo();
    command.args(["nextest", "run", "--workspace", "--no-fail-fast"]).args(&arguments.rest);
    extent(arguments, &mut command);
    let ended_well = match cargo::run(&mut command) {
        Ok(()) => true,
        Err(Failure::Program { .. }) => false,
        Err(other) => return Err(other),
    };
    Ok((ended_well, read_report(&report)?))
}

/// Reads the totals that nextest wrote.
fn read_report(report: &Path) -> Result<Count, Failure> {
    let text = std::fs::read_to_string(report)
        .map_err(Failure::io(format!("read the test report {}", report.display())))?;
    count_report(&text).ok_or_else(|| Failure::Output {
        program: "cargo nextest".to_owned(),
        why: format!("{} has no totals", report.display()),
    })
}

/// The totals of a JUnit report: attributes of its `testsuites` element.
fn count_report(text: &str) -> Option<Count> {
    let element = text.split_once("<testsuites")?.1.split_once('>')?.0;
    let number = |name: &str| -> Option<u64> {
        element.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0.parse().ok()
    };
    let failed = number("failures")? + number("errors")?;
    Some(Count { passed: number("tests")?.checked_sub(failed)?, failed })
}

fn plain(arguments: &Arguments) -> Result<(bool, Count), Failure> {
    let mut command = cargo::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).args(&arguments.rest).stdout(Stdio::piped());
    extent(arguments, &mut command);
    let mut child = command.spawn().map_err(Failure::io("start cargo test"))?;
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(Failure::io("read from cargo test"))?;
            println!("{line}");
            if let Some(more) = count_line(&line) {
                count.passed += more.passed;
                count.failed += more.failed;
            }
        }
    }
    let status = child.wait().map_err(Failure::io("wait for cargo test"))?;
    Ok((status.success(), count))
}

/// The numbers of one `test result: ok. 3 passed; 0 failed; …` line.
fn count_line(line: &str) -> Option<Count> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = numbers.split("; ");
    let mut number = |word: &str| parts.next()?.strip_suffix(word)?.trim().parse().ok();
    Some(Count { passed: number("passed")?, failed: number("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_counted_by_its_totals() {
        let text = "<?xml version=\"1.0\"?>\n<testsuites name=\"nextest-run\" tests=\"12\" failures=\"2\" \
                    errors=\"1\" uuid=\"x\" time=\"1.0\">\n<testsuite tests=\"5\" failures=\"0\" errors=\"0\">";
        assert_eq!(count_report(text), Some(Count { passed: 9, failed: 3 }));
        assert_eq!(count_report("<testsuites name=\"x\">"), None);
        assert_eq!(count_report(""), None);
    }

    #[test]
    fn a_result_line_of_cargo_test_is_counted() {
        let line = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.10s";
        assert_eq!(count_line(line), Some(Count { passed: 3, failed: 2 }));
        assert_eq!(count_line("test a_test ... ok"), None);
    }
}
