//! A plan as a runbook: what people print and follow when Lifeboat itself is gone.
//!
//! ```text
//! CheckedEstate::show ─► Shown ─runbook─► Page ─► Markdown | HTML
//! ```
//!
//! Everything in it comes from the plan as it would run ([`plan::Shown`]): the same orders, lengths and rules. What
//! each step kind is in plain words, and how it is done by hand, stands in `manual`. No clock: the same estate gives
//! the same bytes, so runbooks are kept in git beside it.

mod before;
mod index;
mod manual;
mod order;
mod page;
mod people;
mod reference;
mod shell;
mod steps;
mod summary;

pub use index::{Entry, index};
pub use page::Page;

use model::Name;
use plan::checked::Step;
use plan::{CheckedEstate, Nouns, Shown};

/// Which words begin every runbook, and no other file: in the first line of Markdown, in the second of HTML.
pub const MARK: &str = "<!-- lifeboat runbook -->";

/// How a runbook is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CommonMark with tables and task lists.
    Markdown,
    /// One HTML file that needs nothing else.
    Html,
}

impl Format {
    /// How its files end.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Markdown => "md",
            Format::Html => "html",
        }
    }

    /// A page in this format.
    pub fn write(self, page: &Page) -> String {
        match self {
            Format::Markdown => page.markdown(),
            Format::Html => page.html(),
        }
    }
}

/// What a runbook is made of.
struct Book<'b> {
    estate: &'b CheckedEstate,
    nouns: &'b Nouns,
    shown: &'b Shown,
    /// The version of the program.
    version: &'b str,
}

/// The runbook of a plan. `version` is the program's own.
pub fn runbook(estate: &CheckedEstate, nouns: &Nouns, shown: &Shown, version: &str) -> Page {
    let book = Book { estate, nouns, shown, version };
    let parts = [
        summary::blocks(&book),
        before::blocks(&book),
        people::blocks(&book),
        steps::blocks(&book),
        steps::undo(&book),
        summary::way_back(&book),
        reference::blocks(&book),
        reference::made_from(&book),
    ];
    Page { title: shown.plan.title.clone(), blocks: parts.into_iter().flatten().collect() }
}

/// What a step kind does, in plain words; `None` for a kind that has none yet.
pub fn does(kind: &str) -> Option<&'static str> {
    manual::kind(kind).map(|kind| kind.does)
}

/// Every step kind that has its words.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    manual::kinds()
}

impl Book<'_> {
    /// Steps that are to be done.
    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.shown.plan.steps.iter().filter(|step| step.skipped.is_none())
    }

    /// Whether a region is presumed dead.
    fn is_lost(&self, region: &Name) -> bool {
        self.shown.plan.scenario.lost.contains(region)
    }
}
