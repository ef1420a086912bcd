//! The graph of a plan in a terminal.
//!
//! Each step stands below the one that it waits for longest. A chain stays in its column; where several steps
//! follow one, the others branch off to the right, and the one that matters most goes on in the column.
//! What a step waits for besides is said in words beside it.

use super::Explained;
use crate::layout::{cut, fit, right, width, wrap};
use model::StepPath;
use plan::objectives::words;
use std::collections::HashMap;
use std::time::Duration;

/// Widest column of names with their branches.
const NAMES: usize = 36;
/// The column of estimates.
const TIMES: usize = 9;
/// Deepest branch that is set in further; deeper ones stay there.
const MAX_BRANCHES: usize = 8;

struct Graph<'e> {
    explained: &'e Explained,
    /// What follows each step; the last one goes on in its column.
    below: Vec<Vec<usize>>,
    names: usize,
    columns: usize,
}

/// The graph in lines of at most so many columns.
pub fn lines(explained: &Explained, columns: usize) -> Vec<String> {
    let steps = &explained.steps;
    let index: HashMap<&StepPath, usize> =
        steps.iter().enumerate().map(|(at, step)| (&step.step, at)).collect();
    let mut ends: Vec<Duration> = Vec::with_capacity(steps.len());
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    let mut roots = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let befores =
            step.after.iter().filter_map(|path| index.get(path).copied()).filter(|before| *before < at);
        // The latest, the critical one among equals.
        let parent =
            befores.max_by_key(|before| (ends[*before], critical(explained, *before), usize::MAX - before));
        let begin = parent.map_or(Duration::ZERO, |parent| ends[parent]);
        ends.push(
            begin + explained.prediction.steps.get(at).map_or(Duration::ZERO, |step| step.lengths.estimate),
        );
        parent.map_or(&mut roots, |parent| &mut below[parent]).push(at);
    }
    let weight = |at: &usize| (critical(explained, *at), reach(*at, &below, &ends));
    let sorted: Vec<Vec<usize>> = below.iter().map(|list| main_last(list, &weight)).collect();
    let roots = main_last(&roots, &weight);
    let longest = steps.iter().map(|step| width(step.step.as_str())).max().unwrap_or(0);
    let mut graph = Graph { explained, below: sorted, names: (longest + 6).clamp(12, NAMES), columns };
    let mut lines = Vec::new();
    graph.names = graph.names.min(columns.saturating_sub(TIMES + 20));
    graph.draw(&roots, 0, &mut lines);
    lines
}

fn critical(explained: &Explained, at: usize) -> bool {
    explained.prediction.steps.get(at).is_some_and(|step| step.critical)
}

/// When the last of what hangs below a step is over.
fn reach(at: usize, below: &[Vec<usize>], ends: &[Duration]) -> Duration {
    let mut latest = ends[at];
    let mut open = vec![at];
    while let Some(at) = open.pop() {
        latest = latest.max(ends[at]);
        open.extend(&below[at]);
    }
    latest
}

/// The same with the heaviest at the end.
fn main_last<W: Ord>(list: &[usize], weight: &impl Fn(&usize) -> W) -> Vec<usize> {
    let Some(main) = list.iter().copied().max_by_key(|at| weight(at)) else { return Vec::new() };
    list.iter().copied().filter(|at| *at != main).chain([main]).collect()
}

impl Graph<'_> {
    /// Draws what follows one step. What is still to be drawn waits on a stack: chains may be long.
    fn draw(&self, first: &[usize], depth: usize, lines: &mut Vec<String>) {
        let mut open: Vec<(usize, usize, bool)> = self.siblings(first, depth);
        while let Some((at, depth, branch)) = open.pop() {
            self.line(at, depth, branch, lines);
            let below = if branch { (depth + 1).min(MAX_BRANCHES) } else { depth };
            open.extend(self.siblings(&self.below[at], below));
        }
    }

    /// In the order of a stack: the last one of the list is drawn last.
    fn siblings(&self, list: &[usize], depth: usize) -> Vec<(usize, usize, bool)> {
        let mut out: Vec<(usize, usize, bool)> =
            list.iter().enumerate().map(|(number, at)| (*at, depth, number + 1 < list.len())).collect();
        out.reverse();
        out
    }

    fn line(&self, at: usize, depth: usize, branch: bool, lines: &mut Vec<String>) {
        let (Some(step), Some(predicted)) =
            (self.explained.steps.get(at), self.explained.prediction.steps.get(at))
        else {
            return;
        };
        let bars = "│ ".repeat(depth);
        let sign = match (step.skipped.is_some(), predicted.critical) {
            (true, _) => '·',
            (_, true) => '▶',
            (_, false) => '○',
        };
        let name = format!("{bars}{}{sign} {}", if branch { "├─" } else { "" }, step.step);
        let time = if step.skipped.is_some() { "–".to_string() } else { words(predicted.lengths.estimate) };
        let lead = format!("{} {}  ", fit(&name, self.names), right(&time, TIMES));
        let hang = format!(
            "{}{}",
            fit(&format!("{bars}{}", if branch { "│" } else { "" }), self.names),
            " ".repeat(TIMES + 3)
        );
        let room = self.columns.saturating_sub(width(&lead));
        let notes = wrap("", &self.notes(at), room);
        let mut notes = notes.iter();
        let first = notes.next().map(String::as_str).unwrap_or_default();
        lines.push(cut(&format!("{lead}{first}"), self.columns).trim_end().to_string());
        lines.extend(notes.map(|note| cut(&format!("{hang}{note}"), self.columns)));
    }

    /// What is said beside a step.
    fn notes(&self, at: usize) -> String {
        let (Some(step), Some(predicted)) =
            (self.explained.steps.get(at), self.explained.prediction.steps.get(at))
        else {
            return String::new();
        };
        let mut notes = Vec::new();
        match (&step.skipped, predicted.critical, predicted.spare) {
            (Some(why), _, _) => notes.push(format!("skipped: {why}")),
            (None, true, _) => notes.push("critical".to_string()),
            (None, false, Some(spare)) => notes.push(format!("{} to spare", words(spare))),
            (None, false, None) => notes.push("the recovery does not wait for it".to_string()),
        }
        if step.point_of_no_return && step.skipped.is_none() {
            notes.push("no return".to_string());
        }
        if self.explained.prediction.until.len() == 1 && self.explained.prediction.until.contains(&step.step)
        {
            notes.push("recovered".to_string());
        }
        if step.after.len() > 1 {
            let all: Vec<&str> = step.after.iter().map(StepPath::as_str).collect();
            notes.push(format!("after {}", all.join(", ")));
        }
        notes.join("; ")
    }
}
