//! One message in the spool, and the bytes it is on the card.

use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;

/// A message that is to survive this process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// When it was accepted, in seconds since 1970 (UTC), as the machine's clock had it.
    pub accepted: u64,
    /// What is to be published.
    pub message: Message,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Undecodable {
    /// The place of a record that was damaged.
    Gone,
    /// A version of this program that is newer than we are wrote it.
    Newer,
    /// Nobody's.
    Nonsense,
}

impl Record {
    /// How many bytes the record takes in the spool, its share of the file's own structure included. One that
    /// takes more than `MAX_BYTES` less 8 KiB is refused.
    pub fn spool_bytes(&self) -> u64 {
        super::layout::span(HEADER_BYTES + self.message.topic.as_str().len() + self.message.payload.len())
    }
}

/// The record as bytes: version, flags, time, length of the topic, topic, payload; numbers big-endian.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let Message { topic, payload, qos, retain } = &record.message;
    let topic = topic.as_str().as_bytes();
    let length = u16::try_from(topic.len()).expect("a topic has at most 65,535 bytes");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + topic.len() + payload.len());
    bytes.push(VERSION);
    bytes.push(qos.level() | if *retain { RETAIN } else { 0 });
    bytes.extend(record.accepted.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(topic);
    bytes.extend(&payload[..]);
    bytes
}

/// The record that `bytes` are.
pub(super) fn decode(bytes: &[u8]) -> Result<Record, Undecodable> {
    match bytes.first() {
        None => return Err(Undecodable::Gone),
        Some(&version) if version > VERSION => return Err(Undecodable::Newer),
        Some(_) => {}
    }
    parse(bytes).ok_or(Undecodable::Nonsense)
}

fn parse(bytes: &[u8]) -> Option<Record> {
    let (&[version, flags], rest) = bytes.split_first_chunk()?;
    let (accepted, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (topic, payload) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    if version != VERSION || flags & !(QOS | RETAIN) != 0 {
        return None;
    }
    let topic = Topic::new(std::str::from_utf8(topic).ok()?).ok()?;
    let (qos, retain) = (Qos::from_level(flags & QOS)?, flags & RETAIN != 0);
    let message = Message { topic, payload: payload.into(), qos, retain };
    Some(Record { accepted: u64::from_be_bytes(*accepted), message })
}

/// What stands in the place of a record that was damaged: no record at all has no bytes.
pub(super) const GONE: &[u8] = &[];

/// Raised when older versions of this program could not read what we write.
const VERSION: u8 = 1;
/// The bits of the flags that are the quality of service, 0 to 2.
const QOS: u8 = 0b011;
/// The bit of the flags for a retained message.
const RETAIN: u8 = 0b100;
/// What comes before the topic.
const HEADER_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Record {
        let topic = Topic::new(topic).unwrap();
        Record { accepted: 1_700_000_000, message: Message { topic, payload: payload.into(), qos, retain } }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for (qos, retain) in [(Qos::AtMostOnce, true), (Qos::AtLeastOnce, false), (Qos::ExactlyOnce, true)] {
            for payload in [&b""[..], b"1", &[0xff; 1000]] {
                let record = record("luigi/pi/türe", payload, qos, retain);
                assert_eq!(decode(&encode(&record)), Ok(record));
            }
        }
    }

    #[test]
    fn the_bytes_are_those_that_earlier_versions_wrote() {
        let record = record("a/b", b"on", Qos::AtLeastOnce, true);
        assert_eq!(encode(&record), b"\x01\x05\0\0\0\0\x65\x53\xf1\x00\0\x03a/bon");
        assert_eq!(record.spool_bytes(), 17 + 44);
    }

    #[test]
    fn any_bytes_are_refused_or_encode_to_themselves() {
        let mut random = fastrand::Rng::with_seed(31);
        let good = encode(&record("a/b", b"on", Qos::AtLeastOnce, true));
        let mut decoded = 0;
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..random.usize(..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len() * 2).max(1));
            if let Ok(record) = decode(&bytes) {
                assert_eq!(encode(&record), bytes);
                decoded += 1;
            }
        }
        assert!(decoded > 1_000, "{decoded}");
    }

    #[test]
    fn what_is_no_record_is_told_apart() {
        let good = encode(&record("a", b"x", Qos::ExactlyOnce, false));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            decode(&bytes)
        };
        assert_eq!(decode(GONE), Err(Undecodable::Gone));
        assert_eq!(with(0, VERSION + 1), Err(Undecodable::Newer));
        for (at, byte) in [(0, 0), (1, 3), (1, 8), (11, 0), (11, 3), (12, b'#'), (12, 0xff)] {
            assert_eq!(with(at, byte), Err(Undecodable::Nonsense), "{at}");
        }
        assert_eq!(decode(&good[..12]), Err(Undecodable::Nonsense));
    }
}
