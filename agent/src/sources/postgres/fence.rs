//! Make sure that a member cannot accept writes: mask its server, stop it, see it gone.
//!
//! Masked first, then stopped: between a stop and a later mask somebody could start it again. `stopped` is
//! said only when three looks agree: its manager says that it does not run and is masked, nobody of it is
//! left (a worker can outlive a killed main process and still commit), and its address refuses
//! connections. Whatever answers there, even another server, is not fenced.
//!
//! Who is left is seen by the data folder, taken from the main process or from the command line, never from
//! what a server answers: that may be a stranger, or name a path inside a container, where on this host
//! another server works. systemd and Docker keep account of every process of theirs, so without a folder
//! their word is taken, and `detail` says so; of a supervised process nothing less than the folder will do.

use super::connect::{connect_server, failed};
use super::owner::Owner;
use super::{control, facts, wal};
use crate::jobs::{Context, End, Preview, Probe};
use crate::services::alive::{self, Folder};
use crate::services::leased::data_folder;
use crate::services::{self, ServiceManager};
use model::jobs::{FenceOutput, ServiceState};
use model::nouns::{Manager, PostgresSpec, ServiceSpec};
use model::{Evidence, Outcome, Problem};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The server is asked for its last position before it is stopped, and may be dead already.
const ASK_LIMIT: Duration = Duration::from_secs(2);
/// Longest wait for processes to leave and the port to close after the stop.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at the address.
const CONNECT_PAUSE: Duration = Duration::from_millis(200);
/// An address of this host that neither answers nor refuses within this time is not proven closed.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A failover does not wait for longer to learn where the log of a killed server ends.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// What PostgreSQL's processes are called.
const PROGRAM: &str = "postgres";

/// What the server said before the stop.
#[derive(Default)]
struct Last {
    lsn: Option<u64>,
    folder: Option<PathBuf>,
}

/// Does it.
pub async fn fence(spec: &PostgresSpec, context: &Context) -> Result<FenceOutput, End> {
    let server = server(spec)?;
    let manager = services::open(server, &context.state_dir)?;
    let before = context.unless_cancelled(manager.status()).await??;
    if before.state == ServiceState::Absent {
        return Err(End::Failed(absent(server)));
    }
    let last = context.unless_cancelled(ask(spec)).await?;
    let home = home(server, before.pid);
    context.phase("mask and stop");
    context.may_act()?;
    let acting = async {
        manager.mask().await?;
        manager.stop().await?;
        verify(spec, server, manager.as_ref(), home, GONE_LIMIT).await
    };
    let detail = match context.unless_cancelled(acting).await {
        Ok(done) => done?,
        Err(_) => {
            return Err(End::Unknown(Problem::new(
                "LB2330",
                format!("the fence of {} was cut short", server.name),
                "Repeat it: doing it twice is doing it once.",
            )));
        }
    };
    // Of the paths that we know, only one that leads to the server's own folder is read.
    let folder = [data_folder(server), last.folder].into_iter().flatten();
    let folder = folder.into_iter().find(|path| home.is_some() && Folder::at(path).ok() == home);
    let final_lsn = final_lsn(spec, folder.as_deref(), context).await.or(last.lsn);
    Ok(FenceOutput { evidence: Evidence::Stopped, detail, final_lsn })
}

/// Was it done? Looks at the three signs again. Only a server that runs and may run was surely not fenced.
pub async fn probe(spec: &PostgresSpec, context: &Context) -> Probe {
    match seen(spec, context).await {
        Ok(probe) => probe,
        Err(problem) => Probe::CannotTell(problem),
    }
}

async fn seen(spec: &PostgresSpec, context: &Context) -> Result<Probe, Problem> {
    let server = server(spec)?;
    let manager = services::open(server, &context.state_dir)?;
    let status = manager.status().await?;
    if status.state == ServiceState::Running && !status.masked {
        return Ok(Probe::NotDone);
    }
    let home = home(server, status.pid);
    let detail = verify(spec, server, manager.as_ref(), home, Duration::ZERO).await?;
    let output = FenceOutput { evidence: Evidence::Stopped, detail, final_lsn: None };
    Ok(Probe::Done(Outcome::success(&output)))
}

