//! `lifeboat token`

use crate::args::Token;
use crate::failure::Failure;
use crate::screen;
use crate::session::{Session, at, traced};
use proto::v1::{self, enrolment_client::EnrolmentClient};
use runtime::lifecycle::Exit;

/// Makes a one-time token. It goes to stdout alone, so that it can be piped.
pub async fn token(session: &Session, args: &Token) -> Result<Exit, Failure> {
    let Token::Create { host, lives } = args;
    let lives = model::duration::parse(lives)
        .map_err(|error| Failure::usage("LB4013", error.to_string(), "Write --lives 15m."))?;
    let lives_ms = u64::try_from(lives.as_millis()).unwrap_or(u64::MAX);
    let request = traced(v1::CreateTokenRequest { host: host.clone(), lives_ms });
    let made = EnrolmentClient::new(session.channel.clone()).create_token(request).await?.into_inner();
    let value = serde_json::json!({"host": host, "token": made.token, "expires": at(made.expires_us)});
    screen::show(session.output, &value, || made.token.clone());
    screen::say(format!("good once, until {}; on {host}:", screen::moment(at(made.expires_us))));
    screen::say(format!("  lifeboat-agent enrol --controller {} --token-file -", session.profile.address));
    Ok(Exit::Done)
}
