//! What is backed up. Corpora are built once from fixed seeds and used again by later runs; a stamp beside
//! each, written last, says that it is whole and of which extent it is.

pub mod media;
mod postgres;
pub mod seed;
mod sources;
mod sql;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::files;
use crate::Failure;

/// Changed when the generators change, so that old corpora are not taken for new ones.
const VERSION: u32 = 1;

/// One kind of data in a mixed corpus.
struct Kind {
    name: &'static str,
    build: fn(&Path, &Extent) -> Result<(), Failure>,
}

/// All kinds: one file each.
const KINDS: &[Kind] = &[
    Kind { name: "sql", build: sql::build },
    Kind { name: "sources", build: sources::build },
    Kind { name: "media", build: media::build },
    Kind { name: "postgres", build: postgres::build },
];

/// How much of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Of SQL text.
    pub sql_bytes: u64,
    /// Small files.
    pub source_files: u64,
    /// Of what cannot be compressed.
    pub media_bytes: u64,
    /// 100,000 rows each; 0 is no database.
    pub pgbench_scale: u64,
}

impl Extent {
    /// What the figures are of.
    pub const FULL: Self =
        Self { sql_bytes: 1300 << 20, source_files: 200_000, media_bytes: 1200 << 20, pgbench_scale: 60 };
    /// For trials.
    pub const SMALL: Self =
        Self { sql_bytes: 300 << 20, source_files: 20_000, media_bytes: 300 << 20, pgbench_scale: 15 };
    /// Against S3: large enough that to open a repository is the smaller part.
    pub const REMOTE: Self =
        Self { sql_bytes: 500 << 20, source_files: 20_000, media_bytes: 500 << 20, pgbench_scale: 0 };
    /// Against S3, for trials.
    pub const REMOTE_SMALL: Self =
        Self { sql_bytes: 24 << 20, source_files: 1_000, media_bytes: 32 << 20, pgbench_scale: 0 };
}

/// A folder or file that is there, and its size.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// Where it is.
    pub path: PathBuf,
    /// Its content.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
}

impl Corpus {
    fn measured(path: PathBuf) -> Result<Self, Failure> {
        let (mut bytes, mut count) = (0, 0);
        files::each(&path, &mut |_, metadata| {
            bytes += metadata.len();
            count += 1;
        })?;
        Ok(Self { path, bytes, files: count })
    }
}

/// The mixed corpus `name` of this extent, built if it is not there.
pub fn mixed(scratch: &Path, name: &str, extent: Extent) -> Result<Corpus, Failure> {
    let root = scratch.join(name);
    for kind in KINDS {
        let folder = root.join(kind.name);
        once(&folder, &format!("{extent:?}"), &|| {
            // The database's own programs make its folder.
            if kind.name != "postgres" {
                files::make(&folder)?;
            }
            (kind.build)(&folder, &extent)
        })?;
    }
    Corpus::measured(root)
}

/// One large file of `bytes` bytes that cannot be compressed, as an image of a disk with media on it.
pub fn large(scratch: &Path, name: &str, bytes: u64) -> Result<Corpus, Failure> {
    let folder = scratch.join(name);
    once(&folder, &bytes.to_string(), &|| {
        files::make(&folder)?;
        media::file(&folder.join("image.raw"), bytes, &mut seed::Seed::new(4))
    })?;
    Corpus::measured(folder.join("image.raw"))
}

fn once(folder: &Path, extent: &str, build: &dyn Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let stamp = folder.with_extension("complete");
    let whole = format!("version {VERSION}, {extent}\n");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == whole) {
        return Ok(());
    }
    eprintln!("building {}", folder.display());
    files::remove(&stamp)?;
    files::remove(folder)?;
    if let Some(parent) = folder.parent() {
        files::make(parent)?;
    }
    build()?;
    fs::write(&stamp, whole).map_err(Failure::io(format!("write {}", stamp.display())))
}
