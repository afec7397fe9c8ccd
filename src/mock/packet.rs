//! MQTT 3.1.1 packets as the mock broker reads and writes them: bytes to and from our own words.
//! The bytes themselves are the business of rumqttc's codec; what it is too lenient about is checked here.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::{self, QoS, v4};

use super::Connect;
use super::Refusal;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Secret;
use crate::model::Topic;
use crate::model::TopicFilter;

/// A packet from a client. The number in most is the packet identifier.
#[derive(Debug)]
pub(super) enum FromClient {
    Connect(Box<Connect>),
    Publish {
        id: u16,
        dup: bool,
        message: Message,
    },
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    /// A filter that is none is `None`.
    Subscribe(u16, Vec<Option<(TopicFilter, Qos)>>),
    Unsubscribe(u16, Vec<String>),
    PingReq,
    Disconnect,
}

/// A packet to a client.
#[derive(Clone, Debug)]
pub(super) enum ToClient {
    ConnAck {
        session_present: bool,
        refusal: Option<Refusal>,
    },
    Publish {
        id: u16,
        dup: bool,
        message: Message,
    },
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    /// The QoS granted to each filter, `None` for a refused one.
    SubAck(u16, Vec<Option<Qos>>),
    UnsubAck(u16),
    PingResp,
}

/// Why bytes are no packet that a client may send. The connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PacketError {
    /// A CONNECT of another version of MQTT.
    ProtocolVersion,
    /// Anything else that the standard forbids.
    Malformed,
}

impl FromClient {
    /// Takes the first packet off `buffer`; `None` while it is not complete.
    pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<FromClient>, PacketError> {
        // Before the packet is complete: who is no MQTT client may never complete one.
        check_flags(buffer.first().copied().unwrap_or(CONNECT << 4))?;
        match mqttbytes::check(buffer.iter(), MAX_BYTES) {
            Ok(header) => check_version(&buffer[..header.frame_length()])?,
            Err(mqttbytes::Error::InsufficientBytes(_)) => return Ok(None),
            Err(_) => return Err(PacketError::Malformed),
        }
        let packet = v4::Packet::read(buffer, MAX_BYTES).map_err(|_| PacketError::Malformed)?;
        Ok(Some(match packet {
            v4::Packet::Connect(it) => FromClient::Connect(Box::new(connect(it)?)),
            v4::Packet::Publish(it) => FromClient::Publish {
                id: it.pkid,
                dup: it.dup,
                message: message(&it.topic, &it.payload, it.qos, it.retain)?,
            },
            v4::Packet::PubAck(it) => FromClient::PubAck(it.pkid),
            v4::Packet::PubRec(it) => FromClient::PubRec(it.pkid),
            v4::Packet::PubRel(it) => FromClient::PubRel(it.pkid),
            v4::Packet::PubComp(it) => FromClient::PubComp(it.pkid),
            v4::Packet::Subscribe(it) if it.pkid != 0 => {
                let filter = |it: &v4::SubscribeFilter| Some((TopicFilter::new(&it.path).ok()?, qos(it.qos)));
                FromClient::Subscribe(it.pkid, it.filters.iter().map(filter).collect())
            }
            v4::Packet::Unsubscribe(it) if it.pkid != 0 && !it.topics.is_empty() => {
                FromClient::Unsubscribe(it.pkid, it.topics)
            }
            v4::Packet::PingReq => FromClient::PingReq,
            v4::Packet::Disconnect => FromClient::Disconnect,
            _ => return Err(PacketError::Malformed),
        }))
    }
}

impl ToClient {
    /// The packet's bytes; `None` where it is longer than MQTT allows (256 MiB).
    pub(super) fn encode(&self) -> Option<BytesMut> {
        let packet = match self {
            ToClient::ConnAck { session_present, refusal } => {
                v4::Packet::ConnAck(v4::ConnAck::new(return_code(*refusal), *session_present))
            }
            ToClient::Publish { id, dup, message } => v4::Packet::Publish(v4::Publish {
                dup: *dup,
                qos: codec_qos(message.qos),
                retain: message.retain,
                topic: message.topic.as_str().to_owned(),
                pkid: *id,
                payload: Bytes::from_owner(Arc::clone(&message.payload)),
            }),
            ToClient::PubAck(id) => v4::Packet::PubAck(v4::PubAck::new(*id)),
            ToClient::PubRec(id) => v4::Packet::PubRec(v4::PubRec::new(*id)),
            ToClient::PubRel(id) => v4::Packet::PubRel(v4::PubRel::new(*id)),
            ToClient::PubComp(id) => v4::Packet::PubComp(v4::PubComp::new(*id)),
            ToClient::SubAck(id, granted) => {
                let code = |qos: &Option<Qos>| match *qos {
                    Some(qos) => v4::SubscribeReasonCode::Success(codec_qos(qos)),
                    None => v4::SubscribeReasonCode::Failure,
                };
                v4::Packet::SubAck(v4::SubAck::new(*id, granted.iter().map(code).collect()))
            }
            ToClient::UnsubAck(id) => v4::Packet::UnsubAck(v4::UnsubAck::new(*id)),
            ToClient::PingResp => v4::Packet::PingResp,
        };
        let mut bytes = BytesMut::with_capacity(packet.size());
        packet.write(&mut bytes, usize::MAX).ok()?;
        Some(bytes)
    }
}

/// Checks the flags in a packet's first byte (section 2.2.2), which the codec lets pass.
fn check_flags(first: u8) -> Result<(), PacketError> {
    let expected = match first >> 4 {
        PUBLISH => return Ok(()), // Has flags that mean something.
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => 0b0010,
        _ => 0,
    };
    if first & 0x0f == expected { Ok(()) } else { Err(PacketError::Malformed) }
}

