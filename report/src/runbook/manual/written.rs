//! Commands for what no agent carries out yet, from what estate and plan say: compose, Kubernetes, stacks, logs.

use super::{Doing, Hand, Place, plain, word, words};
use crate::runbook::page::Line;
use crate::runbook::shell::Command;
use model::HostName;
use model::jobs::ServiceAction;
use serde_json::Value;

/// Starts, stops or restarts each service of a step on each of its hosts.
pub fn act(doing: &Doing<'_>, action: ServiceAction) -> Vec<Hand> {
    each(doing, |kind, service| match (kind, action) {
        ("compose", ServiceAction::Start) => compose(service, &["up", "--detach"]),
        ("compose", ServiceAction::Stop) => compose(service, &["stop"]),
        ("compose", ServiceAction::Restart) => compose(service, &["restart"]),
        ("kubernetes", ServiceAction::Start) => {
            let replicas = service.get("replicas").and_then(word).unwrap_or("1");
            kubectl(service, &["scale", &format!("--replicas={replicas}")], true)
        }
        ("kubernetes", ServiceAction::Stop) => kubectl(service, &["scale", "--replicas=0"], true),
        ("kubernetes", ServiceAction::Restart) => kubectl(service, &["rollout", "restart"], true),
        _ => None,
    })
}

/// So many of each service.
pub fn scale(doing: &Doing<'_>) -> Vec<Hand> {
    let Some(to) = doing.word("to") else { return Vec::new() };
    each(doing, |kind, service| {
        let to = if to == "declared" { service.get("replicas").and_then(word)? } else { to };
        match kind {
            "compose" => {
                let name = service.get("service").and_then(word)?;
                compose(service, &["up", "--detach", "--no-recreate", "--scale", &format!("{name}={to}")])
            }
            "kubernetes" => kubectl(service, &["scale", &format!("--replicas={to}")], true),
            _ => None,
        }
    })
}

/// The same for each service and host; nothing where one of them has no commands, for half a step is none.
fn each(doing: &Doing<'_>, run: impl Fn(&str, &Value) -> Option<String>) -> Vec<Hand> {
    let mut out = Vec::new();
    for name in doing.words("services") {
        let Some(service) = doing.nouns.get("services", name) else { return Vec::new() };
        for host in doing.hosts() {
            let Some(placed) = on_host(service, host) else { continue };
            let Some(kind) = placed.get("kind").and_then(word) else { return Vec::new() };
            let Some(command) = run(kind, &placed) else { return Vec::new() };
            out.push(Hand::on(host, vec![Some(command)]));
        }
    }
    out
}

/// What is said about a service on one host: its own fields over the common ones. `None` where it is not.
fn on_host(service: &Value, host: &HostName) -> Option<Value> {
    let mut all = service.as_object()?.clone();
    match all.remove("hosts")? {
        Value::Object(hosts) => {
            let own = hosts.get(host.as_str())?.as_object().cloned().unwrap_or_default();
            all.extend(own);
        }
        list => words(&list).contains(&host.as_str()).then_some(())?,
    }
    Some(Value::Object(all))
}

fn compose(service: &Value, what: &[&str]) -> Option<String> {
    let field = |name: &str| service.get(name).and_then(word);
    let mut command = Command::new("docker").arg("compose");
    for (option, name) in
        [("--project-name", "project"), ("--project-directory", "folder"), ("--file", "file")]
    {
        if let Some(value) = field(name) {
            command = command.option(option, value);
        }
    }
    command.args(what).args(field("service")).line()
}

fn kubectl(noun: &Value, what: &[&str], workload: bool) -> Option<String> {
    let field = |name: &str| noun.get(name).and_then(word);
    let mut command = Command::new("kubectl");
    let config = noun.get("kubeconfig").and_then(|config| config.get("file")).and_then(word);
    for (option, value) in
        [("--kubeconfig", config), ("--context", field("context")), ("--namespace", field("namespace"))]
    {
        if let Some(value) = value {
            command = command.option(option, value);
        }
    }
    let command = command.args(what);
    if workload { command.arg(field("workload")?).line() } else { command.line() }
}

