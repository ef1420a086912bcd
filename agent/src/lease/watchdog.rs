//! The way to the watchdog: one line to its socket, one line back.

use model::lease::{Answer, Ask, Duty, State};
use model::{Name, Problem};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// A watchdog that has not answered by then counts as away.
const LIMIT: Duration = Duration::from_millis(500);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 256 * 1024;

/// Why the watchdog did not do it.
#[derive(Debug)]
pub(super) enum Unguarded {
    /// It does not answer.
    Away(Problem),
    /// It says why not.
    Refused(String),
}

/// The watchdog of this host.
#[derive(Debug, Clone)]
pub(super) struct Watchdog {
    socket: PathBuf,
}

impl Watchdog {
    pub(super) fn below(folder: &Path) -> Watchdog {
        Watchdog { socket: folder.join("watchdog.sock") }
    }

    /// How it guards a source; none when it does not.
    pub(super) async fn look(&self, source: &Name) -> Result<Option<(Duty, State)>, Unguarded> {
        let answer = self.ask(&Ask::Look).await?;
        Ok(answer.duties.into_iter().find(|(duty, _)| duty.source == *source))
    }

    /// Guards it until this deadline.
    pub(super) async fn arm(&self, duty: &Duty) -> Result<(), Unguarded> {
        self.ask(&Ask::Arm(duty.clone())).await.map(drop)
    }

    /// Guards it no more.
    pub(super) async fn disarm(&self, source: &Name) -> Result<(), Unguarded> {
        self.ask(&Ask::Disarm { source: source.clone() }).await.map(drop)
    }

    async fn ask(&self, ask: &Ask) -> Result<Answer, Unguarded> {
        let asked = tokio::time::timeout(LIMIT, self.talk(ask)).await;
        let answer = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Unguarded::Away(away(&self.socket).caused_by(&error))),
            Err(late) => return Err(Unguarded::Away(away(&self.socket).caused_by(&late))),
        };
        match answer.refused {
            Some(why) => Err(Unguarded::Refused(why)),
            None => Ok(answer),
        }
    }

    async fn talk(&self, ask: &Ask) -> std::io::Result<Answer> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut text = Vec::new();
        BufReader::new(stream.take(MAX_ANSWER)).read_until(b'\n', &mut text).await?;
        Ok(serde_json::from_slice(&text)?)
    }
}

fn away(socket: &Path) -> Problem {
    Problem::new(
        "LB2437",
        format!("the watchdog does not answer at {}", socket.display()),
        "Start it: `systemctl enable --now lifeboat-watchdog`. Until it answers, leases are asked for without it, and their end is no evidence.",
    )
}
