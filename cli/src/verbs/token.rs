//! `lifeboat token`

use crate::args::Token;
use crate::failure::Failure;
use crate::screen;
use crate::session::{Session, at, traced};
use proto::v1::{self, enrolment_client::EnrolmentClient};
use runtime::lifecycle::Exit;

/// Makes a one-time token. It goes to stdout alone, so that it can be piped.
pub async fn token(session: &Session, args: &Token) -> Result<Exit, Failure> {
    let Token::Create { host, user, lives } = args;
    let lives = model::duration::parse(lives)
        .map_err(|error| Failure::usage("LB4013", error.to_string(), "Write --lives 15m."))?;
    let lives_ms = u64::try_from(lives.as_millis()).unwrap_or(u64::MAX);
    let (host, user) = (host.clone().unwrap_or_default(), user.clone().unwrap_or_default());
    let request = traced(v1::CreateTokenRequest { host: host.clone(), lives_ms, user: user.clone() });
    let made = EnrolmentClient::new(session.channel.clone()).create_token(request).await?.into_inner();
    let mut value = serde_json::json!({"token": made.token, "expires": at(made.expires_us)});
    let (key, name) = if user.is_empty() { ("host", &host) } else { ("user", &user) };
    value[key] = name.as_str().into();
    screen::show(session.output, &value, || made.token.clone());
    let address = &session.profile.address;
    let how = match user.is_empty() {
        true => format!("lifeboat-agent enrol --controller {address} --token-file -"),
        false => format!("lifeboat login {address} --user {user} --token-file -"),
    };
    let place = if user.is_empty() { format!("on {host}") } else { format!("{user}, on their own machine") };
    screen::say(format!("good once, until {}; {place}:", screen::moment(at(made.expires_us))));
    screen::say(format!("  {how}"));
    Ok(Exit::Done)
}