/// Applies a stack with its own tool.
pub fn provision(doing: &Doing<'_>) -> Vec<Hand> {
    let made = || {
        let stack = doing.nouns.get("stacks", doing.word("stack")?)?;
        let field = |name: &str| stack.get(name).and_then(word);
        let (kind, folder) = (field("kind")?, field("folder")?);
        let run = match kind {
            "terraform" | "opentofu" => {
                let tool = if kind == "terraform" { "terraform" } else { "tofu" };
                let tool = |what: &[&str]| Command::new(tool).arg(format!("-chdir={folder}")).args(what);
                let workspace = field("workspace").map(|name| tool(&["workspace", "select", name]).line());
                let apply = variables(doing, stack)
                    .iter()
                    .fold(tool(&["apply"]), |tool, one| tool.option("-var", one));
                [Some(tool(&["init"]).line()), workspace, Some(apply.line())].into_iter().flatten().collect()
            }
            "pulumi" => vec![plain(["pulumi", "up", "--cwd", folder, "--stack", field("stack")?])],
            "ansible" => {
                vec![plain(["ansible-playbook", "--inventory", field("inventory")?, field("playbook")?])]
            }
            "manifests" => vec![kubectl(stack, &["apply", "--recursive", "--filename", folder], false)],
            _ => return None,
        };
        let place = Place::Hosts(vec![HostName::new(field("on")?).ok()?]);
        let enrol =
            Line::from("The tool reports no error. Secrets that the stack needs are not in these commands: ")
                .plain("give them as you do every day.");
        Some(Hand::at(place, run).then(enrol))
    };
    made().into_iter().collect()
}

/// Variables of the stack, and those that the step gives over them.
fn variables(doing: &Doing<'_>, stack: &Value) -> Vec<String> {
    let of = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut all = of(stack.get("variables"));
    all.extend(of(doing.said.and_then(|said| said.parameters.get("variables"))));
    all.iter().filter_map(|(name, value)| Some(format!("{name}={}", word(value)?))).collect()
}

/// Logs and files of each host in one archive.
pub fn collect(doing: &Doing<'_>) -> Vec<Hand> {
    let since = doing.word("since").and_then(|text| model::duration::parse(text).ok());
    let each = doing.hosts().iter().map(|host| {
        let mut run = Vec::new();
        for name in doing.words("services") {
            let spec = model::Name::new(name).ok().and_then(|name| doing.estate.service_on(&name, host));
            let log = match spec.map(|spec| spec.manager) {
                Some(model::nouns::Manager::Systemd { unit }) => {
                    let log = Command::new("journalctl").args(["--no-pager", "--unit", &unit]);
                    since.iter().fold(log, |log, since| log.set("--since", format!("-{}s", since.as_secs())))
                }
                Some(model::nouns::Manager::Container { container }) => {
                    let log = Command::new("docker").args(["logs", "--timestamps"]);
                    since
                        .iter()
                        .fold(log, |log, since| log.set("--since", format!("{}s", since.as_secs())))
                        .arg(container)
                }
                Some(model::nouns::Manager::Process(_)) | None => continue,
            };
            run.push(log.raw(">").arg(format!("/var/tmp/evidence-{name}.log")).raw("2>&1").line());
        }
        let paths = doing.words("paths");
        if !paths.is_empty() {
            let tar =
                Command::new("tar").args(["--create", "--gzip", "--file", "/var/tmp/evidence.tar.gz", "--"]);
            run.push(tar.args(paths).line());
        }
        Hand::on(host, run).then("Copy the files from /var/tmp to a safe place that is not this host.")
    });
    super::together(each.filter(|hand| !hand.run.is_empty()).collect())
}
