//! Stock restic, the judge, in every version that is there: Debian's stable one on `PATH`, and the newest one
//! where `cargo xtask test` put it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::PASSWORD;
use super::moto::Moto;

/// Says where the newest restic is.
const NEWEST: &str = "LIFEBOAT_NEWEST_RESTIC";
/// Verbs that change a repository: done once, by the stable version, where no test asks for another.
const CHANGING: [&str; 11] = [
    "init",
    "backup",
    "forget",
    "rewrite",
    "tag",
    "copy",
    "prune",
    "rebuild-index",
    "repair",
    "recover",
    "migrate",
];

/// One restic.
#[derive(Debug)]
pub struct Restic {
    program: PathBuf,
    /// As `0.14.0`.
    pub version: String,
}

/// All that are there, the stable one first.
pub fn judges() -> &'static [Restic] {
    static JUDGES: OnceLock<Vec<Restic>> = OnceLock::new();
    JUDGES.get_or_init(|| {
        let mut judges = vec![Restic::at("restic".into())];
        match std::env::var_os(NEWEST) {
            Some(newest) => judges.push(Restic::at(newest.into())),
            None => eprintln!("{NEWEST} is not set: restic {} alone judges", judges[0].version),
        }
        judges
    })
}

/// The newest that is there.
pub fn newest() -> &'static Restic {
    judges().last().unwrap()
}

impl Restic {
    fn at(program: PathBuf) -> Self {
        let output = Command::new(&program).arg("version").output();
        let output = output.expect("stock restic must be installed: it is the judge");
        let text = String::from_utf8(output.stdout).unwrap();
        let version = text.split_whitespace().nth(1).expect("restic says its version").to_owned();
        Self { program, version }
    }

    /// Whether it is at least this version.
    pub fn is_at_least(&self, wanted: [u32; 2]) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        [parts.next().unwrap_or(0), parts.next().unwrap_or(0)] >= wanted
    }

    pub fn command(&self, repository: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--no-cache", "-r"]).arg(repository).args(args);
        command.env("RESTIC_PASSWORD", PASSWORD).env("RESTIC_FROM_PASSWORD", PASSWORD);
        command
    }

    pub fn run(&self, repository: &Path, args: &[&str]) -> Output {
        self.command(repository, args).output().unwrap()
    }

    /// Runs it, which must succeed. Gives its stdout.
    pub fn ok(&self, repository: &Path, args: &[&str]) -> Vec<u8> {
        let output = self.run(repository, args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "restic {} {args:?}:\n{}\n{}",
            self.version,
            text(&output.stdout),
            text(&output.stderr)
        );
        output.stdout
    }

    /// It reads all data and finds nothing wrong.
    pub fn agrees(&self, repository: &Path) {
        self.ok(repository, &["check", "--read-data"]);
    }

    /// It makes an empty repository.
    pub fn init(&self, repository: &Path) {
        self.ok(repository, &["init", "--repository-version", "2"]);
    }

    /// Builds the index anew from the packs; the verb has another name since 0.16.
    pub fn repair_index(&self, repository: &Path) {
        let verb: &[&str] = if self.is_at_least([0, 16]) { &["repair", "index"] } else { &["rebuild-index"] };
        self.ok(repository, verb);
    }

    /// Restores the latest snapshot, verifies it, and gives the folder of `source` in it.
    pub fn restore(&self, repository: &Path, source: &Path, below: &Path) -> PathBuf {
        let target = below.join(format!("by-restic-{}", self.version));
        self.ok(repository, &["restore", "latest", "--verify", "--target", target.to_str().unwrap()]);
        target.join(source.strip_prefix("/").unwrap())
    }
}

/// Runs a verb of restic, which must succeed: one that only reads in every version. Gives the stdout of the
/// newest.
pub fn restic_ok(repository: &Path, args: &[&str]) -> Vec<u8> {
    if args.iter().any(|arg| CHANGING.contains(arg)) {
        return judges()[0].ok(repository, args);
    }
    let mut printed: Vec<_> = judges().iter().map(|restic| restic.ok(repository, args)).collect();
    printed.pop().unwrap()
}

/// Every restic reads all data and finds nothing wrong.
pub fn restic_agrees(repository: &Path) {
    judges().iter().for_each(|restic| restic.agrees(repository));
}

impl Moto {
    /// Runs every restic on the repository below this prefix; it must succeed. Gives the last one's stdout.
    pub fn restic(&self, prefix: &str, args: &[&str]) -> Vec<u8> {
        let place = PathBuf::from(format!("s3:{}/backups/{prefix}", self.endpoint()));
        let run = |restic: &Restic| {
            let mut command = restic.command(&place, args);
            command.env("AWS_ACCESS_KEY_ID", "k").env("AWS_SECRET_ACCESS_KEY", "s");
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let mut printed: Vec<_> = judges().iter().map(run).collect();
        printed.pop().unwrap()
    }

    /// Stock restic reads all data and finds nothing wrong.
    pub fn restic_agrees(&self, prefix: &str) {
        self.restic(prefix, &["check", "--read-data"]);
    }
}
