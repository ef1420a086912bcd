//! One question to one DNS server, over UDP, without any cache: what does it say right now?

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use tokio::net::UdpSocket;

use crate::Failure;

/// How long to wait for an answer; the servers are on this machine.
const ANSWER: Duration = Duration::from_secs(1);
/// The largest answer read, in bytes: no name of a test has more.
const LARGEST: usize = 4096;

/// An answer: the addresses of a name, and how long they may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// In the order of the answer.
    pub addresses: Vec<Ipv4Addr>,
    /// The smallest time to live among them.
    pub ttl: Duration,
}

/// The A records of `name` at `server`.
///
/// # Errors
/// [`Failure::Resolve`] when there is no answer, an error, or no address in it.
pub async fn addresses(server: SocketAddr, name: &str) -> Result<Addresses, Failure> {
    let records = ask(server, name, RecordType::A).await?;
    let found: Vec<(Ipv4Addr, u32)> = records
        .into_iter()
        .filter_map(|(data, ttl)| if let RData::A(a) = data { Some((a.0, ttl)) } else { None })
        .collect();
    let Some(ttl) = found.iter().map(|(_, ttl)| *ttl).min() else {
        return Err(unresolved(server, name, "an answer without an address"));
    };
    let addresses = found.into_iter().map(|(address, _)| address).collect();
    Ok(Addresses { addresses, ttl: Duration::from_secs(ttl.into()) })
}

/// The texts of the TXT records of `name` at `server`; none when it has none.
///
/// # Errors
/// [`Failure::Resolve`] when there is no answer or an error.
pub async fn texts(server: SocketAddr, name: &str) -> Result<Vec<String>, Failure> {
    let records = ask(server, name, RecordType::TXT).await?;
    let text = |data: RData| match data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    };
    Ok(records.into_iter().filter_map(|(data, _)| text(data)).collect())
}

async fn ask(server: SocketAddr, name: &str, kind: RecordType) -> Result<Vec<(RData, u32)>, Failure> {
    let failed = |why: String| unresolved(server, name, &why);
    let parsed = Name::from_utf8(name).map_err(|error| failed(error.to_string()))?;
    let mut question = Message::query();
    question.add_query(Query::query(parsed, kind));
    let bytes = question.to_vec().map_err(|error| failed(error.to_string()))?;
    let answer = tokio::time::timeout(ANSWER, exchange(server, question.metadata.id, &bytes))
        .await
        .map_err(|_| failed(format!("no answer within {ANSWER:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {
            Ok(answer.answers.into_iter().map(|record| (record.data, record.ttl)).collect())
        }
        code => Err(failed(code.to_string())),
    }
}

/// Sends the question and reads until the answer with the same number comes.
async fn exchange(server: SocketAddr, id: u16, bytes: &[u8]) -> std::io::Result<Message> {
    let here: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from([0u16; 8]) };
    let socket = UdpSocket::bind((here, 0)).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match Message::from_vec(&buffer[..length]) {
            Ok(message) if message.metadata.id == id => return Ok(message),
            // Another question's late answer, or noise: the time-out around us bounds this.
            _ => {}
        }
    }
}

fn unresolved(server: SocketAddr, name: &str, why: &str) -> Failure {
    Failure::Resolve { server: server.to_string(), name: name.to_owned(), why: why.to_owned() }
}
