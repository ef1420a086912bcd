//! `lifeboat run` and `lifeboat watch`: start, watch live, answer questions, report.
//!
//! The stream of events only wakes the picture: what is drawn is the controller's own view of the run,
//! asked for after each wake. A stream that breaks is opened again behind the last number that was
//! seen, so a controller that restarts in mid-run costs a moment, not the picture.

use crate::args::{OneRun, Run};
use crate::failure::Failure;
use crate::live::Live;
use crate::screen;
use crate::session::{Session, short, traced};
use model::{Mode, RunId};
use proto::v1::{self, start_request::What};
use report::{ApprovalView, View};
use runtime::backoff::Backoff;
use runtime::lifecycle::Exit;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Streaming;

/// Shortest time between two pictures.
const FRAME: Duration = Duration::from_millis(120);
/// A picture at least this often: times grow.
const TICK: Duration = Duration::from_millis(500);
/// How long a controller may be away until watching ends.
const AWAY: Duration = Duration::from_secs(600);

/// What is started.
pub struct Start {
    /// A plan or a plain verb.
    pub what: What,
    /// The mode.
    pub mode: Mode,
    /// Inputs.
    pub inputs: Vec<(String, String)>,
    /// Do not watch.
    pub detach: bool,
}

/// `lifeboat run`
pub async fn run(session: &Session, args: &Run) -> Result<Exit, Failure> {
    let mode = args.mode.parse::<Mode>().map_err(|error| {
        Failure::usage("LB4040", format!("--mode: {error}"), "Give live, drill or preview.")
    })?;
    let mut inputs = Vec::new();
    for text in &args.inputs {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::usage(
                "LB4041",
                format!("{text:?} is no input"),
                "Write --input name=value.",
            ));
        };
        inputs.push((name.to_string(), value.to_string()));
    }
    start(session, Start { what: What::Plan(args.plan.clone()), mode, inputs, detach: args.detach }).await
}

/// Starts a run and watches it.
pub async fn start(session: &Session, start: Start) -> Result<Exit, Failure> {
    let request = traced(v1::StartRequest {
        what: Some(start.what),
        mode: v1::Mode::from(start.mode).into(),
        inputs: start.inputs.into_iter().collect(),
        request_id: runtime::clock::Ids::system().fresh().as_bytes().to_vec(),
    });
    let started = session.runs().start(request).await?.into_inner();
    for warning in &started.warnings {
        screen::say(format!("warning: {warning}"));
    }
    let run = proto::run_id_of(&started.run)?;
    if start.detach {
        screen::show(session.output, &serde_json::json!({"run": run}), || run.to_string());
        return Ok(Exit::Done);
    }
    follow(session, run).await
}

/// `lifeboat watch`
pub async fn watch(session: &Session, args: &OneRun) -> Result<Exit, Failure> {
    let run = session.run(args.run.as_deref()).await?;
    follow(session, run).await
}

/// `lifeboat runs show`
pub async fn show(session: &Session, run: RunId) -> Result<Exit, Failure> {
    let view = view(session, run).await?;
    finish(session, &view);
    Ok(exit_of(&view))
}

/// The controller's view of a run.
pub async fn view(session: &Session, run: RunId) -> Result<View, Failure> {
    let request = traced(v1::ShowRunRequest { run: run.0.as_bytes().to_vec() });
    let shown = session.runs().show(request).await?.into_inner();
    if shown.view_json.is_empty() {
        let detail = shown.state.map(|state| state.detail).unwrap_or_default();
        let (problem, advice) = detail.split_once(" What to do: ").unwrap_or((&detail, ""));
        let message = format!("run {} stands aside, the others go on: {problem}", short(run));
        return Err(Failure::no("LB4043", message, advice));
    }
    serde_json::from_slice(&shown.view_json).map_err(|error| {
        Failure::no(
            "LB4042",
            format!("the controller's view cannot be read: {error}"),
            "Use the CLI of its version.",
        )
    })
}

/// What is answered to a question.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// No.
    pub decline: bool,
    /// Alone, because nobody else is there.
    pub break_glass: bool,
    /// Why; may be empty.
    pub reason: &'a str,
}

/// Answers one question of a run, bound to what was shown.
pub async fn settle(
    session: &Session,
    run: RunId,
    asked: &ApprovalView,
    answer: Answer<'_>,
) -> Result<(), Failure> {
    let request = traced(v1::ApproveRequest {
        run: run.0.as_bytes().to_vec(),
        approval: asked.approval.0.as_bytes().to_vec(),
        digest: asked.digest.to_string(),
        decline: answer.decline,
        reason: answer.reason.to_string(),
        break_glass: answer.break_glass,
    });
    session.runs().approve(request).await?;
    Ok(())
}

