//! Secrets in plain text.

use super::broken::Broken;
use super::values::value;
use crate::tree::{Path, Tree};

pub fn plain_secret(b: &mut Broken<'_>) -> Option<()> {
    let keys = ["password", "key", "token"];
    let secret = |path: &Path, node: &Tree, plan: bool| {
        !plan && path.len() == 3 && keys.contains(&path[2].as_str()) && matches!(node, Tree::Map(_))
    };
    b.spoil(secret, &["hunter2", "S3cret!", "correct horse battery staple"])
}

pub fn secret_argument(b: &mut Broken<'_>) -> Option<()> {
    let lists = |path: &Path, node: &Tree, _| {
        matches!(node, Tree::List(_)) && path.last().is_some_and(|key| key == "args" || key == "run")
    };
    let (file, path) = b.any(lists)?;
    let bad = b.pick(&[
        vec!["--password=hunter2"],
        vec!["--api-key", "AKIAabc"],
        vec!["--db-token=abcdef"],
        vec!["PGPASSWORD=hunter2"],
        vec!["postgres://app:hunter2@127.0.0.1/shop"],
        vec!["--url=https://app:hunter2@shop.example/"],
        vec!["--passphrase=hunter2"],
        vec!["--db-pass", "hunter2"],
        vec!["--pwd=hunter2"],
        vec!["AWS_SECRET_ACCESS_KEY=abcdef"],
        vec!["--access-key", "abcdef"],
        vec!["Authorization: Bearer abcdef"],
    ])?;
    let Tree::List(items) = b.at_mut(file, &path)? else { return None };
    items.extend(bad.into_iter().map(Tree::from));
    Some(())
}

pub fn secret_url(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, _| value(path, node, &["url"]);
    b.spoil(
        meant,
        &[
            "https://app:hunter2@shop.example/",
            "https://shop.example/hook?token=abcdef",
            "https://shop.example/hook?level=1&api_key=abcdef",
            "https://shop.example/hook?password=abcdef#top",
            "https://shop.example/hook?access_key=abcdef",
        ],
    )
}

pub fn secret_environment(b: &mut Broken<'_>) -> Option<()> {
    let (file, path) = b.any(|path, _, _| path.last().is_some_and(|key| key == "environment"))?;
    let (key, value) = b.pick(&[
        ("DB_PASSWORD", "hunter2"),
        ("API_KEY", "abcdef"),
        ("PGPASSWORD", "hunter2"),
        ("DATABASE_URL", "postgres://app:hunter2@127.0.0.1/shop"),
        ("AWS_SECRET_ACCESS_KEY", "abcdef"),
        ("DB_PASS", "hunter2"),
        ("AUTH_TOKEN", "abcdef"),
        ("GPG_PASSPHRASE", "abcdef"),
    ])?;
    b.at_mut(file, &path)?.set(key, value);
    Some(())
}

pub fn secret_statement(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, plan: bool| plan && value(path, node, &["statement"]);
    b.spoil(
        meant,
        &[
            "alter role app with password 'hunter2'",
            "CREATE USER app WITH LOGIN PASSWORD 'hunter2'",
            "alter user app encrypted password 'hunter2' valid until 'infinity'",
            "create user app identified by 'hunter2'",
        ],
    )
}
