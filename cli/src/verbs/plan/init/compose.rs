//! A Docker Compose file to a draft.

use super::draft::{Draft, Fields, HOST, Noun, name, text};
use super::kinds::{self, Database};
use super::{read, secrets};
use crate::failure::Failure;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Where Docker keeps named volumes unless it was told otherwise.
const VOLUMES: &str = "/var/lib/docker/volumes";

/// A service of the file.
struct Service<'v> {
    name: String,
    value: &'v Value,
    image: String,
    environment: BTreeMap<String, String>,
    /// Ports of the host by those of the container.
    ports: BTreeMap<u16, u16>,
}

/// Reads a compose file.
pub fn draft(path: &Path) -> Result<Draft, Failure> {
    let documents = read::documents(&read::text(path)?).map_err(|what| {
        Failure::usage(
            "LB4064",
            format!("{}: {what}", path.display()),
            "Give a compose file, a folder with manifests, or systemd.",
        )
    })?;
    let file = documents.first().cloned().unwrap_or_default();
    let Some(services) = file.get("services").and_then(Value::as_object) else {
        let message = format!("{} has no services", path.display());
        return Err(Failure::usage(
            "LB4063",
            message,
            "Give a compose file, a folder with manifests, or systemd.",
        ));
    };
    let mut draft = Draft { origin: shown(path), ..Draft::default() };
    let project = project(&file, path);
    let services: Vec<Service<'_>> = services.iter().map(|(name, value)| service(name, value)).collect();
    for service in &services {
        secrets_of(service, &mut draft);
        draft.services.push(noun(service, &project));
        match kinds::database(&service.image) {
            Some(database) => data(service, database, &services, &mut draft),
            None => volumes(service, &project, &file, &mut draft),
        }
        check(service, &mut draft);
    }
    Ok(draft)
}

fn shown(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The name that Compose gives the project: the file's own, or that of its folder.
fn project(file: &Value, path: &Path) -> String {
    let own = file.get("name").and_then(Value::as_str).and_then(secrets::filled);
    let folder = path
        .canonicalize()
        .ok()
        .and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().to_lowercase()));
    let fits = |c: &char| c.is_ascii_alphanumeric() || "_-".contains(*c);
    let text: String = own.or(folder).unwrap_or_default().chars().filter(fits).collect();
    name(&text)
}

fn service<'v>(name: &str, value: &'v Value) -> Service<'v> {
    let image = value.get("image").and_then(Value::as_str).and_then(secrets::filled).unwrap_or_default();
    let ports = value.get("ports").and_then(Value::as_array).into_iter().flatten().filter_map(port).collect();
    Service { name: super::draft::name(name), value, image, environment: environment(value), ports }
}

fn environment(value: &Value) -> BTreeMap<String, String> {
    let pair = |(key, value): (&String, &Value)| (key.clone(), read::single(value).unwrap_or_default());
    match value.get("environment") {
        Some(Value::Object(entries)) => entries.iter().map(pair).collect(),
        Some(Value::Array(items)) => {
            let words = items.iter().filter_map(Value::as_str);
            words
                .map(|item| item.split_once('=').unwrap_or((item, "")))
                .map(|(key, value)| (key.into(), value.into()))
                .collect()
        }
        _ => BTreeMap::new(),
    }
}

/// `8080:80`, `127.0.0.1:8080:80/tcp`, or `{ published, target }`. Ports that Docker chooses are not told.
fn port(value: &Value) -> Option<(u16, u16)> {
    if let Value::Object(entries) = value {
        let number = |key: &str| secrets::filled(&read::single(entries.get(key)?)?)?.parse().ok();
        return Some((number("target")?, number("published")?));
    }
    let text = secrets::filled(&read::single(value)?)?;
    let text = text.strip_suffix("/tcp").unwrap_or(&text);
    let (rest, target) = text.rsplit_once(':')?;
    let published = rest.rsplit(':').next().unwrap_or(rest);
    Some((target.parse().ok()?, published.parse().ok()?))
}

fn secrets_of(service: &Service<'_>, draft: &mut Draft) {
    let source = format!("{}-data", service.name);
    for (variable, value) in &service.environment {
        let password = secrets::named(variable);
        if !password && !secrets::in_url(value) {
            continue;
        }
        // The password of a database is the one that a source needs.
        let needed = password
            && kinds::database(&service.image).is_some()
            && variable.to_lowercase().contains("password");
        let place = needed.then(|| secrets::place(&source));
        draft.secrets.push(secrets::told(variable, &service.name, place.as_deref()));
    }
    for key in ["command", "entrypoint", "healthcheck"] {
        if service.value.get(key).is_some_and(secrets::in_command) {
            draft.secrets.push(secrets::told(&format!("the password in `{key}`"), &service.name, None));
        }
    }
    if let Some(files) = service.value.get("env_file") {
        let files = read::single(files).map_or_else(|| read::names(files), |file| vec![file]);
        draft.notes.push(format!(
            "not read: {} of {}, which may hold secrets",
            files.join(", "),
            service.name
        ));
    }
}

