//! `plan init` on what teams have: the draft is read by the check without an error, and no secret of the
//! input is anywhere in the output.

use crate::{Place, Said};
use serde_json::{Value, json};

/// As the team of the interview assistant has it: names of its recovery document, with the passwords that
/// such files hold.
const COMPOSE: &str = r#"
name: interview
x-logging: &logging
  driver: json-file
services:
  postgres:
    image: postgres:15-alpine
    container_name: interview-postgres
    logging: *logging
    environment:
      POSTGRES_DB: ${POSTGRES_DB:-interview}
      POSTGRES_USER: interview
      POSTGRES_PASSWORD: hunter2-pg
    ports: ["127.0.0.1:5433:5432"]
    volumes: ["pgdata:/var/lib/postgresql/data"]
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U interview"]
  redis:
    image: redis:7
    command: redis-server --requirepass hunter2-redis
    volumes: ["redisdata:/data"]
  backend:
    build: ./backend
    depends_on:
      postgres: { condition: service_healthy }
      redis: { condition: service_started }
    environment:
      - DATABASE_URL=postgres://interview:hunter2-url@postgres:5432/interview
      - JWT_SECRET=hunter2-jwt
      - NODE_ENV=production
    env_file: .env
    ports:
      - "${PORT:-4000}:4000"
    volumes:
      - uploads:/app/uploads
      - ./logs:/app/logs
    healthcheck:
      test: curl -f http://localhost:4000/health || exit 1
  frontend:
    image: registry.example.com:5000/interview/frontend:1.2
    depends_on: [backend]
    ports:
      - target: 80
        published: "8080"
volumes:
  pgdata: {}
  redisdata: {}
  uploads: {}
"#;

const UNITS: [(&str, &str); 5] = [
    (
        "etc/systemd/system/screening-api.service",
        "[Unit]\nDescription=Resume screening API\nRequires=screening-db.service redis.service\nAfter=network.target\n\n[Service]\nUser=api\nEnvironment=PORT=8000 \"API_TOKEN=hunter2 api\"\nEnvironmentFile=-/etc/screening/env\nExecStart=/opt/screening/bin/api \\\n  --workers 4 --db-password=hunter2-arg\nRestart=always\n",
    ),
    (
        "etc/systemd/system/screening-db.service",
        "[Service]\nType=notify\nExecStart=/usr/lib/postgresql/15/bin/postgres -D /var/lib/screening\n",
    ),
    ("etc/systemd/system/nightly-dump.service", "[Service]\nType=oneshot\nExecStart=/opt/dump.sh\n"),
    ("etc/systemd/system/worker@.service", "[Service]\nExecStart=/opt/worker %i\n"),
    ("etc/systemd/system/notes.txt", "not a unit"),
];

const MANIFESTS: [(&str, &str); 4] = [
    (
        "k8s/postgres-statefulset.yaml",
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: postgres, namespace: ai-tutoring-platform }\nspec:\n  serviceName: postgres\n  selector: { matchLabels: { app: postgres } }\n  template:\n    metadata: { labels: { app: postgres } }\n    spec:\n      containers:\n        - name: postgres\n          image: docker.io/library/postgres:15\n          env:\n            - { name: POSTGRES_DB, value: tutoring }\n            - name: POSTGRES_PASSWORD\n              valueFrom: { secretKeyRef: { name: db, key: password } }\n---\napiVersion: v1\nkind: Service\nmetadata: { name: postgres, namespace: ai-tutoring-platform }\nspec: { selector: { app: postgres }, ports: [{ port: 5432 }] }\n",
    ),
    (
        "k8s/backend.yaml",
        "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: apps/v1\n    kind: Deployment\n    metadata: { name: backend, namespace: ai-tutoring-platform }\n    spec:\n      replicas: 3\n      template:\n        metadata: { labels: { app: backend } }\n        spec:\n          containers:\n            - name: backend\n              image: tutoring/backend:v1\n              args: [--api-token=hunter2-arg]\n              readinessProbe: { httpGet: { path: /health, port: 8000 } }\n              env: [{ name: SECRET_KEY, value: hunter2-k8s }]\n  - apiVersion: v1\n    kind: Service\n    metadata: { name: backend, namespace: ai-tutoring-platform }\n    spec: { type: NodePort, selector: { app: backend }, ports: [{ port: 80, targetPort: 8000, nodePort: 30080 }] }\n",
    ),
    (
        "k8s/secrets.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: { name: db }\nstringData: { password: hunter2-secret }\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: { name: pg-backup }\nspec: { schedule: \"0 2 * * *\" }\n",
    ),
    ("k8s/chart.yaml", "kind: Deployment\nmetadata:\n  name: {{ .Values.name }}-hunter2\n"),
];

/// The draft is laid out, the check takes it, and nothing secret went anywhere.
fn sound(place: &Place, said: &Said) {
    assert!(!format!("{}{}", said.out, said.err).contains("hunter2"), "{}\n{}", said.out, said.err);
    place.write("draft/estate.yaml", &said.out);
    place.exits(&["check", "draft"], 0);
    place.exits(&["fmt", "--check", "draft"], 0);
}

fn values(said: &Said) -> Value {
    serde_saphyr::from_str(&said.out).unwrap()
}

fn has(text: &str, parts: &[&str]) {
    // Messages are wrapped: a part may go over the end of a line.
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(joined.contains(part), "{part} is missing\n{text}");
    }
}

