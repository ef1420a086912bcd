//! `cargo xtask docs`: references that are made from the sources, so that they cannot be out of date.
//!
//! Every operator-facing error has a stable code, and every code a page in `docs/errors/` that says what
//! it means, why it matters and what to do. The pages are made from what stands in the sources anyway:
//! the message, the variant's documentation and the advice that the program prints. `cargo xtask tidy`
//! finds a code without a page, a page without a code, and a page that says something else than the
//! program.

mod codes;
mod commands;
mod groups;
mod known;
mod page;
mod texts;

use std::collections::BTreeMap;

use crate::{Failure, cargo, checkout, checkout::TextFile};

/// Where the pages are.
const FOLDER: &str = "docs/errors";
/// Where the schemas of estates and plans are.
const SCHEMAS: &str = "docs/schema";
/// A checkout has more files than this; a test that brings its own sources has fewer.
const FEW: usize = 20;

/// Writes every page anew and removes those whose code is gone.
pub fn write() -> Result<(), Failure> {
    let wanted = pages(&checkout::rust_files()?);
    let folder = checkout::root().join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(Failure::io(format!("make {FOLDER}")))?;
    for file in checkout::files(&[&format!("{FOLDER}/*.md")])? {
        if !wanted.contains_key(&file.path) {
            std::fs::remove_file(checkout::root().join(&file.path))
                .map_err(Failure::io(format!("remove {}", file.path)))?;
        }
    }
    for (path, text) in &wanted {
        std::fs::write(checkout::root().join(path), text).map_err(Failure::io(format!("write {path}")))?;
    }
    println!("docs: {} pages in {FOLDER}", wanted.len());
    schemas()
}

/// Has the crate `plan` write its schemas: it has the tables, and this crate stays free of it.
fn schemas() -> Result<(), Failure> {
    let mut command = cargo::cargo();
    command.args(["run", "--quiet", "--package", "lifeboat-plan", "--example", "schema", "--", SCHEMAS]);
    cargo::run(&mut command)
}

/// What of the checked-in pages is not as the sources say: where, and what is wrong.
pub fn stale(rust: &[TextFile]) -> Result<Vec<(String, String)>, Failure> {
    let found = checkout::files(&[&format!("{FOLDER}/*.md")])?;
    Ok(differences(&pages(rust), &found).into_iter().chain(silent(rust)).collect())
}

fn differences(wanted: &BTreeMap<String, String>, found: &[TextFile]) -> Vec<(String, String)> {
    let known: BTreeMap<&str, &str> =
        found.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let missing = wanted.iter().filter_map(|(path, text)| match known.get(path.as_str()) {
        None => Some((path.clone(), "this page is missing: run `cargo xtask docs`".to_string())),
        Some(found) if found != text => {
            Some((path.clone(), "the sources say something else: run `cargo xtask docs`".to_string()))
        }
        Some(_) => None,
    });
    let gone = found.iter().filter(|file| !wanted.contains_key(&file.path)).map(|file| {
        (file.path.clone(), "no source has what this page is about: run `cargo xtask docs`".to_string())
    });
    missing.chain(gone).collect()
}

/// Codes about which the sources say too little for a page.
fn silent(rust: &[TextFile]) -> Vec<(String, String)> {
    let codes = told(rust);
    let silent = codes.iter().filter(|(code, found)| !page::says_enough(code, found));
    let finding = |(code, found): (&String, &codes::Found)| {
        let at = found.places.iter().next().cloned().unwrap_or_default();
        (at, format!("{code} has no message, or nothing says what to do: give it an advice"))
    };
    let gone = known::gone(&codes).into_iter().map(|code| {
        ("xtask/src/docs/known.rs".to_string(), format!("{code} is explained here, and no source has it"))
    });
    let unknown = codes.iter().flat_map(|(code, found)| commands::unknown(code, found, rust));
    silent.map(finding).chain(unknown).chain(gone.filter(|_| rust.len() > FEW)).collect()
}

/// Every code with what the sources and we know about it.
fn told(rust: &[TextFile]) -> BTreeMap<String, codes::Found> {
    let mut codes = codes::all(rust);
    known::add(&mut codes);
    codes
}

/// Every page by its path.
fn pages(rust: &[TextFile]) -> BTreeMap<String, String> {
    let codes = told(rust);
    let mut pages: BTreeMap<String, String> = codes
        .iter()
        .map(|(code, found)| (format!("{FOLDER}/{code}.md"), page::render(code, found)))
        .collect();
    pages.insert(format!("{FOLDER}/README.md"), page::index(&codes));
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.into(), text: text.into() }
    }

    const SOURCE: &str = r#"
        /// An oven.
        #[derive(thiserror::Error)]
        pub enum OvenError {
            /// Nobody lit it.
            #[error("LB5999: the oven of {name} is cold")]
            Cold { name: String },
        }
        impl OvenError {
            fn advice(&self) -> &'static str {
                match self { OvenError::Cold { .. } => "Light it." }
            }
        }
    "#;

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let rust = [file("runtime/src/oven.rs", SOURCE)];
        let wanted = pages(&rust);
        assert_eq!(wanted.len(), 2);
        let page = &wanted["docs/errors/LB5999.md"];
        assert!(page.contains("the oven of {name} is cold"), "{page}");
        assert!(page.contains("Nobody lit it.") && page.contains("Light it."), "{page}");

        assert_eq!(differences(&wanted, &[]).len(), 2);
        let mut there: Vec<TextFile> = wanted.iter().map(|(path, text)| file(path, text)).collect();
        assert!(differences(&wanted, &there).is_empty());
        there.push(file("docs/errors/LB5998.md", "of old"));
        there[0].text.push('x');
        assert_eq!(differences(&wanted, &there).len(), 2);
    }

    #[test]
    fn a_code_that_says_nothing_is_found() {
        let text = r#"const X: [&str; 1] = ["LB9998"];"#;
        assert_eq!(silent(&[file("runtime/src/x.rs", text)]).len(), 1);
        assert!(silent(&[file("runtime/src/oven.rs", SOURCE)]).is_empty());
    }

    #[test]
    fn an_advice_that_names_a_command_that_is_not_there_is_found() {
        let cli = file("cli/src/args.rs", "pub enum Verb { Status, Plan(Plan) } pub enum Plan { Check }");
        let advice = |text: &str| {
            let source = format!("fn x() {{ Problem::new(\"LB5999\", \"cold\", \"{text}\"); }}");
            silent(&[cli.clone(), file("runtime/src/x.rs", &source)]).len()
        };
        assert_eq!(advice("Type `lifeboat status` or `lifeboat plan check`."), 0);
        assert_eq!(advice("Type `lifeboat plan list`."), 1);
        assert_eq!(advice("Type `lifeboat dance`."), 1);
    }

    #[test]
    fn codes_of_tests_are_nobodys() {
        let tests = "#[cfg(test)] mod tests { fn x() { Problem::new(\"LB9997\", \"a\", \"b\"); } }";
        assert!(codes::all(&[file("runtime/src/x.rs", tests)]).is_empty());
        assert!(codes::all(&[file("tests/tests/x.rs", "const X: &str = \"LB9997\";")]).is_empty());
        let parent = file("dns/src/mod.rs", "#[cfg(test)] mod faults;");
        let child = file("dns/src/faults.rs", "fn x() { Problem::new(\"LB9997\", \"a\", \"b\"); }");
        assert!(codes::all(&[parent, child]).is_empty());
    }
}
