//! The kinds of sources and their fields.

use crate::shape::{Field, Noun, PLAIN, Type, Variant, kind, later, later_kind, may, need};

const ADDRESS: Field =
    may("address", Type::Words, "Host name or address of the server; 127.0.0.1 when absent.");
const PORT: Field = may("port", Type::Number(1, 65_535), "TCP port; the server's usual one when absent.");
const USER: Field = may("user", Type::Words, "The user to connect as.");
const PASSWORD: Field = may("password", Type::Secret, "Where its password is found, on the member.");
const PROGRAMS: Field = may("programs", Type::Path, "The folder with the server's own programs.");
const DATABASE: Field = need("database", Type::Words, "The database to protect.");
const URL: Field = need("url", Type::Url, "Where the server answers.");

/// Where it is; read by `placement`.
pub(crate) const PLACED: &[Field] =
    &[need("members", Type::Any, "Hosts that hold it: a list, or a map with settings of each.")];

/// `objectives` of a source.
pub(crate) const OBJECTIVES: &[Field] = &[
    may("rto", Type::Duration, "How long recovery may take."),
    may("rpo", Type::Duration, "How much data, in time, may be lost."),
    may(
        "detection",
        Type::Duration,
        "How long a bad write may stay unnoticed; backups from before it must still be there then.",
    ),
    may("proven", Type::Duration, "How old the newest proof by a restore may be, at most."),
];

const CONTINUOUS: &[Field] = &[
    need("to", Type::Many(&Type::Of(&["repository"])), "Repositories that get it."),
    may("every", Type::Duration, "Longest time until what was written is there."),
];

const MYSQL: &[Field] = &[ADDRESS, PORT, DATABASE, USER, PASSWORD, PROGRAMS];

const KINDS: &[Variant] = &[
    kind(
        "postgres",
        "One database of a PostgreSQL server.",
        &[
            may(
                "address",
                Type::Words,
                "Host name, address, or the folder of a unix socket; 127.0.0.1 when absent.",
            ),
            PORT,
            DATABASE,
            USER,
            PASSWORD,
            may("programs", Type::Path, "The folder with pg_dump, pg_restore, pg_rewind and psql."),
            may(
                "followed-at",
                Type::Endpoint,
                "Where the other members reach this server; the host's name and `port` when absent.",
            ),
            may(
                "follows-as",
                Type::Words,
                "Its name among the standbys, as `synchronous_standby_names` has it; the host's name when absent.",
            ),
            may(
                "replication-user",
                Type::Words,
                "The role that a standby follows as, with the right REPLICATION; `user` when absent.",
            ),
            may("replication-password", Type::Secret, "Where that role's password is found, on the member."),
        ],
    ),
    kind(
        "files",
        "Trees of files: uploads, configuration, certificates.",
        &[
            need("paths", Type::Many(&Type::Path), "What is backed up."),
            may("excludes", Type::List(&Type::Words), "Glob patterns of what is left out."),
            may("one-file-system", Type::Truth, "Stay on the file system of each path."),
            may("keep-incomplete", Type::Truth, "Keep a snapshot although some files could not be read."),
        ],
    ),
    later_kind("mysql", "One database of a MySQL server.", MYSQL),
    later_kind("mariadb", "One database of a MariaDB server.", MYSQL),
    later_kind(
        "mongodb",
        "One database of a MongoDB server or replica set.",
        &[
            ADDRESS,
            PORT,
            DATABASE,
            USER,
            PASSWORD,
            PROGRAMS,
            may("auth-database", Type::Words, "The database that knows the user; `admin` when absent."),
            may("replica-set", Type::Words, "The name of the replica set."),
            may("collections", Type::Many(&Type::Words), "Only these collections."),
        ],
    ),
    later_kind(
        "redis",
        "A Redis or Valkey server.",
        &[
            ADDRESS,
            PORT,
            USER,
            PASSWORD,
            PROGRAMS,
            may("folder", Type::Path, "The folder with its RDB and AOF files."),
            may("method", Type::One(&["rdb", "aof"]), "What is backed up; `rdb` when absent."),
        ],
    ),
    later_kind(
        "rabbitmq",
        "Definitions and durable messages of a RabbitMQ server.",
        &[ADDRESS, PORT, USER, PASSWORD, may("vhost", Type::Words, "Only this virtual host.")],
    ),
    later_kind(
        "elasticsearch",
        "Indices of an Elasticsearch or OpenSearch cluster.",
        &[URL, USER, PASSWORD, may("indices", Type::Many(&Type::Words), "Only these indices.")],
    ),
    later_kind(
        "vector",
        "Collections of a vector store.",
        &[
            need(
                "product",
                Type::One(&["qdrant", "weaviate", "milvus", "chroma", "pinecone"]),
                "Which store.",
            ),
            URL,
            may("key", Type::Secret, "Its API key."),
            may("collections", Type::Many(&Type::Words), "Only these collections."),
        ],
    ),
    later_kind(
        "bucket",
        "A bucket of an object store: S3, MinIO, GCS.",
        &[
            need("at", Type::Location, "`s3://bucket/prefix`."),
            may("endpoint", Type::Url, "The service, for others than AWS."),
            may("s3-region", Type::Words, "The service's own word for its region."),
            may("credentials", Type::Secret, "A file with credentials in the AWS form."),
        ],
    ),
    later_kind(
        "volume",
        "A block device.",
        &[
            need(
                "manager",
                Type::One(&["lvm", "zfs", "btrfs", "ebs", "csi", "gcp-disk", "azure-disk"]),
                "Who takes its snapshots.",
            ),
            need("volume", Type::Words, "Its name there: `vg0/data`, `tank/data`, `vol-0a1b…`."),
            may("mounted", Type::Path, "Where it is mounted."),
        ],
    ),
    later_kind(
        "stream",
        "Topics of a log or stream.",
        &[
            need("product", Type::One(&["kafka", "redpanda", "nats", "pulsar"]), "Which one."),
            need("servers", Type::Many(&Type::Endpoint), "Its servers."),
            USER,
            PASSWORD,
            may("topics", Type::Many(&Type::Words), "Only these topics."),
        ],
    ),
];

pub(crate) static NOUN: Noun = Noun {
    section: "sources",
    name: "source",
    doc: "Data to protect, its members and its writers.",
    fields: &[
        may(
            "server",
            Type::Of(&["service"]),
            "The service that runs the server on each member; a fence stops it.",
        ),
        may(
            "writers",
            Type::Many(&Type::Of(&["service"])),
            "Services that write to it; they are held for a swap.",
        ),
        may("objectives", Type::Fields(OBJECTIVES), "What its recovery is measured against."),
        may("rebuilds", Type::Truth, "It can be made again, like a cache; losing it loses no data."),
        later("continuous", Type::Fields(CONTINUOUS), "Ship its log (WAL, oplog, binlog) as it is written."),
        may(
            "lease",
            Type::Duration,
            "The primary stops by itself when it was not granted anew for this long; its host needs the watchdog.",
        ),
    ],
    kinds: KINDS,
    placed: Some("members"),
    ..PLAIN
};