#[test]
fn a_compose_file_becomes_services_sources_and_checks() {
    let place = Place::new(&[("app/docker-compose.yml", COMPOSE)]);
    let said = place.exits(&["init", "--from", "app/docker-compose.yml"], 0);
    sound(&place, &said);
    has(&said.out, &["made by `lifeboat plan init` from docker-compose.yml", "FILL IN"]);
    let draft = values(&said);
    for service in ["postgres", "redis", "backend", "frontend"] {
        assert_eq!(draft["services"][service]["hosts"], json!(["host-1"]), "{}", said.out);
    }
    assert_eq!(draft["services"]["backend"]["needs"], json!(["postgres", "redis"]));
    let data = json!({
        "kind": "postgres", "database": "interview", "user": "interview", "port": 5433, "server": "postgres",
        "writers": ["backend"], "password": { "file": "/etc/lifeboat/secrets/postgres-data" }, "members": ["host-1"],
    });
    assert_eq!(draft["sources"]["postgres-data"], data);
    let uploads = json!({
        "kind": "files", "paths": ["/var/lib/docker/volumes/interview_uploads/_data"], "members": ["host-1"],
        "writers": ["backend"],
    });
    assert_eq!(draft["sources"]["backend-uploads"], uploads);
    let checks = json!({
        "backend-answers": { "of": "backend", "http": { "url": "http://127.0.0.1:4000/health" } },
        "frontend-answers": { "of": "frontend", "tcp": { "address": "127.0.0.1:8080" } },
        "postgres-data-port": { "of": "postgres-data", "tcp": {} },
    });
    assert_eq!(draft["checks"], checks);
    has(&said.out, &["redis-data", "# nightly: { backup: "]);
    has(
        &said.err,
        &[
            "not copied: POSTGRES_PASSWORD of postgres. Write it to /etc/lifeboat/secrets/postgres-data",
            "not copied: DATABASE_URL of backend",
            "not copied: JWT_SECRET of backend",
            "not copied: the password in `command` of redis",
            "not read: .env of backend",
        ],
    );
    assert!(said.err.lines().all(|line| line.chars().count() <= 80), "{}", said.err);
}

#[test]
fn units_of_systemd_become_services() {
    let place = Place::new(&UNITS);
    std::os::unix::fs::symlink(
        "/lib/systemd/system/ssh.service",
        place.path("etc/systemd/system/sshd.service"),
    )
    .unwrap();
    let said = place.exits(&["init", "--from", "systemd", "--root", "."], 0);
    sound(&place, &said);
    let draft = values(&said);
    let api = json!({
        "kind": "systemd", "unit": "screening-api.service", "hosts": ["host-1"], "needs": ["screening-db"],
    });
    assert_eq!(draft["services"]["screening-api"], api);
    assert_eq!(draft["sources"]["screening-db-data"]["server"], "screening-db");
    let check = json!({ "of": "screening-api", "tcp": { "address": "127.0.0.1:8000" } });
    assert_eq!(draft["checks"]["screening-api-answers"], check);
    has(&said.out, &["# Resume screening API", "# FILL IN: the name of the database."]);
    has(
        &said.err,
        &[
            "not copied: API_TOKEN of screening-api",
            "not copied: the password in `ExecStart` of screening-api",
            "not read: /etc/screening/env of screening-api",
            "left out: nightly-dump.service runs once",
            "left out: worker@.service is a template",
        ],
    );
    assert!(!said.out.contains("sshd") && !said.out.contains("worker"), "{}", said.out);
}

#[test]
fn manifests_become_sources_and_what_has_no_word_yet_is_a_comment() {
    let place = Place::new(&MANIFESTS);
    let said = place.exits(&["init", "--from", "k8s"], 0);
    sound(&place, &said);
    let data = &values(&said)["sources"]["postgres-data"];
    assert_eq!((&data["kind"], &data["database"]), (&json!("postgres"), &json!("tutoring")));
    assert_eq!(data["address"], "postgres.ai-tutoring-platform.svc.cluster.local");
    // As a service or, while the language has no word for it, as a comment.
    has(&said.out, &["deployment/backend", "statefulset/postgres"]);
    has(
        &said.err,
        &[
            "not copied: POSTGRES_PASSWORD of postgres",
            "not copied: SECRET_KEY of backend",
            "not copied: the password in `args` of backend",
            "not copied: password of secret db",
            "left out: CronJob pg-backup at \"0 2 * * *\"",
            "not read: chart.yaml: this is not YAML, line 3",
        ],
    );
}

#[test]
fn a_draft_is_written_into_a_folder_once() {
    let place = Place::new(&[("docker-compose.yml", COMPOSE)]);
    let said = place.exits(&["init", "--from", "docker-compose.yml", "--into", "estate"], 0);
    assert_eq!(said.out, "");
    place.exits(&["check", "estate"], 0);
    let before = std::fs::read_to_string(place.path("estate/estate.yaml")).unwrap();
    let said = place.exits(&["init", "--from", "docker-compose.yml", "--into", "estate"], 2);
    assert!(said.err.contains("estate/estate.yaml"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(place.path("estate/estate.yaml")).unwrap(), before);
}

#[test]
fn what_holds_nothing_or_cannot_be_read_is_a_wrong_command() {
    let place =
        Place::new(&[("empty.yml", "services: {}\n"), ("none.yml", "a: 1\n"), ("bad.yml", "a: [hunter2\n")]);
    place.write("cm/config.yaml", "kind: ConfigMap\nmetadata: { name: a }\n");
    for from in ["empty.yml", "none.yml", "bad.yml", "cm", "nowhere.yml"] {
        let said = place.exits(&["init", "--from", from], 2);
        assert!(!said.err.contains("hunter2") && said.out.is_empty(), "{}", said.err);
    }
    place.exits(&["init", "--from", "systemd", "--root", "nowhere"], 2);
}
