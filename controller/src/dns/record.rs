//! What a zone holds for one name, and what a change asks of it. Pure values; all of them can be
//! journaled.

use super::DnsError;
use model::RunId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Most values that one name may have. Far above any real record; keeps an update small.
pub const MAX_VALUES: usize = 32;

/// Time to live of a record that is put back and whose own is not known.
const DEFAULT_TTL_SECONDS: u32 = 60;
/// Longest DNS name as text (RFC 1035, section 3.1, less the two bytes of framing).
const MAX_NAME_CHARS: usize = 253;
/// Longest label of a name.
const MAX_LABEL_CHARS: usize = 63;
/// The label that is put before a name to hold its generation.
const GENERATION_LABEL: &str = "_lifeboat";
/// The first word of the text that holds a generation.
const GENERATION_WORD: &str = "lifeboat";

/// A fully qualified name: lower case, without the dot at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordName(String);

impl RecordName {
    /// Checks a name. Letters, digits, `-` and `_` in labels of 1 to 63 characters, at most 253 in all.
    pub fn new(text: &str) -> Result<Self, DnsError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label_ok = |label: &str| {
            (1..=MAX_LABEL_CHARS).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > MAX_NAME_CHARS || !name.split('.').all(label_ok) {
            return Err(DnsError::BadName { name: text.chars().take(MAX_NAME_CHARS).collect() });
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the generation of this name is kept: `_lifeboat.` before it.
    pub fn generation_name(&self) -> Result<RecordName, DnsError> {
        RecordName::new(&format!("{GENERATION_LABEL}.{}", self.0))
    }

    /// Whether this name is `zone` or below it.
    pub fn is_in(&self, zone: &RecordName) -> bool {
        self == zone || self.0.strip_suffix(&zone.0).is_some_and(|above| above.ends_with('.'))
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RecordName {
    type Error = DnsError;
    fn try_from(text: String) -> Result<Self, DnsError> {
        Self::new(&text)
    }
}

impl From<RecordName> for String {
    fn from(name: RecordName) -> String {
        name.0
    }
}

/// One value of a name. As text: an address, or the name that a CNAME points to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Value {
    /// An A or AAAA record.
    Address(IpAddr),
    /// A CNAME record; it is then the only value.
    Alias(RecordName),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Address(address) => address.fmt(f),
            Value::Alias(name) => name.fmt(f),
        }
    }
}

impl FromStr for Value {
    type Err = DnsError;
    fn from_str(text: &str) -> Result<Self, DnsError> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Value::Address(address)),
            Err(_) => Ok(Value::Alias(RecordName::new(text)?)),
        }
    }
}

impl TryFrom<String> for Value {
    type Error = DnsError;
    fn try_from(text: String) -> Result<Self, DnsError> {
        text.parse()
    }
}

impl From<Value> for String {
    fn from(value: Value) -> String {
        value.to_string()
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        Value::Address(address)
    }
}

/// All values of a name, each once, in a fixed order.
pub type Values = BTreeSet<Value>;

/// Values for people: `192.0.2.1, 192.0.2.2`, or `nothing`.
pub fn spell(values: &Values) -> String {
    if values.is_empty() {
        return "nothing".to_string();
    }
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}

/// Checks values that are to be written: not empty, not too many, a CNAME alone.
pub fn check_values(name: &RecordName, values: &Values) -> Result<(), DnsError> {
    if values.is_empty() {
        return Err(DnsError::EmptySet { name: name.clone() });
    }
    let aliases = values.iter().filter(|v| matches!(v, Value::Alias(_))).count();
    if values.len() > MAX_VALUES || (aliases > 0 && values.len() > 1) {
        return Err(DnsError::BadValues { name: name.clone(), values: spell(values) });
    }
    Ok(())
}

/// Who wrote a name last, and the how manyeth write it was. It only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// Counts the writes to this name, from 1.
    pub number: u64,
    /// The run that wrote.
    pub run: RunId,
}

