//! Faults 46 and 47 against real BIND: servers that are down, hang, refuse, lag or lose a reply; and
//! old plans whose writes arrive late.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::bind_server::{Bed, QUICK, READER_SECRET, SECRET, ZONE, key_file, key_file_of, spec, zone_at};
use super::suite::{name, values};
use super::*;
use model::RunId;
use runtime::Explained;
use std::convert::Infallible;
use std::future::ready;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const RUN: RunId = RunId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
const NEWER_RUN: RunId = RunId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002));

async fn plan(zone: &Zone, address: &str, run: RunId) -> Planned {
    zone.plan_change(&name("old"), values(&[address]), 60, run).await.unwrap()
}

fn server(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[tokio::test]
async fn a_cut_over_is_answered_by_every_authoritative_server() {
    let bed = Bed::two();
    let zone = bed.zone_of_two();
    let planned = plan(&zone, "198.51.100.7", RUN).await;
    let moved = zone.cut_over(&planned, ready(Ok::<_, Infallible>(()))).await.unwrap();
    let output = moved.output(&planned);
    assert_eq!(
        (output.before, output.after),
        (vec!["192.0.2.1".into(), "192.0.2.2".into()], vec!["198.51.100.7".to_string()])
    );
    assert_eq!((output.generation, output.ttl_seconds, output.servers.len()), (1, 5, 2));
    assert_eq!(moved.answers.len(), 2);
    assert!(moved.answers.iter().all(|a| a.agrees && a.serial == moved.answers[0].serial));
    assert_eq!(bed.secondary().dig("old.example.test", "A"), "198.51.100.7");
    let text = format!("\"lifeboat gen=1 run={RUN}\"");
    assert_eq!(bed.secondary().dig("_lifeboat.old.example.test", "TXT"), text);
}

#[tokio::test]
async fn a_key_of_hmac_sha512_signs_as_well_as_one_of_hmac_sha256() {
    let bed = Bed::one();
    let zone = zone_at(&[bed.primary.port], &key_file_of("hmac-sha512", "strong", SECRET));
    let planned = plan(&zone, "198.51.100.7", RUN).await;
    assert_eq!(zone.apply(&planned.change).await.unwrap(), Applied::Written);
    assert_eq!(bed.primary.dig("old.example.test", "A"), "198.51.100.7");
}

#[tokio::test]
async fn nothing_is_written_when_the_inverse_cannot_be_saved() {
    let bed = Bed::one();
    let zone = bed.zone();
    let planned = plan(&zone, "198.51.100.7", RUN).await;
    let failed = zone.cut_over(&planned, ready(Err("the disk is full"))).await.unwrap_err();
    assert_eq!(failed.code(), "LB1418");
    assert!(failed.problem().causes.contains(&"the disk is full".to_string()));
    assert!(matches!(zone.settle(&planned.change).await.unwrap(), Settled::NotDone));
}

#[tokio::test]
async fn fault_46_a_server_that_is_down_is_named_and_the_same_plan_works_later() {
    let mut bed = Bed::one();
    let zone = bed.zone();
    let planned = plan(&zone, "198.51.100.7", RUN).await;
    bed.primary.stop();
    let down = zone.apply(&planned.change).await.unwrap_err();
    assert_eq!(down.code(), "LB1401");
    assert!(down.is_transient() && down.is_outcome_unknown());
    assert!(down.to_string().contains(&server(bed.primary.port)), "{down}");
    bed.primary.start();
    assert_eq!(zone.apply(&planned.change).await.unwrap(), Applied::Written);
    assert_eq!(bed.primary.dig("old.example.test", "A"), "198.51.100.7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_46_a_write_waits_out_a_server_that_comes_back() {
    let mut bed = Bed::one();
    let planned = plan(&bed.zone(), "198.51.100.7", RUN).await;
    bed.primary.stop();
    let ports = [bed.primary.port];
    let key = key_file("lifeboat", SECRET);
    let zone = open_with(&spec(ZONE, &ports), key.as_bytes(), Bounds::DEFAULT).unwrap();
    let change = planned.change.clone();
    let writing = tokio::spawn(async move { zone.apply(&change).await });
    let starting = tokio::task::spawn_blocking(move || {
        bed.primary.start();
        bed
    });
    let bed = starting.await.unwrap();
    assert_eq!(writing.await.unwrap().unwrap(), Applied::Written);
    assert_eq!(bed.primary.dig("old.example.test", "A"), "198.51.100.7");
}

#[tokio::test]
async fn fault_46_a_server_that_accepts_and_never_answers_ends_in_time() {
    let bed = Bed::one();
    let planned = plan(&bed.zone(), "198.51.100.7", RUN).await;
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = hole.local_addr().unwrap().port();
    let zone = zone_at(&[port], &key_file("lifeboat", SECRET));
    let start = Instant::now();
    let silent = zone.apply(&planned.change).await.unwrap_err();
    assert_eq!(silent.code(), "LB1401");
    assert!(silent.problem().causes[0].contains("no answer within 500 ms"), "{:?}", silent.problem());
    assert!(start.elapsed() < Duration::from_secs(5), "3 tries of 500 ms: {:?}", start.elapsed());
}

/// Forwards connections to a server; of the first, it swallows the reply and hangs up.
async fn losing_the_first_reply(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut upstream = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            if std::mem::take(&mut first) {
                let (mut from_client, _to_client) = client.split();
                let (mut reply, mut to_server) = upstream.split();
                let mut answered = [0; 1];
                tokio::select! {
                    _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                    _ = reply.read_exact(&mut answered) => {}
                }
            } else {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            }
        }
    });
    port
}

