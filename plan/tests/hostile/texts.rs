//! Files that mean harm, made when they are asked for. Sizes are those of the largest file, or beyond.

use plan::SourceFile;

/// As much as one file may have.
const FILE: usize = 1024 * 1024;

/// One of them.
pub struct Text {
    /// Its name.
    pub name: &'static str,
    /// The test that checks it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the benchmark takes all"))]
    pub group: &'static str,
    make: fn() -> Vec<SourceFile>,
}

/// Finds one.
pub fn named(name: &str) -> Option<fn() -> Vec<SourceFile>> {
    ALL.iter().find(|text| text.name == name).map(|text| text.make)
}

fn one(text: String) -> Vec<SourceFile> {
    vec![SourceFile { path: "a.yaml".to_string(), text }]
}

/// A piece as often as it fits into a file.
fn fill(piece: &str) -> Vec<SourceFile> {
    one(piece.repeat(FILE / piece.len()))
}

/// Lines until a file is full.
fn lines(head: &str, line: impl Fn(usize) -> String) -> Vec<SourceFile> {
    let mut text = head.to_string();
    for number in 0.. {
        let line = line(number);
        if text.len() + line.len() > FILE {
            break;
        }
        text.push_str(&line);
    }
    one(text)
}

/// As many full files as an estate may have.
fn four(piece: &str) -> Vec<SourceFile> {
    (0..4).flat_map(|_| fill(piece)).collect()
}

macro_rules! texts {
    ($($group:literal { $($name:literal: $make:expr,)* })*) => {
        /// All of them.
        pub const ALL: &[Text] = &[$($(Text { name: $name, group: $group, make: || $make },)*)*];
    };
}

