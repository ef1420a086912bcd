//! What is wrong with an estate, plans or no plans.

use super::broken::Broken;
use crate::tree::{Path, Tree, map};

pub fn by_age(b: &mut Broken<'_>) -> Option<()> {
    let name = b.pick(&b.nouns("repositories"))?;
    let (file, path) = b.noun("repositories", &name)?;
    let key = b.pick(&["lifecycle", "retention", "expire", "keep", "expire-after", "tier"])?;
    let value = b.pick(&[Tree::from("30d"), map().with("days", "30")])?;
    b.at_mut(file, &path)?.set(key, value);
    b.told(file, &path);
    Some(())
}

pub fn short_lease(b: &mut Broken<'_>) -> Option<()> {
    let name = b.pick(&b.nouns("sources"))?;
    let (file, path) = b.noun("sources", &name)?;
    let length = b.pick(&["500ms", "1s", "2s", "11m", "2h"])?;
    b.at_mut(file, &path)?.set("lease", length);
    b.told(file, &path);
    Some(())
}

pub fn unpinned(b: &mut Broken<'_>) -> Option<()> {
    let (file, path) = b.any(|path: &Path, _: &Tree, _| path.last().is_some_and(|key| key == "sha256"))?;
    let (_, above) = path.split_last()?;
    b.at_mut(file, above)?.remove("sha256");
    b.spots.clear();
    b.told(file, above);
    Some(())
}

pub fn unlisted(b: &mut Broken<'_>) -> Option<()> {
    let contacts = b.nouns("contacts");
    let role = b.pick(&b.nouns("roles"))?;
    let (file, path) = b.noun("roles", &role)?;
    if contacts.is_empty() {
        return None;
    }
    let key = b.pick(&["primary", "backup"])?;
    b.at_mut(file, &path)?.set(key, "somebody-new");
    b.told(file, &path);
    Some(())
}

/// The backups of a source that has one home move there, too.
pub fn only_near(b: &mut Broken<'_>) -> Option<()> {
    let alone = b
        .world
        .loose
        .iter()
        .filter(|loose| !loose.repositories.is_empty() && loose.rpo.is_none() && loose.kind != "redis");
    let alone: Vec<_> = alone.cloned().collect();
    let loose = b.pick(&alone)?;
    let home = b.world.hosts[loose.host].region;
    let near: Vec<String> = b
        .world
        .repositories
        .iter()
        .filter(|(_, region)| *region == home)
        .map(|(name, _)| name.clone())
        .collect();
    let to = b.pick(&near)?;
    for name in b.nouns("schedules") {
        let fields = b.noun_mut("schedules", &name)?;
        if fields.text_of("backup") == Some(&loose.source) {
            fields.set("to", vec![to.clone()]);
        }
    }
    let (file, path) = b.noun("sources", &loose.source)?;
    b.told(file, &path);
    Some(())
}
