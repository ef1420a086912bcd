//! A scratch folder for one test or one demo: data, settings and logs of all its parts.

use std::{
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use crate::{
    Failure,
    process::{Account, kill_services_below},
};

/// A folder under the system's temporary folder, removed when dropped. When the test failed (its
/// thread is panicking) or `LIFEBOAT_KEEP` is set it stays, and its path is printed.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes a new empty folder whose name begins with `name`.
    ///
    /// # Errors
    /// [`Failure::Io`] when it cannot be made.
    pub fn new(name: &str) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("lifeboat-{name}-"))
            .tempdir()
            .map_err(Failure::io("create a scratch folder"))?
            .keep();
        // Servers that run as another user must be able to pass through.
        open_to_all(&folder)?;
        let scratch = Self { folder };
        scratch.folder("log")?;
        Ok(scratch)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// A folder inside, made when it is not there yet; all may pass through it.
    ///
    /// # Errors
    /// [`Failure::Io`] when it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path).map_err(Failure::io(format!("create {}", path.display())))?;
        open_to_all(&path)?;
        Ok(path)
    }

    /// A folder inside that belongs to `account`, for a server that does not run as ourselves.
    ///
    /// # Errors
    /// [`Failure::Io`] when it cannot be made or given away.
    pub fn folder_of(&self, name: &str, account: Option<&Account>) -> Result<PathBuf, Failure> {
        let path = self.folder(name)?;
        if let Some(account) = account {
            chown(&path, Some(account.uid), Some(account.gid)).map_err(Failure::io(format!(
                "give {} to {}",
                path.display(),
                account.name
            )))?;
        }
        Ok(path)
    }

    /// Writes a file inside and gives its path.
    ///
    /// # Errors
    /// [`Failure::Io`] when it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(Failure::io(format!("write {}", path.display())))?;
        Ok(path)
    }

    /// Writes a file inside that only its owner may read: a key, a password.
    ///
    /// # Errors
    /// [`Failure::Io`] when it cannot be written.
    pub fn write_secret(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.write(name, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .map_err(Failure::io(format!("protect {}", path.display())))?;
        Ok(path)
    }

    /// Where the part called `name` logs.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join("log").join(format!("{name}.log"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Services outlive the agents that supervise them.
        kill_services_below(&self.folder);
        if std::thread::panicking() || std::env::var_os("LIFEBOAT_KEEP").is_some() {
            eprintln!("kept for a look: {}", self.folder.display());
        } else {
            // What cannot be removed lies in the temporary folder, where the system cleans.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn open_to_all(folder: &Path) -> Result<(), Failure> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
        .map_err(Failure::io(format!("open {}", folder.display())))
}
