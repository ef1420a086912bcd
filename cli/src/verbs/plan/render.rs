//! `lifeboat plan render`: plans as runbooks for people, offline.
//!
//! Like `plan explain`, it takes an estate that promises more than it keeps; unlike it, plans whose kinds are still to
//! come: those above all are done by hand.

use super::check;
use super::inputs;
use crate::args::Cli;
use crate::failure::Failure;
use crate::{atomic, folder, screen};
use clap::ValueEnum;
use model::{Mode, Name};
use plan::{CheckedEstate, Shown, explainable};
use report::runbook::{self, Entry, Format};
use runtime::lifecycle::Exit;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Most plans that are written at once.
const MAX_PLANS: usize = 1_000;
/// Bytes of a file in which it says that it is a runbook.
const HEAD_BYTES: u64 = 256;
/// The list of all runbooks, without its ending.
const INDEX: &str = "index";

/// `plan render`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The estate's folder.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A plan; may be given again. All of them, with a list, when absent.
    #[arg(long = "plan")]
    plans: Vec<String>,
    /// How runbooks are written.
    #[arg(long, value_enum, default_value = "markdown")]
    format: Shape,
    /// Write files into this folder. Without it, one runbook to stdout.
    #[arg(long)]
    into: Option<PathBuf>,
    /// live or drill.
    #[arg(long, default_value = "live")]
    mode: String,
    /// Inputs of the plans that have them, `name=value`. What has no value is left to be filled in.
    #[arg(long = "set", visible_alias = "input")]
    inputs: Vec<String>,
    /// Also replace files that are no runbooks.
    #[arg(long)]
    force: bool,
}

/// Formats by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Markdown, for a repository or a wiki.
    Markdown,
    /// One HTML file, for a browser or paper.
    Html,
}

impl From<Shape> for Format {
    fn from(shape: Shape) -> Format {
        match shape {
            Shape::Markdown => Format::Markdown,
            Shape::Html => Format::Html,
        }
    }
}

/// Writes runbooks.
pub fn render(cli: &Cli, args: &Args) -> Result<Exit, Failure> {
    let mode = args.mode.parse::<Mode>().ok().filter(|mode| *mode != Mode::Preview).ok_or_else(|| {
        Failure::usage(
            "LB4040",
            format!("--mode: {:?} is no mode of a runbook", args.mode),
            "Give live or drill.",
        )
    })?;
    let inputs = inputs(&args.inputs)?;
    let checked = explainable(&folder::read(&args.path)?);
    check::print(&checked.diagnostics);
    let Some(estate) = &checked.estate else { return Ok(Exit::No) };
    let names = names(estate, args)?;
    let Some(all) = shown(estate, &names, mode, &inputs)? else { return Ok(Exit::No) };
    let (format, version) = (Format::from(args.format), env!("CARGO_PKG_VERSION"));
    let nouns = estate.nouns_as_written();
    let text = |shown: &Shown| format.write(&runbook::runbook(estate, &nouns, shown, version));
    match (&args.into, all.as_slice()) {
        (None, [one]) => {
            let text = text(one);
            let said = serde_json::json!({ "plan": one.plan.name, "mode": mode, "text": text });
            screen::show(cli.output, &said, || text);
        }
        (None, _) => return Err(several(all.len())),
        (Some(into), _) => {
            let entries: Vec<Entry<'_>> =
                all.iter().map(|shown| Entry { shown, file: file(shown, format) }).collect();
            let mut files: Vec<(String, String)> =
                entries.iter().map(|entry| (entry.file.clone(), text(entry.shown))).collect();
            if args.plans.is_empty() {
                let list = runbook::index(estate, &entries, version);
                files.push((format!("{INDEX}.{}", format.ending()), format.write(&list)));
            }
            write(into, &files, args.force)?;
            let names: Vec<String> =
                files.iter().map(|(name, _)| into.join(name).display().to_string()).collect();
            screen::show(cli.output, &serde_json::json!({ "written": names }), || names.join("\n"));
        }
    }
    Ok(if checked.errors() == 0 { Exit::Done } else { Exit::No })
}

