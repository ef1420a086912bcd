//! The list of an estate's runbooks.

use super::page::{Block, Line, Page};
use plan::objectives::words;
use plan::{CheckedEstate, Shown};

/// A runbook that was written.
#[derive(Debug, Clone)]
pub struct Entry<'e> {
    /// Its plan.
    pub shown: &'e Shown,
    /// Its file, beside the list.
    pub file: String,
}

/// The list.
pub fn index(estate: &CheckedEstate, entries: &[Entry<'_>], version: &str) -> Page {
    let row = |entry: &Entry<'_>| {
        let (plan, prediction) = (&entry.shown.plan, &entry.shown.prediction);
        let lost = if plan.scenario.lost.is_empty() {
            "nothing".into()
        } else {
            Line::default().codes(&plan.scenario.lost)
        };
        vec![
            Line::default().file(plan.name.as_str(), &entry.file),
            plan.title.as_str().into(),
            lost,
            prediction.objective.map_or("nothing".to_string(), words).into(),
            words(prediction.estimated.length).into(),
        ]
    };
    let called = estate.plans().filter(|name| estate.plan(name).is_some_and(|plan| !plan.alone));
    let called: Vec<Line> = called
        .map(|name| {
            Line::default()
                .code(name.to_string())
                .plain(" is only called by others, and stands in their runbooks")
        })
        .collect();
    let what = "Each is a plan of this estate for people who follow it by hand, when Lifeboat itself is gone. Print them, \
                and keep them where the disaster does not reach them.";
    let mut blocks = vec![
        Block::Text(what.into()),
        Block::Table {
            header: vec!["runbook", "what for", "presumed lost", "promised (RTO)", "by estimate"],
            rows: entries.iter().map(row).collect(),
        },
    ];
    if !called.is_empty() {
        blocks.push(Block::Points(called));
    }
    let made = Line::from(format!("By lifeboat {version} from the estate "))
        .code(estate.digest().to_string())
        .plain(".");
    blocks.push(Block::Text(made));
    Page { title: "Runbooks".to_string(), blocks }
}
