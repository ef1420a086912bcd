//! A generated estate with its plans, as files that can be broken and written.

use crate::estate;
use crate::plans;
use crate::tree::{Tree, map};
use crate::world::World;
use crate::write::{Lines, shuffled, write};
use fastrand::Rng;
use plan::SourceFile;

/// One file.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path.
    pub path: String,
    /// Its tree.
    pub tree: Tree,
}

/// An estate with its plans.
pub struct Case {
    /// What it is made of.
    pub world: World,
    /// Its files.
    pub files: Vec<File>,
}

/// A written case.
pub struct Written {
    /// Its files.
    pub files: Vec<SourceFile>,
    /// Where everything stands, by file.
    pub lines: Vec<Lines>,
}

impl Case {
    /// The case of a seed.
    pub fn new(seed: u64) -> Case {
        let mut world = estate::estate(Rng::with_seed(seed));
        let mut files = Vec::new();
        let parts = 1 + world.below(3);
        let mut trees = vec![map(); parts];
        for (section, nouns) in world.sections.clone().pairs() {
            if section == "drill" || parts == 1 {
                trees[0].set(section, nouns.clone());
                continue;
            }
            for (name, noun) in nouns.pairs() {
                let part = world.below(parts);
                if trees[part].get(section).is_none() {
                    trees[part].set(section, map());
                }
                if let Some(own) = trees[part].get_mut(section) {
                    own.set(name, noun.clone());
                }
            }
        }
        trees.retain(|tree| !tree.pairs().is_empty());
        for (number, tree) in trees.into_iter().enumerate() {
            files.push(File { path: format!("estate-{number}.yaml"), tree });
        }
        for tree in plans::plans(&mut world) {
            let name = tree.text_of("plan").unwrap_or_default();
            files.push(File { path: format!("{name}.plan.yaml"), tree });
        }
        for file in &mut files {
            file.tree = shuffled(&file.tree, "", &mut world.rng);
        }
        Case { world, files }
    }

    /// Its text.
    pub fn written(&self, rng: &mut Rng) -> Written {
        let mut written = Written { files: Vec::new(), lines: Vec::new() };
        for file in &self.files {
            let (text, lines) = write(&file.tree, rng);
            written.files.push(SourceFile { path: file.path.clone(), text });
            written.lines.push(lines);
        }
        written
    }

    /// The numbers of the files that are plans.
    pub fn plans(&self) -> Vec<usize> {
        (0..self.files.len()).filter(|file| self.files[*file].tree.get("plan").is_some()).collect()
    }
}
