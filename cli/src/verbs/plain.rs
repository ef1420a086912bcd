//! Plain verbs: each is a run of a one-step plan, with the same journal, policy and report.

use super::run::{Start, start};
use crate::args::{Backup, Check, Prove, Restore, Services};
use crate::failure::Failure;
use crate::session::Session;
use proto::v1::start_request::What;
use runtime::lifecycle::Exit;
use serde_json::{Map, Value, json};

/// `lifeboat backup`
pub async fn backup(session: &Session, args: &Backup) -> Result<Exit, Failure> {
    verb(session, "backup", json!({"source": args.source, "to": args.to, "on": args.on})).await
}

/// `lifeboat restore`
pub async fn restore(session: &Session, args: &Restore) -> Result<Exit, Failure> {
    let stamp = session.clock.now().timestamp().strftime("%Y%m%d_%H%M%S").to_string();
    let into =
        args.into.clone().unwrap_or_else(|| format!("{}_restored_{stamp}", args.source.replace('-', "_")));
    let parameters =
        json!({"source": args.source, "from": args.from, "point": args.point, "into": into, "on": args.on});
    verb(session, "restore", parameters).await
}

/// `lifeboat prove`
pub async fn prove(session: &Session, args: &Prove) -> Result<Exit, Failure> {
    let parameters = json!({"source": args.source, "from": args.from, "point": args.point, "on": args.on});
    verb(session, "prove", parameters).await
}

/// `lifeboat check`
pub async fn check(session: &Session, args: &Check) -> Result<Exit, Failure> {
    verb(session, "check", json!({"checks": args.checks, "region": args.region, "hosts": some(&args.on)}))
        .await
}

/// `lifeboat start`, `stop`, `restart`
pub async fn services(session: &Session, kind: &str, args: &Services) -> Result<Exit, Failure> {
    verb(session, kind, json!({"services": args.services, "region": args.region, "hosts": some(&args.on)}))
        .await
}

fn some(hosts: &[String]) -> Option<&[String]> {
    (!hosts.is_empty()).then_some(hosts)
}

async fn verb(session: &Session, kind: &str, parameters: Value) -> Result<Exit, Failure> {
    let given: Map<String, Value> = match parameters {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    };
    let what = What::Verb(proto::v1::Verb {
        kind: kind.to_string(),
        parameters_yaml: Value::Object(given).to_string(),
    });
    start(session, Start { what, mode: model::Mode::Live, inputs: Vec::new(), detach: false }).await
}
