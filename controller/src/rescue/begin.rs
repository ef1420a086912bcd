//! Beginning a rescue: a data folder from a bundle, an epoch that the offline key signs, and then a controller
//! like any other.
//!
//! Order. The bundle is read and checked, and its CA's key opened, before anything is written. Then the folder:
//! CA, store, and last the signed call, so that a call means that everything before it is there. The same command
//! again goes on with the same folder, under the next epoch and with a new call.

use super::{CALL, CALL_FILE, JUMP, bundle, seal};
use crate::auth::authority::{CA_FILE, CA_KEY_FILE};
use crate::settings::Settings;
use crate::store::rescue::RescueRow;
use crate::store::{DATABASE_FILE, Store, StoreError};
use model::{Call, Epoch, HostName, Micros, Name, Problem, SecretRef};
use plan::SourceFile;
use runtime::fs::{PRIVATE, PUBLIC, write_durable};
use runtime::offline::SecretKey;
use runtime::secret::SecretBytes;
use runtime::tls::Ca;
use runtime::{Clock, Explained as _, Ids};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What an operator says.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// A bundle, or a folder whose newest is taken.
    pub bundle: PathBuf,
    /// The offline key.
    pub key: PathBuf,
    /// Where agents dial this controller.
    pub at: Vec<String>,
    /// Hosts and regions that are gone: they are not waited for.
    pub lost: Vec<String>,
    /// Begin above this epoch, which agents have seen of another rescue.
    pub above: Option<u64>,
    /// Oldest bundle that is taken.
    pub max_age: Duration,
}

/// What came of it, for people.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The epoch.
    pub epoch: Epoch,
    /// Who is waited for.
    pub waits_for: Vec<HostName>,
    /// How old the bundle is.
    pub bundle_age: Duration,
    /// It had begun before.
    pub again: bool,
}

fn refused(message: String, advice: &str) -> Problem {
    Problem::new("LB1247", message, advice)
}

/// Makes the data folder ready and the settings fit for it.
pub async fn prepare(
    settings: &mut Settings,
    wanted: &Wanted,
    clock: &Clock,
    ids: &Ids,
) -> Result<Begun, Problem> {
    let now = clock.now();
    let body = bundle::read(&wanted.bundle)?;
    let key = SecretKey::load(&wanted.key).map_err(|error| error.problem())?;
    let ca_key = seal::open(&key, &body.sealed_ca_key)?;
    if body.offline_key != key.public().to_string() {
        let advice =
            "Use the offline key whose public half the controllers' settings had when the bundle was made.";
        return Err(Problem::new("LB1241", "the bundle was made for another offline key", advice));
    }
    Ca::load(&body.ca_pem, &ca_key).map_err(|error| error.problem())?;
    bring_secrets(&key, &body.sealed_secrets)?;
    let database = settings.data.join(DATABASE_FILE);
    let again = database.exists();
    if !again {
        bundle::check_age(&body, now, wanted.max_age)?;
    }
    let waits_for = waits_for(&body, &wanted.lost)?;
    settings.database = String::new();
    settings.offline_key.clone_from(&body.offline_key);
    if settings.name == Settings::default().name {
        settings.name = "rescue".to_string();
    }
    let name = Name::new(&settings.name)
        .map_err(|error| refused(error.to_string(), "Set another name in the settings."))?;
    if wanted.at.is_empty() {
        return Err(refused(
            "no address is named at which agents reach this machine".to_string(),
            "Say --at HOST:PORT: an address of this machine that the agents' hosts reach, no DNS needed.",
        ));
    }
    folder(&settings.data)?;
    if !again {
        let write = |file: &str, text: &str, mode| {
            write_durable(&settings.data.join(file), text.as_bytes(), mode).map_err(|error| error.problem())
        };
        write(CA_KEY_FILE, &ca_key, PRIVATE)?;
        write(CA_FILE, &body.ca_pem, PUBLIC)?;
    }
    let (id, bundle_age) = (ids.fresh(), now.since(body.made_at));
    let ca_hash = body.ca_hash.clone();
    let number = store(settings, wanted, body, &waits_for, id, now, again).await?;
    let epoch = Epoch { number, holder: id };
    let call = Call { epoch, name, at: wanted.at.clone(), ca_hash, made_at: now };
    let signed = key.sign(CALL, &serde_json::to_string(&call).unwrap_or_default());
    write_durable(&settings.data.join(CALL_FILE), signed.as_bytes(), PUBLIC)
        .map_err(|error| error.problem())?;
    Ok(Begun { epoch, waits_for: waits_for.into_iter().collect(), bundle_age, again })
}

