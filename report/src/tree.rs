//! The live picture of a run: one line a step, with lines below it for what needs eyes: attempts on
//! several hosts, what it waits for, what went wrong.
//!
//! A line that is drawn over itself must never be broken by the terminal, so nothing is wider than
//! asked. A command that is longer goes on after a `\`, which a shell accepts as it stands.

use crate::layout::{clean, cut, fit, right, width, wrap};
use crate::outcome::{newest, outcome, places, title};
use crate::state::{Mood, WORD_COLUMNS, shown};
use crate::units::{clock, length, short};
use engine::view::{ApprovalView, AttemptView, StepView, View};
use model::{Micros, Mode, Problem};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest name column.
const NAME_COLUMNS: usize = 18;
/// The time column.
const TIME_COLUMNS: usize = 9;
/// Lines of a log below a step.
const LOG_LINES: usize = 5;
/// Narrowest picture that is drawn.
const NARROWEST: usize = 40;

/// One line of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about; the same from picture to picture.
    pub key: String,
    /// What of it is worth a new line where nothing can be drawn over: it changes when the state does,
    /// not with the time. Empty: never.
    pub settled: String,
    /// The text, no wider than asked.
    pub text: String,
    /// Its mood.
    pub mood: Mood,
}

/// The picture of a run. `progress` holds what is known of running steps by their path, not journaled.
/// `now` is used for the age of questions alone: lengths come from the view.
pub fn tree(view: &View, now: Micros, columns: usize, progress: &BTreeMap<String, String>) -> Vec<Line> {
    let columns = columns.max(NARROWEST);
    let names = view.steps.iter().map(|step| width(step.path.as_str())).max().unwrap_or(0);
    let mut picture = Picture {
        view,
        now,
        columns,
        names: names.clamp(4, NAME_COLUMNS),
        lines: Vec::new(),
        told: BTreeSet::new(),
    };
    picture.head();
    for step in &view.steps {
        picture.step(step, progress.get(step.path.as_str()).map(String::as_str));
    }
    picture.foot();
    picture.lines
}

struct Picture<'a> {
    view: &'a View,
    now: Micros,
    columns: usize,
    names: usize,
    lines: Vec<Line>,
    told: BTreeSet<&'a str>,
}

impl<'a> Picture<'a> {
    fn push(&mut self, key: impl Into<String>, settled: impl Into<String>, text: &str, mood: Mood) {
        let text = cut(text, self.columns);
        self.lines.push(Line { key: key.into(), settled: settled.into(), text, mood });
    }

    fn push_all(&mut self, key: &str, lines: Vec<String>, mood: Mood) {
        for (number, line) in lines.into_iter().enumerate() {
            // The text itself is the settled part: it is printed again when it says something else.
            self.push(format!("{key}/{number}"), line.clone(), &line, mood);
        }
    }

    fn head(&mut self) {
        let view = self.view;
        self.push("title", "title", &clean(&title(view)), Mood::Plain);
        let state = shown(&view.status);
        let done = view.totals.succeeded + view.totals.skipped;
        let took = short(Duration::from_millis(view.took_ms));
        let how = match view.status.as_str() {
            "running" => format!("running for {took}"),
            "succeeded" => format!("done in {took}"),
            "failed" => format!("failed after {took}"),
            "cancelled" => format!("cancelled after {took}"),
            _ => format!("{}, {took} so far", state.word),
        };
        let mode = if view.mode == Mode::Live { "run" } else { view.mode.as_str() };
        let text = format!(
            "{} {how}, {done} of {} steps; {mode} of {} by {}",
            state.sign, view.totals.steps, view.plan, view.requested_by
        );
        self.push("run", format!("{}/{}", view.status, view.detail), &text, state.mood);
    }

    fn step(&mut self, step: &'a StepView, progress: Option<&str>) {
        let state = shown(&step.state);
        let active = matches!(step.state.as_str(), "running" | "waiting" | "unknown" | "undoing");
        let said = match (step.state.as_str(), progress) {
            ("running", Some(progress)) => format!("{progress}; {}", step.summary),
            ("succeeded" | "skipped", _) if !step.outcome.is_empty() => outcome(step),
            _ => step.summary.clone(),
        };
        let took = step.took_ms.map(|ms| short(Duration::from_millis(ms))).unwrap_or_default();
        let name = step.path.to_string();
        let text = self.row(0, &state.column(), &fit(&name, self.names), &said, &took);
        self.push(name.clone(), step.state.clone(), &text, state.mood);
        if active || matches!(step.state.as_str(), "failed" | "stuck") {
            self.attempts(step);
        }
        if matches!(step.state.as_str(), "failed" | "stuck" | "unknown") {
            self.trouble(step);
        }
        self.waits(step);
    }

    /// Sign and word, name, text, time: the text takes what is left.
    fn row(&self, indent: usize, state: &str, name: &str, text: &str, took: &str) -> String {
        let used = indent + WORD_COLUMNS + 2 + 2 + width(name) + 2 + TIME_COLUMNS;
        let room = self.columns.saturating_sub(used);
        let pad = " ".repeat(indent);
        let text = fit(&clean(text), room);
        format!("{pad}{state}  {name}  {text}{}", right(took, TIME_COLUMNS)).trim_end().to_string()
    }

