//! The demo's story as an end-to-end test: real agents, real PostgreSQL, real BIND, no mock in its path.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use tests::{
    client::install_tls,
    story::{
        play::play,
        voice::{Audience, Voice},
        world::World,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_fails_over_and_no_acknowledged_write_is_lost() {
    install_tls();
    let voice = Voice::new(Audience::Test);
    let mut world = World::build().await.unwrap_or_else(|failure| panic!("{}", failure.chain()));
    let ending = play(&mut world, &voice).await.unwrap_or_else(|failure| {
        panic!("{}\n{}\nlogs: {}", voice.told().join("\n"), failure.chain(), world.scratch.path().display())
    });
    assert!(ending.lost.is_empty());
    assert_eq!(ending.tally.by_address.len(), 2, "both regions took writes: {:?}", ending.tally.by_address);
    // The report names what a person must be able to rely on.
    let report = &ending.failover.stdout;
    for word in ["promote", "cut-over", "RTO", "unreachable"] {
        assert!(report.contains(word), "no {word} in:\n{report}");
    }
    // The risk was shown in words before it was approved.
    assert!(ending.approved.stderr.contains("east-1 does not answer"), "{}", ending.approved.stderr);
}
