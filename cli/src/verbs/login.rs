//! `lifeboat login`

use crate::args::{Cli, Login as Args};
use crate::failure::Failure;
use crate::login::Login;
use crate::screen;
use runtime::clock::Clock;
use runtime::lifecycle::Exit;
use std::io::Write as _;

/// Longest token that is read, in bytes.
const MAX_TOKEN_BYTES: u64 = 4096;

/// Gets a certificate and keeps it.
pub async fn login(cli: &Cli, args: &Args) -> Result<Exit, Failure> {
    let token = read_token(args)?;
    let login = Login::in_folder(cli.config.clone())?;
    let profile = login.make(&args.address, &args.user, &token, Clock::system().now()).await?;
    screen::show(cli.output, &profile, || {
        format!(
            "logged in to {} as {} until {}",
            profile.address,
            profile.user,
            screen::moment(profile.until)
        )
    });
    Ok(Exit::Done)
}

fn read_token(args: &Args) -> Result<String, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    match &args.token_file {
        Some(path) if path.as_os_str() != "-" => {
            let file = std::fs::File::open(path).map_err(|error| Failure::file("open", path, &error))?;
            file.take(MAX_TOKEN_BYTES)
                .read_to_string(&mut text)
                .map_err(|error| Failure::file("read", path, &error))?;
        }
        Some(path) => {
            std::io::stdin()
                .take(MAX_TOKEN_BYTES)
                .read_to_string(&mut text)
                .map_err(|error| Failure::file("read", path, &error))?;
        }
        None => {
            let _ = write!(
                std::io::stderr().lock(),
                "token (made for you by an admin, or the admin token of the controller's first start): "
            );
            let read = std::io::stdin().read_line(&mut text);
            read.map_err(|error| Failure::file("read", std::path::Path::new("the terminal"), &error))?;
        }
    }
    Ok(text)
}
