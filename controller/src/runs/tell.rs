//! Telling people of a question over every channel of the estate, and what became of it.
//!
//! All who hold the role are named; all channels are tried at the same time, each within its own bounds.
//! What came of it is reported to the run, whose journal then says who could have heard of it. A restart
//! before that tells again under the same key, which receivers know as a repeat.

use super::driver::Input;
use crate::app::App;
use crate::channels::{self, Message, State};
use engine::event::Notice;
use engine::{Report, people};
use futures::future::join_all;
use model::nouns::ChannelSpec;
use model::{ApprovalId, Name, RunId};
use runtime::Policy;
use std::convert::Infallible;
use tokio::sync::mpsc;

/// Channels that are told at once.
const MAX_CHANNELS: usize = 32;

/// What it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// The run.
    pub run: RunId,
    /// The question.
    pub approval: ApprovalId,
    /// What people are told of it.
    pub notice: Notice,
}

impl About {
    fn key(self) -> String {
        let what = match self.notice {
            Notice::Asked => "asked",
            Notice::BrokeGlass => "broke-glass",
        };
        format!("{}/{}/{what}", self.run, self.approval)
    }
}

/// Begins to tell. What came of it comes back as a report.
pub(super) fn everybody(
    app: &App,
    inbox: &mpsc::Sender<Input>,
    about: About,
    title: String,
    text: String,
    role: &Name,
) {
    let in_force = app.estate.get();
    let all: Vec<ChannelSpec> =
        in_force.iter().flat_map(|estate| estate.checked.channels().take(MAX_CHANNELS).cloned()).collect();
    let asked = people::people_of(&app.estate.roles(), role);
    let message = Message {
        title,
        body: format!("{text}\n{role}: {asked}"),
        state: State::Investigating,
        run: about.run,
        url: None,
        key: about.key(),
    };
    let inbox = inbox.clone();
    app.tasks.spawn(format!("tell {}", about.approval), Policy::BACKGROUND, async move {
        let mut failed = Vec::new();
        let mut heard = Vec::new();
        if all.is_empty() {
            failed.push("no channel is declared that can be used".to_string());
        }
        for (channel, done) in join_all(all.iter().map(|channel| one(channel, &message))).await {
            match done {
                Ok(()) => heard.push(channel),
                Err(why) => failed.push(format!("{channel}: {why}")),
            }
        }
        if heard.is_empty() {
            tracing::error!(run = %about.run, ?failed, "nobody was told of a question");
        }
        let About { approval, notice, .. } = about;
        let report = Report::Told { approval, notice, channels: heard, failed };
        // Without a driver nobody waits for it; the next one tells again.
        let _ = inbox.send(Input::Report { from: None, report, done: None }).await;
        Ok::<_, Infallible>(())
    });
}

async fn one(channel: &ChannelSpec, message: &Message) -> (Name, Result<(), String>) {
    let told = async { channels::open(channel)?.announce(message).await };
    let done = told.await.map(drop).map_err(|error| error.to_string());
    (channel.name.clone(), done)
}
