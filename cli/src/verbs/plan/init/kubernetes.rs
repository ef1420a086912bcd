//! Manifests of Kubernetes to a draft.

use super::draft::{Draft, Fields, HOST, Noun, name, text};
use super::{kinds, read, secrets};
use crate::failure::Failure;
use crate::folder;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A Deployment, StatefulSet or DaemonSet.
struct Workload<'v> {
    /// `deployment`
    kind: String,
    name: String,
    namespace: String,
    labels: &'v Value,
    container: &'v Value,
    image: &'v str,
}

/// Reads every YAML file of a folder.
pub fn draft(path: &Path) -> Result<Draft, Failure> {
    let mut draft = Draft { origin: "manifests of Kubernetes".to_string(), ..Draft::default() };
    let mut manifests: Vec<Value> = Vec::new();
    for file in folder::read(path)? {
        match read::documents(&file.text) {
            Ok(documents) => documents.into_iter().for_each(|document| flatten(document, &mut manifests)),
            // A chart's templates are none before Helm has filled them in.
            Err(what) => draft.notes.push(format!("not read: {}: {what}", file.path)),
        }
    }
    for manifest in &manifests {
        tell(manifest, &mut draft);
    }
    let services: Vec<&Value> = manifests.iter().filter(|one| kind(one) == "service").collect();
    let mut seen = BTreeSet::new();
    for workload in manifests.iter().filter_map(workload) {
        if seen.insert((workload.kind.clone(), workload.name.clone(), workload.namespace.clone())) {
            take(&workload, &services, &mut draft);
        }
    }
    Ok(draft)
}

/// A `List` is what it lists.
fn flatten(document: Value, manifests: &mut Vec<Value>) {
    match document.get("items").and_then(Value::as_array) {
        Some(items) if kind(&document) == "list" => manifests.extend(items.iter().cloned()),
        _ => manifests.push(document),
    }
}

fn kind(manifest: &Value) -> String {
    manifest.get("kind").and_then(Value::as_str).unwrap_or_default().to_lowercase()
}

fn meta<'v>(manifest: &'v Value, key: &str) -> Option<&'v str> {
    manifest.get("metadata")?.get(key)?.as_str()
}

/// What is seen and not taken over.
fn tell(manifest: &Value, draft: &mut Draft) {
    let own = meta(manifest, "name").unwrap_or("without a name");
    match kind(manifest).as_str() {
        "secret" => {
            let keys =
                ["data", "stringData"].iter().filter_map(|key| manifest.get(*key)).flat_map(read::names);
            for key in keys {
                draft.secrets.push(secrets::told(&key, &format!("secret {own}"), None));
            }
        }
        "cronjob" => {
            let at = manifest.get("spec").and_then(|spec| spec.get("schedule")).and_then(Value::as_str);
            draft.notes.push(format!(
                "left out: CronJob {own} at {:?}. When it makes backups, a schedule of the estate does that",
                at.unwrap_or_default()
            ));
        }
        "deployment" | "statefulset" | "daemonset" | "service" | "" => {}
        other => draft.notes.push(format!("left out: {other} {own}")),
    }
}

fn workload(manifest: &Value) -> Option<Workload<'_>> {
    let kind = kind(manifest);
    if !["deployment", "statefulset", "daemonset"].contains(&kind.as_str()) {
        return None;
    }
    let template = manifest.get("spec")?.get("template")?;
    let container = template.get("spec")?.get("containers")?.get(0)?;
    Some(Workload {
        name: meta(manifest, "name")?.to_string(),
        namespace: meta(manifest, "namespace").unwrap_or("default").to_string(),
        labels: template.get("metadata").and_then(|meta| meta.get("labels")).unwrap_or(&Value::Null),
        image: container.get("image").and_then(Value::as_str).unwrap_or_default(),
        container,
        kind,
    })
}