impl Generation {
    /// The text that stands in the TXT record: `lifeboat gen=7 run=<uuid>`.
    pub fn to_text(self) -> String {
        format!("{GENERATION_WORD} gen={} run={}", self.number, self.run)
    }

    /// Reads that text back. Strict, because the text is compared byte by byte by the server.
    pub fn from_text(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(GENERATION_WORD)?.strip_prefix(" gen=")?;
        let (number, run) = rest.split_once(" run=")?;
        let read = Self { number: number.parse().ok()?, run: run.parse().ok()? };
        (read.to_text() == text).then_some(read)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {} of run {}", self.number, self.run)
    }
}

/// What a server holds for one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Its values; empty when there is no such record.
    pub values: Values,
    /// Its time to live in seconds, the longest when record types differ; `None` when there is no record.
    pub ttl_seconds: Option<u32>,
    /// The generation beside it; `None` when Lifeboat never wrote this name.
    pub generation: Option<Generation>,
}

impl Observed {
    /// The number that a write on top of this must have.
    pub fn next_number(&self) -> u64 {
        self.generation.map_or(1, |g| g.number.saturating_add(1))
    }

    /// For messages: values and generation.
    pub fn spell(&self) -> String {
        match self.generation {
            Some(generation) => format!("{} ({generation})", spell(&self.values)),
            None => format!("{} (no generation)", spell(&self.values)),
        }
    }
}

/// A conditional write: values and generation change together, or nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The name to write.
    pub name: RecordName,
    /// What it shall have; never empty.
    pub values: Values,
    /// Time to live of what is written, in seconds.
    pub ttl_seconds: u32,
    /// What the zone must hold at the moment of the write: values and generation, exactly.
    pub expected: Observed,
    /// The generation to write beside the values; higher than the expected one.
    pub generation: Generation,
}

impl Change {
    /// Whether `found` is what this change leaves behind.
    pub fn is_done(&self, found: &Observed) -> bool {
        found.generation == Some(self.generation) && found.values == self.values
    }

    /// Refuses, before anything is sent, what must never be written: nothing at all, a wrong mix, a
    /// generation that does not grow.
    pub fn check(&self) -> Result<(), DnsError> {
        check_values(&self.name, &self.values)?;
        match self.expected.generation {
            Some(seen) if seen.number >= self.generation.number => {
                Err(DnsError::OlderGeneration { name: self.name.clone(), ours: self.generation, found: seen })
            }
            _ => Ok(()),
        }
    }

    /// Why the zone, which holds `found`, does not take this change: someone newer, or someone else.
    pub fn refused_by(&self, found: Observed) -> DnsError {
        match found.generation {
            Some(newer) if newer != self.generation && newer.number >= self.generation.number => {
                DnsError::OlderGeneration { name: self.name.clone(), ours: self.generation, found: newer }
            }
            _ => DnsError::Conflict {
                name: self.name.clone(),
                expected: Box::new(self.expected.clone()),
                found: Box::new(found),
            },
        }
    }
}

/// What a name held before a change, and which change it belongs to: enough to put it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inverse {
    /// The name.
    pub name: RecordName,
    /// What was there.
    pub before: Observed,
    /// What the change left: restoring is refused when the zone no longer holds this.
    pub after: Values,
    /// The generation that the change wrote.
    pub written: Generation,
}

/// A change that was decided but not yet sent, with its inverse. Save it, then apply it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// How to put back what was there.
    pub inverse: Inverse,
    /// What will be written.
    pub change: Change,
}

impl Planned {
    /// Plans a write on top of what was observed. Pure.
    pub fn on_top_of(
        seen: Observed,
        name: RecordName,
        values: Values,
        ttl_seconds: u32,
        generation: Generation,
    ) -> Result<Self, DnsError> {
        let inverse =
            Inverse { name: name.clone(), before: seen.clone(), after: values.clone(), written: generation };
        let change = Change { name, values, ttl_seconds, expected: seen, generation };
        change.check()?;
        Ok(Self { inverse, change })
    }
}

