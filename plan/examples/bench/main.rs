//! Checks a generated estate once and prints what it took, as one line of JSON: `cargo xtask bench plan` runs it.
//!
//! `bench VARIANT` measures, `bench VARIANT FOLDER` writes the files instead, for whoever wants to look at them.
//! `bench texts` lists the texts that mean harm, `bench texts NAME` measures one: whatever is wrong with it.

mod estate;
mod plans;
#[path = "../../tests/hostile/texts.rs"]
mod texts;

use plan::{Phase, Severity, SourceFile};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is generated.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// Its name on the command line.
    name: &'static str,
    /// Systems, each with ten hosts, and ten more where they stand in for them in drills.
    systems: usize,
    /// Whether there are stand-ins.
    drill: bool,
    /// Plans.
    plans: usize,
    /// Steps of each, without the two of the plan that it calls.
    steps: usize,
    /// How many systems one plan recovers, over and over until its steps are used up.
    of_plan: usize,
}

/// Every variant.
const VARIANTS: [Variant; 5] = [
    Variant { name: "estate", systems: 100, drill: false, plans: 200, steps: 100, of_plan: 8 },
    Variant { name: "drills", systems: 50, drill: true, plans: 200, steps: 100, of_plan: 8 },
    Variant { name: "one-source", systems: 100, drill: false, plans: 200, steps: 100, of_plan: 1 },
    Variant { name: "largest-plan", systems: 100, drill: false, plans: 1, steps: 1_998, of_plan: 20 },
    Variant {
        name: "largest-plan-one-source",
        systems: 100,
        drill: false,
        plans: 1,
        steps: 1_998,
        of_plan: 1,
    },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let names: Vec<&str> = VARIANTS.iter().map(|variant| variant.name).collect();
    let usage = format!("usage: bench {} [FOLDER]", names.join("|"));
    let name = arguments.next().ok_or(usage.clone())?;
    if name == "texts" {
        println!("{}", harm(arguments.next())?);
        return Ok(());
    }
    let variant = VARIANTS.iter().find(|variant| variant.name == name).ok_or(usage)?;
    let files = files(variant);
    match arguments.next() {
        Some(folder) => write(&files, Path::new(&folder))?,
        None => println!("{}", measure(variant, &files)?),
    }
    Ok(())
}

/// The names of all texts that mean harm, or what one of them took.
fn harm(name: Option<String>) -> Result<serde_json::Value, String> {
    let Some(name) = name else {
        return Ok(texts::ALL.iter().map(|text| text.name).collect());
    };
    let make = texts::named(&name).ok_or_else(|| format!("there is no text {name:?}"))?;
    let files = make();
    let begun = Instant::now();
    let found = plan::check(&files).diagnostics.len();
    Ok(serde_json::json!({
        "text": name,
        "seconds": begun.elapsed().as_secs_f64(),
        "peak_mib": peak_mib(),
        "found": found,
    }))
}

/// The estate, its plans, and the one that they all call.
fn files(variant: &Variant) -> Vec<SourceFile> {
    let file = |path: String, text: String| SourceFile { path, text };
    let mut files = vec![
        file("estate.yaml".to_string(), estate::text(variant)),
        file("aftercare.yaml".to_string(), plans::AFTERCARE.to_string()),
    ];
    files
        .extend((0..variant.plans).map(|plan| file(format!("plan-{plan}.yaml"), plans::text(variant, plan))));
    files
}

fn write(files: &[SourceFile], folder: &Path) -> Result<(), std::io::Error> {
    std::fs::create_dir_all(folder)?;
    files.iter().try_for_each(|file| std::fs::write(folder.join(&file.path), &file.text))
}

fn measure(variant: &Variant, files: &[SourceFile]) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let mut parts: BTreeMap<&'static str, Duration> = BTreeMap::new();
    let begun = Instant::now();
    let mut last = (begun, Phase::Parse);
    let checked = plan::check_watched(files, &mut |phase| {
        let now = Instant::now();
        *parts.entry(last.1.as_str()).or_default() += now - last.0;
        last = (now, phase);
    });
    let total = begun.elapsed();
    *parts.entry(last.1.as_str()).or_default() += last.0.elapsed();
    if let Some(found) = checked.diagnostics.iter().find(|found| found.severity == Severity::Error) {
        return Err(format!("the generated estate is wrong: {found}").into());
    }
    let seconds: BTreeMap<&str, f64> =
        parts.iter().map(|(name, spent)| (*name, spent.as_secs_f64())).collect();
    Ok(serde_json::json!({
        "variant": variant.name,
        "hosts": variant.systems * estate::HOSTS * if variant.drill { 2 } else { 1 },
        "plans": variant.plans,
        "steps": variant.plans * variant.steps,
        "bytes": files.iter().map(|file| file.text.len()).sum::<usize>(),
        "seconds": total.as_secs_f64(),
        "parts": seconds,
        "peak_mib": peak_mib(),
        "warnings": checked.diagnostics.len(),
    }))
}

/// The largest resident set of this process, as the kernel counted it.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