#[tokio::test]
async fn fault_46_a_write_whose_reply_was_lost_is_recognised_as_done() {
    let bed = Bed::one();
    let planned = plan(&bed.zone(), "198.51.100.7", RUN).await;
    let port = losing_the_first_reply(bed.primary.port).await;
    let zone = zone_at(&[port], &key_file("lifeboat", SECRET));
    assert_eq!(zone.apply(&planned.change).await.unwrap(), Applied::AlreadyDone);
    assert_eq!(bed.primary.dig("old.example.test", "A"), "198.51.100.7");
}

/// Answers every update with success, without a signature, as anybody on the way could.
async fn unsigned_success() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let length = client.read_u16().await.unwrap();
            let mut request = vec![0; usize::from(length)];
            client.read_exact(&mut request).await.unwrap();
            let update_response_without_error = [request[0], request[1], 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            client.write_u16(12).await.unwrap();
            client.write_all(&update_response_without_error).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn fault_46_a_success_that_is_not_signed_counts_as_unknown() {
    let bed = Bed::one();
    let planned = plan(&bed.zone(), "198.51.100.7", RUN).await;
    let zone = zone_at(&[unsigned_success().await], &key_file("lifeboat", SECRET));
    let forged = zone.apply(&planned.change).await.unwrap_err();
    assert_eq!(forged.code(), "LB1413", "{forged}");
    assert!(forged.is_outcome_unknown());
    assert!(matches!(bed.zone().settle(&planned.change).await.unwrap(), Settled::NotDone));
}

#[tokio::test]
async fn fault_46_wrong_keys_clocks_rights_and_zones_are_told_apart() {
    let bed = Bed::one();
    let port = bed.primary.port;
    let planned = plan(&bed.zone(), "198.51.100.7", RUN).await;
    let with_key = |name, secret| zone_at(&[port], &key_file(name, secret));

    let unknown = with_key("stranger", SECRET).apply(&planned.change).await.unwrap_err();
    assert_eq!(unknown.code(), "LB1402", "{unknown}");
    let wrong = with_key("lifeboat", READER_SECRET).apply(&planned.change).await.unwrap_err();
    assert_eq!(wrong.code(), "LB1403", "{wrong}");
    let refused = with_key("reader", READER_SECRET).apply(&planned.change).await.unwrap_err();
    assert_eq!(refused.code(), "LB1405", "{refused}");

    let elsewhere = spec("example.org", &[port]);
    let zone = open_with(&elsewhere, key_file("lifeboat", SECRET).as_bytes(), QUICK).unwrap();
    let other = RecordName::new("app.example.org").unwrap();
    let unserved = zone.read(&other).await.unwrap_err();
    assert_eq!(unserved.code(), "LB1406", "{unserved}");
    let seen = Observed { values: Values::new(), ttl_seconds: None, generation: None };
    let generation = Generation { number: 1, run: RUN };
    let change = Planned::on_top_of(seen, other, values(&["192.0.2.1"]), 60, generation).unwrap().change;
    let unserved = zone.apply(&change).await.unwrap_err();
    assert_eq!(unserved.code(), "LB1406", "{unserved}");

    for error in [unknown, wrong, refused, unserved] {
        assert!(!error.is_transient() && !error.is_outcome_unknown());
        assert!(!format!("{error:?} {error} {:?}", error.problem()).contains(SECRET));
    }
    assert_eq!(bed.zone().read(&name("old")).await.unwrap(), planned.inverse.before);
}

#[tokio::test]
async fn fault_46_a_wrong_clock_is_shown_with_its_difference() {
    let bed = Bed::one();
    let planned = plan(&bed.zone(), "198.51.100.7", RUN).await;
    let key = TsigKey::from_file(key_file("lifeboat", SECRET).as_bytes()).unwrap();
    let servers = vec![server(bed.primary.port).parse().unwrap()];
    let slow_clock = || unix_seconds() - 1000;
    let zone_name = RecordName::new(ZONE).unwrap();
    let provider = rfc2136::Rfc2136::new(zone_name.clone(), servers, key, slow_clock).unwrap();
    assert!(!format!("{provider:?}").contains(SECRET));
    let zone = Zone::new(zone_name, Arc::new(provider), QUICK);
    let skewed = zone.apply(&planned.change).await.unwrap_err();
    let DnsError::ClockSkew { skew_seconds: Some(skew), .. } = skewed else { panic!("{skewed}") };
    assert!((999..=1002).contains(&skew), "{skew}");
}

#[tokio::test]
async fn fault_46_a_secondary_that_hangs_is_named_and_the_primary_counts() {
    let bed = Bed::two();
    let quick = Bounds { verify: Duration::from_secs(1), ..QUICK };
    let ports = [bed.primary.port, bed.secondary().port];
    let zone = open_with(&spec(ZONE, &ports), key_file("lifeboat", SECRET).as_bytes(), quick).unwrap();
    let planned = plan(&zone, "198.51.100.7", RUN).await;
    bed.secondary().signal("STOP");
    let lagging = zone.cut_over(&planned, ready(Ok::<_, Infallible>(()))).await.unwrap_err();
    bed.secondary().signal("CONT");
    let text = lagging.to_string();
    assert!(text.contains(&server(bed.secondary().port)), "{text}");
    let DnsError::Lagging { answers, .. } = lagging else { panic!("{text}") };
    assert!(answers[0].agrees && !answers[1].agrees, "{answers:?}");
    let moved = bed.zone_of_two().cut_over(&planned, ready(Ok::<_, Infallible>(()))).await.unwrap();
    assert_eq!(moved.applied, Applied::AlreadyDone);
}

#[tokio::test]
async fn fault_47_an_older_plans_write_that_arrives_later_is_refused() {
    let bed = Bed::one();
    let zone = bed.zone();
    let older = plan(&zone, "198.51.100.7", RUN).await;
    let newer = plan(&zone, "203.0.113.9", NEWER_RUN).await;
    zone.apply(&newer.change).await.unwrap();
    let late = zone.apply(&older.change).await.unwrap_err();
    assert_eq!(late.code(), "LB1408");
    assert!(late.to_string().contains(&NEWER_RUN.to_string()), "{late}");
    assert!(!late.is_transient());
    assert_eq!(bed.primary.dig("old.example.test", "A"), "203.0.113.9");
}

#[tokio::test]
async fn fault_47_an_older_plans_undo_that_arrives_later_is_refused() {
    let bed = Bed::one();
    let zone = bed.zone();
    let older = plan(&zone, "198.51.100.7", RUN).await;
    zone.apply(&older.change).await.unwrap();
    let newer = plan(&zone, "203.0.113.9", NEWER_RUN).await;
    zone.apply(&newer.change).await.unwrap();
    let late = zone.undo(&older.inverse).await.unwrap_err();
    assert_eq!(late.code(), "LB1408", "{late}");
    assert_eq!(bed.primary.dig("old.example.test", "A"), "203.0.113.9");
}
