//! What people tell an open run: approve, answer, retry, skip, unwind, end, cancel, pause, resume.

use crate::args::{Answer, Approve, Command, OneStep};
use crate::failure::Failure;
use crate::screen;
use crate::session::{Session, traced};
use proto::v1;
use runtime::lifecycle::Exit;

/// Verbs on a step.
#[derive(Debug, Clone, Copy)]
pub enum StepVerb {
    /// Try it again.
    Retry,
    /// Count it as done.
    Skip,
    /// Ask whether to go on with less evidence.
    Waive,
}

/// Verbs on a run.
#[derive(Debug, Clone, Copy)]
pub enum RunVerb {
    /// Undo.
    Unwind,
    /// End it.
    End,
    /// Stop what runs and end it.
    Cancel,
    /// Start nothing new.
    Pause,
    /// Go on.
    Resume,
}

/// `lifeboat approve`: shows the question and sends the digest of what was shown.
pub async fn approve(session: &Session, args: &Approve) -> Result<Exit, Failure> {
    let run = session.run(args.run.as_deref()).await?;
    let view = super::run::view(session, run).await?;
    let waiting: Vec<_> = view
        .approvals
        .iter()
        .filter(|asked| args.step.as_ref().is_none_or(|step| asked.step.as_str() == step))
        .filter(|asked| args.break_glass || !asked.expired)
        .collect();
    let asked = match waiting.as_slice() {
        [one] => *one,
        [] => {
            return Err(Failure::no(
                "LB4030",
                "this run waits with no question",
                "`lifeboat watch` shows what it does.",
            ));
        }
        [_, _, ..] => {
            return Err(Failure::usage(
                "LB4031",
                "this run waits with several questions",
                "Name one: `lifeboat approve RUN STEP`.",
            ));
        }
    };
    screen::say(screen::wrapped(&asked.question));
    let question = if args.break_glass { "Approve it ALONE? Everybody is told." } else { "Approve?" };
    let sure = args.decline || session.ask(question);
    if !sure {
        return Err(Failure::no("LB4032", "not approved", "Type yes, or give --yes."));
    }
    let answer =
        super::run::Answer { decline: args.decline, break_glass: args.break_glass, reason: &args.reason };
    super::run::settle(session, run, asked, answer).await?;
    let missing = asked.needed.saturating_sub(u32::try_from(asked.given.len()).unwrap_or(u32::MAX) + 1);
    screen::say(match (args.decline, args.break_glass, missing) {
        (true, _, _) => "declined".to_string(),
        (false, false, 1..) => format!("approved; {missing} more must approve it"),
        (false, _, _) => "approved".to_string(),
    });
    Ok(Exit::Done)
}

/// `lifeboat answer`: settles every unknown attempt of the step.
pub async fn answer(session: &Session, args: &Answer) -> Result<Exit, Failure> {
    let run = session.run(Some(&args.run)).await?;
    let view = super::run::view(session, run).await?;
    let mut tokens = view.open_questions(&args.step);
    tokens.retain(|token| args.target.as_ref().is_none_or(|target| token.target.to_string() == *target));
    if tokens.is_empty() {
        let message = format!("step {} has no attempt whose outcome is unknown", args.step);
        return Err(Failure::no("LB4033", message, "`lifeboat watch` shows what the run waits for."));
    }
    for token in tokens {
        let request = v1::AnswerRequest {
            run: run.0.as_bytes().to_vec(),
            token: Some((&token).into()),
            done: args.done,
            reason: args.reason.clone(),
        };
        session.runs().answer(traced(request)).await?;
    }
    screen::say("settled");
    Ok(Exit::Done)
}

/// `lifeboat retry` and `lifeboat skip`.
pub async fn step(session: &Session, verb: StepVerb, args: &OneStep) -> Result<Exit, Failure> {
    let run = session.run(Some(&args.run)).await?;
    let request = traced(v1::StepCommand {
        run: run.0.as_bytes().to_vec(),
        step: args.step.clone(),
        reason: args.reason.clone(),
        expected_sequence: 0,
    });
    let mut runs = session.runs();
    let state = match verb {
        StepVerb::Retry => runs.retry(request).await?,
        StepVerb::Skip => {
            if !session.ask(&format!("Count step {} as done without doing it?", args.step)) {
                return Err(Failure::no("LB4034", "not skipped", "Type yes, or give --yes."));
            }
            runs.skip(request).await?
        }
        StepVerb::Waive => runs.waive(request).await?,
    };
    told(&state.into_inner());
    Ok(Exit::Done)
}

/// Verbs on a whole run.
pub async fn whole(session: &Session, verb: RunVerb, args: &Command) -> Result<Exit, Failure> {
    let run = session.run(Some(&args.run)).await?;
    let request = traced(v1::RunCommand {
        run: run.0.as_bytes().to_vec(),
        reason: args.reason.clone(),
        expected_sequence: 0,
    });
    let mut runs = session.runs();
    let state = match verb {
        RunVerb::Unwind => runs.unwind(request).await?,
        RunVerb::End => runs.end(request).await?,
        RunVerb::Cancel => runs.cancel(request).await?,
        RunVerb::Pause => runs.pause(request).await?,
        RunVerb::Resume => runs.resume(request).await?,
    };
    told(&state.into_inner());
    Ok(Exit::Done)
}

fn told(state: &v1::RunState) {
    screen::say(format!("{} is {} {}", state.plan, state.status, state.detail).trim_end());
}
