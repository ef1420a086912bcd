//! A disk that is full after a few bytes: a small tmpfs, mounted for one test. It needs root.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Failure, process::Spec, scratch::Scratch};

/// The bound of mounting.
const SETUP: Duration = Duration::from_secs(10);

/// A mounted folder of limited size; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `kib` KiB at `name` inside the scratch folder.
    ///
    /// # Errors
    /// [`Failure`] when we may not mount.
    pub async fn mount(scratch: &Scratch, name: &str, kib: u32) -> Result<Self, Failure> {
        let folder = scratch.folder(name)?;
        let (size, at) = (format!("size={kib}k,mode=755"), folder.display().to_string());
        let argv = ["mount", "-t", "tmpfs", "-o", &size, "lifeboat-test", &at];
        Spec::new("mount", scratch.log("mount"), argv).run(SETUP).await?;
        Ok(Self { folder })
    }

    /// Gives the disk another size, as somebody who makes room does.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be changed.
    pub async fn resize(&self, scratch: &Scratch, kib: u32) -> Result<(), Failure> {
        let (size, at) = (format!("remount,size={kib}k"), self.folder.display().to_string());
        Spec::new("mount", scratch.log("mount"), ["mount", "-o", &size, &at]).run(SETUP).await
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that a log file still open somewhere cannot keep it mounted.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).output();
    }
}
