//! Zones that take dynamic updates (RFC 2136) signed with TSIG (RFC 8945): BIND, Knot, PowerDNS,
//! Windows and most others.
//!
//! One update message does it all. Its prerequisites are the values (for each of A, AAAA and CNAME:
//! exactly this record set, or none) and the TXT record set at `_lifeboat.<name>` (exactly this text,
//! or none). Its updates remove the three record sets and the text, and add the new values and the
//! new text. A server checks and applies one message as a whole (RFC 2136, section 3), so no second
//! writer can come between, and no reader sees one without the other.
//!
//! The value alone would not do: it may go from A to B and back to A, and a write that was decided in
//! the first A would pass in the second. The generation only grows, so it tells the two apart. What
//! it cannot see is someone who changes the values to B and back to A with other tools, which leave
//! the text alone; that someone restored what we had expected.
//!
//! One hole of RFC 2136 needs care: a CNAME that is added where other record types stand is ignored
//! without an error (section 3.4.2.2), so replacing addresses by an alias beside, say, an MX record
//! would remove the addresses and add nothing: an empty answer. No prerequisite can say "no other
//! type", so before such a write the name is asked for other types, and refused if it has one.
//!
//! Reads are not signed: secondaries need not know the key, and a forged read can only make the
//! condition fail. The answer to an update must be signed, else its outcome counts as unknown.

use super::DnsError;
use super::message::{self, KINDS};
use super::provider::{Answer, DnsProvider, ServerAddress, Verdict};
use super::record::{Change, RecordName, Value, Values, spell};
use super::tsig_key::TsigKey;
use super::wire;
use futures::future::BoxFuture;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;
use hickory_proto::rr::{RecordType, TSigVerifier};

const READ: &str = "a query";
const WRITE: &str = "an update";

/// The provider.
#[derive(Debug)]
pub struct Rfc2136 {
    zone: RecordName,
    servers: Vec<ServerAddress>,
    key: TsigKey,
    /// Seconds since 1970 UTC, for signatures.
    unix_seconds: fn() -> u64,
}

impl Rfc2136 {
    /// For one zone. `servers` holds every authoritative server, the primary first; not empty.
    /// `unix_seconds` is the wall clock that signatures carry.
    pub fn new(
        zone: RecordName,
        servers: Vec<ServerAddress>,
        key: TsigKey,
        unix_seconds: fn() -> u64,
    ) -> Result<Self, DnsError> {
        if servers.is_empty() {
            let why = "it names no server".to_string();
            return Err(DnsError::BadSettings { zone: zone.to_string(), why });
        }
        Ok(Self { zone, servers, key, unix_seconds })
    }

    async fn ask(&self, server: ServerAddress, name: &RecordName) -> Result<Answer, DnsError> {
        let text_name = name.generation_name()?;
        let mut questions: Vec<(&RecordName, RecordType)> = KINDS.map(|kind| (name, kind)).to_vec();
        questions.push((&text_name, RecordType::TXT));
        questions.push((&self.zone, RecordType::SOA));
        let mut read = message::Reading::default();
        for ((owner, kind), answer) in questions.iter().zip(self.answers(server, &questions).await?) {
            read.take(owner, *kind, &answer)?;
        }
        Ok(read.answer())
    }

    /// Refuses an alias in the place of addresses when the name has records of other types.
    async fn must_be_free_for_alias(&self, change: &Change) -> Result<(), DnsError> {
        let alias = |values: &Values| values.iter().any(|value| matches!(value, Value::Alias(_)));
        if !alias(&change.values) || alias(&change.expected.values) {
            return Ok(());
        }
        let questions = message::OTHER_KINDS.map(|kind| (&change.name, kind));
        for answer in self.answers(self.servers[0], &questions).await? {
            if let Some(kind) = message::other_kind(&change.name, &answer)? {
                let values = format!("{} beside its {kind} record", spell(&change.values));
                return Err(DnsError::BadValues { name: change.name.clone(), values });
            }
        }
        Ok(())
    }

    /// Asks one server several questions at once; gives its authoritative answers in their order.
    async fn answers(
        &self,
        server: ServerAddress,
        questions: &[(&RecordName, RecordType)],
    ) -> Result<Vec<Message>, DnsError> {
        let first_id: u16 = rand::random();
        let mut requests = Vec::with_capacity(questions.len());
        for (id, (owner, kind)) in (0u16..).zip(questions) {
            let query = message::query(first_id.wrapping_add(id), owner, *kind)?;
            requests.push(encode(&query, server, READ)?);
        }
        let answers = wire::exchange(server.0, &requests).await.map_err(|source| DnsError::NoAnswer {
            server,
            operation: READ,
            source,
        })?;
        let mut messages: Vec<Option<Message>> = vec![None; questions.len()];
        for answer in &answers {
            let answer = decode(answer, server, READ)?;
            let slot = messages.get_mut(usize::from(answer.metadata.id.wrapping_sub(first_id)));
            *slot.ok_or_else(|| bad_answer(server, READ, "an id that was not asked"))? = Some(answer);
        }
        let mut ordered = Vec::with_capacity(questions.len());
        for answer in messages {
            let answer = answer.ok_or_else(|| bad_answer(server, READ, "an id answered twice"))?;
            self.must_be_authoritative(server, &answer)?;
            ordered.push(answer);
        }
        Ok(ordered)
    }

