//! What is said to the members that may extend a lease: whose keys to accept, and to extend nothing any more.

use super::Leases;
use crate::agents::{Fleet, SessionHandle};
use crate::app::App;
use model::{HostName, Name};
use proto::v1::controller_message::Message;
use proto::{Malformed, v1};
use runtime::Policy;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

/// Names the keys of all members to every member that is connected, now that one of them came.
pub fn introduce(app: &App, host: &HostName) {
    let Some(in_force) = app.estate.get() else { return };
    let sources = in_force.checked.sources().filter(|source| source.members.contains(host));
    let met: Vec<(Name, BTreeSet<HostName>)> = sources
        .map(|source| {
            let peers = in_force.checked.peers(&source.name).into_keys().collect();
            (source.name, peers)
        })
        .filter(|(_, peers): &(_, BTreeSet<HostName>)| !peers.is_empty())
        .collect();
    if met.is_empty() {
        return;
    }
    let (store, fleet) = (app.store.clone(), app.fleet.clone());
    app.tasks.spawn(format!("members of {host}"), Policy::WORKER, async move {
        match store.agents().await {
            Ok(agents) => {
                for (source, peers) in met {
                    let known = agents.iter().filter(|agent| !agent.locked);
                    let known = known.filter(|agent| peers.iter().any(|host| host.as_str() == agent.host));
                    let keys = known.map(|agent| v1::MemberKey {
                        host: agent.host.clone(),
                        fingerprint: agent.key_fingerprint.clone(),
                    });
                    let message = v1::MemberKeys { source: source.to_string(), keys: keys.collect() };
                    tell(&fleet, &peers, || Message::MemberKeys(message.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "members were not told each other's keys; the next session does")
            }
        }
        Ok::<_, Infallible>(())
    });
}

fn tell(fleet: &Fleet, hosts: &BTreeSet<HostName>, message: impl Fn() -> Message) {
    let sessions: Vec<SessionHandle> = hosts.iter().filter_map(|host| fleet.session(host)).collect();
    for session in sessions {
        // A session that cannot take it has ended: it is said again in the next.
        let _ = session.send(message());
    }
}

/// A member says that it extends nothing below a term any more.
pub fn withheld(app: &App, host: &HostName, wire: v1::Withheld) -> Result<(), Malformed> {
    let source = Name::new(wire.source)
        .map_err(|error| Malformed::Invalid { field: "withheld.source", why: error.to_string() })?;
    let is_member = app.estate.get().is_some_and(|it| it.checked.lease_on(&source, host).is_some());
    if is_member && app.leases.known(&source, |_| ()).is_some() {
        let left = Duration::from_micros(wire.left_us);
        tracing::debug!(%host, %source, floor = wire.floor, ?left, "extends nothing any more");
        app.leases.word(&source, host, wire.floor, left);
        app.leases.save_beside(app, source);
    }
    Ok(())
}

impl Leases {
    pub(super) fn word(&self, source: &Name, from: &HostName, floor: u64, left: Duration) {
        let now = self.0.clock.since_boot();
        self.with(source, |known| known.grantor.word(from, floor, left, now));
    }

    /// Asks every member to extend nothing any more of what a closed one was granted, once its end is durable.
    /// Said again until one of them that counts has answered.
    pub fn ask_words(&self, fleet: &Fleet, source: &Name) {
        let asked = self.known(source, |known| {
            let members: BTreeSet<HostName> = known.grantor.members().cloned().collect();
            let durable = |host: &HostName| known.durable.get(host).map(|kept| &kept.row);
            let floors = members.iter().filter_map(|host| {
                let floor = known.grantor.withhold(host)?;
                durable(host).is_some_and(|row| row.closed && row.term >= floor).then_some(floor)
            });
            let floor = floors.max()?;
            let sets = known.durable.values().flat_map(|kept| &kept.row.sets);
            let extenders: BTreeSet<HostName> = sets.flat_map(|set| set.members.iter().cloned()).collect();
            Some((floor, extenders))
        });
        let Some(Some((floor, extenders))) = asked else { return };
        let withhold = v1::Withhold { source: source.to_string(), epoch: Some(self.0.epoch.into()), floor };
        tell(fleet, &extenders, || Message::Withhold(withhold.clone()));
    }
}
