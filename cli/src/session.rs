//! What every verb works with: the channel, the output format, the clock, yes or no.

use crate::args::{Cli, Format};
use crate::failure::Failure;
use crate::login::{Login, Profile};
use crate::screen;
use model::{Micros, RunId};
use proto::v1::{self, runs_client::RunsClient};
use runtime::clock::Clock;
use tonic::Request;
use tonic::transport::Channel;

/// Open runs that are looked at when a run is named by its last digits.
const LOOK_AT: u32 = 500;

/// An open session with a controller.
#[derive(Clone)]
pub struct Session {
    /// The channel.
    pub channel: Channel,
    /// Who we are.
    pub profile: Profile,
    /// How results are written.
    pub output: Format,
    /// Answer yes without asking.
    pub yes: bool,
    /// The time.
    pub clock: Clock,
    login: Login,
}

impl Session {
    /// Opens it with the login in the given folder.
    pub async fn open(cli: &Cli) -> Result<Session, Failure> {
        let clock = Clock::system();
        let login = Login::in_folder(cli.config.clone())?;
        let (channel, profile) = login.connect(clock.now()).await?;
        Ok(Session { channel, profile, output: cli.output, yes: cli.yes, clock, login })
    }

    /// Looks for whichever controller leads now. Without one everything stays as it is.
    pub async fn look_again(&mut self) {
        if let Ok((channel, profile)) = self.login.connect(self.clock.now()).await {
            (self.channel, self.profile) = (channel, profile);
        }
    }

    /// Client for runs.
    pub fn runs(&self) -> RunsClient<Channel> {
        RunsClient::new(self.channel.clone()).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }

    /// The run that is meant: its id, the last digits of it, or the newest open one.
    pub async fn run(&self, name: Option<&str>) -> Result<RunId, Failure> {
        if let Some(id) = name.and_then(|name| name.parse::<RunId>().ok()) {
            return Ok(id);
        }
        let open_only = name.is_none();
        let request = traced(v1::ListRunsRequest { open_only, limit: LOOK_AT });
        let runs = self.runs().list(request).await?.into_inner().runs;
        let mut found = Vec::new();
        for run in runs {
            let id = proto::run_id_of(&run.run)?;
            if name.is_none_or(|name| id.to_string().ends_with(name)) {
                found.push(id);
            }
        }
        match (found.as_slice(), name) {
            ([], None) => {
                Err(Failure::no("LB4010", "no run is open", "`lifeboat runs list` shows those of the past."))
            }
            ([], Some(name)) => Err(Failure::usage(
                "LB4011",
                format!("no run ends with {name}"),
                "`lifeboat runs list` shows them.",
            )),
            ([id], _) | ([id, ..], None) => Ok(*id),
            ([_, _, ..], Some(name)) => Err(Failure::usage(
                "LB4012",
                format!("more than one run ends with {name}"),
                "Give more of its digits.",
            )),
        }
    }

    /// Asks a question on the terminal. `--yes` answers it, and the question is shown all the same.
    pub fn ask(&self, question: &str) -> bool {
        screen::ask(self.yes, question)
    }
}

/// A request that carries the trace of this command.
pub fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    runtime::telemetry::trace::inject(request.metadata_mut());
    request
}

/// The short name of a run: the last 8 digits of its id, which differ even for runs of one moment.
pub fn short(run: RunId) -> String {
    let text = run.to_string();
    text[text.len() - 8..].to_string()
}

/// A moment from the wire.
pub fn at(us: i64) -> Micros {
    Micros(us)
}
