//! Performing what the engine says should be under way.
//!
//! The list is complete each time, so this only compares: what was dispatched in this session already is
//! left alone, what is no longer listed is forgotten, and the rest is sent if its host has a session. A
//! host without one gets it when it connects, because every connection wakes the driver.

use super::control::Controls;
use super::driver::Input;
use super::tell;
use super::witness::Witnessing;
use crate::agents::SessionHandle;
use crate::app::App;
use crate::rescue::copies::{Keepers, is_dangerous, is_dangerous_here};
use engine::perform::Key;
use engine::{Entry, Perform, Report};
use model::{Head, HostName, Name, Order, RunId, Token, Work};
use proto::v1;
use proto::v1::controller_message::Message;
use runtime::crash;
use runtime::telemetry::trace;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Shortest wait before silence is looked at again.
const SILENCE_STEP: Duration = Duration::from_millis(50);

/// Wait before a lease that is not evidence yet is looked at again.
const LEASE_STEP: Duration = Duration::from_millis(250);

/// Where an effect was dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dispatched {
    /// In a session, by its number.
    Session(u64),
    /// In this process.
    Here,
}

/// What one driver has under way.
pub(super) struct Acting {
    app: Arc<App>,
    run: RunId,
    inbox: mpsc::Sender<Input>,
    trace: Arc<str>,
    dispatched: BTreeMap<Key, Dispatched>,
    controls: Controls,
    watches: Vec<(Token, HostName, Duration)>,
    leases: Vec<(Token, HostName, Name)>,
    own: Vec<Input>,
    lapses: u64,
    witnessing: Witnessing,
}

impl Acting {
    pub(super) fn new(
        app: Arc<App>,
        run: RunId,
        inbox: mpsc::Sender<Input>,
        trace: Arc<str>,
        keepers: Arc<Keepers>,
    ) -> Self {
        Self {
            lapses: app.leading.lapses(),
            app,
            run,
            inbox,
            trace,
            dispatched: BTreeMap::new(),
            controls: Controls::default(),
            watches: Vec::new(),
            leases: Vec::new(),
            own: Vec::new(),
            witnessing: Witnessing::new(keepers),
        }
    }

    /// Performs what is not under way yet. Nothing while the leadership has lapsed; whoever renews it wakes us.
    pub(super) fn act(&mut self, perform: Vec<Perform>, head: &Head) {
        self.watches.clear();
        self.leases.clear();
        if !self.app.leading.holds() {
            return;
        }
        let lapses = self.app.leading.lapses();
        if self.lapses != lapses {
            // Actions of our own were stopped where they were, as at a restart: they begin again.
            self.dispatched.retain(|_, dispatched| *dispatched != Dispatched::Here);
            self.lapses = lapses;
        }
        let wanted: BTreeSet<Key> = perform.iter().map(Perform::key).collect();
        self.dispatched.retain(|key, _| wanted.contains(key));
        for effect in perform {
            let key = effect.key();
            match effect {
                Perform::Send { ref token, ref work, .. }
                    if is_dangerous(token, work) && !self.is_witnessed(token, head) => {}
                Perform::Control { ref token, ref action, .. }
                    if is_dangerous_here(token, action) && !self.is_witnessed(token, head) => {}
                Perform::Send { token, host, work, timeout } => {
                    self.app.leases.ordered(&self.app, &token, &host, &work);
                    self.send(key, &token, &host, work, timeout, head);
                }
                Perform::Revoke { token, host: Some(host) } => {
                    crash::point_of("revoking", &token.step);
                    let epoch = Some(self.app.epoch.into());
                    let revoke = v1::Revoke { token: Some((&token).into()), epoch };
                    self.say(key, &host, Message::Revoke(revoke));
                }
                Perform::Probe { token, host, work } => self.probe(key, &token, &host, &work),
                Perform::WatchSilence { token, host, after } => self.watches.push((token, host, after)),
                Perform::Tell { approval, notice, title, text, role } => {
                    if self.is_new(key) {
                        let about = tell::About { run: self.run, approval, notice };
                        tell::everybody(&self.app, &self.inbox, about, title, text, &role);
                    }
                }
                Perform::WatchLease { token, host, source } => self.leases.push((token, host, source)),
                Perform::CloseRun { run, hosts } => self.close(run, &hosts),
                Perform::Revoke { token, host: None } => {
                    if self.is_new(key) {
                        let report = self.controls.revoke(&token);
                        self.own.push(Input::Report { from: None, report, done: None });
                    }
                }
                Perform::Control { token, action, timeout } => {
                    if self.is_new(key) {
                        self.controls.begin(&self.app, &self.inbox, &token, action, timeout);
                    }
                }
                Perform::ProbeControl { token, action } => {
                    if self.is_new(key) {
                        Controls::probe(&self.app, &self.inbox, &token, action);
                    }
                }
            }
        }
    }

    /// Events that have just become durable.
    pub(super) fn learn(&mut self, entries: &[Entry]) {
        self.witnessing.began(entries);
    }