    fn must_be_authoritative(&self, server: ServerAddress, answer: &Message) -> Result<(), DnsError> {
        let not_served = |why| Err(DnsError::ZoneNotServed { server, zone: self.zone.clone(), why });
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain if answer.metadata.authoritative => Ok(()),
            ResponseCode::NoError | ResponseCode::NXDomain => not_served("it answers without authority"),
            ResponseCode::Refused => not_served("REFUSED"),
            ResponseCode::NotAuth => not_served("NOTAUTH"),
            code => Err(failed(server, READ, code)),
        }
    }

    async fn update(&self, change: &Change) -> Result<Verdict, DnsError> {
        self.must_be_free_for_alias(change).await?;
        let server = self.servers[0];
        let now = (self.unix_seconds)();
        let mut update = message::update(rand::random(), &self.zone, change)?;
        let verifier = update
            .finalize(self.key.signer(), now)
            .map_err(|error| bad_answer(server, WRITE, &format!("cannot sign: {error}")))?;
        let request = encode(&update, server, WRITE)?;
        let answers = wire::exchange(server.0, &[request]).await.map_err(|source| DnsError::NoAnswer {
            server,
            operation: WRITE,
            source,
        })?;
        let bytes = answers.first().ok_or_else(|| bad_answer(server, WRITE, "none"))?;
        let answer = decode(bytes, server, WRITE)?;
        if answer.metadata.id != update.metadata.id {
            return Err(bad_answer(server, WRITE, "another id"));
        }
        self.judge_signature(server, now, &answer)?;
        match answer.metadata.response_code {
            ResponseCode::NoError => must_be_signed(server, bytes, verifier).map(|()| Verdict::Written),
            ResponseCode::YXRRSet
            | ResponseCode::NXRRSet
            | ResponseCode::YXDomain
            | ResponseCode::NXDomain => Ok(Verdict::ConditionFailed),
            ResponseCode::Refused => {
                let key = self.key.name().to_string();
                Err(DnsError::NotAllowed { server, key, name: change.name.clone() })
            }
            ResponseCode::NotAuth | ResponseCode::NotZone => {
                let why = "it takes no updates for it: NOTAUTH";
                Err(DnsError::ZoneNotServed { server, zone: self.zone.clone(), why })
            }
            code => Err(failed(server, WRITE, code)),
        }
    }

    /// What the server says about our signature. Such answers are unsigned by their nature (the
    /// server has no key in common with us), and believing a forged one costs a refused step at most.
    fn judge_signature(&self, server: ServerAddress, now: u64, answer: &Message) -> Result<(), DnsError> {
        let Some(tsig) = answer.signature() else { return Ok(()) };
        let key = self.key.name().to_string();
        match tsig.data.error {
            None | Some(TsigError::Unknown(0)) => Ok(()),
            Some(TsigError::BadKey) => Err(DnsError::UnknownKey { server, key }),
            Some(TsigError::BadSig | TsigError::BadTrunc) => Err(DnsError::WrongSecret { server, key }),
            Some(TsigError::BadTime) => {
                Err(DnsError::ClockSkew { server, skew_seconds: skew_seconds(&tsig.data.other, now) })
            }
            Some(TsigError::Unknown(code)) => {
                Err(bad_answer(server, WRITE, &format!("unknown TSIG error {code}")))
            }
        }
    }
}

impl DnsProvider for Rfc2136 {
    fn servers(&self) -> &[ServerAddress] {
        &self.servers
    }

    fn observe<'a>(
        &'a self,
        server: ServerAddress,
        name: &'a RecordName,
    ) -> BoxFuture<'a, Result<Answer, DnsError>> {
        Box::pin(self.ask(server, name))
    }

    fn compare_and_set<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Verdict, DnsError>> {
        Box::pin(self.update(change))
    }
}

fn must_be_signed(
    server: ServerAddress,
    answer: &[u8],
    verifier: Option<TSigVerifier>,
) -> Result<(), DnsError> {
    let mut verifier = verifier.ok_or_else(|| bad_answer(server, WRITE, "no way to verify it"))?;
    match verifier.verify(answer) {
        Ok(_) => Ok(()),
        Err(error) => Err(bad_answer(server, WRITE, &format!("signature: {error}"))),
    }
}

/// The server's clock less ours; the server sends its own as 48 bits (RFC 8945, section 5.2.3).
fn skew_seconds(other: &[u8], ours: u64) -> Option<i64> {
    let six: [u8; 6] = other.try_into().ok()?;
    let theirs = six.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    i64::try_from(theirs).ok()?.checked_sub(i64::try_from(ours).ok()?)
}

fn encode(message: &Message, server: ServerAddress, operation: &'static str) -> Result<Vec<u8>, DnsError> {
    message.to_vec().map_err(|error| bad_answer(server, operation, &format!("cannot write: {error}")))
}

fn decode(bytes: &[u8], server: ServerAddress, operation: &'static str) -> Result<Message, DnsError> {
    Message::from_vec(bytes).map_err(|error| bad_answer(server, operation, &format!("malformed: {error}")))
}

fn bad_answer(server: ServerAddress, operation: &'static str, why: &str) -> DnsError {
    DnsError::BadAnswer { server, operation, why: why.to_string() }
}

fn failed(server: ServerAddress, operation: &'static str, code: ResponseCode) -> DnsError {
    let transient = code == ResponseCode::ServFail;
    DnsError::ServerFailed { server, operation, code: code.to_string(), transient }
}
