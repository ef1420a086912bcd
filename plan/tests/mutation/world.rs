//! What a generated estate is made of, kept beside its text: plans are built from it, and those who break
//! something know by it, and not by the checker, what they broke.

use crate::tree::{Tree, map};
use fastrand::Rng;
use std::collections::BTreeSet;

/// The region that may be lost or not be believed.
pub const DANGER: usize = 0;
/// The region that takes over.
pub const TARGET: usize = 1;

/// A host.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: usize,
    /// Whether a stack brings it, so that it is not there before.
    pub brought: bool,
}

/// A database with its server, what writes to it, and how users reach that.
#[derive(Debug, Clone, Default)]
pub struct App {
    /// The service that runs the database's server.
    pub server: String,
    /// The database as a source.
    pub source: String,
    /// Its kind.
    pub kind: &'static str,
    /// The database's own name.
    pub database: String,
    /// Hosts with a copy.
    pub members: Vec<usize>,
    /// Services that write, each after those that it needs.
    pub writers: Vec<String>,
    /// A service that they need.
    pub cache: Option<String>,
    /// Hosts of the writers.
    pub fronts: Vec<usize>,
    /// Checks of the first writer.
    pub health: Vec<String>,
    /// Checks of the database.
    pub data: Vec<String>,
    /// Those of them that are asked in SQL.
    pub sql: Vec<String>,
    /// Its record.
    pub record: Option<String>,
    /// Its pool.
    pub pool: Option<String>,
    /// The stack that brings its hosts in the target region.
    pub stack: Option<String>,
    /// Repositories that get its backups.
    pub repositories: Vec<String>,
    /// What its source promises to lose at most, in hours.
    pub rpo: Option<usize>,
}

/// Data that no server runs for.
#[derive(Debug, Clone)]
pub struct Loose {
    /// Its name.
    pub source: String,
    /// Its kind.
    pub kind: &'static str,
    /// The host that has it.
    pub host: usize,
    /// Repositories that get its backups.
    pub repositories: Vec<String>,
    /// What it promises to lose at most, in hours.
    pub rpo: Option<usize>,
}

/// An estate under construction.
pub struct World {
    /// Where all choices come from.
    pub rng: Rng,
    /// Names that are taken.
    pub taken: BTreeSet<String>,
    /// Whether only what this version carries out is used.
    pub ready: bool,
    /// Whether it has a drill part.
    pub drill: bool,
    /// Whether stand-ins are declared with services and sources.
    pub labs_declared: bool,
    /// Failure domains.
    pub regions: Vec<String>,
    /// Machines, without those that stand in.
    pub hosts: Vec<Host>,
    /// Databases and what is around them.
    pub apps: Vec<App>,
    /// Other data.
    pub loose: Vec<Loose>,
    /// Repositories in which nothing can be removed.
    pub locked: Vec<String>,
    /// Repositories and their regions.
    pub repositories: Vec<(String, usize)>,
    /// Channels.
    pub channels: Vec<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Named secrets.
    pub secrets: Vec<String>,
    /// Zones and their names in DNS.
    pub zones: Vec<(String, String)>,
    /// The text so far, by section.
    pub sections: Tree,
}

impl World {
    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.usize(0..bound)
    }

    /// Yes in so many of a hundred cases.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(0..100) < percent
    }

    /// One of some.
    pub fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())].clone()
    }

    /// Some of some, at least one, in their order.
    pub fn some<T: Clone>(&mut self, among: &[T]) -> Vec<T> {
        let sure = self.below(among.len());
        let mut out = Vec::new();
        for (at, one) in among.iter().enumerate() {
            if at == sure || self.chance(40) {
                out.push(one.clone());
            }
        }
        out
    }

    /// A name that nothing has yet, in one of the ways in which people write names.
    pub fn name(&mut self, base: &str) -> String {
        loop {
            let number = self.below(1_000);
            let name = match self.below(8) {
                0 => base.to_string(),
                1 => format!("{base}_{number}"),
                2 => format!("{base}.{number}"),
                3 => base.to_uppercase(),
                4 => format!("{number}-{base}"),
                5 => format!("{base}{number}"),
                6 => format!("{}{base}", ["the-", "old-", "new-", "x"][number % 4]),
                _ => format!("{base}-{number}"),
            };
            // The nearest name must not be reached by a slip of one letter.
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// A list, or the value itself where one stands for a list of one.
    pub fn many(&mut self, items: &[String]) -> Tree {
        match items {
            [one] if self.chance(50) => one.into(),
            _ => items.to_vec().into(),
        }
    }

    /// Adds a noun.
    pub fn declare(&mut self, section: &str, name: &str, fields: Tree) {
        if self.sections.get(section).is_none() {
            self.sections.set(section, map());
        }
        if let Some(nouns) = self.sections.get_mut(section) {
            nouns.set(name, fields);
        }
    }

    /// Names of hosts.
    pub fn host_names(&self, hosts: &[usize]) -> Vec<String> {
        hosts.iter().map(|host| self.hosts[*host].name.clone()).collect()
    }

    /// Those of some hosts that stand in a region.
    pub fn there(&self, hosts: &[usize], region: usize) -> Vec<usize> {
        hosts.iter().copied().filter(|host| self.hosts[*host].region == region).collect()
    }

    /// A region that no plan presumes lost, where there is one.
    pub fn safe_region(&mut self) -> usize {
        let count = self.regions.len();
        if count == 1 { 0 } else { 1 + self.below(count - 1) }
    }

    /// Where a secret is found.
    pub fn secret(&mut self, base: &str) -> Tree {
        match self.below(4) {
            0 if !self.secrets.is_empty() => {
                let named = self.secrets.clone();
                map().with("secret", self.pick(&named))
            }
            1 => map().with("env", format!("{}_SECRET", base.to_uppercase().replace(['-', '.'], "_"))),
            _ => map().with("file", format!("/etc/lifeboat/{base}")),
        }
    }
}
