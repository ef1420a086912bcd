//! Reads an estate's folder: every `.yaml` and `.yml` file below it, in order of their paths. A single
//! file stands for a folder that holds nothing else.

use crate::failure::Failure;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Files that are read at most.
const MAX_FILES: usize = 1000;
/// Largest file, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Bytes in all.
const MAX_TOTAL_BYTES: usize = 4 * 1024 * 1024;
/// Deepest folder below the estate's.
const MAX_DEPTH: usize = 8;

/// The files of an estate, with paths relative to its folder. Hidden folders are left out.
pub fn read(folder: &Path) -> Result<Vec<plan::SourceFile>, Failure> {
    let single = folder.is_file();
    let mut paths = Vec::new();
    if single {
        paths.push(folder.to_path_buf());
    } else {
        collect(folder, 0, &mut paths)?;
    }
    let base = if single { folder.parent().unwrap_or(folder) } else { folder };
    paths.sort();
    if paths.is_empty() {
        let message = format!("{} holds no .yaml file", folder.display());
        return Err(Failure::usage("LB4020", message, "Give the folder that holds the estate."));
    }
    let mut files = Vec::new();
    let mut total: usize = 0;
    for path in paths {
        let text = text(&path).map_err(|error| Failure::file("read", &path, &error))?;
        total += text.len();
        if text.len() > MAX_FILE_BYTES || total > MAX_TOTAL_BYTES || files.len() == MAX_FILES {
            let message = format!("{} is more than an estate may hold", path.display());
            return Err(Failure::usage("LB4021", message, "1 MiB a file, 4 MiB and 1000 files in all."));
        }
        let relative = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
        files.push(plan::SourceFile { path: relative, text });
    }
    Ok(files)
}

/// The text of a file, or a little more of it than is read. What is no file has no end, or none that comes.
fn text(path: &Path) -> std::io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// A path of [`read`] as it is seen from where the command runs, the same on every machine where it can be.
pub fn from_here(folder: &Path, relative: &str) -> String {
    let base = if folder.is_file() { folder.parent().unwrap_or(folder) } else { folder };
    let whole = base.join(relative);
    let here = std::env::current_dir().unwrap_or_default();
    let whole = whole.strip_prefix(&here).unwrap_or(&whole);
    let parts: PathBuf = whole.components().filter(|part| *part != std::path::Component::CurDir).collect();
    parts.to_string_lossy().into_owned()
}

fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if depth > MAX_DEPTH || paths.len() > MAX_FILES {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::file("read", folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| Failure::file("read", folder, &error))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if path.is_dir() {
            collect(&path, depth + 1, paths)?;
        } else if yaml {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn yaml_files_are_read_in_order_and_hidden_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "sub/c.yaml", ".git/d.yaml", "notes.txt"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "regions: {}").unwrap();
        }
        let files = read(folder.path()).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.yml", "b.yaml", "sub/c.yaml"]);
    }

    #[test]
    fn a_single_file_is_read_alone_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.yaml", "b.yaml"] {
            std::fs::write(folder.path().join(name), "regions: {}").unwrap();
        }
        let files = read(&folder.path().join("b.yaml")).unwrap();
        assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["b.yaml"]);
    }

    #[test]
    fn a_path_from_here_is_the_shortest_that_a_checkout_has() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(from_here(Path::new("."), "a.yaml"), "a.yaml");
        assert_eq!(from_here(Path::new("./deploy"), "sub/a.yaml"), "deploy/sub/a.yaml");
        assert_eq!(from_here(&here.join("deploy"), "a.yaml"), "deploy/a.yaml");
        assert_eq!(from_here(Path::new("/elsewhere"), "a.yaml"), "/elsewhere/a.yaml");
    }

    #[test]
    fn a_folder_that_is_missing_or_empty_is_a_usage_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let empty = read(folder.path()).unwrap_err();
        assert_eq!((empty.problem.code.as_str(), empty.exit), ("LB4020", runtime::lifecycle::Exit::Usage));
        let missing = read(&folder.path().join("nowhere")).unwrap_err();
        assert!(missing.problem.message.contains("nowhere"), "{:?}", missing.problem);
        assert_eq!(missing.exit, runtime::lifecycle::Exit::Usage);
    }

    #[test]
    fn a_file_larger_than_the_bound_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("big.yaml")).unwrap();
        file.set_len(MAX_FILE_BYTES as u64 + 1).unwrap();
        assert_eq!(read(folder.path()).unwrap_err().problem.code, "LB4021");
    }

    #[test]
    fn what_is_no_text_or_no_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("latin.yaml"), b"title: caf\xe9\n").unwrap();
        let failure = read(folder.path()).unwrap_err();
        assert!(failure.problem.message.contains("latin.yaml"), "{:?}", failure.problem);
        std::fs::remove_file(folder.path().join("latin.yaml")).unwrap();
        // It gives bytes without end.
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.yaml")).unwrap();
        let failure = read(folder.path()).unwrap_err();
        assert!(failure.problem.message.contains("zero.yaml"), "{:?}", failure.problem);
    }
}