/// Checks the version of the protocol if the whole packet `frame` is a CONNECT, and that its reserved flag is zero
/// (section 3.1.2), which the codec lets pass as well.
fn check_version(frame: &[u8]) -> Result<(), PacketError> {
    if frame[0] >> 4 != CONNECT {
        return Ok(());
    }
    let length_bytes = frame[1..].iter().take_while(|byte| *byte & 0x80 != 0).count() + 1;
    match &frame[1 + length_bytes..] {
        [0, 4, b'M', b'Q', b'T', b'T', 4, flags, ..] if flags & 1 == 0 => Ok(()),
        [0, 4, b'M', b'Q', b'T', b'T', level, ..] if *level != 4 => Err(PacketError::ProtocolVersion),
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', ..] => Err(PacketError::ProtocolVersion),
        _ => Err(PacketError::Malformed),
    }
}

fn connect(packet: v4::Connect) -> Result<Connect, PacketError> {
    let will = match packet.last_will {
        Some(it) => Some(message(&it.topic, &it.message, it.qos, it.retain)?),
        None => None,
    };
    let filled = |text: String| Some(text).filter(|it| !it.is_empty());
    let (user_name, password) = match packet.login {
        Some(it) => (filled(it.username), filled(it.password).map(Secret::new)),
        None => (None, None),
    };
    Ok(Connect {
        client: packet.client_id,
        user_name,
        password,
        clean_session: packet.clean_session,
        keep_alive: Duration::from_secs(packet.keep_alive.into()),
        will,
        refusal: None,
    })
}

/// The payload is copied: it would keep the whole read buffer alive in the retained store.
fn message(topic: &str, payload: &[u8], level: QoS, retain: bool) -> Result<Message, PacketError> {
    let topic = Topic::new(topic).map_err(|_| PacketError::Malformed)?;
    Ok(Message { topic, payload: payload.into(), qos: qos(level), retain })
}

fn qos(level: QoS) -> Qos {
    match level {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn codec_qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn return_code(refusal: Option<Refusal>) -> v4::ConnectReturnCode {
    match refusal {
        None => v4::ConnectReturnCode::Success,
        Some(Refusal::ProtocolVersion) => v4::ConnectReturnCode::RefusedProtocolVersion,
        Some(Refusal::Identifier) => v4::ConnectReturnCode::BadClientId,
        Some(Refusal::Unavailable) => v4::ConnectReturnCode::ServiceUnavailable,
        Some(Refusal::Credentials) => v4::ConnectReturnCode::BadUserNamePassword,
        Some(Refusal::NotAuthorized) => v4::ConnectReturnCode::NotAuthorized,
    }
}

// Types of packets (section 2.2.1).
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBREL: u8 = 6;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;

/// The longest packet that is taken: much more than any discovery payload, far less than the memory of a small board.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The codec itself, for the clients that tests play.
#[cfg(test)]
pub(super) use rumqttc::mqttbytes as codec;

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each packet that a client may send.
    fn packets() -> Vec<BytesMut> {
        let mut connect = v4::Connect::new("pi");
        connect.set_login("user", "password");
        connect.last_will = Some(v4::LastWill::new("w", "offline", QoS::ExactlyOnce, true));
        [
            v4::Packet::Connect(connect),
            v4::Packet::Publish(v4::Publish {
                pkid: 1,
                ..v4::Publish::new("a/b", QoS::ExactlyOnce, "payload")
            }),
            v4::Packet::PubAck(v4::PubAck::new(1)),
            v4::Packet::PubRec(v4::PubRec::new(1)),
            v4::Packet::PubRel(v4::PubRel::new(1)),
            v4::Packet::PubComp(v4::PubComp::new(1)),
            v4::Packet::Subscribe(v4::Subscribe { pkid: 1, ..v4::Subscribe::new("a/#", QoS::AtLeastOnce) }),
            v4::Packet::Unsubscribe(v4::Unsubscribe { pkid: 1, ..v4::Unsubscribe::new("a/#") }),
            v4::Packet::PingReq,
            v4::Packet::Disconnect,
        ]
        .iter()
        .map(|packet| {
            let mut bytes = BytesMut::new();
            packet.write(&mut bytes, usize::MAX).unwrap();
            bytes
        })
        .collect()
    }

    #[test]
    fn a_packet_is_taken_when_its_last_byte_is_there_and_no_byte_more() {
        for packet in packets() {
            for end in 0..packet.len() {
                let mut part = packet.clone();
                part.truncate(end);
                assert!(matches!(FromClient::take(&mut part), Ok(None)), "{:?}", &packet[..end]);
                assert_eq!(part.len(), end);
            }
            let mut more = packet.clone();
            more.extend_from_slice(&[0xc0]);
            assert!(matches!(FromClient::take(&mut more), Ok(Some(_))), "{:?}", &packet[..]);
            assert_eq!(more[..], [0xc0]);
        }
    }

    #[test]
    fn no_bytes_whatever_make_the_reader_panic() {
        let mut random = fastrand::Rng::with_seed(1);
        let packets = packets();
        let mut taken = 0;
        for _ in 0..200_000 {
            // A good packet with a few bytes changed, its length too, and its end cut off.
            let mut bytes = packets[random.usize(..packets.len())].clone();
            for _ in 0..random.usize(..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            bytes.extend((0..random.usize(..8)).map(|_| random.u8(..)));
            while let Ok(Some(_)) = FromClient::take(&mut bytes) {
                taken += 1;
            }
        }
        assert!(taken > 20_000, "{taken}: the changes are to leave some packets good");
    }
}
