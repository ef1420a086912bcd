//! Source trees: very many small files in nested folders, a link now and then.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    Extent,
    seed::Seed,
    words::{ENDINGS, LINES, WORDS},
};
use crate::Failure;

/// Half of the files are smaller.
const MEDIAN_BYTES: f64 = 4096.0;
const FILES_A_FOLDER: u64 = 14;
const FOLDERS_A_TREE: u64 = 140;
/// One link after so many files.
const FILES_A_LINK: u64 = 100;

/// Writes the trees below `folder`.
pub fn build(folder: &Path, extent: &Extent) -> Result<(), Failure> {
    let mut seed = Seed::new(2);
    let mut current = PathBuf::new();
    let mut text = String::new();
    for number in 0..extent.source_files {
        if number.is_multiple_of(FILES_A_FOLDER) {
            current = next_folder(folder, number / FILES_A_FOLDER, &mut seed);
            fs::create_dir_all(&current).map_err(Failure::io(format!("create {}", current.display())))?;
        }
        let name = format!("{}_{number}.{}", seed.pick(WORDS), seed.pick(ENDINGS));
        let path = current.join(&name);
        source(&mut text, &mut seed);
        fs::write(&path, &text).map_err(Failure::io(format!("write {}", path.display())))?;
        if number % FILES_A_LINK == FILES_A_LINK - 1 {
            let link = current.join(format!("latest_{number}"));
            symlink(&name, &link).map_err(Failure::io(format!("link {}", link.display())))?;
        }
    }
    Ok(())
}

/// Where the next files go: a tree of its own after some folders, one to four levels deep in it.
fn next_folder(root: &Path, number: u64, seed: &mut Seed) -> PathBuf {
    let mut path = root.join(format!("tree_{}", number / FOLDERS_A_TREE));
    for level in 0..seed.below(4) {
        // Few names a level, so that folders have sisters and are met again.
        path.push(format!("{}_{}", seed.pick(WORDS), seed.below(3 + level)));
    }
    path.join(format!("part_{number}"))
}

fn source(text: &mut String, seed: &mut Seed) {
    let wanted = seed.size(MEDIAN_BYTES);
    // A file speaks of a few things again and again; that is why sources compress well.
    let names: Vec<String> = (0..16).map(|_| format!("{}_{}", seed.pick(WORDS), seed.pick(WORDS))).collect();
    text.clear();
    while text.len() < wanted {
        for piece in seed.pick(LINES).split_inclusive(['%', '#']) {
            let (plain, end) = piece.split_at(piece.len() - usize::from(piece.ends_with(['%', '#'])));
            text.push_str(plain);
            match end {
                "%" if seed.below(3) > 0 => {
                    let at = usize::try_from(seed.below(16)).unwrap_or_default();
                    text.push_str(names.get(at).map_or("value", String::as_str));
                }
                "%" => text.push_str(seed.pick(WORDS)),
                // Writing to a string cannot fail.
                "#" => {
                    let _ = write!(text, "{}", seed.below(1 << 12));
                }
                _ => {}
            }
        }
        text.push('\n');
    }
    text.truncate(wanted);
}
