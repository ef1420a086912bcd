//! What every provider must pass, whatever its kind. A case takes a [`Subject`]: a zone that holds
//! nothing but the record `old` (192.0.2.1 and 192.0.2.2), and somebody else's hands.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::bind_server::Bed;
use super::*;
use model::RunId;
use runtime::Explained;

/// Sets a name (its first label) to a value.
type Hands<'a> = Box<dyn Fn(&str, &str) + 'a>;

/// One provider under test.
pub struct Subject<'a> {
    zone: Zone,
    /// Sets the address of a name as people do, past Lifeboat.
    by_hand: Hands<'a>,
    /// Sets a text of a name as people do.
    text_by_hand: Hands<'a>,
}

const RUN: RunId = RunId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
const OTHER_RUN: RunId = RunId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002));

pub fn name(label: &str) -> RecordName {
    RecordName::new(&format!("{label}.example.test")).unwrap()
}

pub fn values(texts: &[&str]) -> Values {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn plan(zone: &Zone, label: &str, texts: &[&str], run: RunId) -> Planned {
    zone.plan_change(&name(label), values(texts), 60, run).await.unwrap()
}

async fn set(zone: &Zone, label: &str, texts: &[&str], run: RunId) -> Planned {
    let planned = plan(zone, label, texts, run).await;
    assert_eq!(zone.apply(&planned.change).await.unwrap(), Applied::Written);
    planned
}

async fn a_new_name_is_set_and_read_back(on: &Subject<'_>) {
    set(&on.zone, "app", &["192.0.2.10", "2001:db8::10"], RUN).await;
    let found = on.zone.read(&name("app")).await.unwrap();
    assert_eq!(found.values, values(&["192.0.2.10", "2001:db8::10"]));
    assert_eq!(found.ttl_seconds, Some(60));
    assert_eq!(found.generation, Some(Generation { number: 1, run: RUN }));
}

async fn a_change_moves_values_and_generation_together(on: &Subject<'_>) {
    let planned = set(&on.zone, "old", &["198.51.100.7"], RUN).await;
    assert_eq!(planned.inverse.before.values, values(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!(planned.inverse.before.generation, None);
    set(&on.zone, "old", &["198.51.100.8"], OTHER_RUN).await;
    let found = on.zone.read(&name("old")).await.unwrap();
    assert_eq!(found.values, values(&["198.51.100.8"]));
    assert_eq!(found.generation, Some(Generation { number: 2, run: OTHER_RUN }));
}

async fn an_address_becomes_an_alias_and_an_address_again(on: &Subject<'_>) {
    set(&on.zone, "old", &["web.eu.example.net"], RUN).await;
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, values(&["web.eu.example.net"]));
    set(&on.zone, "old", &["192.0.2.9"], RUN).await;
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, values(&["192.0.2.9"]));
}

async fn an_alias_beside_records_of_another_type_is_refused_and_the_addresses_stay(on: &Subject<'_>) {
    (on.text_by_hand)("old", "hello");
    let planned = plan(&on.zone, "old", &["web.eu.example.net"], RUN).await;
    let refused = on.zone.apply(&planned.change).await.unwrap_err();
    assert!(matches!(refused, DnsError::BadValues { .. }), "{refused}");
    assert_eq!(on.zone.read(&name("old")).await.unwrap(), planned.inverse.before);
}

async fn an_undo_puts_back_what_was_there_under_a_higher_generation(on: &Subject<'_>) {
    let planned = set(&on.zone, "old", &["198.51.100.7"], RUN).await;
    for _ in 0..2 {
        assert_eq!(on.zone.undo(&planned.inverse).await.unwrap(), Undone::Restored);
    }
    let found = on.zone.read(&name("old")).await.unwrap();
    assert_eq!(found.values, planned.inverse.before.values);
    assert_eq!(found.ttl_seconds, planned.inverse.before.ttl_seconds);
    assert_eq!(found.generation, Some(planned.inverse.restoring().unwrap().generation));
}

async fn an_undo_of_a_name_that_someone_changed_since_is_refused(on: &Subject<'_>) {
    let planned = set(&on.zone, "old", &["198.51.100.7"], RUN).await;
    (on.by_hand)("old", "203.0.113.5");
    assert!(matches!(on.zone.undo(&planned.inverse).await, Err(DnsError::Conflict { .. })));
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, values(&["203.0.113.5"]));
}

