//! The kinds of services and their fields.

use crate::shape::{Field, Noun, PLAIN, Type, Variant, kind, later, later_kind, may, need};

/// Where it is; read by `placement`.
pub(crate) const PLACED: &[Field] =
    &[need("hosts", Type::Any, "Hosts that it is on: a list, or a map with settings of each.")];

/// `objectives: { rto }`.
pub(crate) const OBJECTIVES: &[Field] =
    &[may("rto", Type::Duration, "How long it may take until it runs again.")];

const KINDS: &[Variant] = &[
    kind(
        "systemd",
        "A unit of systemd.",
        &[need("unit", Type::Words, "Its unit; `.service` is added when it has no suffix.")],
    ),
    kind("container", "One Docker container.", &[need("container", Type::Name, "Its name or id.")]),
    kind(
        "process",
        "A process that the agent starts and supervises itself.",
        &[
            need("run", Type::Argv, "Program, by its whole path, and arguments. There is no shell."),
            may("user", Type::Name, "The user that it runs as; the agent's own when absent."),
            may("directory", Type::Path, "Its working directory."),
            may("environment", Type::Map(&Type::Text), "Added to a minimal environment. No secrets."),
            may(
                "stop-signal",
                Type::One(&["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"]),
                "Asks it to stop; `TERM` when absent.",
            ),
            may(
                "stop-grace",
                Type::Duration,
                "How long it may take to stop before it is killed; 10s when absent.",
            ),
        ],
    ),
    later_kind(
        "compose",
        "One service, or all, of a Docker Compose project.",
        &[
            need("project", Type::Name, "The name of the project."),
            may("folder", Type::Path, "The folder with its compose file."),
            may("file", Type::Path, "The compose file, where it has another name."),
            may("service", Type::Name, "One service of the project; all when absent."),
        ],
    ),
    later_kind(
        "kubernetes",
        "A workload of a Kubernetes cluster; its hosts are those whose agent reaches the cluster.",
        &[
            need("workload", Type::Words, "`deployment/backend`, `statefulset/postgres`, `daemonset/proxy`."),
            need("namespace", Type::Name, "Its namespace."),
            may("context", Type::Words, "The context of the kubeconfig."),
            may("kubeconfig", Type::Secret, "Where the kubeconfig is found."),
            may("manifests", Type::Path, "The folder with its manifests."),
        ],
    ),
    later_kind(
        "autoscaling",
        "A group of machines that a cloud keeps at its size.",
        &[
            need("group", Type::Words, "Its name there."),
            need("cloud", Type::One(&["aws", "gcp", "azure"]), "Which cloud."),
            may("template", Type::Words, "The launch template that its machines are made from."),
            may("credentials", Type::Secret, "Where credentials are found."),
        ],
    ),
];

pub(crate) static NOUN: Noun = Noun {
    section: "services",
    name: "service",
    doc: "What is started and stopped, and by what, on each of its hosts.",
    fields: &[
        may("needs", Type::Many(&Type::Of(&["service", "source"])), "What must be there before it starts."),
        may("objectives", Type::Fields(OBJECTIVES), "What its recovery is measured against."),
        later("replicas", Type::Number(0, 10_000), "How many of it run; `scale` puts this number back."),
        later("autostart", Type::Truth, "Whether its own manager starts it at boot."),
    ],
    kinds: KINDS,
    placed: Some("hosts"),
    ..PLAIN
};
