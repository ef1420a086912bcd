//! `lifeboat plan` as a person or a pipeline uses it: the program itself, in folders of their own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod check;
mod diff;
mod fmt;
mod init;
mod render;
mod seeds;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An estate that is accepted as it is.
const SOUND: &str = "regions: { east: {} }\nhosts:\n  a: { region: east }\n";

/// A folder with files.
struct Place {
    folder: tempfile::TempDir,
}

/// What a command said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs `lifeboat plan …` inside the folder.
    fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.arg("plan").args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = command.env_remove("LIFEBOAT_OUTPUT").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same, with the exit code that is expected.
    fn exits(&self, args: &[&str], code: i32) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, Some(code), "{args:?}\n{}\n{}", said.out, said.err);
        said
    }
}

/// The repository's root.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