texts! {
    "deep" {
        "flow lists": fill("["),
        "flow maps": fill("{a: "),
        "flow maps in lists": fill("[{"),
        "block lists": fill("- "),
        "complex keys": fill("? "),
        "empty keys": fill(": "),
        "indented maps": lines("", |depth| format!("{}a:\n", " ".repeat(depth))),
        "closed flow lists": one("[".repeat(FILE / 2) + &"]".repeat(FILE / 2)),
        "tags": fill("!a "),
        "anchors before a value": lines("", |number| format!("&a{number} ")),
    }
    "growing" {
        "laughs in lists": lines("a0: &a0 [x, x, x, x, x, x, x, x, x]\n", |number| {
            format!("a{}: &a{} [{}]\n", number + 1, number + 1, vec![format!("*a{number}"); 9].join(", "))
        }),
        "laughs in maps": lines("a0: &a0 { x: y }\n", |number| {
            format!("a{}: &a{} {{ x: *a{number}, y: *a{number} }}\n", number + 1, number + 1)
        }),
        "one list again and again": lines("a: &a [x, x, x, x, x, x, x, x, x, x]\nb:\n", |_| "- *a\n".to_string()),
        "a long list twice a line": lines(&format!("a: &a [{}]\nb:\n", "x, ".repeat(10_000)), |_| "- [*a, *a]\n".to_string()),
        "a long text again and again": lines(&format!("a: &a {}\nb:\n", "x".repeat(FILE / 2)), |_| "- *a\n".to_string()),
        "every value an anchor": lines("", |number| format!("a{number}: &a{number} x\n")),
        "nested anchors": one(format!("a: {}x{}\n", (0..30).map(|at| format!("&a{at} [")).collect::<String>(), "]".repeat(30))),
        "nested anchors around much": one(format!("a: {}{}{}\n", (0..29).map(|at| format!("&a{at} [")).collect::<String>(), "x,".repeat(300_000), "]".repeat(29))),
        "long anchors again and again": lines("", |number| format!("a{number}: &a{number} {}\n", "x".repeat(4_000))),
        "aliases as keys": lines("a: &a x\n", |_| "*a : *a\n".to_string()),
        "an anchor in itself": fill("a: &a [*a]\n"),
        "four files of lists": four("- [x, y]\n"),
        "four files of maps": four("- {a: ,b: }\n"),
        "four files of nothing": four("- \n"),
    }
    "long" {
        "ten megabytes": one("a: b\n".repeat(2 * FILE)),
        "one key": one(format!("{}: x\n", "k".repeat(FILE - 10))),
        "one plain value": one(format!("a: {}\n", "v ".repeat(FILE / 2 - 10))),
        "one quoted value": one(format!("a: \"{}\"\n", "\\u00e9".repeat(FILE / 6 - 10))),
        "an open quote": one(format!("a: \"{}", "x\n".repeat(FILE / 2 - 10))),
        "one literal": one(format!("a: |\n{}", "  x\n".repeat(FILE / 4 - 10))),
        "one folded": one(format!("a: >\n{}", "  x\n\n".repeat(FILE / 5 - 10))),
        "digits": one(format!("roles: {{ a: {} }}\nplan: {}\n", "9".repeat(FILE / 3), "9".repeat(FILE / 3))),
        "a version of digits": one(format!("plan: p\nsteps: {{ a: {{ retry: {{ tries: {} }}, wait: {{ for: {}h }} }} }}\n", "9".repeat(FILE / 3), "9".repeat(FILE / 3))),
        "many keys": lines("", |number| format!("k{number}: \n")),
        "many keys in one flow": one(format!("a: {{{}}}\n", (0..90_000).map(|at| format!("k{at}: , ")).collect::<String>())),
        "one key many times": fill("k: \n"),
        "comments": lines("allow: x\n", |number| format!("# {number}\n")),
        "one comment": one(format!("# allow {}\n", "x".repeat(FILE - 20))),
        "a thousand files": (0..1_000).map(|at| SourceFile { path: format!("{at}.yaml"), text: "hosts: { a: {} }\n".repeat(200) }).collect(),
    }
    "strange" {
        "nothing but NUL": fill("\0"),
        "NUL in values": fill("a: \0\n"),
        "byte order marks": fill("\u{feff}"),
        "carriage returns": fill("\r"),
        "CRLF": lines("regions:\r\n", |number| format!("  r{number}: {{}}\r\n")),
        "tabs": fill("\t"),
        "blanks": fill(" "),
        "line breaks": fill("\n"),
        "line separators": fill("\u{2028}"),
        "documents": fill("---\n"),
        "ends of documents": fill("...\n"),
        "documents with values": fill("--- a\n"),
        "directives": fill("%YAML 1.2\n"),
        "tag directives": lines("", |number| format!("%TAG !{number}! x\n")),
        "commas": one(format!("[{}", ",".repeat(FILE - 1))),
        "colons": fill(":"),
        "stars": fill("*a "),
        "quotes": fill("\"\" "),
        "replacement characters": fill("\u{fffd}"),
        "bytes of every kind": one((0..FILE / 2).map(|at| char::from((at * 31 % 251) as u8)).collect()),
        "words beyond the plane": fill("\u{1f9d1}\u{200d}: "),
    }
    "plans" {
        "unknown fields": lines("plan: p\nsteps:\n", |number| format!("  s{number}: {{ wiat: {{ for: 1s }} }}\n")),
        "unknown steps": lines("plan: p\nsteps:\n", |number| format!("  s{number}: {{ after: [x{number}], wait: {{ for: 1s }} }}\n")),
        "unknown steps, many a step": one(many_unknown(1_900)),
        "unknown outputs": one((0..1_900).map(|at| format!("  s{at}: {{ wait: {{ for: \"${{{{ steps.step-{at}.outputs.x }}}}\" }} }}\n")).fold("plan: p\nsteps:\n".to_string(), |all, line| all + &line)),
        "unknown plans": unknown_plans(),
        "everything everywhere": everywhere(),
        "services that need themselves": lines("services:\n", |number| format!("  s{number}: {{ kind: systemd, unit: u, needs: [s{number}], hosts: [h] }}\n")),
        "services in a chain": lines("services:\n", |number| format!("  s{}: {{ kind: systemd, unit: u, needs: [s{number}], hosts: [h] }}\n", number + 1)),
        "moves without a way back": moves(),
        "two thousand in a circle": one(circle(2_000)),
        "everything after everything": one(dense(700)),
        "two thousand at once": unordered(2_000),
        "references everywhere": lines("plan: p\nsteps:\n", |number| format!("  s{number}: {{ wait: {{ for: \"${{{{ inputs.x{number} }}}}\" }} }}\n")),
        "calls of calls": calls(),
        "allowed without end": lines("plan: p\nallow: [", |_| "LB0356, ".to_string()),
        "schedules without end": lines("regions: { r: {} }\nsources: { d: { kind: files, paths: [/x], members: [h] } }\nhosts: { h: { region: r } }\nschedules:\n", |number| {
            format!("  s{number}: {{ backup: d, to: [x], at: \"{} {} * * 1-6\", zone: Europe/Berlin, keep: {{ days: 9 }} }}\n", number % 60, number / 60 % 24)
        }),
        "schedules of every second": lines("regions: { r: {} }\nsources: { d: { kind: files, paths: [/x], members: [h] } }\nhosts: { h: { region: r } }\nschedules:\n", |number| {
            format!("  s{number}: {{ backup: d, to: [x], at: \"0-59 {}-59 * * * *\", zone: Europe/Berlin, keep: {{ days: 9 }} }}\n", number % 59)
        }),
        "hosts that nobody declares": lines("services:\n", |number| format!("  s{number}: {{ kind: systemd, unit: u, hosts: [h{number}] }}\n")),
    }
}

fn step(number: usize, after: &[usize]) -> String {
    let after: Vec<String> = after.iter().map(|at| format!("s{at}")).collect();
    format!("  s{number}: {{ after: [{}], wait: {{ for: 1s }} }}\n", after.join(", "))
}

