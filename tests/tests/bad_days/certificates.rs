//! A host that was cut off for longer than its certificate lived.

use crate::world::{Plans, SOON, World};
use model::{HostName, Micros};
use runtime::tls::{Ca, Identity, Keys, Lifetime};
use sqlx::Row as _;
use std::time::Duration;
use tests::polling::until;

const ONE: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }\n";

/// The agent's certificate ran out an hour ago, as after a partition of days: its key is the same.
fn expire(world: &mut World) {
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let data = world.controller.data().to_owned();
    let ca = Ca::load(&text(data.join("ca.pem")), &text(data.join("ca.key"))).unwrap();
    let folder = world.agent("east-1").state().join("identity");
    let keys = Keys::load(&folder.join("key.pem")).unwrap();
    let now = runtime::Clock::system().now();
    let from = Micros(now.0 - 25 * 3_600_000_000);
    let lifetime = Lifetime { from, length: Duration::from_secs(24 * 3600) };
    let identity = Identity::Agent(HostName::new("east-1").unwrap());
    let issued =
        ca.sign(&keys.request().unwrap(), &identity, &[], lifetime, runtime::Ids::system().fresh()).unwrap();
    std::fs::write(folder.join("certificate.pem"), issued.certificate_pem).unwrap();
    let life = serde_json::json!({"from": from, "until": issued.not_after});
    std::fs::write(folder.join("life.json"), life.to_string()).unwrap();
}

#[tokio::test]
async fn fault_30_an_expired_certificate_is_renewed_by_its_key_a_few_times_and_then_by_a_person() {
    let mut world = Plans::new("fault-30").script("one", "").plan("one", ONE).start().await;
    let kept = world.agent("east-1").state().join("identity");
    world.agent("east-1").stop().await;
    expire(&mut world);
    let expired = std::fs::read_to_string(kept.join("certificate.pem")).unwrap();
    world.agent("east-1").start().unwrap();
    world.until_connected("east-1").await;
    until("a new certificate", SOON, async || {
        let now = std::fs::read_to_string(kept.join("certificate.pem")).unwrap();
        if now == expired { Err("the old one".to_owned()) } else { Ok(()) }
    })
    .await
    .unwrap();
    let run = world.run("one").await;
    world.until_success(run).await;
    let counted = world.rows("select recoveries from agents where host = 'east-1'").await;
    assert_eq!(counted[0].get::<i64, _>(0), 1);

    // As often as it may.
    world.agent("east-1").stop().await;
    expire(&mut world);
    world.controller.stop().await;
    world.tamper(&["update agents set recoveries = 5"]).await;
    world.controller.start().await.unwrap();
    world.agent("east-1").start().unwrap();
    let log = world.agent("east-1").log().to_owned();
    let address = world.controller.address();
    until("an agent that says what to do", SOON, async || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let command = format!("lifeboat-agent enrol --controller {address} --token-file FILE");
        match ["LB2488", "LB1255", "lifeboat token create --host east-1", &command]
            .iter()
            .all(|word| log.contains(*word))
        {
            true => Ok(()),
            false => Err(log.lines().rev().take(5).collect::<Vec<_>>().join("\n")),
        }
    })
    .await
    .unwrap();
    let token = world.token("east-1", "15m").await;
    world.agents["east-1"].enrol(&world.scratch, &token).await.unwrap();
    world.until_connected("east-1").await;
    let counted = world.rows("select recoveries from agents where host = 'east-1'").await;
    assert_eq!(counted[0].get::<i64, _>(0), 0, "a person has vouched for it anew");
}
