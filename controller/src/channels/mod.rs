//! Channels: where people are told what a run does.
