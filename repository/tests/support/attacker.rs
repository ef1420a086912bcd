//! Somebody who holds the key of a host and knows S3, but not the code of this crate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;

use super::moto::{LOCKED, Moto};
use super::noise;

const THREADS: usize = 4;

/// One version of one object of the locked bucket.
#[derive(Clone, Debug)]
pub struct Version {
    pub key: String,
    pub id: String,
    pub size: i64,
    pub is_latest: bool,
}

/// A client without any care.
pub struct Attacker {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Attacker {
    pub fn of(moto: &Moto) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(moto.endpoint())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("k", "s", None, None, "test"))
            .force_path_style(true);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { client: Client::from_conf(config.build()), runtime: runtime.unwrap() }
    }

    /// Whatever is there is replaced.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let request = self.client.put_object().bucket(LOCKED).key(key);
        let request = request.body(ByteStream::from(bytes.to_vec()));
        self.runtime.block_on(request.send()).unwrap();
    }

    /// Every object below a prefix becomes noise, of other lengths.
    pub fn overwrite_all(&self, prefix: &str) -> Vec<String> {
        let keys = self.keys(prefix);
        in_parallel(&keys, |number, key| {
            self.put(&key.0, &noise(number as u64, (key.1 * 2 / 3 + 11 * (number % 7)).max(1)));
        });
        keys.into_iter().map(|(key, _)| key).collect()
    }

    pub fn put_all(&self, objects: &[(String, Vec<u8>)]) {
        in_parallel(objects, |_, (key, bytes)| self.put(key, bytes));
    }

    /// A marker over what is there.
    pub fn delete(&self, key: &str) {
        self.runtime.block_on(self.client.delete_object().bucket(LOCKED).key(key).send()).unwrap();
    }

    /// Whether it is really gone.
    pub fn delete_version(&self, version: &Version) -> bool {
        let request = self.client.delete_object().bucket(LOCKED).key(&version.key).version_id(&version.id);
        self.runtime.block_on(request.send()).is_ok()
    }

    /// Keys and sizes of what is there now.
    pub fn keys(&self, prefix: &str) -> Vec<(String, usize)> {
        let latest = self.versions(prefix).into_iter().filter(|version| version.is_latest);
        latest.map(|version| (version.key, version.size as usize)).collect()
    }

    /// Every version, the newest of each key first.
    pub fn versions(&self, prefix: &str) -> Vec<Version> {
        let request = self.client.list_object_versions().bucket(LOCKED).prefix(prefix).max_keys(100_000);
        let answer = self.runtime.block_on(request.send()).unwrap();
        assert_ne!(answer.is_truncated(), Some(true));
        let all = answer.versions().iter().map(|found| Version {
            key: found.key().unwrap().to_owned(),
            id: found.version_id().unwrap().to_owned(),
            size: found.size().unwrap(),
            is_latest: found.is_latest().unwrap(),
        });
        all.collect()
    }

    /// When the latest version of an object was written.
    pub fn written(&self, key: &str) -> Option<SystemTime> {
        let head = self.runtime.block_on(self.client.head_object().bucket(LOCKED).key(key).send()).unwrap();
        head.last_modified().map(|time| SystemTime::try_from(*time).unwrap())
    }

    /// Until when a version cannot be removed.
    pub fn retained(&self, version: &Version) -> Option<SystemTime> {
        let request = self.client.head_object().bucket(LOCKED).key(&version.key).version_id(&version.id);
        let head = self.runtime.block_on(request.send()).unwrap();
        head.object_lock_retain_until_date().map(|time| SystemTime::try_from(*time).unwrap())
    }
}

fn in_parallel<T: Sync>(all: &[T], each: impl Fn(usize, &T) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((number, one)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    all.get(number).map(|one| (number, one))
                } {
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| each(number, one)));
                    if let Err(panic) = done {
                        *failed.lock().unwrap() = Some(panic);
                        return;
                    }
                }
            });
        }
    });
    if let Some(panic) = failed.into_inner().unwrap() {
        std::panic::resume_unwind(panic);
    }
}