impl Inverse {
    /// The write that puts back what was there, on condition that the zone holds what the change
    /// left. Always the same for one inverse, so a repeat is recognised.
    pub fn restoring(&self) -> Result<Change, DnsError> {
        let after =
            Observed { values: self.after.clone(), ttl_seconds: None, generation: Some(self.written) };
        self.back_to_before(after)
    }

    /// The write for when the change never arrived: the same values again under a generation that
    /// makes the change, should it still arrive, too old. Without it, a change that is late on the
    /// wire would come true after it was undone.
    pub fn revoking(&self) -> Result<Change, DnsError> {
        self.back_to_before(self.before.clone())
    }

    fn back_to_before(&self, expected: Observed) -> Result<Change, DnsError> {
        if self.before.values.is_empty() {
            return Err(DnsError::NothingBefore { name: self.name.clone() });
        }
        let number = self.written.number.saturating_add(1);
        let change = Change {
            name: self.name.clone(),
            values: self.before.values.clone(),
            ttl_seconds: self.before.ttl_seconds.unwrap_or(DEFAULT_TTL_SECONDS),
            expected,
            generation: Generation { number, run: self.written.run },
        };
        change.check()?;
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn generation(number: u64) -> Generation {
        Generation { number, run: RunId(uuid::Uuid::from_u128(7)) }
    }

    fn seen(number: u64) -> Observed {
        let values = Values::from(["192.0.2.1".parse().unwrap()]);
        Observed { values, ttl_seconds: Some(60), generation: Some(generation(number)) }
    }

    #[test]
    fn a_generation_survives_its_text_and_other_text_is_no_generation() {
        let text = generation(12).to_text();
        assert_eq!(Generation::from_text(&text), Some(generation(12)));
        for other in ["", "v=spf1 -all", "lifeboat gen=012 run=x", "lifeboat gen=1", &format!("{text} ")] {
            assert_eq!(Generation::from_text(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_compared_without_case_and_final_dot() {
        let name = RecordName::new("Api.Example.TEST.").unwrap();
        assert_eq!(name.as_str(), "api.example.test");
        assert_eq!(name.generation_name().unwrap().as_str(), "_lifeboat.api.example.test");
        assert!(name.is_in(&RecordName::new("example.test").unwrap()));
        assert!(!name.is_in(&RecordName::new("ample.test").unwrap()));
        for bad in ["", ".", "a..b", "a b.test", &"x".repeat(64), &"abcdefg.".repeat(40)] {
            assert!(RecordName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_set_and_a_mixed_alias_are_refused_when_planned() {
        let name = RecordName::new("api.example.test").unwrap();
        let plan = |values| Planned::on_top_of(seen(1), name.clone(), values, 60, generation(2));
        assert!(matches!(plan(Values::new()), Err(DnsError::EmptySet { .. })));
        let mixed = Values::from(["192.0.2.2".parse().unwrap(), "web.example.test".parse().unwrap()]);
        assert!(matches!(plan(mixed), Err(DnsError::BadValues { .. })));
    }

    #[test]
    fn a_generation_that_does_not_grow_is_refused_when_planned() {
        let name = RecordName::new("api.example.test").unwrap();
        let values = Values::from(["192.0.2.2".parse().unwrap()]);
        for number in [3, 4] {
            let planned = Planned::on_top_of(seen(4), name.clone(), values.clone(), 60, generation(number));
            assert!(matches!(planned, Err(DnsError::OlderGeneration { .. })));
        }
    }

    #[test]
    fn a_plan_survives_the_journal() {
        let name = RecordName::new("api.example.test").unwrap();
        let values = Values::from(["2001:db8::1".parse().unwrap(), "192.0.2.2".parse().unwrap()]);
        let planned = Planned::on_top_of(seen(4), name, values, 60, generation(5)).unwrap();
        let text = serde_json::to_string(&planned).unwrap();
        assert_eq!(serde_json::from_str::<Planned>(&text).unwrap(), planned);
    }
}