/// Could it be done?
pub async fn would_you(spec: &PostgresSpec, context: &Context) -> Result<Preview, End> {
    let server = server(spec)?;
    let manager = services::open(server, &context.state_dir)?;
    let status = context.unless_cancelled(manager.status()).await??;
    if status.state == ServiceState::Absent {
        return Err(End::Failed(absent(server)));
    }
    Ok(Preview { would: vec![format!("mask and stop {}, which is {:?} now", server.name, status.state)] })
}

/// Masked, nobody works in this data folder, and its address refuses: of a member that is to come back.
pub async fn gone(
    spec: &PostgresSpec,
    server: &ServiceSpec,
    manager: &dyn ServiceManager,
    data: &Path,
) -> Result<String, Problem> {
    verify(spec, server, manager, Folder::at(data).ok(), GONE_LIMIT).await
}

/// The service that runs a member's server.
pub fn server(spec: &PostgresSpec) -> Result<&ServiceSpec, Problem> {
    spec.server.as_ref().ok_or_else(|| {
        Problem::new(
            "LB2331",
            format!("nothing is known of the service that runs the server at {}:{}", spec.address, spec.port),
            "Name it as `server` of the source in the estate; a fence stops and masks it.",
        )
    })
}

fn absent(server: &ServiceSpec) -> Problem {
    Problem::new(
        "LB2332",
        format!("service {} is not known to its manager on this host, so nothing was stopped", server.name),
        "Mend the service's name in the estate, or fence the host in another way.",
    )
}

async fn ask(spec: &PostgresSpec) -> Last {
    let mut last = Last::default();
    let asking = async {
        let mut connection = connect_server(spec).await?;
        last.lsn = Some(facts::standing(&mut connection, spec).await?.lsn);
        // Not every role may ask this; the position is kept all the same.
        let folder: Option<String> = sqlx::query_scalar("select current_setting('data_directory', true)")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| failed(spec, "ask", &error))?;
        last.folder = folder.map(PathBuf::from);
        Ok::<_, Problem>(())
    };
    // A dead server says nothing, and is fenced all the same.
    let _ = tokio::time::timeout(ASK_LIMIT, asking).await;
    last
}

/// Where the processes of the server work. None for a container: its processes are gone with it, and its
/// paths are not this host's.
fn home(server: &ServiceSpec, main: Option<u32>) -> Option<Folder> {
    match server.manager {
        Manager::Container { .. } => None,
        Manager::Systemd { .. } => main.and_then(|pid| Folder::of(pid, PROGRAM)),
        Manager::Process(_) => main
            .and_then(|pid| Folder::of(pid, PROGRAM))
            .or_else(|| data_folder(server).and_then(|path| Folder::at(&path).ok())),
    }
}

/// The three looks; without patience nothing is waited for and nobody ended. Gives what was seen in words, or says which look did not agree.
async fn verify(
    spec: &PostgresSpec,
    server: &ServiceSpec,
    manager: &dyn ServiceManager,
    home: Option<Folder>,
    patience: Duration,
) -> Result<String, Problem> {
    let status = manager.status().await?;
    if status.state != ServiceState::Masked || !status.masked {
        return Err(not_fenced(spec, &format!("its service is {:?}: {}", status.state, status.detail)));
    }
    let nobody = match (home, &server.manager) {
        (Some(folder), _) => nobody_works_in(spec, folder, patience).await?,
        (None, Manager::Systemd { .. }) => "systemd says that no process of its unit is left",
        (None, Manager::Container { .. }) => "Docker says that its container does not run",
        (None, Manager::Process(_)) => return Err(no_folder(server)),
    };
    let end = tokio::time::Instant::now() + patience;
    loop {
        match refuses(spec).await {
            Ok(how) => return Ok(format!("masked; {}; {nobody}; {how}", status.detail)),
            Err(why) if tokio::time::Instant::now() >= end => return Err(not_fenced(spec, &why)),
            Err(_) => tokio::time::sleep(CONNECT_PAUSE).await,
        }
    }
}