async fn an_undo_of_a_change_that_never_arrived_keeps_it_from_arriving(on: &Subject<'_>) {
    let planned = plan(&on.zone, "old", &["198.51.100.7"], RUN).await;
    assert_eq!(on.zone.undo(&planned.inverse).await.unwrap(), Undone::Revoked);
    let late = on.zone.apply(&planned.change).await.unwrap_err();
    assert!(matches!(late, DnsError::OlderGeneration { .. }), "{late}");
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, planned.inverse.before.values);
    assert_eq!(on.zone.undo(&planned.inverse).await.unwrap(), Undone::Restored);
}

async fn an_empty_set_is_refused_and_the_record_stays(on: &Subject<'_>) {
    let planned = on.zone.plan_change(&name("old"), Values::new(), 60, RUN).await;
    assert!(matches!(planned, Err(DnsError::EmptySet { .. })));
    let mut change = plan(&on.zone, "old", &["198.51.100.7"], RUN).await.change;
    change.values.clear();
    assert!(matches!(on.zone.apply(&change).await, Err(DnsError::EmptySet { .. })));
    let created = set(&on.zone, "app", &["192.0.2.10"], RUN).await;
    assert!(matches!(on.zone.undo(&created.inverse).await, Err(DnsError::NothingBefore { .. })));
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, values(&["192.0.2.1", "192.0.2.2"]));
}

async fn an_older_or_equal_generation_is_refused(on: &Subject<'_>) {
    let equal = plan(&on.zone, "old", &["198.51.100.7"], RUN).await;
    set(&on.zone, "old", &["198.51.100.8"], OTHER_RUN).await;
    let refused = on.zone.apply(&equal.change).await.unwrap_err();
    assert!(matches!(refused, DnsError::OlderGeneration { .. }), "{refused}");
    set(&on.zone, "old", &["198.51.100.9"], OTHER_RUN).await;
    let refused = on.zone.apply(&equal.change).await.unwrap_err();
    assert!(matches!(refused, DnsError::OlderGeneration { .. }), "{refused}");
    let mut shrinking = plan(&on.zone, "old", &["198.51.100.7"], RUN).await.change;
    shrinking.generation.number = 2;
    assert!(matches!(on.zone.apply(&shrinking).await, Err(DnsError::OlderGeneration { .. })));
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, values(&["198.51.100.9"]));
}

async fn a_repeat_is_recognised_as_done(on: &Subject<'_>) {
    let planned = set(&on.zone, "old", &["198.51.100.7"], RUN).await;
    let before = on.zone.read(&name("old")).await.unwrap();
    assert_eq!(on.zone.apply(&planned.change).await.unwrap(), Applied::AlreadyDone);
    assert_eq!(on.zone.read(&name("old")).await.unwrap(), before);
}

async fn of_two_writers_exactly_one_wins(on: &Subject<'_>) {
    for round in 0..10u8 {
        let ours = plan(&on.zone, "old", &[&format!("198.51.100.{round}")], RUN).await;
        let theirs = plan(&on.zone, "old", &[&format!("203.0.113.{round}")], OTHER_RUN).await;
        let (a, b) = tokio::join!(on.zone.apply(&ours.change), on.zone.apply(&theirs.change));
        let (winner, refused) = match (a, b) {
            (Ok(Applied::Written), Err(refused)) => (ours, refused),
            (Err(refused), Ok(Applied::Written)) => (theirs, refused),
            other => panic!("round {round}: {other:?}"),
        };
        assert!(matches!(refused, DnsError::OlderGeneration { .. } | DnsError::Conflict { .. }), "{refused}");
        assert!(winner.change.is_done(&on.zone.read(&name("old")).await.unwrap()));
    }
}

async fn a_value_that_went_from_a_to_b_and_back_to_a_is_caught(on: &Subject<'_>) {
    set(&on.zone, "old", &["192.0.2.1"], RUN).await;
    let decided_in_the_first_a = plan(&on.zone, "old", &["192.0.2.3"], RUN).await;
    set(&on.zone, "old", &["192.0.2.2"], OTHER_RUN).await;
    set(&on.zone, "old", &["192.0.2.1"], OTHER_RUN).await;
    let refused = on.zone.apply(&decided_in_the_first_a.change).await.unwrap_err();
    assert!(matches!(refused, DnsError::OlderGeneration { .. }), "{refused}");
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, values(&["192.0.2.1"]));
}

