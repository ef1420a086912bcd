//! Orders as commands: each does by hand what the agent or the controller would do.

use super::postgres::{self, psql};
use super::{Hand, Place, chain, plain, process, restic};
use crate::runbook::page::Line;
use crate::runbook::shell::{Command, quoted};
use model::jobs::{Service, ServiceAction};
use model::nouns::{
    ChannelSpec, CheckSpec, Expected, Manager, Question, RecordSpec, ServiceSpec, SourceKind, SourceSpec,
};
use model::{ControlAction, HostName, Name, SecretRef, Work};
use plan::checked::{Action, Task};
use std::net::IpAddr;

/// The type of a record set of addresses.
const TYPES: [&str; 3] = ["A", "AAAA", "CNAME"];
/// The port of DNS.
const DNS_PORT: &str = "53";

/// A task by hand; empty where there is no way.
pub fn by_hand(task: &Task, open: bool) -> Vec<Hand> {
    match &task.action {
        Action::Agent { host, work } => work_by_hand(host, work, open),
        Action::Controller { control } => match control {
            ControlAction::Cutover { record, to } => cutover(record, to),
            ControlAction::RestoreRecord { record } => restore_record(record, None),
            ControlAction::Notify { channel, state, title, text } => notify(channel, state, title, text),
        },
        Action::Timer { length } => {
            let place = Place::Where(Line::from("Anywhere"));
            vec![Hand::at(place, vec![plain(["sleep", &length.as_secs_f64().ceil().to_string()])])]
        }
    }
}

fn work_by_hand(host: &HostName, work: &Work, open: bool) -> Vec<Hand> {
    match work {
        Work::Service(Service { service, action }) => vec![service_by_hand(host, service, *action)],
        Work::Check(check) => {
            let named = Line::from("Question ").code(check.check.name.to_string()).plain(":");
            vec![question(host, &check.check).first(named)]
        }
        Work::Command(script) => {
            let run = pinned(&script.script.to_string_lossy(), &script.args, script.sha256.as_deref());
            vec![Hand::on(host, vec![run]).then(words("It ends with 0 (`echo $?`)."))]
        }
        Work::Fence(fence) => vec![fenced(host, &fence.source)],
        Work::Promote(work) => database(host, &work.source, |spec| postgres::promoted(host, spec)),
        Work::Backup(work) => vec![restic::backup(host, work)],
        Work::Restore(work) => vec![restic::restored(host, work, open)],
        Work::Prove(work) => restic::proven(host, work, open),
        Work::Swap(work) => database(host, &work.source, |spec| postgres::swapped(host, spec, &work.copy)),
        Work::Unfence(work) => match &work.source.kind {
            SourceKind::Postgres(spec) => {
                spec.server.as_ref().and_then(|server| unmasked(host, server)).into_iter().collect()
            }
            SourceKind::Files(_) => Vec::new(),
        },
        // Where its data lies stands in the policy of its host only.
        Work::Rejoin(_) => Vec::new(),
        // No step asks for it: a schedule does, and it can wait.
        Work::Retain(_) => Vec::new(),
    }
}

fn database(
    _: &HostName,
    source: &SourceSpec,
    hand: impl FnOnce(&model::nouns::PostgresSpec) -> Hand,
) -> Vec<Hand> {
    match &source.kind {
        SourceKind::Postgres(spec) => vec![hand(spec)],
        SourceKind::Files(_) => Vec::new(),
    }
}

/// A script, only when it is the one that was meant.
fn pinned(script: &str, args: &[String], sha256: Option<&str>) -> Option<String> {
    let run = Command::new(script).args(args).line();
    chain(sha256.map(|sha256| digest(sha256, script)).into_iter().chain([run]).collect())
}

/// Says no when the file has changed.
pub fn digest(sha256: &str, path: &str) -> Option<String> {
    let line = Command::new("printf").args(["%s  %s\\n", sha256, path]);
    line.pipe(Command::empty().args(["sha256sum", "--check", "-"])).line()
}