/// The secrets of the machine that is gone: kept in memory, for as long as this process lives.
fn bring_secrets(key: &SecretKey, sealed: &str) -> Result<(), Problem> {
    if sealed.is_empty() {
        return Ok(());
    }
    let text = seal::open(key, sealed)?;
    let found: BTreeMap<PathBuf, String> = serde_json::from_str(&text).map_err(|error| {
        refused(format!("the secrets of the bundle cannot be read: {error}"), "Take another bundle.")
    })?;
    let secret = |(path, hex): (PathBuf, String)| {
        Some((SecretRef::File(path), SecretBytes::new(hex::decode(hex).ok()?)))
    };
    runtime::secret::hand_over(found.into_iter().filter_map(secret).collect());
    Ok(())
}

/// The agents of the bundle, without those that are gone.
fn waits_for(body: &bundle::Body, lost: &[String]) -> Result<BTreeSet<HostName>, Problem> {
    let files = body.estate.iter().flat_map(|estate| &estate.files);
    let files: Vec<SourceFile> =
        files.map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() }).collect();
    let estate = plan::check(&files).estate;
    let region = |host: &HostName| estate.as_ref().and_then(|estate| estate.region_of(host));
    let mut hosts: BTreeSet<HostName> = body.agents.iter().map(|agent| agent.host.clone()).collect();
    for name in lost {
        let of: Vec<HostName> = hosts
            .iter()
            .filter(|host| host.as_str() == name || region(host).is_some_and(|it| it.as_str() == name))
            .cloned()
            .collect();
        if of.is_empty() {
            let known: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            return Err(refused(
                format!("--lost {name}: no host that is waited for is called so or stands there"),
                &format!("Name a region of the estate, or one of: {}.", known.join(", ")),
            ));
        }
        hosts.retain(|host| !of.contains(host));
    }
    Ok(hosts)
}

fn folder(data: &Path) -> Result<(), Problem> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|error| {
        refused(format!("{} cannot be made", data.display()), "Name another folder with --data.")
            .caused_by(&error)
    })
}

/// Fills the store, or finds the one that was filled before. Gives the number of the epoch that it takes next.
async fn store(
    settings: &Settings,
    wanted: &Wanted,
    body: bundle::Body,
    waits_for: &BTreeSet<HostName>,
    id: uuid::Uuid,
    now: Micros,
    again: bool,
) -> Result<u64, Problem> {
    let failed = |error: StoreError| error.problem();
    let (store, writer) = Store::open(&settings.data, &settings.name).await.map_err(failed)?;
    let stop = CancellationToken::new();
    let writing = tokio::spawn(writer.run_until(stop.clone()));
    let hosts: Vec<&str> = waits_for.iter().map(HostName::as_str).collect();
    let mut row = RescueRow {
        id,
        epoch: wanted.above.map_or(body.epoch, |above| above.max(body.epoch)) + JUMP,
        bundle_at: body.made_at,
        began_at: now,
        waits_for: hosts.join(" "),
        collected: false,
    };
    let filled = match (again, store.rescue().await.map_err(failed)?) {
        (false, _) => store.begin_rescue(row.clone(), body).await.map_err(failed),
        (true, Some(before)) => {
            let seen = store.leadership().await.map_err(failed)?;
            row = RescueRow { epoch: seen.epoch + 1, collected: before.collected, ..row };
            store.continue_rescue(row.clone()).await.map_err(failed)
        }
        (true, None) => Err(refused(
            format!("{} holds the store of a controller that is no rescue", settings.data.display()),
            "Name a folder that does not exist yet with --data.",
        )),
    };
    stop.cancel();
    drop(store);
    // The folder is free once the writer has closed the database.
    let _ = writing.await;
    filled.map(|()| row.epoch)
}
