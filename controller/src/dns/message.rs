//! The three DNS messages of a conditional write, between our values and hickory's types. Pure.

use super::DnsError;
use super::provider::Answer;
use super::record::{Change, Generation, Observed, RecordName, Value, Values};
use hickory_proto::op::{Message, MessageType, OpCode, Query, UpdateMessage};
use hickory_proto::rr::rdata::{CNAME, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::IpAddr;

/// The record types that are values of a name.
pub const KINDS: [RecordType; 3] = [RecordType::A, RecordType::AAAA, RecordType::CNAME];

/// What a name is asked for before an alias replaces its addresses. `ANY` alone would do on most
/// servers, but some answer it with one record set only (RFC 8482).
pub const OTHER_KINDS: [RecordType; 9] = [
    RecordType::ANY,
    RecordType::MX,
    RecordType::TXT,
    RecordType::NS,
    RecordType::CAA,
    RecordType::SRV,
    RecordType::HTTPS,
    RecordType::SSHFP,
    RecordType::TLSA,
];

/// Most of a foreign text that an error repeats, in characters.
const MAX_FOREIGN_CHARS: usize = 100;

/// A question to an authoritative server.
pub fn query(id: u16, name: &RecordName, kind: RecordType) -> Result<Message, DnsError> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(dns_name(name)?, kind));
    Ok(message)
}

/// The update of a change: prerequisites and updates in one message, not yet signed.
pub fn update(id: u16, zone: &RecordName, change: &Change) -> Result<Message, DnsError> {
    let name = dns_name(&change.name)?;
    let text_name = dns_name(&change.name.generation_name()?)?;
    let mut message = Message::new(id, MessageType::Query, OpCode::Update);
    message.add_zone(Query::query(dns_name(zone)?, RecordType::SOA));

    let expected = datas(&change.expected.values)?;
    for kind in KINDS {
        let same_kind = expected.iter().filter(|data| data.record_type() == kind);
        message.add_pre_requisites(exactly(&name, kind, same_kind));
    }
    let text = change.expected.generation.map(generation_data);
    message.add_pre_requisites(exactly(&text_name, RecordType::TXT, text.iter()));

    for kind in KINDS {
        message.add_update(of_class(DNSClass::ANY, Record::update0(name.clone(), 0, kind)));
    }
    for data in datas(&change.values)? {
        message.add_update(Record::from_rdata(name.clone(), change.ttl_seconds, data));
    }
    message.add_update(of_class(DNSClass::ANY, Record::update0(text_name.clone(), 0, RecordType::TXT)));
    let text = generation_data(change.generation);
    message.add_update(Record::from_rdata(text_name, change.ttl_seconds, text));
    Ok(message)
}

/// Prerequisites that hold when the record set is exactly `datas`: each of them with the zone's class
/// (RFC 2136, section 2.4.2), or, for none, class NONE (section 2.4.3).
fn exactly<'a>(name: &Name, kind: RecordType, datas: impl Iterator<Item = &'a RData>) -> Vec<Record> {
    let mut records: Vec<Record> =
        datas.map(|data| Record::from_rdata(name.clone(), 0, data.clone())).collect();
    if records.is_empty() {
        records.push(of_class(DNSClass::NONE, Record::update0(name.clone(), 0, kind)));
    }
    records
}

fn of_class(class: DNSClass, mut record: Record) -> Record {
    record.dns_class = class;
    record
}

fn dns_name(name: &RecordName) -> Result<Name, DnsError> {
    let parsed = Name::from_ascii(format!("{name}."));
    parsed.map_err(|_| DnsError::BadName { name: name.to_string() })
}

fn datas(values: &Values) -> Result<Vec<RData>, DnsError> {
    let data = |value: &Value| match value {
        Value::Address(IpAddr::V4(address)) => Ok(RData::A((*address).into())),
        Value::Address(IpAddr::V6(address)) => Ok(RData::AAAA((*address).into())),
        Value::Alias(name) => Ok(RData::CNAME(CNAME(dns_name(name)?))),
    };
    values.iter().map(data).collect()
}

fn generation_data(generation: Generation) -> RData {
    RData::TXT(TXT::new(vec![generation.to_text()]))
}

/// A record of this name in the answer that cannot stand beside an alias. DNSSEC's own records can.
pub fn other_kind(name: &RecordName, answer: &Message) -> Result<Option<RecordType>, DnsError> {
    let owner = dns_name(name)?;
    let stands = |kind: &RecordType| {
        !KINDS.contains(kind) && !matches!(kind, RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3)
    };
    let mut kinds = answer.answers.iter().filter(|r| r.name == owner).map(|r| r.record_type());
    Ok(kinds.find(stands))
}

/// Gathers the answers about one name.
#[derive(Debug, Default)]
pub struct Reading {
    values: Values,
    ttl_seconds: Option<u32>,
    generation: Option<Generation>,
    serial: Option<u32>,
}

impl Reading {
    /// Takes the records of one answer that are of this name and type. Others, such as the target of
    /// an alias that the server adds, say nothing about the name.
    pub fn take(&mut self, name: &RecordName, kind: RecordType, answer: &Message) -> Result<(), DnsError> {
        let owner = dns_name(name)?;
        let mine = |record: &&Record| record.name == owner && record.record_type() == kind;
        for record in answer.answers.iter().filter(mine) {
            match &record.data {
                RData::A(a) => self.value(record, Value::Address(IpAddr::V4(a.0))),
                RData::AAAA(aaaa) => self.value(record, Value::Address(IpAddr::V6(aaaa.0))),
                RData::CNAME(target) => {
                    self.value(record, Value::Alias(RecordName::new(&target.0.to_ascii())?));
                }
                RData::TXT(txt) => self.text(name, txt)?,
                RData::SOA(soa) => self.serial = Some(soa.serial),
                _ => {}
            }
        }
        Ok(())
    }

    fn value(&mut self, record: &Record, value: Value) {
        self.values.insert(value);
        self.ttl_seconds = self.ttl_seconds.max(Some(record.ttl));
    }

    /// Exactly one text of ours, in one string, is a generation; anything else is someone else's.
    fn text(&mut self, name: &RecordName, txt: &TXT) -> Result<(), DnsError> {
        let text = String::from_utf8_lossy(&txt.txt_data.concat()).into_owned();
        let read = if txt.txt_data.len() == 1 { Generation::from_text(&text) } else { None };
        if read.is_none() || self.generation.is_some() {
            let text = text.chars().take(MAX_FOREIGN_CHARS).collect();
            return Err(DnsError::ForeignGeneration { name: name.clone(), text });
        }
        self.generation = read;
        Ok(())
    }

    /// All that was gathered.
    pub fn answer(self) -> Answer {
        let Self { values, ttl_seconds, generation, serial } = self;
        Answer { observed: Observed { values, ttl_seconds, generation }, serial }
    }
}
