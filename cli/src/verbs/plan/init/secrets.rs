//! What may be a secret, and is therefore never copied.

/// Words in the name of a variable that holds a secret.
const WORDS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "credential",
    "_pass",
    "_pw",
];

/// Whether a variable is named like a secret.
pub fn named(variable: &str) -> bool {
    let variable = variable.to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| variable.contains(word)) && !variable.ends_with("_file")
}

/// Whether a value has a user or password in a URL, whatever its variable is called.
pub fn in_url(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or(rest).contains('@'))
}

/// Whether a command, or what holds one, has an argument that is named like a secret.
pub fn in_command(value: &serde_json::Value) -> bool {
    let flag = |word: &str| word.starts_with('-') && (named(word) || word.ends_with("requirepass"));
    match value {
        serde_json::Value::String(text) => text.split_whitespace().any(|word| flag(word) || in_url(word)),
        serde_json::Value::Array(items) => items.iter().any(in_command),
        serde_json::Value::Object(entries) => entries.values().any(in_command),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => false,
    }
}

/// What people are told about one that was seen.
pub fn told(variable: &str, service: &str, place: Option<&str>) -> String {
    match place {
        Some(place) => format!(
            "not copied: {variable} of {service}. Write it to {place} on each of its hosts, readable by the agent alone"
        ),
        None => format!(
            "not copied: {variable} of {service}. Lifeboat does not need it; where it stands, a host that is made anew needs it again"
        ),
    }
}

/// Where the password of a source belongs.
pub fn place(source: &str) -> String {
    format!("/etc/lifeboat/secrets/{source}")
}

/// A value of a compose file with its `${VARIABLE:-default}` filled in; `None` when a variable without a
/// default is in it.
pub fn filled(value: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (inside, after) = after.strip_prefix('{')?.split_once('}')?;
        let (_, default) = inside.split_once(":-").or_else(|| inside.split_once('-'))?;
        out.push_str(default);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
