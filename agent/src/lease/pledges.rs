//! What this host has promised other members of a source, on its disk, and what it must not do meanwhile.
//!
//! There is one of these for a source as long as the process lives, whoever keeps the lease: whoever asks for
//! an extension and whoever takes a lease meet at its lock, so that never both succeed.

use super::lock;
use crate::jobs::note::replace;
use model::lease::{Extend, Member, Pledges, Unextended};
use model::{Name, Problem};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

pub(super) struct Pledged {
    source: Name,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    member: Member,
    /// What stands on the disk, or may: nothing is told that does not.
    written: Option<Pledges>,
    /// This host holds the lease until then, and its server needs the stop time after it.
    holds: Duration,
    /// Its server was seen writing.
    writes: bool,
}

impl Pledged {
    /// A file that cannot be read is a problem: what was promised is not known then.
    pub(super) fn open(state_dir: &Path, source: &Name, boot: &str) -> Result<Pledged, Problem> {
        let path = state_dir.join("leases").join(format!("{source}.pledges.json"));
        let kept: Option<Pledges> = match std::fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| unusable(&path, &error))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(&path, &error)),
        };
        let member = Member::new(boot, kept.clone().unwrap_or_default());
        let state = State { member, written: kept, holds: Duration::ZERO, writes: false };
        Ok(Pledged { source: source.clone(), path, state: Mutex::new(state) })
    }

    fn write(&self, state: &mut State) -> Result<(), Problem> {
        let kept = state.member.kept().clone();
        if state.written.as_ref() == Some(&kept) {
            return Ok(());
        }
        state.written = None;
        let text = serde_json::to_vec(&kept).map_err(std::io::Error::from);
        text.and_then(|text| replace(&self.path, &text)).map_err(|error| unusable(&self.path, &error))?;
        state.written = Some(kept);
        Ok(())
    }

    /// Another member asks for more time. What is given is on the disk before this returns.
    pub(super) fn asked(&self, ask: &Extend, now: Duration) -> Result<Duration, Problem> {
        let mut state = lock(&self.state);
        let holds = state.writes || now < state.holds;
        let given = state.member.asked(ask, now, holds).map_err(|why| unextended(&self.source, why))?;
        self.write(&mut state)?;
        Ok(given)
    }

    /// Extends nothing below this term from now on. Gives the term that counts, and how long something that was
    /// given before may still run.
    pub(super) fn withhold(&self, floor: u64, now: Duration) -> Result<(u64, Duration), Problem> {
        let mut state = lock(&self.state);
        state.member.raise(floor);
        self.write(&mut state)?;
        Ok((state.member.kept().floor, state.member.left(now)))
    }

    /// This host is about to hold the lease until then, in this term: only when it has promised nobody that it
    /// does not, and from then on it extends nothing of an earlier term.
    pub(super) fn hold(&self, term: u64, until: Duration, now: Duration) -> Result<(), Problem> {
        let mut state = lock(&self.state);
        if !state.member.left(now).is_zero() {
            return Err(promised(&self.source, state.member.left(now)));
        }
        state.member.raise(term);
        self.write(&mut state)?;
        state.holds = state.holds.max(until);
        Ok(())
    }

    /// Whether this host has promised nobody that it takes no lease, so that it is not promoted.
    pub(super) fn may_hold(&self, now: Duration) -> Result<(), Problem> {
        match lock(&self.state).member.left(now) {
            Duration::ZERO => Ok(()),
            left => Err(promised(&self.source, left)),
        }
    }

    /// An earlier life of this agent took it.
    pub(super) fn resume(&self, until: Duration) {
        let mut state = lock(&self.state);
        state.holds = state.holds.max(until);
    }

    /// Whether its server was seen writing.
    pub(super) fn seen(&self, writes: bool) {
        lock(&self.state).writes = writes;
    }
}

fn promised(source: &Name, left: Duration) -> Problem {
    Problem::new(
        "LB2460",
        format!(
            "this host has extended the lease of the primary of {source}, which may write for up to {} s more",
            left.as_secs() + 1
        ),
        "Two primaries are what this prevents. Nothing was promoted; try again when that time is over.",
    )
    .transient()
}