/// Start, stop, restart or look.
pub fn service_by_hand(host: &HostName, service: &ServiceSpec, action: ServiceAction) -> Hand {
    match &service.manager {
        Manager::Systemd { unit } => {
            let verb = action.as_str();
            let look = match action {
                ServiceAction::Stop => format!("`{unit}` is inactive."),
                ServiceAction::Start | ServiceAction::Restart | ServiceAction::Status => {
                    format!("`{unit}` is active (running).")
                }
            };
            let status = plain(["systemctl", "--no-pager", "status", unit]);
            match action {
                ServiceAction::Status => Hand::on(host, vec![status]).then(words(&look)),
                _ => Hand::on(host, vec![plain(["systemctl", verb, unit]), status]).then(words(&look)),
            }
        }
        Manager::Container { container } => {
            let look =
                Command::new("docker").args(["ps", "--all", "--filter"]).arg(format!("name={container}"));
            let then = match action {
                ServiceAction::Stop => "The container is shown as exited.",
                ServiceAction::Start | ServiceAction::Restart | ServiceAction::Status => {
                    "The container is shown as up."
                }
            };
            match action {
                ServiceAction::Status => Hand::on(host, vec![look.line()]).then(then),
                _ => Hand::on(host, vec![plain(["docker", action.as_str(), container]), look.line()])
                    .then(then),
            }
        }
        Manager::Process(spec) => process::by_hand(host, spec, action),
    }
}

/// A text of ours in which names stand between backticks.
fn words(text: &str) -> Line {
    let parts = text.split('`').enumerate();
    parts.fold(
        Line::default(),
        |line, (at, part)| if at % 2 == 1 { line.code(part) } else { line.plain(part) },
    )
}

fn fenced(host: &HostName, source: &SourceSpec) -> Hand {
    let SourceKind::Postgres(spec) = &source.kind else { return Hand::on(host, Vec::new()) };
    let refuses = Line::from("Nothing of it runs, and ")
        .code(postgres::address(spec))
        .plain(" refuses connections. Anything else is no fence: go no further.");
    let unanswered = Line::default()
        .strong(format!("When {host} does not answer"))
        .plain(", these commands cannot be given, and silence proves nothing. Power it off, or cut it off, where its ")
        .plain("machine or network is given to it, and see that done before anything is promoted.");
    let listening = Command::new("ss").args(["-Hltn", &format!("sport = :{}", spec.port)]);
    let run = match spec.server.as_ref().map(|server| &server.manager) {
        Some(Manager::Systemd { unit }) => vec![
            plain(["systemctl", "mask", unit]),
            plain(["systemctl", "stop", unit]),
            plain(["systemctl", "is-active", unit]),
            listening.line(),
        ],
        Some(Manager::Container { container }) => vec![
            plain(["docker", "update", "--restart=no", container]),
            plain(["docker", "stop", container]),
            listening.line(),
        ],
        Some(Manager::Process(process)) => {
            process::stopped(process).into_iter().chain([listening.line()]).collect()
        }
        None => Vec::new(),
    };
    Hand::on(host, run).first(unanswered).then(refuses)
}

/// Lets a server start again.
pub fn unmasked(host: &HostName, server: &ServiceSpec) -> Option<Hand> {
    let run = match &server.manager {
        Manager::Systemd { unit } => vec![plain(["systemctl", "unmask", unit])],
        Manager::Container { container } => {
            vec![plain(["docker", "update", "--restart=unless-stopped", container])]
        }
        Manager::Process(_) => return None,
    };
    Some(Hand::on(host, run))
}

