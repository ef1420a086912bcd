//! Repositories by hand: they are ordinary restic repositories, so stock restic reads them.

use super::{Hand, chain, orders, plain, postgres, whole_pipe};
use crate::runbook::page::Line;
use crate::runbook::shell::{Command, export, quoted};
use model::jobs::{Backup, Prove, Restore};
use model::nouns::{FilesSpec, Point, PostgresSpec, Question, RepositorySpec, SourceKind, SourceSpec};
use model::{HostName, SecretRef};

/// Where scratch copies of files go.
const SCRATCH: &str = "/var/tmp/lifeboat-proof";
/// Amazon's own service, where no other is named.
const AMAZON: &str = "https://s3.amazonaws.com";

/// What restic must know of a repository.
pub fn settings(repository: &RepositorySpec) -> Vec<Option<String>> {
    let mut out = vec![export("RESTIC_REPOSITORY", location(repository)), password(&repository.password)];
    if let Some(SecretRef::File(path)) = &repository.credentials {
        out.push(export("AWS_SHARED_CREDENTIALS_FILE", path.display().to_string()));
    }
    out.extend(repository.s3_region.as_ref().map(|region| export("AWS_DEFAULT_REGION", region)));
    out
}

/// As restic spells it.
pub fn location(repository: &RepositorySpec) -> String {
    match repository.at.strip_prefix("s3://") {
        Some(place) => {
            let endpoint = repository.endpoint.as_deref().unwrap_or(AMAZON);
            format!("s3:{}/{place}", endpoint.trim_end_matches('/'))
        }
        None => repository.at.clone(),
    }
}

fn password(secret: &SecretRef) -> Option<String> {
    match secret {
        SecretRef::File(path) => export("RESTIC_PASSWORD_FILE", path.display().to_string()),
        SecretRef::Env(name) => Some(format!("export RESTIC_PASSWORD={}", orders::variable(name))),
    }
}

fn tag(source: &SourceSpec) -> String {
    format!("lifeboat:source={}", source.name)
}

/// The snapshots of a source, newest last.
pub fn snapshots(source: &SourceSpec) -> Option<String> {
    plain(["restic", "snapshots", "--tag", &tag(source)])
}

/// One snapshot of a source into a repository.
pub fn backup(host: &HostName, work: &Backup) -> Hand {
    let tags = [tag(&work.source)].into_iter().chain(work.tags.iter().cloned());
    let tagged = |command: Command| tags.clone().fold(command, |command, tag| command.option("--tag", tag));
    let take = match &work.source.kind {
        SourceKind::Postgres(spec) => {
            let dump = postgres::program(spec, "pg_dump").args(["--format=custom", &spec.database]);
            let store =
                Command::new("restic").args(["backup", "--stdin"]).option("--stdin-filename", file(spec));
            vec![whole_pipe(dump.pipe(tagged(store)).line())]
        }
        SourceKind::Files(spec) => vec![tree(tagged(Command::new("restic").arg("backup")), spec)],
    };
    let run = settings(&work.repository).into_iter().chain(take).chain([snapshots(&work.source)]).collect();
    Hand::on(host, run).then(
        "The last snapshot of the list is of now. Had pg_dump failed, restic would have kept a snapshot all the same: \
         look for its error, and forget such a snapshot.",
    )
}

fn tree(command: Command, spec: &FilesSpec) -> Option<String> {
    let command = spec.excludes.iter().fold(command, |command, pattern| command.option("--exclude", pattern));
    let command = if spec.one_file_system { command.arg("--one-file-system") } else { command };
    spec.paths.iter().fold(command.arg("--"), |command, path| command.path(path)).line()
}

/// The dump in a snapshot.
fn file(spec: &PostgresSpec) -> String {
    format!("{}.dump", spec.database)
}

/// A copy beside what is live.
pub fn restored(host: &HostName, work: &Restore, open: bool) -> Hand {
    let (chosen, how) = point(&work.point, open);
    let begin = settings(&work.repository).into_iter().chain([snapshots(&work.source), chosen]);
    let copy = match &work.source.kind {
        SourceKind::Postgres(spec) => database(spec, &work.source, &work.into),
        SourceKind::Files(_) => files(&work.source, &work.into),
    };
    Hand::on(host, begin.chain([copy, recorded(&work.source)]).collect()).first(how).then(
        "No command reported an error. The last one shows what was recorded with the backup: for a database, the rows \
         of each table; compare a few.",
    )
}