async fn nobody_works_in(
    spec: &PostgresSpec,
    folder: Folder,
    patience: Duration,
) -> Result<&'static str, Problem> {
    let workers = || alive::working_in(folder, PROGRAM);
    let mut left = alive::wait_gone(patience, workers).await;
    if !left.is_empty() && !patience.is_zero() {
        // Orphans of a killed main process: nobody else will end them.
        left = alive::kill(patience, workers).await;
    }
    if left.is_empty() {
        return Ok("no PostgreSQL process works in its data folder");
    }
    Err(not_fenced(spec, &format!("{} of its processes still run", left.len())))
}

fn no_folder(server: &ServiceSpec) -> Problem {
    Problem::new(
        "LB2334",
        format!(
            "service {} is stopped and masked, but its data folder is not known, so workers of a killed server may be left",
            server.name
        ),
        "Do not promote before you have seen that no postgres process of it runs. Name the folder with -D in the service's argv and see that it is there, then repeat the fence.",
    )
}

async fn refuses(spec: &PostgresSpec) -> Result<String, String> {
    let place = format!("{}:{}", spec.address, spec.port);
    let connecting = async {
        if spec.address.starts_with('/') {
            let socket = format!("{}/.s.PGSQL.{}", spec.address, spec.port);
            tokio::net::UnixStream::connect(socket).await.map(|_| ())
        } else {
            tokio::net::TcpStream::connect((spec.address.as_str(), spec.port)).await.map(|_| ())
        }
    };
    match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
        Ok(Ok(())) => Err(format!("{place} still takes connections")),
        Ok(Err(error)) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Ok(format!("{place} refuses connections")),
            std::io::ErrorKind::NotFound => Ok(format!("{place} has no socket")),
            _ => Err(format!("{place} cannot be asked: {error}")),
        },
        Err(_) => Err(format!("{place} neither answers nor refuses")),
    }
}

fn not_fenced(spec: &PostgresSpec, why: &str) -> Problem {
    Problem::new(
        "LB2333",
        format!(
            "the server at {}:{} was told to stop and is not proven stopped: {why}",
            spec.address, spec.port
        ),
        "Do not promote. See what runs there, then repeat the fence, or isolate or power off the host.",
    )
}

/// Where a stopped server's log ends: at its shutdown checkpoint, or, of one that was killed, where its log can be
/// read no further.
async fn final_lsn(spec: &PostgresSpec, folder: Option<&Path>, context: &Context) -> Option<u64> {
    let folder = folder?;
    let control = control::read(spec, folder, context).await.ok()?;
    if control.clean {
        return Some(control.checkpoint);
    }
    let owner = Owner::of(folder).ok()?;
    let reading = wal::end_of_log(spec, &owner, &control, folder, context);
    tokio::time::timeout(READ_LIMIT, reading).await.ok()?.ok()?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_data_folder_is_read_from_the_command_line() {
        let server = |argv: &str| -> ServiceSpec {
            serde_json::from_str(&format!(r#"{{"name":"s","manager":{{"kind":"process","argv":{argv}}}}}"#))
                .unwrap()
        };
        assert_eq!(data_folder(&server(r#"["/p","-D","/d"]"#)), Some("/d".into()));
        assert_eq!(data_folder(&server(r#"["/p","-D/d","-p","1"]"#)), Some("/d".into()));
        assert_eq!(data_folder(&server(r#"["/p"]"#)), None);
    }

    #[test]
    fn a_containers_server_has_no_folder_on_this_host_and_a_units_only_its_main_process() {
        let server = |manager: &str| -> ServiceSpec {
            serde_json::from_str(&format!(r#"{{"name":"s","manager":{manager}}}"#)).unwrap()
        };
        let own = std::process::id();
        let container = server(r#"{"kind":"container","container":"c"}"#);
        assert_eq!(home(&container, Some(own)), None);
        let unit = server(r#"{"kind":"systemd","unit":"u.service"}"#);
        // This test is no postgres.
        assert_eq!(home(&unit, Some(own)), None);
        let process = server(r#"{"kind":"process","argv":["/p","-D","/"]}"#);
        assert_eq!(home(&process, Some(own)), Folder::at(Path::new("/")).ok());
        assert_eq!(no_folder(&process).code, "LB2334");
    }
}
