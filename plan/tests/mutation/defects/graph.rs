//! Steps of a broken case: which there are, what comes before what, and how that is changed.

use super::broken::{Broken, Step};
use crate::tree::Tree;
use std::collections::BTreeSet;

/// Fields of a step that are no verb.
const COMMON: [&str; 9] =
    ["after", "timeout", "takes", "retry", "on-failure", "when", "undo", "allow", "fan-out"];

impl Broken<'_> {
    /// Every step of every plan.
    pub fn all_steps(&self) -> Vec<Step> {
        let mut out = Vec::new();
        for (file, one) in self.files.iter().enumerate() {
            let steps = one.tree.get("steps").map(Tree::pairs).unwrap_or_default();
            out.extend(steps.iter().map(|(name, _)| Step { file, name: name.clone() }));
        }
        out
    }

    /// The steps of a verb.
    pub fn steps(&self, verb: &str) -> Vec<Step> {
        self.all_steps().into_iter().filter(|step| self.verb(step) == Some(verb)).collect()
    }

    /// Whether a step runs in every mode: what a live run leaves out is held to nothing there.
    pub fn always(&self, step: &Step) -> bool {
        self.fields(step).is_some_and(|fields| fields.get("when").is_none())
    }

    /// The steps of a verb in the plan of a step.
    pub fn beside(&self, step: &Step, verb: &str) -> Vec<Step> {
        self.steps(verb).into_iter().filter(|other| other.file == step.file && other != step).collect()
    }

    /// One step of a verb.
    pub fn step(&mut self, verb: &str) -> Option<Step> {
        let all = self.steps(verb);
        self.pick(&all)
    }

    /// A step's fields.
    pub fn fields(&self, step: &Step) -> Option<&Tree> {
        self.at(step.file, &step.path())
    }

    /// A step's fields, to be changed.
    pub fn fields_mut(&mut self, step: &Step) -> Option<&mut Tree> {
        self.at_mut(step.file, &step.path())
    }

    /// Its verb.
    pub fn verb(&self, step: &Step) -> Option<&str> {
        let mut keys = self.fields(step)?.pairs().iter().map(|(key, _)| key.as_str());
        keys.find(|key| !COMMON.contains(key))
    }

    /// What stands behind the verb.
    pub fn params(&self, step: &Step) -> Option<&Tree> {
        self.fields(step)?.get(self.verb(step)?)
    }

    /// The same, to be changed.
    pub fn params_mut(&mut self, step: &Step) -> Option<&mut Tree> {
        let verb = self.verb(step)?.to_string();
        self.fields_mut(step)?.get_mut(&verb)
    }

    /// One parameter in words.
    pub fn param(&self, step: &Step, key: &str) -> Option<String> {
        Some(self.params(step)?.text_of(key)?.to_string())
    }

    /// What it waits for.
    pub fn after(&self, step: &Step) -> Vec<Step> {
        let names = self.fields(step).and_then(|fields| fields.get("after")).map(Tree::texts);
        names.unwrap_or_default().into_iter().map(|name| Step { file: step.file, name }).collect()
    }

    /// Sets what it waits for.
    pub fn set_after(&mut self, step: &Step, after: &[Step]) {
        let mut names: Vec<String> = after.iter().map(|step| step.name.clone()).collect();
        names.sort();
        names.dedup();
        if let Some(fields) = self.fields_mut(step) {
            fields.remove("after");
            if !names.is_empty() {
                fields.set("after", names);
            }
        }
    }

    /// Everything that is over before it.
    pub fn before(&self, step: &Step) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        let mut open = self.after(step);
        while let Some(one) = open.pop() {
            if out.insert(one.name.clone()) {
                open.extend(self.after(&one));
            }
        }
        out
    }

    /// Those of a verb that are over before it.
    pub fn befores(&self, step: &Step, verb: &str) -> Vec<Step> {
        let before = self.before(step);
        self.beside(step, verb).into_iter().filter(|other| before.contains(&other.name)).collect()
    }

    /// Takes a step out; what waited for it waits for what it waited for.
    pub fn drop_step(&mut self, step: &Step) {
        self.bypass(step);
        if let Some(steps) = self.files[step.file].tree.get_mut("steps") {
            steps.remove(&step.name);
        }
    }

    /// Nothing waits for a step any more; what did so waits for what it waited for.
    pub fn bypass(&mut self, step: &Step) {
        let own = self.after(step);
        for other in self.all_steps().into_iter().filter(|other| other.file == step.file) {
            let after = self.after(&other);
            if after.contains(step) {
                let rest = after.into_iter().filter(|one| one != step).chain(own.clone());
                let rest: Vec<Step> = rest.collect();
                self.set_after(&other, &rest);
            }
        }
    }

    /// Adds a step to a plan.
    pub fn add_step(&mut self, file: usize, name: &str, fields: Tree) -> Option<Step> {
        self.files[file].tree.get_mut("steps")?.set(name, fields);
        Some(Step { file, name: name.to_string() })
    }

    /// Adds a plan.
    pub fn add_plan(&mut self, tree: Tree) -> usize {
        self.files.push(crate::case::File { path: "added.plan.yaml".to_string(), tree });
        self.files.len() - 1
    }

    /// Whether something uses an output of a step, or asks for its success.
    pub fn is_used(&self, step: &Step) -> bool {
        let (long, short) = (format!("steps.{}.outputs.", step.name), format!("{}.", step.name));
        let mut used = false;
        self.files[step.file].tree.walk(&Vec::new(), &mut |path, node| {
            used |= node.text().is_some_and(|text| text.contains(&long));
            used |= path.len() > 4
                && path[path.len() - 2] == "output"
                && path[path.len() - 1].starts_with(&short);
        });
        used
    }
}
