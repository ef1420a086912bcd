//! The estate in force: the newest version that was applied, checked.

use crate::store::{Store, StoreError};
use engine::Roles;
use model::{Assignment, Epoch, HostName};
use plan::{CheckedEstate, SourceFile};
use proto::v1;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// A version of the estate.
#[derive(Debug)]
pub struct InForce {
    /// Its number.
    pub version: u64,
    /// What it declares.
    pub checked: CheckedEstate,
}

/// The estate in force, shared. Cheap to clone.
#[derive(Clone, Default)]
pub struct Estate {
    in_force: Arc<RwLock<Option<Arc<InForce>>>>,
    /// How many hosts it declares: asked at each welcome, and counting them takes a walk.
    hosts: Arc<AtomicUsize>,
}

impl Estate {
    /// Takes the newest version of the store. One that this program can no longer check is left aside
    /// with a warning: apply it again to see what is wrong with it.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let estate = Estate::default();
        if let Some(kept) = store.estate().await? {
            let files: Vec<SourceFile> =
                kept.files.into_iter().map(|file| SourceFile { path: file.path, text: file.text }).collect();
            match plan::check(&files).estate {
                Some(checked) => estate.set(InForce { version: kept.version, checked }),
                None => tracing::error!(
                    version = kept.version,
                    "the estate in force does not pass this version's check: apply it again"
                ),
            }
        }
        Ok(estate)
    }

    /// The version in force, if any.
    pub fn get(&self) -> Option<Arc<InForce>> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many hosts the version in force declares.
    pub fn host_count(&self) -> usize {
        self.hosts.load(Ordering::Relaxed)
    }

    /// Who has which role; nobody has one while no estate is in force.
    pub fn roles(&self) -> Roles {
        self.get().map(|in_force| Arc::new(in_force.checked.roles())).unwrap_or_default()
    }

    /// Puts a version in force, unless a newer one is.
    pub fn set(&self, next: InForce) {
        let mut current = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|current| current.version < next.version) {
            self.hosts.store(next.checked.hosts().count(), Ordering::Relaxed);
            *current = Some(Arc::new(next));
        }
    }

    /// What a host is to live by, when what it has is older and the host is declared.
    pub fn assignment_for(&self, host: &HostName, has: u64, epoch: Epoch) -> Option<v1::Assignment> {
        let in_force = self.get()?;
        if has >= in_force.version {
            return None;
        }
        let assignment: Assignment = in_force.checked.assignment(host, in_force.version)?;
        match serde_json::to_vec(&assignment) {
            Ok(json) => Some(v1::Assignment { version: in_force.version, epoch: Some(epoch.into()), json }),
            Err(error) => {
                tracing::error!(%host, %error, "an assignment cannot be written");
                None
            }
        }
    }
}
