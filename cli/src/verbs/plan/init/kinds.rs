//! What images and programs hold data, and which words this version of the language has.

use super::draft::{Fields, HOST, text};
use plan::{Severity, SourceFile};

/// A database that can be told from its image or program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Database {
    /// The kind of source.
    pub kind: &'static str,
    /// Its usual port.
    pub port: u16,
    /// Environment variables that name the database.
    pub names: &'static [&'static str],
    /// Environment variables that name the user.
    pub users: &'static [&'static str],
}

const POSTGRES: Database = Database {
    kind: "postgres",
    port: 5432,
    names: &["POSTGRES_DB", "POSTGRESQL_DATABASE", "PGDATABASE"],
    users: &["POSTGRES_USER", "POSTGRESQL_USERNAME", "PGUSER"],
};
const MYSQL: Database =
    Database { kind: "mysql", port: 3306, names: &["MYSQL_DATABASE"], users: &["MYSQL_USER"] };
const MARIADB: Database = Database {
    kind: "mariadb",
    port: 3306,
    names: &["MARIADB_DATABASE", "MYSQL_DATABASE"],
    users: &["MARIADB_USER", "MYSQL_USER"],
};
const MONGODB: Database = Database {
    kind: "mongodb",
    port: 27017,
    names: &["MONGO_INITDB_DATABASE"],
    users: &["MONGO_INITDB_ROOT_USERNAME"],
};
const REDIS: Database = Database { kind: "redis", port: 6379, names: &[], users: &[] };
const RABBITMQ: Database =
    Database { kind: "rabbitmq", port: 5672, names: &[], users: &["RABBITMQ_DEFAULT_USER"] };

/// Last parts of image names, and programs.
const DATABASES: [(&str, Database); 17] = [
    ("postgres", POSTGRES),
    ("postgresql", POSTGRES),
    ("postgis", POSTGRES),
    ("timescaledb", POSTGRES),
    ("timescaledb-ha", POSTGRES),
    ("pgvector", POSTGRES),
    ("mysql", MYSQL),
    ("mysqld", MYSQL),
    ("mariadb", MARIADB),
    ("mariadbd", MARIADB),
    ("mongo", MONGODB),
    ("mongod", MONGODB),
    ("mongodb", MONGODB),
    ("redis", REDIS),
    ("redis-server", REDIS),
    ("valkey", REDIS),
    ("rabbitmq", RABBITMQ),
];

/// Images that hold data of which a draft cannot say how it is protected.
const HOLDERS: [&str; 12] = [
    "minio",
    "elasticsearch",
    "opensearch",
    "qdrant",
    "weaviate",
    "milvus",
    "chroma",
    "clickhouse-server",
    "influxdb",
    "cassandra",
    "neo4j",
    "etcd",
];

/// The database of an image, like `docker.io/bitnami/postgresql:16@sha256:…`.
pub fn database(image: &str) -> Option<Database> {
    let last = last_part(image);
    DATABASES.iter().find(|(name, _)| *name == last).map(|(_, database)| *database)
}

/// Whether an image holds data that is not taken over.
pub fn holds_data(image: &str) -> bool {
    HOLDERS.contains(&last_part(image))
}

fn last_part(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or(image);
    let last = path.rsplit('/').next().unwrap_or(path);
    last.split(':').next().unwrap_or(last)
}

/// What a source of a database says. `environment` looks a variable up.
pub fn source(
    database: Database,
    address: &str,
    port: u16,
    secret: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> (Fields, Vec<String>) {
    let first = |names: &[&str]| names.iter().find_map(|name| environment(name));
    let mut fields: Fields = vec![("kind", database.kind.to_string())];
    let mut comments = Vec::new();
    if !database.names.is_empty() {
        let user = first(database.users);
        // The images name the database after the user when nothing else is said.
        let name = first(database.names).or(if database.kind == "postgres" { user.clone() } else { None });
        if name.is_none() {
            comments.push("FILL IN: the name of the database.".to_string());
        }
        fields.push(("database", text(name.as_deref().unwrap_or("app"))));
    }
    if let Some(user) = first(database.users) {
        fields.push(("user", text(&user)));
    }
    if address != "127.0.0.1" {
        fields.push(("address", text(address)));
    }
    if port != database.port {
        fields.push(("port", port.to_string()));
    }
    fields.push(("password", format!("{{ file: {} }}", text(secret))));
    fields.push(("members", format!("[{HOST}]")));
    (fields, comments)
}

/// Whether this version of the language has an entry of a section: the check itself is asked. What it
/// only warns of is in the language.
pub fn knows(section: &str, entry: &str) -> bool {
    let estate = format!(
        "regions: {{ here: {{}} }}\nhosts: {{ {HOST}: {{ region: here }} }}\n{section}: {{ probe: {entry} }}\n"
    );
    let found = plan::check(&[SourceFile { path: String::new(), text: estate }]).diagnostics;
    // References to what the draft declares elsewhere are not what is asked here.
    !found.iter().any(|one| one.severity == Severity::Error && one.code != plan::codes::UNKNOWN.code)
}
