//! The layout: what it looks like, and that it never changes what a file says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod looks;
mod never;
mod texts;
