//! What is written down: the deadlines, and a permit for each server that may run.

use crate::say;
use model::Name;
use model::lease::{Duty, Watch};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest file of deadlines that is read.
const MAX_BYTES: u64 = 256 * 1024;

/// The watchdog's folder, for as long as the host runs.
pub struct Folder {
    path: PathBuf,
    boot: String,
}

impl Folder {
    /// Makes it where it is missing.
    pub fn open(path: &Path) -> std::io::Result<Folder> {
        for folder in [path.to_path_buf(), path.join("permits")] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Folder { path: path.to_path_buf(), boot: boot.trim().to_string() })
    }

    /// Where the agent asks.
    pub fn socket(&self) -> PathBuf {
        self.path.join("watchdog.sock")
    }

    /// A duty of this folder whose group is not there.
    pub fn duty_of(&self, source: Name, deadline: Duration) -> Duty {
        Duty {
            permit: self.path.join("permits").join(source.as_str()),
            cgroup: self.path.join("no-group"),
            boot: self.boot.clone(),
            deadline_us: u64::try_from(deadline.as_micros()).unwrap_or(u64::MAX),
            stop_ms: 0,
            source,
        }
    }

    /// What an earlier life held. A file that cannot be read is an error, not "nothing": a server would be
    /// guarded by nobody, and its agent would not know.
    pub fn load(&self) -> Result<Watch, String> {
        let path = self.path.join("watchdog.json");
        let told = |why: String| format!("{} cannot be read: {why}", path.display());
        let text = match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Watch::new(&self.boot)),
            Err(error) => return Err(told(error.to_string())),
            Ok(meta) if meta.len() > MAX_BYTES => return Err(told(format!("{} bytes", meta.len()))),
            Ok(_) => std::fs::read_to_string(&path).map_err(|error| told(error.to_string()))?,
        };
        let watch: Watch = serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
        let (watch, void) = watch.resume(&self.boot);
        for duty in void {
            close(&duty);
        }
        Ok(watch)
    }

    /// Writes down what is held.
    pub fn save(&self, watch: &Watch) -> std::io::Result<()> {
        replace(&self.path.join("watchdog.json"), &serde_json::to_vec(watch)?)
    }
}

/// Writes the permit of what is armed.
pub fn open(duty: &Duty) -> std::io::Result<()> {
    replace(&duty.permit, &serde_json::to_vec(&duty.permit())?)
}

/// Removes the permit.
pub fn close(duty: &Duty) {
    match std::fs::remove_file(&duty.permit) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            say(
                "LB2458",
                format!("the permit {} cannot be removed: {error}", duty.permit.display()),
                "Remove it by hand: it would let the server start. Is the folder writable?",
            );
        }
        Ok(()) | Err(_) => {}
    }
}

/// Whoever reads sees the old content or the new one.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644).open(&fresh)?.write_all(content)?;
    std::fs::rename(&fresh, path)
}