/// Asks a question.
pub fn question(host: &HostName, check: &CheckSpec) -> Hand {
    let seconds = check.within.as_secs().max(1).to_string();
    match &check.question {
        Question::Tcp { address } => {
            let (name, port) = address.rsplit_once(':').unwrap_or((address, ""));
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let open =
                quoted(name).zip(quoted(port)).map(|(name, port)| format!("exec 3<>/dev/tcp/{name}/{port}"));
            let run = open.and_then(|open| {
                Command::new("timeout").args([&seconds, "bash", "-c", &open]).raw("&& echo open").line()
            });
            Hand::on(host, vec![run]).then(words("It says `open`."))
        }
        Question::Http { url, status, body, headers } => {
            let curl = Command::new("curl").args(["--silent", "--show-error"]).option("--max-time", &seconds);
            let code = curl.clone().option("--output", "/dev/null").option("--write-out", "%{http_code}\\n");
            let code = code.option("--", url).line();
            let found = body.as_deref().map(|body| {
                curl.clone()
                    .option("--", url)
                    .pipe(Command::new("grep").arg("--fixed-strings").option("--", body))
                    .line()
            });
            let shown = (!headers.is_empty()).then(|| {
                curl.option("--output", "/dev/null").option("--dump-header", "-").option("--", url).line()
            });
            let mut line = words(&format!("It says `{status}`")).plain(match found {
                Some(_) => ", and a line with the text that is looked for.",
                None => ".",
            });
            for (name, value) in headers {
                line = line.plain(" Among the headers stands ").code(format!("{name}: {value}")).plain(".");
            }
            Hand::on(host, [code].into_iter().chain(found).chain(shown).collect()).then(line)
        }
        Question::Sql { source, statement, expect } => {
            let SourceKind::Postgres(spec) = &source.kind else { return Hand::on(host, Vec::new()) };
            let run = psql(spec, &spec.database)
                .option("-c", "set default_transaction_read_only = on")
                .option("-c", statement);
            let then = match expect {
                Expected::AtLeast(number) => words(&format!("It says `{number}` or more.")),
                Expected::Equals(text) => Line::from("It says ").code(text).plain("."),
            };
            Hand::on(host, vec![run.line()]).then(then)
        }
        Question::Command { script, args, sha256 } => {
            let run = pinned(&script.to_string_lossy(), args, sha256.as_deref());
            Hand::on(host, vec![run]).then(words("It ends with 0 (`echo $?`)."))
        }
        Question::Disk { path, free_bytes } => {
            let run = Command::new("df").args(["--output=avail", "--block-size=1", "--"]).path(path);
            let then = format!("It says `{free_bytes}` or more ({}).", crate::units::bytes(*free_bytes));
            Hand::on(host, vec![run.line()]).then(words(&then))
        }
    }
}

/// A DNS update: from a machine that has the key.
fn cutover(record: &RecordSpec, to: &Name) -> Vec<Hand> {
    let Some(values) = record.values.get(to) else { return Vec::new() };
    vec![update(record, values)]
}

/// How what a task did is taken back, by one of the tasks that do that.
pub fn undone(back: &Task, done: &[Task]) -> Vec<Hand> {
    let moved = done.iter().find_map(|task| match &task.action {
        Action::Controller { control: ControlAction::Cutover { to, .. } } => Some(to),
        Action::Agent { .. } | Action::Controller { .. } | Action::Timer { .. } => None,
    });
    match &back.action {
        Action::Controller { control: ControlAction::RestoreRecord { record } } => {
            restore_record(record, moved)
        }
        Action::Agent { .. } | Action::Controller { .. } | Action::Timer { .. } => by_hand(back, false),
    }
}

/// One of the places where it may have pointed before: all but the one that it was moved to.
fn restore_record(record: &RecordSpec, moved: Option<&Name>) -> Vec<Hand> {
    let each = record.values.iter().filter(|(region, _)| moved != Some(*region)).map(|(region, values)| {
        update(record, values)
            .first(Line::from("Where it pointed to ").code(region.to_string()).plain(" before:"))
    });
    each.collect()
}

