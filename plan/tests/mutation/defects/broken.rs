//! A case that is being broken, with the places where that must be told.

use crate::case::{Case, File, Written};
use crate::tree::{Path, Tree};
use crate::world::World;
use crate::write::Lines;
use fastrand::Rng;

/// A change of the text itself, for what a tree cannot be.
pub type Edit = fn(&mut String, &mut Rng);

/// A case that is being broken.
pub struct Broken<'w> {
    /// What the estate is made of.
    pub world: &'w World,
    /// Its files.
    pub files: Vec<File>,
    /// Where choices come from.
    pub rng: Rng,
    /// Files and places in which the defect may be told.
    pub spots: Vec<(usize, Path)>,
    /// What happens to the text of a file.
    pub edit: Option<(usize, Edit)>,
}

/// A step: its file and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The number of its file.
    pub file: usize,
    /// Its name.
    pub name: String,
}

impl Step {
    /// Its path in its file.
    pub fn path(&self) -> Path {
        vec!["steps".to_string(), self.name.clone()]
    }
}

impl<'w> Broken<'w> {
    /// A copy of a case.
    pub fn new(case: &'w Case, rng: Rng) -> Broken<'w> {
        Broken { world: &case.world, files: case.files.clone(), rng, spots: Vec::new(), edit: None }
    }

    /// Its text.
    pub fn written(&mut self) -> Written {
        let mut written = Written { files: Vec::new(), lines: Vec::new() };
        for (number, file) in self.files.iter().enumerate() {
            let (mut text, lines) = crate::write::write(&file.tree, &mut self.rng);
            if let Some((_, edit)) = self.edit.filter(|(edited, _)| *edited == number) {
                edit(&mut text, &mut self.rng);
            }
            written.files.push(plan::SourceFile { path: file.path.clone(), text });
            written.lines.push(lines);
        }
        written
    }

    /// Says where it must be told.
    pub fn told(&mut self, file: usize, path: &[String]) {
        self.spots.push((file, path.to_vec()));
    }

    /// The same for a step.
    pub fn told_at(&mut self, step: &Step) {
        self.told(step.file, &step.path());
    }

    /// One of some.
    pub fn pick<T: Clone>(&mut self, among: &[T]) -> Option<T> {
        if among.is_empty() { None } else { Some(among[self.rng.usize(0..among.len())].clone()) }
    }

    /// A node.
    pub fn at(&self, file: usize, path: &[String]) -> Option<&Tree> {
        self.files[file].tree.at(path)
    }

    /// A node, to be changed.
    pub fn at_mut(&mut self, file: usize, path: &[String]) -> Option<&mut Tree> {
        self.files[file].tree.at_mut(path)
    }

    /// Every node that is meant, by file and path.
    pub fn nodes(&self, wanted: impl Fn(&Path, &Tree, bool) -> bool) -> Vec<(usize, Path)> {
        let mut out = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            let plan = file.tree.get("plan").is_some();
            file.tree.walk(&Path::new(), &mut |path, node| {
                if wanted(path, node, plan) {
                    out.push((number, path.clone()));
                }
            });
        }
        out
    }

    /// One of them, to be told there.
    pub fn any(&mut self, wanted: impl Fn(&Path, &Tree, bool) -> bool) -> Option<(usize, Path)> {
        let all = self.nodes(wanted);
        let (file, path) = self.pick(&all)?;
        self.told(file, &path);
        Some((file, path))
    }

    /// Puts something else in the place of one node that is meant.
    pub fn spoil(&mut self, wanted: impl Fn(&Path, &Tree, bool) -> bool, bad: &[&str]) -> Option<()> {
        let (file, path) = self.any(wanted)?;
        let bad = self.pick(bad)?;
        *self.at_mut(file, &path)? = bad.into();
        Some(())
    }

    /// A noun's file and path.
    pub fn noun(&self, section: &str, name: &str) -> Option<(usize, Path)> {
        let path = vec![section.to_string(), name.to_string()];
        let file = (0..self.files.len()).find(|file| self.files[*file].tree.at(&path).is_some())?;
        Some((file, path))
    }

    /// A noun's fields, to be changed.
    pub fn noun_mut(&mut self, section: &str, name: &str) -> Option<&mut Tree> {
        let (file, path) = self.noun(section, name)?;
        self.at_mut(file, &path)
    }

    /// The nouns of a section.
    pub fn nouns(&self, section: &str) -> Vec<String> {
        let estates = self.files.iter().filter(|file| file.tree.get("plan").is_none());
        let nouns = estates.filter_map(|file| file.tree.get(section));
        nouns.flat_map(|nouns| nouns.pairs().iter().map(|(name, _)| name.clone())).collect()
    }
}

/// Whether a finding stands in one of the places.
pub fn in_place(spots: &[(usize, Path)], written: &Written, path: &str, line: u32) -> bool {
    spots.iter().any(|(file, spot)| {
        let lines: &Lines = &written.lines[*file];
        let (first, last) =
            if spot.is_empty() { (1, u32::MAX) } else { lines.get(spot).copied().unwrap_or((0, 0)) };
        written.files[*file].path == path && (first..=last).contains(&line)
    })
}
