#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn databases_are_told_by_the_last_part_of_their_image() {
    let kind = |image: &str| kinds::database(image).map(|database| database.kind);
    assert_eq!(kind("postgres"), Some("postgres"));
    assert_eq!(kind("docker.io/bitnami/postgresql:16@sha256:abc"), Some("postgres"));
    assert_eq!(kind("registry:5000/timescale/timescaledb:latest-pg16"), Some("postgres"));
    assert_eq!(kind("mongo:7"), Some("mongodb"));
    assert_eq!(kind("/usr/bin/redis-server"), Some("redis"));
    assert_eq!(kind("postgres-exporter:1"), None);
    assert!(kinds::holds_data("minio/minio:latest") && !kinds::holds_data("nginx"));
}

#[test]
fn variables_are_filled_in_only_when_they_have_a_default() {
    let filled = |text: &str| secrets::filled(text);
    assert_eq!(filled("a-${B:-c}-${D-e}-$$f").as_deref(), Some("a-c-e-$f"));
    assert_eq!(filled("plain").as_deref(), Some("plain"));
    assert_eq!(
        (filled("${B}"), filled("$B"), filled("${B:?needed}"), filled("${B")),
        (None, None, None, None)
    );
}

#[test]
fn secrets_are_told_by_name_and_in_urls() {
    for variable in ["POSTGRES_PASSWORD", "JWT_SECRET", "STRIPE-API-KEY", "DB_PASS", "AWS_SECRET_ACCESS_KEY"]
    {
        assert!(secrets::named(variable), "{variable}");
    }
    assert!(!secrets::named("POSTGRES_PASSWORD_FILE") && !secrets::named("NODE_ENV"));
    assert!(secrets::in_url("amqp://user:pw@rabbit:5672/") && !secrets::in_url("http://a/b@c"));
}

#[test]
fn only_a_url_of_the_very_machine_becomes_a_check() {
    let url = |words: &str| read::local_url(words);
    assert_eq!(url("CMD curl -f http://localhost:4000/health || exit 1"), Some((4000, "/health".into())));
    assert_eq!(url("wget -q --spider 'http://127.0.0.1'"), Some((80, "/".into())));
    for other in
        ["curl http://api:80/", "curl http://u:p@localhost/", "curl http://localhost/?key=1", "pg_isready"]
    {
        assert_eq!(url(other), None, "{other}");
    }
}

#[test]
fn the_check_itself_says_which_words_this_version_has() {
    assert!(kinds::knows(
        "services",
        "{ kind: systemd, unit: a.service, hosts: [host-1], needs: [elsewhere] }"
    ));
    assert!(!kinds::knows("services", "{ kind: mainframe, hosts: [host-1] }"));
}

#[test]
fn names_and_texts_are_what_the_language_takes() {
    assert_eq!(draft::name("my app/web!"), "my-app-web");
    assert_eq!(draft::name("--"), "unnamed");
    assert_eq!(
        (draft::text("yes"), draft::text("a b"), draft::text("1.5")),
        ("\"yes\"".into(), "\"a b\"".into(), "\"1.5\"".into())
    );
    assert_eq!(
        (draft::text("/srv/a"), draft::text("null"), draft::text("x\"y")),
        ("/srv/a".into(), "\"null\"".into(), "\"x\\\"y\"".into())
    );
}