fn file(shown: &Shown, format: Format) -> String {
    format!("{}.{}", shown.plan.name, format.ending())
}

fn several(plans: usize) -> Failure {
    let message = format!("{plans} runbooks do not go to stdout");
    Failure::usage("LB4065", message, "Name one plan with --plan, or a folder with --into.")
}

/// The plans that are meant: those that were named, or all that can be followed by themselves.
fn names(estate: &CheckedEstate, args: &Args) -> Result<Vec<Name>, Failure> {
    let mut names = Vec::new();
    for text in &args.plans {
        let name = Name::new(text.as_str()).map_err(|error| {
            Failure::usage("LB0203", error.to_string(), "Give the name of a plan of the estate.")
        })?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if args.plans.is_empty() {
        let alone = |name: &&Name| estate.plan(name).is_some_and(|plan| plan.alone);
        names = estate.plans().filter(alone).cloned().collect();
    }
    if names.is_empty() {
        let message = format!("{} holds no plan that can be followed by itself", args.path.display());
        return Err(Failure::usage(
            "LB4066",
            message,
            "Give the folder that holds the estate with its plans.",
        ));
    }
    if names.len() > MAX_PLANS {
        let message = format!("{} plans; at most {MAX_PLANS} are written at once", names.len());
        return Err(Failure::usage("LB4065", message, "Name some with --plan."));
    }
    // The list would take the place of a runbook.
    if args.plans.is_empty() && args.into.is_some() && names.iter().any(|name| name.as_str() == INDEX) {
        let message = format!("a plan is called {INDEX}, like the list of all runbooks");
        return Err(Failure::usage(
            "LB4065",
            message,
            "Name the plans with --plan: then no list is written.",
        ));
    }
    Ok(names)
}

/// Every plan as people read it; `None` when something is in the way of one, which is then told.
fn shown(
    estate: &CheckedEstate,
    names: &[Name],
    mode: Mode,
    inputs: &BTreeMap<String, String>,
) -> Result<Option<Vec<Shown>>, Failure> {
    let (mut all, mut sound) = (Vec::with_capacity(names.len()), true);
    let declared = |plan: &Name, input: &str| {
        estate.plan(plan).is_some_and(|head| head.inputs.iter().any(|(name, _, _)| name == input))
    };
    if let Some(input) = inputs.keys().find(|input| !names.iter().any(|plan| declared(plan, input))) {
        let message = format!("none of these plans has an input {input:?}");
        return Err(Failure::usage("LB4041", message, "See the `inputs` of the plan."));
    }
    for name in names {
        let own = inputs.iter().filter(|(input, _)| declared(name, input));
        let own = own.map(|(input, value)| (input.clone(), value.clone())).collect();
        match estate.show(name, mode, &own) {
            Ok(shown) => all.push(shown),
            Err(found) => {
                check::print(&found);
                sound = false;
            }
        }
    }
    Ok(sound.then_some(all))
}

/// Writes all files, or none when one of them would take the place of something else.
fn write(into: &Path, files: &[(String, String)], force: bool) -> Result<(), Failure> {
    std::fs::create_dir_all(into).map_err(|error| Failure::file("make", into, &error))?;
    for (name, _) in files {
        let path = into.join(name);
        if !force && !may_replace(&path).map_err(|error| Failure::file("read", &path, &error))? {
            let message =
                format!("{} is no runbook, so it is left alone; nothing was written", path.display());
            return Err(Failure::usage("LB4067", message, "Give another folder, or --force to replace it."));
        }
    }
    for (name, text) in files {
        let path = into.join(name);
        atomic::replace(&path, text).map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}

/// Whether nothing is there, or a runbook.
fn may_replace(path: &Path) -> std::io::Result<bool> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    let mut head = Vec::new();
    file.take(HEAD_BYTES).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head).into_owned();
    Ok(head.lines().take(2).any(|line| line == runbook::MARK))
}
