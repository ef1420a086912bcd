//! What cannot be compressed: pictures, sound, archives.

use std::{fs::File, io::Write as _, path::Path};

use super::{Extent, seed::Seed};
use crate::Failure;

const LARGEST_BYTES: u64 = 48 << 20;
const SMALLEST_BYTES: u64 = 256 << 10;
/// What is written at once.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Writes the files below `folder`.
pub fn build(folder: &Path, extent: &Extent) -> Result<(), Failure> {
    let mut seed = Seed::new(3);
    let (mut left, mut number) = (extent.media_bytes, 0);
    while left > 0 {
        // Small ones are more frequent.
        let span = seed.below(LARGEST_BYTES).min(seed.below(LARGEST_BYTES));
        let bytes = (SMALLEST_BYTES + span).min(left);
        file(&folder.join(format!("media_{number}.bin")), bytes, &mut seed)?;
        left -= bytes;
        number += 1;
    }
    Ok(())
}

/// Writes one file of `bytes` bytes.
pub fn file(path: &Path, bytes: u64, seed: &mut Seed) -> Result<(), Failure> {
    let mut file = File::create(path).map_err(Failure::io(format!("create {}", path.display())))?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        let part = block.get_mut(..count).unwrap_or_default();
        seed.fill(part);
        file.write_all(part).map_err(Failure::io(format!("write {}", path.display())))?;
        left -= count as u64;
    }
    Ok(())
}