fn take(workload: &Workload<'_>, services: &[&Value], draft: &mut Draft) {
    let taken = |own: &str| draft.services.iter().any(|noun| noun.name == own);
    let own = name(&workload.name);
    let own = if taken(&own) { name(&format!("{}-{}", workload.namespace, workload.name)) } else { own };
    let fields: Fields = vec![
        ("kind", "kubernetes".into()),
        ("workload", text(&format!("{}/{}", workload.kind, workload.name))),
        ("namespace", text(&workload.namespace)),
        ("hosts", format!("[{HOST}]")),
    ];
    draft.services.push(Noun {
        name: own.clone(),
        choices: vec![fields],
        otherwise: format!(
            "{}/{} in namespace {}; this version has no word for a workload of Kubernetes yet.",
            workload.kind, workload.name, workload.namespace
        ),
        ..Noun::default()
    });
    for key in ["command", "args"] {
        if workload.container.get(key).is_some_and(secrets::in_command) {
            draft.secrets.push(secrets::told(&format!("the password in `{key}`"), &own, None));
        }
    }
    let service = services.iter().find(|service| selects(service, workload));
    let environment = environment(workload, &own, draft);
    if let Some(database) = kinds::database(workload.image) {
        let source = format!("{own}-data");
        let inside = service.and_then(|service| meta(service, "name")).unwrap_or(&workload.name);
        let address = format!("{inside}.{}.svc.cluster.local", workload.namespace);
        let look = |variable: &str| environment.get(variable).cloned();
        let (fields, mut comments) =
            kinds::source(database, &address, database.port, &secrets::place(&source), look);
        comments.push(
            "FILL IN: an address that the agent's host reaches, when that is not inside the cluster."
                .to_string(),
        );
        draft.sources.push(Noun {
            name: source,
            choices: vec![fields],
            services: vec![("server", vec![own])],
            comments,
            otherwise: format!("{} of {}; this version cannot back it up yet.", database.kind, workload.name),
            ..Noun::default()
        });
    } else if let Some((port, path)) = service.and_then(|service| probe(workload, service)) {
        draft.checks.push(Noun {
            name: format!("{own}-answers"),
            choices: vec![vec![(
                "http",
                format!("{{ url: {} }}", text(&format!("http://127.0.0.1:{port}{path}"))),
            )]],
            fields: vec![("of", own)],
            ..Noun::default()
        });
    }
}

/// Variables that are not secrets; secrets are told.
fn environment(workload: &Workload<'_>, own: &str, draft: &mut Draft) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let entries = workload.container.get("env").and_then(Value::as_array).into_iter().flatten();
    for entry in entries {
        let Some(variable) = entry.get("name").and_then(Value::as_str) else { continue };
        let value = entry.get("value").and_then(read::single);
        if secrets::named(variable) || value.as_deref().is_some_and(secrets::in_url) {
            let database = kinds::database(workload.image).is_some();
            let place = database.then(|| secrets::place(&format!("{own}-data")));
            draft.secrets.push(secrets::told(variable, own, place.as_deref()));
        } else if let Some(value) = value.filter(|value| !value.contains("$(")) {
            found.insert(variable.to_string(), value);
        }
    }
    found
}

/// Whether a Service sends to the workload's pods.
fn selects(service: &Value, workload: &Workload<'_>) -> bool {
    let namespace = meta(service, "namespace").unwrap_or("default");
    let Some(wanted) = service.get("spec").and_then(|spec| spec.get("selector")).and_then(Value::as_object)
    else {
        return false;
    };
    namespace == workload.namespace
        && !wanted.is_empty()
        && wanted.iter().all(|(key, value)| workload.labels.get(key) == Some(value))
}

/// The probe over HTTP, at the port that every node answers on: nothing else is reached from outside.
fn probe(workload: &Workload<'_>, service: &Value) -> Option<(u64, String)> {
    let probe = ["readinessProbe", "livenessProbe"]
        .iter()
        .find_map(|key| workload.container.get(*key)?.get("httpGet"))?;
    let path = probe.get("path").and_then(Value::as_str).unwrap_or("/");
    let ports = service.get("spec")?.get("ports")?.as_array()?;
    let port = ports.iter().find_map(|port| port.get("nodePort")?.as_u64())?;
    path.starts_with('/').then(|| (port, path.to_string()))
}