fn update(record: &RecordSpec, values: &[IpAddr]) -> Hand {
    let kind = if values.iter().any(IpAddr::is_ipv6) { "AAAA" } else { "A" };
    let ask = |server: &String| {
        let (address, port) = endpoint(server);
        let dig = Command::new("dig").args(["+short", "+norecurse"]);
        let dig = if port == DNS_PORT { dig } else { dig.option("-p", port) };
        dig.arg(format!("@{address}")).args([&record.fqdn, kind]).line()
    };
    let first = record.zone.servers.first().map(|server| endpoint(server)).unwrap_or(("", DNS_PORT));
    let mut script = vec![format!("server {} {}", first.0, first.1), format!("zone {}", record.zone.zone)];
    script.extend(TYPES.map(|kind| format!("update delete {} {kind}", fqdn(record))));
    let add = |value: &IpAddr| format!("update add {} {} {kind} {value}", fqdn(record), record.ttl.as_secs());
    script.extend(values.iter().map(add));
    script.push("send".to_string());
    let (key, place) = key(record);
    let send = Command::new("printf")
        .arg("%s\\n")
        .args(&script)
        .pipe(Command::empty().raw(format!("nsupdate -k {key}")));
    let run = [send.line()].into_iter().chain(record.zone.servers.iter().map(ask)).collect();
    Hand::at(place, run).then(
        Line::from("Each server says ")
            .codes(values)
            .plain(" and nothing else. Answers elsewhere may be old for ")
            .plain(plan::objectives::words(record.ttl))
            .plain("."),
    )
}

/// With the dot at its end: it is whole.
fn fqdn(record: &RecordSpec) -> String {
    format!("{}.", record.fqdn)
}

/// How the key is given, and where it lies.
fn key(record: &RecordSpec) -> (String, Place) {
    let place = |key: Line| {
        let line = Line::from("On the controller's host, or on another machine that reaches ")
            .codes(record.zone.servers.iter().take(1))
            .plain(" and has a copy of ");
        Place::Where(line.and(key))
    };
    match &record.zone.key {
        SecretRef::File(path) => {
            let shown = path.display().to_string();
            (quoted(&shown).unwrap_or_default(), place(Line::default().code(shown)))
        }
        SecretRef::Env(name) => {
            (format!("<(printf '%s' {})", variable(name)), place(Line::from("the variable ").code(name)))
        }
    }
}

/// The value of an environment variable, which must be there.
pub fn variable(name: &str) -> String {
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if good && !name.is_empty() { format!("\"${{{name}:?}}\"") } else { "\"\"".to_string() }
}

/// Address and port of a DNS server.
fn endpoint(server: &str) -> (&str, &str) {
    if server.parse::<IpAddr>().is_ok() {
        return (server, DNS_PORT);
    }
    let (address, port) = server.rsplit_once(':').unwrap_or((server, DNS_PORT));
    (address.trim_start_matches('[').trim_end_matches(']'), port)
}

fn notify(channel: &ChannelSpec, state: &str, title: &str, text: &str) -> Vec<Hand> {
    if channel.kind != "webhook" {
        return Vec::new();
    }
    let whole = format!("[{state}] {title}\n{text}");
    let message =
        serde_json::json!({ "text": whole, "title": title, "body": text, "state": state }).to_string();
    let curl = Command::new("curl").args(["--fail", "--silent", "--show-error"]).option("--max-time", "30");
    let curl = curl.option("--header", "Content-Type: application/json");
    // The token goes through a pipe: whatever stands behind a command can be read by everybody on the machine.
    let bearer = |value: String| format!("<(printf 'Authorization: Bearer %s' {value})");
    let (curl, place) = match &channel.token {
        None => (curl, Line::from("On any machine that reaches the channel")),
        Some(SecretRef::File(path)) => {
            let shown = path.display().to_string();
            let read = format!("\"$(cat {})\"", quoted(&shown).unwrap_or_default());
            let place =
                Line::from("On the controller's host, or on another machine that has a copy of ").code(shown);
            (curl.raw(format!("--header @{}", bearer(read))), place)
        }
        Some(SecretRef::Env(name)) => {
            let place = Line::from("On a machine that has the variable ").code(name);
            (curl.raw(format!("--header @{}", bearer(variable(name)))), place)
        }
    };
    vec![Hand::at(
        Place::Where(place),
        vec![curl.option("--data", &message).option("--", &channel.url).line()],
    )]
}
