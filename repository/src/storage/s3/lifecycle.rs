//! Reading the lifecycle rules of a bucket.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};

use super::S3Storage;
use crate::storage::{AgeRule, Effect, Kind, Lifecycle, Problem};

impl S3Storage {
    pub(super) fn rules(&self) -> Lifecycle {
        let request = self.client.get_bucket_lifecycle_configuration().bucket(&self.at.bucket);
        match self.run("asking for the lifecycle rules of", &"the bucket", send!(request)) {
            Ok(answer) => {
                let root = self.key("");
                Lifecycle::Rules(answer.rules().iter().flat_map(|rule| understood(rule, &root)).collect())
            }
            // So says a bucket without any.
            Err(e) if e.problem == Problem::Missing => Lifecycle::Rules(Vec::new()),
            Err(e) => Lifecycle::Unknown(e.to_string()),
        }
    }
}

/// What a rule does to current objects below `root`, as two rules when it does both.
fn understood(rule: &LifecycleRule, root: &str) -> Vec<AgeRule> {
    let (prefix, has_tags) = scope(rule);
    // Our objects have no tags. Locks live for half an hour.
    let locks = format!("{root}{}/", Kind::Lock.folder());
    let is_ours = (prefix.starts_with(root) || root.starts_with(&prefix)) && !prefix.starts_with(&locks);
    if rule.status() != &ExpirationStatus::Enabled || has_tags || !is_ours {
        return Vec::new();
    }
    let expires = rule.expiration().is_some_and(|e| e.days().is_some() || e.date().is_some());
    let moves = !rule.transitions().is_empty();
    let effects = [(expires, Effect::Expires), (moves, Effect::Moves)];
    let is_on_all = root.starts_with(&prefix) && !is_by_size(rule);
    let of = |effect| AgeRule { name: rule.id().unwrap_or("without a name").to_owned(), effect, is_on_all };
    effects.into_iter().filter(|(does, _)| *does).map(|(_, effect)| of(effect)).collect()
}

/// The prefix that a rule is for, and whether it asks for tags.
fn scope(rule: &LifecycleRule) -> (String, bool) {
    let filter = rule.filter();
    let both = filter.and_then(|filter| filter.and());
    // Old rules have it outside of the filter.
    #[expect(deprecated, reason = "buckets still have such rules")]
    let old = rule.prefix();
    let prefix =
        filter.and_then(|filter| filter.prefix()).or_else(|| both.and_then(|and| and.prefix())).or(old);
    let has_tags =
        filter.is_some_and(|filter| filter.tag().is_some()) || both.is_some_and(|and| !and.tags().is_empty());
    (prefix.unwrap_or_default().to_owned(), has_tags)
}

fn is_by_size(rule: &LifecycleRule) -> bool {
    let filter = rule.filter();
    let both = filter.and_then(|filter| filter.and());
    filter.is_some_and(|f| f.object_size_greater_than().is_some() || f.object_size_less_than().is_some())
        || both.is_some_and(|a| a.object_size_greater_than().is_some() || a.object_size_less_than().is_some())
}