    /// One line a target, when there are several or the first try was not enough.
    fn attempts(&mut self, step: &'a StepView) {
        let newest = current(step);
        let plain = |one: &&AttemptView| one.number == 1 && one.silent_since.is_none();
        if newest.len() == 1 && newest.iter().all(plain) {
            return;
        }
        let places = places(&newest);
        let widest = places.iter().map(|place| width(place)).max().unwrap_or(0);
        let columns = widest.clamp(self.names.saturating_sub(2), NAME_COLUMNS);
        for (attempt, place) in newest.iter().zip(places) {
            let state = shown(&attempt.state);
            let tries = if attempt.number > 1 { format!("try {}: ", attempt.number) } else { String::new() };
            let took = attempt.took_us.map(|us| short(Duration::from_micros(us))).unwrap_or_default();
            let said = match (attempt.silent_since, attempt.state.as_str()) {
                (Some(since), "sent" | "accepted" | "unknown") => format!("silent since {}", clock(since)),
                _ => attempt.outcome.clone(),
            };
            let name = fit(&place, columns);
            let line = self.row(2, &state.column(), &name, &format!("{tries}{said}"), &took);
            let key = format!("{}/{}/{}", step.path, attempt.target, attempt.direction);
            self.push(key, format!("{}/{}", attempt.state, attempt.number), &line, state.mood);
        }
    }

    /// Who must do something, since when, and what to type.
    fn waits(&mut self, step: &'a StepView) {
        let view = self.view;
        let asks = view.approvals.iter().any(|question| question.step == step.path);
        for question in view.approvals.iter().filter(|question| question.step == step.path) {
            let key = format!("{}/asked/{}", step.path, question.approval);
            let mut lines = wrap("    ", &question.question, self.columns);
            lines.extend(wrap("    ", &asked(question, self.now), self.columns));
            // The age changes with every picture: only the question itself is worth a new line.
            for (number, line) in lines.iter().enumerate() {
                self.push(format!("{key}/{number}"), question.approval.to_string(), line, Mood::Unsure);
            }
        }
        let waits = matches!(step.state.as_str(), "waiting" | "unknown" | "failed" | "stuck");
        let mine: Vec<&'a str> =
            view.next.iter().map(String::as_str).filter(|line| is_about(line, step)).collect();
        if waits && !mine.is_empty() {
            if step.state != "failed" && !step.outcome.is_empty() && !asks {
                let key = format!("{}/waits", step.path);
                let lines = wrap("    waits: ", &step.outcome, self.columns);
                self.push_all(&key, lines, Mood::Unsure);
            }
            self.commands(&format!("{}/type", step.path), &mine);
        }
    }

    fn trouble(&mut self, step: &'a StepView) {
        let own = current(step).into_iter().filter_map(|attempt| attempt.problem.as_ref());
        let problems: Vec<&Problem> = step.problem.iter().chain(own).collect();
        let mut seen = BTreeSet::new();
        for problem in problems {
            if seen.insert((&problem.code, &problem.message)) {
                let key = format!("{}/problem/{}", step.path, seen.len());
                let lines = problem_lines("    ", problem, self.columns, LOG_LINES);
                self.push_all(&key, lines, Mood::Bad);
            }
        }
    }

    fn commands(&mut self, key: &str, commands: &[&'a str]) {
        for (number, command) in commands.iter().enumerate() {
            self.told.insert(command);
            let lead = if number == 0 { "    type:  " } else { "      or:  " };
            let lines = command_lines(lead, command, self.columns);
            self.push_all(&format!("{key}/{number}"), lines, Mood::Unsure);
        }
    }

    /// What can be typed and belongs to no step, and why the run is as it is.
    fn foot(&mut self) {
        let view = self.view;
        if let Some(problem) = &view.problem
            && !view.steps.iter().any(|step| step.problem.as_ref() == Some(problem))
        {
            self.push_all("problem", problem_lines("", problem, self.columns, LOG_LINES), Mood::Bad);
        }
        let rest: Vec<&'a str> =
            view.next.iter().map(String::as_str).filter(|command| !self.told.contains(command)).collect();
        self.commands("type", &rest);
    }
}

/// Since when a question stands, who may answer, and until when.
fn asked(question: &ApprovalView, now: Micros) -> String {
    let who =
        question.role.as_ref().map_or_else(|| "anyone who may run plans".to_string(), ToString::to_string);
    format!(
        "waits for {who} since {} ({}), until {}",
        clock(question.asked_at),
        length(now.since(question.asked_at)),
        clock(question.expires_at)
    )
}

/// The newest try of each target in the direction that counts now.
fn current(step: &StepView) -> Vec<&AttemptView> {
    step.attempts.last().map(|attempt| newest(step, attempt.direction)).unwrap_or_default()
}

/// A problem: what, why, what to do, and the last log lines.
pub fn problem_lines(indent: &str, problem: &Problem, columns: usize, log: usize) -> Vec<String> {
    let mut lines = wrap(&format!("{indent}{}: ", problem.code), &problem.message, columns);
    for cause in &problem.causes {
        lines.extend(wrap(&format!("{indent}  because "), cause, columns));
    }
    let skip = problem.log.len().saturating_sub(log);
    for line in problem.log.iter().skip(skip) {
        lines.push(cut(&format!("{indent}  | {}", clean(line)), columns));
    }
    if !problem.advice.is_empty() {
        lines.extend(wrap(&format!("{indent}  what to do: "), &problem.advice, columns));
    }
    lines
}

/// A command is about a step when one of its words is the step's path.
fn is_about(command: &str, step: &StepView) -> bool {
    command.split_whitespace().any(|word| word == step.path.as_str())
}

/// A command that is typed as it stands: broken only between words, and then with a `\`.
pub fn command_lines(lead: &str, command: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(width(lead) + 2);
    let mut lines = Vec::new();
    let mut line = lead.to_string();
    let mut fresh = true;
    for word in clean(command).split(' ') {
        // Two columns stay free for the ` \`.
        if !fresh && width(&line) + 1 + width(word) + 2 > columns {
            lines.push(format!("{line} \\"));
            line.clone_from(&indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    lines.push(line);
    lines
}
