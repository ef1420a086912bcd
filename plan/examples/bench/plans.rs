//! The plans: each recovers some systems after their region was lost, or brings them home again.

use super::Variant;
use super::estate::{REGIONS, regions};
use std::fmt::Write as _;

/// What every plan calls at its end.
pub const AFTERCARE: &str = "plan: aftercare
alone: false
inputs: { words: { type: text } }
steps:
  think: { approve: { role: commander, within: 10m } }
  told: { after: think, notify: { channel: ops, state: resolved, text: \"${{ inputs.words }}\" } }
";
/// Steps before and behind those of the systems.
const AROUND: usize = 2;
/// Steps of one system in one round, and behind all rounds.
const OF_ROUND: usize = 10;
const OF_END: usize = 2;

/// One plan. Even ones flee from a region, odd ones come back to it. What is left of its steps goes into rounds:
/// the second one does the same again, once the first one is over.
pub fn text(variant: &Variant, plan: usize) -> String {
    let flees = plan.is_multiple_of(2);
    let region = (plan / 2) % REGIONS;
    let first = plan / (2 * REGIONS);
    let system = |slot: usize| region + REGIONS * ((first + slot) % (variant.systems / REGIONS));
    let systems: Vec<usize> = (0..variant.of_plan).map(system).collect();
    let inner = variant.steps - AROUND - OF_END * systems.len();
    let rounds = inner / (OF_ROUND * systems.len());
    let scenario = if flees { format!("scenario: {{ lost: [r{region}] }}\n") } else { String::new() };
    let mut out = format!(
        "plan: p{plan}\ntitle: {} region {region}\n{scenario}objectives: {{ rto: 20d }}\nsteps:\n  \
         begin: {{ notify: {{ channel: ops, state: investigating, text: somebody looks at it }} }}\n",
        if flees { "Leave" } else { "Come back to" }
    );
    let health = |round: usize, system: usize| format!("w{round}-s{system}-health");
    let mut put = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {line}");
    };
    for round in 0..rounds {
        for system in &systems {
            let before = if round == 0 { "begin".to_string() } else { health(round - 1, *system) };
            steps(flees, *system, round, &before).into_iter().for_each(&mut put);
        }
    }
    let all: Vec<String> = systems.iter().map(|system| health(rounds - 1, *system)).collect();
    for system in &systems {
        let to = regions(*system)[usize::from(flees)];
        put(format!(
            "cut-{system}: {{ after: [{}], cutover: {{ record: web-{system}, to: r{to} }} }}",
            all.join(", ")
        ));
        put(format!(
            "told-{system}: {{ after: cut-{system}, notify: {{ channel: ops, state: monitoring, text: system {system} runs }} }}"
        ));
    }
    for more in 0..inner - rounds * OF_ROUND * systems.len() {
        put(format!(
            "more-{more}: {{ after: begin, notify: {{ channel: ops, state: identified, text: we are at it }} }}"
        ));
    }
    put("care: { after: begin, call: { plan: aftercare, inputs: { words: it runs again } } }".to_string());
    out
}

/// The steps of one system in one round, a line each; the first one comes after `before`.
fn steps(flees: bool, system: usize, round: usize, before: &str) -> [String; OF_ROUND] {
    let name = format!("w{round}-s{system}");
    let [home, other] = regions(system);
    let (from, to, side) = if flees { (home, other, 'b') } else { (other, home, 'a') };
    let fence = if flees {
        format!(
            "fence: {{ source: db-{system}, region: r{from}, evidence: unreachable, silence: 10s, risk: \"the old server \
             may still take writes that will be lost\", approve: {{ role: commander, within: 10m }} }}"
        )
    } else {
        format!("fence: {{ source: db-{system}, region: r{from}, evidence: stopped }}")
    };
    let place = format!("on: s{system}-{side}0");
    // What runs from the first round on is started once, and promoted once.
    let (verb, main) = match round {
        0 => ("start", format!("promote: {{ source: db-{system}, region: r{to} }}")),
        _ => ("restart", format!("swap: {{ source: db-{system}, copy: aside, {place} }}")),
    };
    let start = |service: &str, needs: &str| {
        format!(
            "{name}-{service}: {{ after: {name}-{needs}, fan-out: {{ at-once: 2, failures: 1 }}, {verb}: {{ services: [{service}-{system}], region: r{to} }} }}"
        )
    };
    [
        format!(
            "{name}-tell: {{ after: {before}, notify: {{ channel: ops, state: identified, text: {system} moves }} }}"
        ),
        format!("{name}-hold: {{ after: {name}-tell, stop: {{ services: [web-{system}, api-{system}] }} }}"),
        format!("{name}-fence: {{ after: {name}-hold, {fence} }}"),
        format!(
            "{name}-copy: {{ after: {name}-tell, restore: {{ source: db-{system}, from: store{other}, {place}, into: aside }} }}"
        ),
        format!("{name}-main: {{ after: [{name}-fence, {name}-copy], {main} }}"),
        start("cache", "main"),
        start("api", "cache"),
        start("web", "api"),
        format!(
            "{name}-rows: {{ after: {name}-main, check: {{ region: r{to}, checks: [rows-{system}], retries: 5, pause: 2s }} }}"
        ),
        format!(
            "{name}-health: {{ after: [{name}-web, {name}-rows], check: {{ region: r{to}, checks: [health-{system}], retries: 20, pause: 2s }} }}"
        ),
    ]
}
