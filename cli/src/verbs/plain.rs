//! Plain verbs: each is a run of a one-step plan, with the same journal, policy and report.

use super::run::{Start, start};
use crate::args::{Backup, Check, Place, Point, Restore, Services};
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
    let source = args.point.source.replace('-', "_");
    let into = args.into.clone().unwrap_or_else(|| format!("{source}_restored_{stamp}"));
    let mut parameters = of_point(&args.point);
    parameters["into"] = json!(into);
    verb(session, "restore", parameters).await
}

/// `lifeboat prove`
pub async fn prove(session: &Session, args: &Point) -> Result<Exit, Failure> {
    verb(session, "prove", of_point(args)).await
}

/// `lifeboat check`
pub async fn check(session: &Session, args: &Check) -> Result<Exit, Failure> {
    verb(session, "check", at_place("checks", &args.checks, &args.place)).await
}

/// `lifeboat start`, `stop`, `restart`
pub async fn services(session: &Session, kind: &str, args: &Services) -> Result<Exit, Failure> {
    verb(session, kind, at_place("services", &args.services, &args.place)).await
}

fn of_point(args: &Point) -> Value {
    json!({"source": args.source, "from": args.from, "point": args.point, "on": args.on})
}

fn at_place(key: &str, names: &[String], place: &Place) -> Value {
    let hosts = (!place.on.is_empty()).then_some(&place.on);
    json!({key: names, "region": place.region, "hosts": hosts})
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