    /// Whether the record of what cannot be taken back is where it outlives this controller.
    fn is_witnessed(&mut self, token: &Token, head: &Head) -> bool {
        let gave_up = self.witnessing.look(&self.app, token, head, Instant::now());
        self.own.extend(gave_up.map(|report| Input::Report { from: None, report, done: None }));
        self.witnessing.is_settled(token)
    }

    fn is_new(&mut self, key: Key) -> bool {
        self.dispatched.insert(key, Dispatched::Here).is_none()
    }

    /// The session of a host, unless this was dispatched in it already.
    fn session(&self, key: &Key, host: &HostName) -> Option<SessionHandle> {
        let session = self.app.fleet.session(host)?;
        let done = self.dispatched.get(key) == Some(&Dispatched::Session(session.number()));
        (!done).then_some(session)
    }

    fn send(&mut self, key: Key, token: &Token, host: &HostName, work: Work, timeout: Duration, head: &Head) {
        let Some(session) = self.session(&key, host) else { return };
        let span = tracing::info_span!("order", run = %self.run, step = %token.step, host = %host, target = %token.target, attempt = token.attempt);
        trace::adopt(&span, &self.trace);
        let _entered = span.enter();
        let (epoch, head) = (self.app.epoch, head.clone());
        let order = Order { token: token.clone(), epoch, head, work, timeout };
        match proto::order_to_wire(&order, trace::current().unwrap_or_default()) {
            Ok(order) => {
                crash::point_of("order-sending", &token.step);
                if session.send_order(token, order).is_ok() {
                    crash::point_of("order-sent", &token.step);
                    tracing::info!(%host, "order sent");
                    self.dispatched.insert(key, Dispatched::Session(session.number()));
                }
            }
            Err(error) => tracing::error!(%token, %error, "an order cannot be written"),
        }
    }

    fn probe(&mut self, key: Key, token: &Token, host: &HostName, work: &Work) {
        match work.parameters() {
            Ok(parameters) => {
                crash::point_of("probing", &token.step);
                let (kind, version) = (work.kind().to_string(), work.version());
                let (token, epoch) = (Some(token.into()), Some(self.app.epoch.into()));
                self.say(key, host, Message::Probe(v1::Probe { token, epoch, kind, version, parameters }));
            }
            Err(error) => tracing::error!(%token, %error, "a probe cannot be written"),
        }
    }

    fn say(&mut self, key: Key, host: &HostName, message: Message) {
        let Some(session) = self.session(&key, host) else { return };
        if session.send(message).is_ok() {
            self.dispatched.insert(key, Dispatched::Session(session.number()));
        }
    }

    /// Those that are not connected hear it when they say hello.
    fn close(&self, run: RunId, hosts: &[HostName]) {
        let mut hosts: BTreeSet<HostName> = hosts.iter().cloned().collect();
        hosts.extend(self.app.copies.hosts(run));
        self.app.copies.forget(run);
        for session in hosts.iter().filter_map(|host| self.app.fleet.session(host)) {
            let closed = v1::RunClosed { run: run.0.as_bytes().to_vec() };
            crash::point("run-closing");
            // An error means that the session is over: the next one hears it.
            let _ = session.send(Message::RunClosed(closed));
        }
    }

    /// An action of our own has ended.
    pub(super) fn ended(&mut self, token: &Token) {
        self.controls.ended(token);
    }

    /// What acting itself gave to report.
    pub(super) fn take_own(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.own)
    }

    /// Until a silence that is watched for may have lasted long enough.
    pub(super) fn until_silence(&self) -> Duration {
        let left = self
            .watches
            .iter()
            .map(|(_, host, after)| after.saturating_sub(self.app.fleet.silent_for(host)).max(SILENCE_STEP));
        let leases = self.leases.iter().map(|(_, host, source)| match self.app.leases.left(source, host) {
            Some(left) => left.max(SILENCE_STEP),
            // Closed just now, and not durable yet; or never to be evidence.
            None => LEASE_STEP,
        });
        left.chain(leases).chain(self.witnessing.until_next()).min().unwrap_or(Duration::MAX)
    }

    /// Silences that have lasted long enough, and leases that have run out.
    pub(super) fn silences(&self) -> Vec<Input> {
        let fleet = &self.app.fleet;
        let silent_ms = |host| u64::try_from(fleet.silent_for(host).as_millis()).unwrap_or(u64::MAX);
        let lasted = self.watches.iter().filter(|(_, host, after)| fleet.silent_for(host) >= *after);
        let lasted = lasted.map(|(token, host, _)| Report::Silent {
            token: token.clone(),
            host: host.clone(),
            silent_ms: silent_ms(host),
        });
        let over = |source: &Name, host: &HostName| {
            self.app.leases.left(source, host).is_some_and(|it| it.is_zero())
        };
        let expired = self.leases.iter().filter(|(_, host, source)| over(source, host));
        let expired = expired.map(|(token, host, _)| Report::LeaseExpired {
            token: token.clone(),
            host: host.clone(),
            silent_ms: silent_ms(host),
        });
        for (_, _, source) in &self.leases {
            self.app.leases.ask_words(fleet, source);
        }
        let reports = lasted.chain(expired);
        reports.map(|report| Input::Report { from: None, report, done: None }).collect()
    }
}