fn many_unknown(steps: usize) -> String {
    let line = |step: usize| {
        let after: Vec<String> = (0..30).map(|at| format!("step-{step}-{at}")).collect();
        format!("  step-{step}: {{ after: [{}], wait: {{ for: 1s }} }}\n", after.join(", "))
    };
    (0..steps).map(line).fold("plan: p\nsteps:\n".to_string(), |all, line| all + &line)
}

fn unknown_plans() -> Vec<SourceFile> {
    let plan = |number: usize| {
        let steps: String =
            (0..30).map(|at| format!("  s{at}: {{ call: {{ plan: other-{number}-{at} }} }}\n")).collect();
        SourceFile { path: format!("{number}.yaml"), text: format!("plan: plan-{number}\nsteps:\n{steps}") }
    };
    (0..1_000).map(plan).collect()
}

/// Every step is for every host.
fn everywhere() -> Vec<SourceFile> {
    let hosts: String = (0..2_000).map(|at| format!("  h{at}: {{ region: r }}\n")).collect();
    let names: Vec<String> = (0..2_000).map(|at| format!("h{at}")).collect();
    let estate = format!(
        "regions: {{ r: {{}} }}\nhosts:\n{hosts}services: {{ s: {{ kind: systemd, unit: u, hosts: [{}] }} }}\n",
        names.join(", ")
    );
    let steps: String =
        (0..2_000).map(|at| format!("  s{at}: {{ restart: {{ services: [s] }} }}\n")).collect();
    let mut files = one(format!("plan: p\nsteps:\n{steps}"));
    files.push(SourceFile { path: "estate.yaml".to_string(), text: estate });
    files
}

/// Plans that all move other things out of a region.
fn moves() -> Vec<SourceFile> {
    let plan = |number: usize| {
        let steps: String = (0..30)
            .map(|at| format!("  s{at}: {{ cutover: {{ record: r-{number}-{at}, to: x }} }}\n"))
            .collect();
        SourceFile {
            path: format!("{number}.yaml"),
            text: format!("plan: plan-{number}\nscenario: {{ lost: [y] }}\nsteps:\n{steps}"),
        }
    };
    (0..1_000).map(plan).collect()
}

fn circle(steps: usize) -> String {
    let all: String = (0..steps).map(|at| step(at, &[(at + 1) % steps])).collect();
    format!("plan: p\nsteps:\n{all}")
}

fn dense(steps: usize) -> String {
    let first = steps.saturating_sub(250);
    let all: String = (0..steps).map(|at| step(at, &(first.min(at)..at).collect::<Vec<_>>())).collect();
    format!("plan: p\nsteps:\n{all}")
}

/// Steps of every kind that rules of order ask about, all on one source, and none after another.
fn unordered(steps: usize) -> Vec<SourceFile> {
    let kinds = [
        "promote: { source: d, region: r }",
        "fence: { source: d, region: q, evidence: stopped }",
        "unfence: { source: d, on: h2 }",
        "stop: { services: [w, s] }",
        "start: { services: [w], region: r }",
        "restore: { source: d, from: b, on: h1, into: c }",
        "swap: { source: d, copy: c, on: h1 }",
        "backup: { source: d, to: b }",
        "check: { region: r, checks: [t] }",
    ];
    let all: String = (0..steps).map(|at| format!("  s{at}: {{ {} }}\n", kinds[at % kinds.len()])).collect();
    let mut files = one(format!("plan: p\nsteps:\n{all}"));
    let estate = "regions: { r: {}, q: {} }\nhosts: { h1: { region: r }, h2: { region: q } }\nservices:\n  \
        s: { kind: systemd, unit: s, hosts: [h1, h2] }\n  w: { kind: systemd, unit: w, needs: [d], hosts: [h1, h2] }\n\
        sources: { d: { kind: postgres, database: d, user: u, server: s, writers: [w], members: { h1: { address: 127.0.0.1, port: 1 }, \
        h2: { address: 127.0.0.1, port: 1 } } } }\nchecks: { t: { of: d, sql: select 1, at-least: 1 } }\n\
        repositories: { b: { at: /b, region: r, password: { file: /p } } }\n";
    files.push(SourceFile { path: "estate.yaml".to_string(), text: estate.to_string() });
    files
}

/// A plan of many steps that many others call, as often as they may.
fn calls() -> Vec<SourceFile> {
    let inner: String = (0..900).map(|at| format!("  s{at}: {{ wait: {{ for: 1s }} }}\n")).collect();
    let mut files = one(format!("plan: inner\nsteps:\n{inner}"));
    files.extend((0..900).map(|at| SourceFile {
        path: format!("{at}.yaml"),
        text: format!(
            "plan: p{at}\nsteps: {{ a: {{ call: {{ plan: inner }} }}, b: {{ call: {{ plan: inner }} }} }}\n"
        ),
    }));
    files
}