async fn a_change_by_hand_is_refused_with_what_was_expected_and_found(on: &Subject<'_>) {
    set(&on.zone, "old", &["192.0.2.1"], RUN).await;
    let planned = plan(&on.zone, "old", &["192.0.2.3"], RUN).await;
    (on.by_hand)("old", "203.0.113.5");
    let refused = on.zone.apply(&planned.change).await.unwrap_err();
    assert_eq!(refused.code(), "LB1407");
    let text = refused.to_string();
    assert!(text.contains("expected 192.0.2.1 (") && text.contains("found 203.0.113.5 ("), "{text}");
    assert_eq!(on.zone.read(&name("old")).await.unwrap().values, values(&["203.0.113.5"]));
}

async fn a_text_of_someone_else_where_the_generation_goes_is_left_alone(on: &Subject<'_>) {
    (on.text_by_hand)("_lifeboat.old", "hello");
    let refused = on.zone.plan_change(&name("old"), values(&["192.0.2.3"]), 60, RUN).await.unwrap_err();
    assert!(matches!(refused, DnsError::ForeignGeneration { .. }), "{refused}");
}

async fn an_unknown_outcome_is_settled_by_reading(on: &Subject<'_>) {
    let planned = plan(&on.zone, "old", &["198.51.100.7"], RUN).await;
    assert!(matches!(on.zone.settle(&planned.change).await.unwrap(), Settled::NotDone));
    on.zone.apply(&planned.change).await.unwrap();
    assert!(matches!(on.zone.settle(&planned.change).await.unwrap(), Settled::Done));
    set(&on.zone, "old", &["198.51.100.8"], OTHER_RUN).await;
    let settled = on.zone.settle(&planned.change).await.unwrap();
    assert!(matches!(settled, Settled::Superseded(DnsError::OlderGeneration { .. })), "{settled:?}");
}

async fn a_name_outside_the_zone_is_refused(on: &Subject<'_>) {
    let outside = RecordName::new("app.example.org").unwrap();
    assert!(matches!(on.zone.read(&outside).await, Err(DnsError::BadSettings { .. })));
}

/// Each case against `rfc2136` on a BIND of its own.
mod rfc2136_on_bind {
    use super::*;

    macro_rules! cases {
        ($($case:ident),* $(,)?) => {$(
            #[tokio::test]
            async fn $case() {
                let bed = Bed::one();
                let edit = |name: &str, kind: &str, value: &str| {
                    let name = format!("{name}.example.test.");
                    bed.by_hand(&format!("update delete {name} {kind}\nupdate add {name} 5 {kind} {value}"));
                };
                super::$case(&Subject {
                    zone: bed.zone(),
                    by_hand: Box::new(|name, value| edit(name, "A", value)),
                    text_by_hand: Box::new(|name, value| edit(name, "TXT", value)),
                })
                .await;
            }
        )*};
    }

    cases!(
        a_new_name_is_set_and_read_back,
        a_change_moves_values_and_generation_together,
        an_address_becomes_an_alias_and_an_address_again,
        an_alias_beside_records_of_another_type_is_refused_and_the_addresses_stay,
        an_undo_puts_back_what_was_there_under_a_higher_generation,
        an_undo_of_a_name_that_someone_changed_since_is_refused,
        an_undo_of_a_change_that_never_arrived_keeps_it_from_arriving,
        an_empty_set_is_refused_and_the_record_stays,
        an_older_or_equal_generation_is_refused,
        a_repeat_is_recognised_as_done,
        of_two_writers_exactly_one_wins,
        a_value_that_went_from_a_to_b_and_back_to_a_is_caught,
        a_change_by_hand_is_refused_with_what_was_expected_and_found,
        a_text_of_someone_else_where_the_generation_goes_is_left_alone,
        an_unknown_outcome_is_settled_by_reading,
        a_name_outside_the_zone_is_refused,
    );
}
