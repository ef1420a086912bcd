//! Faults of an S3 service, made by a proxy before a real one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use repository::storage::{Object, Problem};
use support::moto::Moto;
use support::proxy::{Action, Proxy};

#[test]
fn what_passes_the_proxy_is_what_the_service_has() {
    let moto = Moto::start();
    let proxy = Proxy::before(&moto.endpoint());
    let storage = moto.storage_at(&proxy.endpoint(), "x");
    let bytes = support::noise(1, 5_000_000);
    storage.put(Object::Config, &bytes).unwrap();
    assert!(moto.storage("x").read(Object::Config, 0, bytes.len()).unwrap() == bytes);
    proxy.rule(|_| Action::WrongContent);
    assert!(storage.read(Object::Config, 0, bytes.len()).unwrap() != bytes);
    proxy.rule(|head| if head.method == "HEAD" { Action::Refuse(403, "AccessDenied") } else { Action::Pass });
    assert_eq!(storage.stat(Object::Config).unwrap_err().problem, Problem::Denied);
    assert_eq!(proxy.seen().len(), 1);
}