fn noun(service: &Service<'_>, project: &str) -> Noun {
    let container = service.value.get("container_name").and_then(Value::as_str).and_then(secrets::filled);
    let container = container.unwrap_or_else(|| format!("{project}-{}-1", service.name));
    let hosts = ("hosts", format!("[{HOST}]"));
    let compose: Fields = vec![
        ("kind", "compose".into()),
        ("project", text(project)),
        ("service", text(&service.name)),
        hosts.clone(),
    ];
    let single: Fields = vec![("kind", "container".into()), ("container", text(&name(&container))), hosts];
    let needs = service.value.get("depends_on").map(read::names).unwrap_or_default();
    Noun {
        name: service.name.clone(),
        choices: vec![compose, single],
        services: vec![("needs", needs.iter().map(|need| name(need)).collect())],
        otherwise: "a service of the compose file; this version has no word for it.".to_string(),
        ..Noun::default()
    }
}

/// The source behind a database's service.
fn data(service: &Service<'_>, database: Database, all: &[Service<'_>], draft: &mut Draft) {
    let source = format!("{}-data", service.name);
    let published = service.ports.get(&database.port).copied();
    let look = |variable: &str| {
        secrets::filled(service.environment.get(variable)?).filter(|value| !value.is_empty())
    };
    let (fields, mut comments) = kinds::source(
        database,
        "127.0.0.1",
        published.unwrap_or(database.port),
        &secrets::place(&source),
        look,
    );
    if published.is_none() {
        comments.push(format!(
            "FILL IN: port {} is not published, so the agent cannot reach it on the host.",
            database.port
        ));
    }
    let uses = |other: &&Service<'_>| {
        let needs = other.value.get("depends_on").map(read::names).unwrap_or_default();
        needs.iter().any(|need| name(need) == service.name)
    };
    let writers = all.iter().filter(uses).map(|other| other.name.clone()).collect();
    draft.sources.push(Noun {
        name: source.clone(),
        choices: vec![fields],
        services: vec![("server", vec![service.name.clone()]), ("writers", writers)],
        comments,
        otherwise: format!(
            "{} of service {}; this version cannot back it up yet.",
            database.kind, service.name
        ),
        ..Noun::default()
    });
    if database.kind == "postgres" && published.is_some() {
        draft.checks.push(Noun {
            name: format!("{source}-port"),
            choices: vec![vec![("tcp", "{}".to_string())]],
            fields: vec![("of", source)],
            ..Noun::default()
        });
    }
}

/// Named volumes of everything else are files that somebody may miss.
fn volumes(service: &Service<'_>, project: &str, file: &Value, draft: &mut Draft) {
    if kinds::holds_data(&service.image) {
        let what = service.image.split([':', '@']).next().unwrap_or_default();
        draft.notes.push(format!(
            "FILL IN: {} ({what}) holds data, and how it is protected is not known; its volume is drafted as files",
            service.name
        ));
    }
    let declared = file.get("volumes").and_then(Value::as_object).cloned().unwrap_or_default();
    let mounts = service.value.get("volumes").and_then(Value::as_array).into_iter().flatten();
    for mount in mounts.filter_map(mounted) {
        let source = name(&format!("{}-{mount}", service.name));
        if !declared.contains_key(&mount) || draft.sources.iter().any(|noun| noun.name == source) {
            continue;
        }
        let path = format!("{VOLUMES}/{}/_data", volume_name(&declared, project, &mount));
        draft.sources.push(Noun {
            name: source,
            choices: vec![vec![
                ("kind", "files".into()),
                ("paths", format!("[{}]", text(&path))),
                ("members", format!("[{HOST}]")),
            ]],
            services: vec![("writers", vec![service.name.clone()])],
            comments: vec![format!("The volume {mount:?}, where Docker keeps it by default.")],
            otherwise: "a volume of files.".to_string(),
            ..Noun::default()
        });
    }
}

/// The volume of a mount that has a name, unlike a path of the host.
fn mounted(mount: &Value) -> Option<String> {
    let volume = match mount {
        Value::Object(entries) if entries.get("type").and_then(Value::as_str) == Some("volume") => {
            entries.get("source")?.as_str()?.to_string()
        }
        Value::String(text) => text.split_once(':')?.0.to_string(),
        _ => return None,
    };
    (!volume.starts_with(['/', '.', '~', '$'])).then_some(volume)
}

fn volume_name(declared: &Map<String, Value>, project: &str, volume: &str) -> String {
    let own = declared.get(volume);
    let named = own.and_then(|value| value.get("name")).and_then(Value::as_str).and_then(secrets::filled);
    let external = own.and_then(|value| value.get("external")).and_then(Value::as_bool) == Some(true);
    named.unwrap_or_else(|| if external { volume.to_string() } else { format!("{project}_{volume}") })
}

/// What the health check asks over HTTP, or else whether the first published port answers.
fn check(service: &Service<'_>, draft: &mut Draft) {
    let test = service.value.get("healthcheck").and_then(|check| check.get("test"));
    let words = test
        .map(|test| read::single(test).unwrap_or_else(|| read::names(test).join(" ")))
        .unwrap_or_default();
    let asked = read::local_url(&words).and_then(|(port, path)| Some((*service.ports.get(&port)?, path)));
    let question: Fields = match (asked, service.ports.values().next()) {
        (Some((port, path)), _) => {
            vec![("http", format!("{{ url: {} }}", text(&format!("http://127.0.0.1:{port}{path}"))))]
        }
        (None, Some(port)) if kinds::database(&service.image).is_none() => {
            vec![("tcp", format!("{{ address: {} }}", text(&format!("127.0.0.1:{port}"))))]
        }
        _ => return,
    };
    draft.checks.push(Noun {
        name: format!("{}-answers", service.name),
        choices: vec![question],
        fields: vec![("of", service.name.clone())],
        ..Noun::default()
    });
}