/// What was recorded with a backup.
fn recorded(source: &SourceSpec) -> Option<String> {
    Command::new("restic")
        .arg("dump")
        .option("--tag", tag(source))
        .raw("\"$SNAPSHOT\"")
        .arg("/lifeboat.json")
        .line()
}

/// A new database, and only when it was not there before, the dump in it.
fn database(spec: &PostgresSpec, source: &SourceSpec, into: &str) -> Option<String> {
    let dump = Command::new("restic").arg("dump").option("--tag", tag(source)).raw("\"$SNAPSHOT\"");
    let load = postgres::program(spec, "pg_restore").arg("--exit-on-error").option("-d", into);
    chain(vec![
        postgres::program(spec, "createdb").option("-T", "template0").arg(into).line(),
        whole_pipe(dump.arg(format!("/{}", file(spec))).pipe(load).line()),
    ])
}

fn files(source: &SourceSpec, into: &str) -> Option<String> {
    let restore = Command::new("restic").arg("restore").option("--tag", tag(source)).option("--target", into);
    restore.raw("\"$SNAPSHOT\"").line()
}

/// Chooses the snapshot, and how that is said.
fn point(point: &Point, open: bool) -> (Option<String>, Line) {
    let put = " Look at the list, decide which, and put its id in the place of the word ID:";
    if open {
        let line =
            Line::default().strong("Which snapshot was not decided when this page was made.").plain(put);
        return (Some("SNAPSHOT=ID".to_string()), line);
    }
    match point {
        Point::Latest => (Some("SNAPSHOT=latest".to_string()), Line::from("The newest snapshot:")),
        Point::Snapshot(id) => {
            (quoted(id).map(|id| format!("SNAPSHOT={id}")), Line::from("Snapshot ").code(id).plain(":"))
        }
        Point::NotAfter(time) => {
            let line = Line::from("The newest snapshot that is not later than ")
                .strong(time.to_string())
                .plain(" (the times of the list may be local).")
                .plain(put);
            (Some("SNAPSHOT=ID".to_string()), line)
        }
    }
}

/// A scratch copy that is looked at, and then dropped.
pub fn proven(host: &HostName, work: &Prove, open: bool) -> Vec<Hand> {
    let (chosen, how) = point(&work.point, open);
    let begin = settings(&work.repository).into_iter().chain([snapshots(&work.source), chosen]);
    let (made, dropped) = match &work.source.kind {
        SourceKind::Postgres(spec) => {
            let scratch = format!("{}_proof", spec.database.chars().take(57).collect::<String>());
            let asked = work.checks.iter().filter_map(|check| match &check.question {
                Question::Sql { statement, .. } => {
                    Some(postgres::psql(spec, &scratch).option("-c", statement).line())
                }
                Question::Tcp { .. }
                | Question::Http { .. }
                | Question::Command { .. }
                | Question::Disk { .. } => None,
            });
            let made: Vec<Option<String>> =
                [database(spec, &work.source, &scratch)].into_iter().chain(asked).collect();
            (made, postgres::program(spec, "dropdb").arg(&scratch).line())
        }
        SourceKind::Files(_) => (vec![files(&work.source, SCRATCH)], plain(["rm", "-r", SCRATCH])),
    };
    let run = begin.chain(made).chain([recorded(&work.source)]).collect();
    let then = "No command reported an error, and the copy holds what was recorded with the backup.";
    let drop = Hand::on(host, vec![dropped])
        .first("When you have compared them, and the copy is one that you made here:");
    vec![Hand::on(host, run).first(how).then(then), drop]
}

/// How all of a repository's sources are found without Lifeboat.
pub fn overview(repository: &RepositorySpec) -> Vec<String> {
    let run = settings(repository)
        .into_iter()
        .chain([plain(["restic", "snapshots"]), plain(["restic", "check", "--read-data"])]);
    run.collect::<Option<Vec<String>>>().unwrap_or_default()
}