/// Watches until the run has ended, somebody presses Ctrl-C, or nobody answers any more.
async fn follow(session: &Session, run: RunId) -> Result<Exit, Failure> {
    let mut watcher = Watcher {
        session: session.clone(),
        run,
        live: Live::new(),
        seen: 0,
        progress: BTreeMap::new(),
        asked: BTreeSet::new(),
        interrupts: Box::pin(tokio::signal::ctrl_c()),
    };
    let mut failures = 0;
    let mut away = Instant::now();
    loop {
        let before = away;
        match watcher.attached(&mut away).await {
            Ok(exit) => return Ok(exit),
            Err(failure) if away.elapsed() > AWAY || !transient(&failure) => return Err(failure),
            Err(failure) => {
                if away != before {
                    failures = 0;
                }
                if failures == 0 {
                    watcher.live.leave();
                    screen::say(format!(
                        "{}; the run goes on, trying again (Ctrl-C leaves)",
                        failure.problem
                    ));
                }
                let wait = Backoff::RECONNECT.wait(failures, 0.5).unwrap_or(TICK);
                failures += 1;
                tokio::time::sleep(wait.min(Duration::from_secs(2))).await;
                watcher.session.look_again().await;
                if watcher.interrupted() {
                    return Ok(Exit::Open);
                }
            }
        }
    }
}

fn transient(failure: &Failure) -> bool {
    failure.problem.retry == model::RetryAdvice::Transient
}

type Interrupts = std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

struct Watcher {
    session: Session,
    run: RunId,
    live: Live,
    seen: u64,
    progress: BTreeMap<String, String>,
    asked: BTreeSet<uuid::Uuid>,
    interrupts: Interrupts,
}

impl Watcher {
    /// One stream's life.
    async fn attached(&mut self, away: &mut Instant) -> Result<Exit, Failure> {
        let request =
            traced(v1::WatchRequest { run: self.run.0.as_bytes().to_vec(), after_sequence: self.seen });
        let mut stream = self.session.runs().watch(request).await?.into_inner();
        loop {
            let view = view(&self.session, self.run).await?;
            *away = Instant::now();
            self.draw(&view);
            if !view.is_open() {
                self.live.leave();
                finish(&self.session, &view);
                return Ok(exit_of(&view));
            }
            self.questions(&view).await?;
            tokio::time::sleep(FRAME).await;
            tokio::select! {
                woken = self.wake(&mut stream) => woken?,
                () = tokio::time::sleep(TICK) => {}
            }
            if self.interrupted() {
                return Ok(Exit::Open);
            }
        }
    }

    /// Whether Ctrl-C was pressed; says how to come back.
    fn interrupted(&mut self) -> bool {
        let pressed = futures::FutureExt::now_or_never(&mut self.interrupts).is_some();
        if pressed {
            self.live.leave();
            screen::say(format!(
                "detached; the run goes on. Attach again: lifeboat watch {}",
                short(self.run)
            ));
        }
        pressed
    }

    fn draw(&mut self, view: &View) {
        let lines =
            report::tree(view, self.session.clock.now(), usize::from(screen::COLUMNS), &self.progress);
        self.live.draw(&lines);
    }

    /// Takes one message in; a stream that ended is opened again.
    async fn wake(&mut self, stream: &mut Streaming<v1::WatchEvent>) -> Result<(), Failure> {
        let Some(event) = stream.message().await? else {
            tokio::time::sleep(TICK).await;
            return Ok(());
        };
        self.seen = self.seen.max(event.sequence);
        if let Some(progress) = event.progress
            && let Some(token) = progress.token
        {
            let total = progress
                .total_bytes
                .map(|total| format!(" of {}", report::units::bytes(total)))
                .unwrap_or_default();
            let bytes = match progress.done_bytes {
                0 => String::new(),
                done => format!(" {}{total}", report::units::bytes(done)),
            };
            self.progress.insert(token.step, format!("{}{bytes}", progress.phase));
        }
        Ok(())
    }

    /// Shows each question once, and answers it when told to.
    async fn questions(&mut self, view: &View) -> Result<(), Failure> {
        for asked in view.approvals.iter().filter(|asked| !asked.expired) {
            if !self.asked.insert(asked.approval.0) {
                continue;
            }
            self.live.leave();
            screen::say(format!("\n{}\n", screen::wrapped(&asked.question)));
            // Whoever asked for the run does not approve it; whoever may is told where it waits.
            let own = asked.role.is_some() && view.requested_by == self.session.profile.user;
            if !own && self.session.ask(&format!("Approve {}?", asked.step)) {
                match settle(&self.session, self.run, asked, Answer::default()).await {
                    Err(failure) if failure.exit == Exit::Refused => screen::problem(&failure.problem),
                    settled => settled?,
                }
            } else {
                screen::say(format!(
                    "waiting{}; to approve: lifeboat approve {} {}",
                    asked.role.as_ref().map(|role| format!(" for {role}")).unwrap_or_default(),
                    short(self.run),
                    asked.step
                ));
            }
        }
        Ok(())
    }
}

fn finish(session: &Session, view: &View) {
    let here = jiff::tz::TimeZone::system();
    let report = report::run_report(view, session.clock.now()).in_zone(here);
    screen::show(session.output, &report, || report.text());
}

fn exit_of(view: &View) -> Exit {
    match view.status.as_str() {
        "succeeded" => Exit::Done,
        "failed" | "cancelled" => Exit::No,
        _ => Exit::Open,
    }
}
