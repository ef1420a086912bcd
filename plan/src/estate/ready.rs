//! What this version can do something with, and what it only understands.
//!
//! A noun of a kind whose job is still to come is read and checked like any other, and told once as a
//! warning. It has no specification, so no assignment and no run can hold it: assignments leave it out,
//! and a step that needs it does not compile.

/// A specification, or why there is none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ready<T> {
    /// It can be used.
    Now(T),
    /// What is still to come, in words: "the source kind mongodb".
    Later(String),
}

impl<T> Ready<T> {
    /// The specification, if there is one.
    pub fn now(&self) -> Option<&T> {
        match self {
            Ready::Now(value) => Some(value),
            Ready::Later(_) => None,
        }
    }

    /// What is still to come.
    pub fn later(&self) -> Option<&str> {
        match self {
            Ready::Now(_) => None,
            Ready::Later(what) => Some(what),
        }
    }

    /// Another specification from this one.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Ready<U> {
        match self {
            Ready::Now(value) => Ready::Now(to(value)),
            Ready::Later(what) => Ready::Later(what),
        }
    }

    /// Both, or why one of them is still to come.
    pub fn and<U>(self, other: Ready<U>) -> Ready<(T, U)> {
        match (self, other) {
            (Ready::Now(first), Ready::Now(second)) => Ready::Now((first, second)),
            (Ready::Later(what), _) | (_, Ready::Later(what)) => Ready::Later(what),
        }
    }

    /// An optional part: what is not there is no hindrance.
    pub fn option(part: Option<Ready<T>>) -> Ready<Option<T>> {
        match part {
            None => Ready::Now(None),
            Some(part) => part.map(Some),
        }
    }
}