fn unextended(source: &Name, why: Unextended) -> Problem {
    let (text, advice) = match why {
        Unextended::Primary => ("this host is the primary", "The asker was replaced: `rejoin` it."),
        Unextended::Withheld => (
            "a controller ends that lease, or another member was made the primary",
            "Nothing to do here: the asker's server stops. See `lifeboat status` once a controller answers.",
        ),
        Unextended::Unarmed => {
            ("no watchdog guards the asker's server", "Start `lifeboat-watchdog` on the asker's host.")
        }
        Unextended::TooShort => ("it asks for too short a time", "Report this."),
    };
    Problem::new("LB2463", format!("the lease of {source} is not extended: {text}"), advice)
}

fn unusable(path: &Path, error: &dyn std::error::Error) -> Problem {
    Problem::new(
        "LB2461",
        format!("{} cannot be used, which says what this host has promised other members", path.display()),
        "Until it can, this host neither extends a lease nor takes one. When it is damaged: wait one lease and its stop time, then move it aside and restart the agent.",
    )
    .caused_by(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::lease::Terms;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn db() -> Name {
        Name::new("db").unwrap()
    }

    fn ask(term: u64) -> Extend {
        let terms = Terms { length: S(10), stop: S(2) };
        Extend { boot: "p".to_string(), sent: S(1), terms, term, armed: true }
    }

    #[test]
    fn what_was_promised_is_kept_over_a_restart_and_a_reboot_and_until_then_no_lease_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let pledged = Pledged::open(folder.path(), &db(), "one").unwrap();
        pledged.asked(&ask(3), S(100)).unwrap();
        for (boot, now) in [("one", 101), ("two", 1)] {
            let after = Pledged::open(folder.path(), &db(), boot).unwrap();
            let refused = after.hold(4, S(200), S(now)).unwrap_err();
            assert_eq!(refused.code, "LB2460");
            assert!(refused.message.contains("13 s more"), "{}", refused.message);
            assert_eq!(after.may_hold(S(now)).unwrap_err().code, "LB2460");
            after.hold(4, S(200), S(now + 14)).unwrap();
            assert_eq!(after.asked(&ask(9), S(now + 15)).unwrap_err().code, "LB2463");
        }
        let after = Pledged::open(folder.path(), &db(), "three").unwrap();
        let gone = after.asked(&ask(3), S(50)).unwrap_err();
        assert!(gone.message.contains("another member was made the primary"), "{}", gone.message);
    }

    #[test]
    fn what_cannot_be_written_is_not_promised_and_what_cannot_be_read_is_no_permission() {
        let folder = tempfile::tempdir().unwrap();
        let pledged = Pledged::open(folder.path(), &db(), "one").unwrap();
        std::fs::write(folder.path().join("leases"), "in the way").unwrap();
        assert_eq!(pledged.asked(&ask(3), S(100)).unwrap_err().code, "LB2461");
        assert_eq!(pledged.withhold(5, S(100)).unwrap_err().code, "LB2461");
        std::fs::remove_file(folder.path().join("leases")).unwrap();
        assert_eq!(pledged.withhold(5, S(100)).unwrap().0, 5, "it is tried again");
        std::fs::write(folder.path().join("leases/db.pledges.json"), "{").unwrap();
        assert_eq!(Pledged::open(folder.path(), &db(), "one").err().unwrap().code, "LB2461");
    }

    #[test]
    fn who_holds_the_lease_or_still_writes_extends_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let pledged = Pledged::open(folder.path(), &db(), "one").unwrap();
        pledged.hold(2, S(20), S(10)).unwrap();
        assert_eq!(pledged.asked(&ask(7), S(19)).unwrap_err().code, "LB2463");
        pledged.seen(true);
        assert_eq!(pledged.asked(&ask(7), S(30)).unwrap_err().code, "LB2463");
        pledged.seen(false);
        pledged.asked(&ask(7), S(30)).unwrap();
    }
}
