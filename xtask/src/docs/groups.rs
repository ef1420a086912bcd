//! The ranges of codes: whose they are, why they matter, and what helps with all of them.

/// A range of codes.
pub struct Group {
    /// First code, as a number.
    first: u16,
    /// Whose codes they are.
    pub title: &'static str,
    /// What that part does.
    pub about: &'static str,
    /// Why an error there matters.
    pub why: &'static str,
    /// What helps with each of them; may be empty.
    pub advice: &'static str,
}

/// The group of a code: the last one that begins at or before it.
pub fn of(code: &str) -> &'static Group {
    let number: u16 = code.trim_start_matches("LB").parse().unwrap_or(0);
    ALL.iter().rev().find(|group| group.first <= number).unwrap_or(&ALL[0])
}

/// All ranges, by number.
static ALL: &[Group] = &[
    Group {
        first: 0,
        title: "Estate and plan",
        about: "the check of an estate and its plans, before anything is sent.",
        why: "Nothing of this estate is in force until it is mended; what was in force before still is.",
        advice: "",
    },
    Group {
        first: 1100,
        title: "Controller: who may do what",
        about: "certificates, tokens and roles.",
        why: "Whoever commands a controller can move production. What cannot prove who it is, is refused.",
        advice: "",
    },
    Group {
        first: 1200,
        title: "Controller: store",
        about: "the database that holds the journal.",
        why: "The journal is the truth about every run. Nothing is acted on before it is stored there, so without its store a controller stands still.",
        advice: "Runs are not lost: a controller that starts again goes on where the journal ends.",
    },
    Group {
        first: 1240,
        title: "Controller: rescue",
        about: "bundles, copies of journals at agents, and the rescue itself.",
        why: "A rescue commands every host. What is not certainly the operators' own, or would be driven by two, is refused.",
        advice: "docs/rescue.md has the whole way, from the key in the drawer to the old controller's return.",
    },
    Group {
        first: 1300,
        title: "Runs",
        about: "what a run may do next, and what it met.",
        why: "A run that goes on although something is not as its plan says can do more harm than one that waits.",
        advice: "`lifeboat watch` shows what the run waits for and the exact commands to type.",
    },
    Group {
        first: 1350,
        title: "Controller: runs",
        about: "starting, driving and showing runs.",
        why: "The run was not started, or its controller cannot drive it now; what was recorded before still holds.",
        advice: "`lifeboat runs list` shows which runs there are and how they are.",
    },
    Group {
        first: 1400,
        title: "Controller: DNS",
        about: "changing records at authoritative servers.",
        why: "A record that points at the wrong region sends writes to a database that nobody reads. So an update is conditional on the value last seen, and a doubtful one is never called done.",
        advice: "Ask the authoritative servers what they answer now (`dig @SERVER NAME`), before you try again.",
    },
    Group {
        first: 1500,
        title: "Controller: channels",
        about: "telling people.",
        why: "People who are not told act on what they knew before. A run does not stop for it unless its plan says so.",
        advice: "Tell those people by hand meanwhile.",
    },
    Group {
        first: 2100,
        title: "Agent: session, spool and policy",
        about: "what an agent accepts, and what it remembers of it.",
        why: "An agent does each order at most once, only for the controller in charge, and only what its host's policy allows. What it cannot remember or may not do, it refuses.",
        advice: "The agent's log on that host says more: `journalctl -u lifeboat-agent`.",
    },
    Group {
        first: 2200,
        title: "Agent: jobs",
        about: "what an order asked for.",
        why: "The step did not do what it should. Nothing after it begins until that is settled.",
        advice: "When the cause is mended: `lifeboat retry RUN STEP`.",
    },
    Group {
        first: 2300,
        title: "Agent: sources",
        about: "databases and files that are backed up, restored, promoted and fenced.",
        why: "This is the data. A backup that failed leaves no snapshot, and a restore never touches the live data, so what was there before is still there.",
        advice: "When the cause is mended, try the step or the backup again.",
    },
    Group {
        first: 2400,
        title: "Agent: services",
        about: "starting, stopping and masking what runs on a host.",
        why: "A service that is not as it was reported could write where it should not, or not serve where it should.",
        advice: "Look at the service itself on that host before you try again.",
    },
    Group {
        first: 3000,
        title: "Repository",
        about: "where backups live.",
        why: "A backup that cannot be read is no backup. The repository never hides damage, and never overwrites what is there.",
        advice: "Stock restic reads the same repository: `restic check --read-data` is a second opinion.",
    },
    Group {
        first: 3100,
        title: "Command line: people and audit",
        about: "who did what, and whether the record of it is whole.",
        why: "A record that was changed proves nothing about what was done.",
        advice: "`lifeboat audit verify` names each run and event that is not as it was recorded.",
    },
    Group {
        first: 4000,
        title: "Command line",
        about: "what was typed.",
        why: "Nothing was sent to the controller, or its answer could not be used.",
        advice: "`lifeboat help VERB` shows what a verb takes.",
    },
    Group {
        first: 5000,
        title: "Every process: settings, secrets, files, TLS",
        about: "what every program of ours does alike.",
        why: "The program did not begin, or cannot talk to the others, with settings or keys that are not as they must be.",
        advice: "",
    },
];
