//! How the story is heard: live in a terminal, or kept for a test.

use std::{
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    Failure,
    programs::{Answer, Cli},
};

/// The bound of one command of the story.
const COMMAND: Duration = Duration::from_secs(120);

/// Whether people watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A terminal: commands print there as they run.
    People,
    /// A test: everything is captured.
    Test,
}

/// The narrator.
#[derive(Debug)]
pub struct Voice {
    audience: Audience,
    began: Instant,
    told: Mutex<Vec<String>>,
}

impl Voice {
    /// Begins now.
    #[must_use]
    pub fn new(audience: Audience) -> Self {
        Self { audience, began: Instant::now(), told: Mutex::default() }
    }

    /// How long the story has been going on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A new chapter.
    pub fn chapter(&self, title: &str) {
        let seconds = self.elapsed().as_secs_f64();
        let line = format!("\n── {title} ");
        let fill = 66_usize.saturating_sub(title.chars().count());
        self.say(&format!("{line}{} {seconds:4.1} s", "─".repeat(fill.max(2))));
    }

    /// A sentence.
    pub fn say(&self, text: &str) {
        if self.audience == Audience::People {
            println!("{text}");
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    /// Everything that was said.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a command of the CLI: shown with its output to people, captured for a test.
    ///
    /// # Errors
    /// [`Failure::Unexpected`] when it does not end with code 0.
    pub async fn run(&self, cli: &Cli, arguments: &[&str]) -> Result<Answer, Failure> {
        self.say(&format!("\n$ lifeboat {}", arguments.join(" ")));
        match self.audience {
            Audience::Test => cli.run(arguments, COMMAND).await?.expect_code(0),
            Audience::People => {
                let line = format!("lifeboat {}", arguments.join(" "));
                let mut command = cli.command(arguments)?;
                command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
                let ended = tokio::time::timeout(COMMAND, command.status()).await;
                let last = "no end".to_owned();
                let ended =
                    ended.map_err(|_| Failure::TimedOut { what: line.clone(), within: COMMAND, last })?;
                let code = ended.map_err(Failure::io(format!("start {line}")))?.code().unwrap_or(-1);
                Answer { code, stdout: String::new(), stderr: String::new(), line }.expect_code(0)
            }
        }
    }
}
