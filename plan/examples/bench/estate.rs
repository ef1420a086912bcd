//! The estate: systems like those of a team, each a chain of services over a database and a folder of files, in two
//! of five regions.

use super::Variant;
use std::fmt::Write as _;

/// Regions.
pub const REGIONS: usize = 5;
/// Hosts of a system, half of them in its home and half where it moves to.
pub const HOSTS: usize = 10;

/// The region where a system lives, and the one that it moves to.
pub fn regions(system: usize) -> [usize; 2] {
    [system % REGIONS, (system + 1) % REGIONS]
}

/// Its hosts on one of its two sides, with their stand-ins.
fn hosts(variant: &Variant, system: usize, side: char) -> Vec<String> {
    let live = (0..HOSTS / 2).map(|number| format!("s{system}-{side}{number}"));
    let stand_ins =
        (0..HOSTS / 2).filter(|_| variant.drill).map(|number| format!("d{system}-{side}{number}"));
    live.chain(stand_ins).collect()
}

/// The whole text.
pub fn text(variant: &Variant) -> String {
    let mut out = String::from("regions:\n");
    let mut put = |text: String| out.push_str(&text);
    (0..REGIONS).for_each(|region| put(format!("  r{region}: {{}}\n")));
    put("hosts:\n".to_string());
    for system in 0..variant.systems {
        for (side, region) in ['a', 'b'].into_iter().zip(regions(system)) {
            for host in hosts(variant, system, side) {
                put(format!("  {host}: {{ region: r{region} }}\n"));
            }
        }
    }
    for (section, one) in SECTIONS {
        put(format!("{section}:\n"));
        (0..variant.systems).for_each(|system| put(one(variant, system)));
    }
    put("repositories:\n".to_string());
    for region in 0..REGIONS {
        put(format!(
            "  store{region}: {{ at: s3://backups{region}/all, region: r{region}, password: {{ file: /etc/lifeboat/store }} }}\n"
        ));
    }
    put(format!(
        "dns:\n  zone: {{ kind: rfc2136, zone: app.example, servers: [\"{}\"], key: {{ file: /etc/lifeboat/key }} }}\n",
        "192.0.2.53:53"
    ));
    put("channels:\n  ops: { kind: webhook, url: \"https://hooks.example/ops\", token: { file: /etc/lifeboat/hook } }\n".to_string());
    put("roles:\n  commander: { primary: ann, backup: bob }\n".to_string());
    if variant.drill {
        put(drill(variant));
    }
    out
}

/// What a section says about one system.
type Section = fn(&Variant, usize) -> String;
/// Sections with an entry or more for each system.
const SECTIONS: [(&str, Section); 5] = [
    ("services", services),
    ("sources", sources),
    ("checks", checks),
    ("schedules", schedules),
    ("records", records),
];

fn services(variant: &Variant, system: usize) -> String {
    let all = [hosts(variant, system, 'a'), hosts(variant, system, 'b')].concat().join(", ");
    let mut out = String::new();
    for (service, needs) in [
        ("pg", String::new()),
        ("cache", String::new()),
        ("api", format!("needs: [cache-{system}, db-{system}], ")),
        ("web", format!("needs: [api-{system}], ")),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "  {service}-{system}: {{ kind: systemd, unit: {service}.service, {needs}hosts: [{all}] }}"
        );
    }
    out
}

fn sources(variant: &Variant, system: usize) -> String {
    let mut out = format!(
        "  db-{system}:\n    kind: postgres\n    database: app\n    user: postgres\n    server: pg-{system}\n    \
         writers: [api-{system}]\n    objectives: {{ rpo: 25h, rto: 20d }}\n    members:\n"
    );
    for side in ['a', 'b'] {
        let prefixes = if variant.drill { "sd" } else { "s" };
        for prefix in prefixes.chars() {
            let _ = writeln!(out, "      {prefix}{system}-{side}0: {{ address: 127.0.0.1, port: 5432 }}");
        }
    }
    let members: Vec<String> =
        hosts(variant, system, 'b').into_iter().filter(|host| host.ends_with('1')).collect();
    let _ = writeln!(
        out,
        "  files-{system}: {{ kind: files, paths: [/srv/uploads], members: [{}] }}",
        members.join(", ")
    );
    out
}

fn checks(_: &Variant, system: usize) -> String {
    format!(
        "  health-{system}: {{ of: web-{system}, within: 5s, http: {{ url: \"http://127.0.0.1:8080/health\", status: 200 }} }}\n  \
         rows-{system}: {{ of: db-{system}, sql: select count(*) from users, at-least: 1 }}\n"
    )
}

fn schedules(_: &Variant, system: usize) -> String {
    let [home, other] = regions(system);
    format!(
        "  night-{system}: {{ backup: db-{system}, on: s{system}-b0, to: [store{other}, store{home}], at: \"{} 2 * * *\", \
         zone: UTC, keep: {{ days: 30 }}, prove: true }}\n",
        system % 60
    )
}

fn records(_: &Variant, system: usize) -> String {
    let [home, other] = regions(system);
    format!(
        "  web-{system}: {{ name: web{system}.app.example, in: zone, ttl: 60s, values: {{ r{home}: [192.0.2.1], r{other}: [198.51.100.1] }} }}\n"
    )
}

fn drill(variant: &Variant) -> String {
    let mut out = String::from("drill:\n  hosts:\n");
    for system in 0..variant.systems {
        for side in ['a', 'b'] {
            for number in 0..HOSTS / 2 {
                let _ = writeln!(out, "    s{system}-{side}{number}: d{system}-{side}{number}");
            }
        }
    }
    out.push_str("  records:\n");
    (0..variant.systems).for_each(|system| {
        let _ = writeln!(out, "    web-{system}: drill{system}.app.example");
    });
    out + "  channels: { ops: ops }\n"
}
