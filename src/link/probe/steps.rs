//! What each step of the probe does.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rumqttc::Event;
use rumqttc::Packet;
use rumqttc::Publish;
use rumqttc::QoS;
use rumqttc::SubscribeReasonCode;

use crate::config::Endpoint;
use crate::link::LinkError;
use crate::link::connection::Connection;
use crate::link::options::Options;
use crate::link::target::Target;
use crate::link::tls;
use crate::model::Chain;
use crate::model::Topic;
use crate::resolver::Resolver;

pub(super) fn resolve(options: &Options, endpoint: &Endpoint) -> (Vec<SocketAddr>, Result<String, String>) {
    let began = Instant::now();
    let mut resolver = Resolver::new();
    match options.addresses(endpoint, &mut resolver, began + options.client.connection_timeout) {
        Ok(addresses) => {
            let shown: Vec<_> = addresses.iter().map(|it| it.ip().to_string()).collect();
            let mut detail = format!("{} in {} ms", shown.join(", "), began.elapsed().as_millis());
            if let Some(origin) = resolver.origin(&endpoint.host) {
                detail += &format!(", by {origin}");
            }
            (addresses, Ok(detail))
        }
        Err(error) => (Vec::new(), Err(Chain(&error).to_string())),
    }
}

/// The connections that came about. The step went well if there is one.
pub(super) fn connect(
    options: &Options,
    targets: Vec<Target>,
) -> (Vec<(Target, TcpStream)>, Result<String, String>) {
    let limit = options.client.connection_timeout / targets.len().max(1) as u32;
    let (mut streams, mut details) = (Vec::new(), Vec::new());
    for target in targets {
        let began = Instant::now();
        match target.connect(limit.max(LEAST)) {
            Ok(stream) => {
                details.push(format!("{} in {} ms", target.address, began.elapsed().as_millis()));
                streams.push((target, stream));
            }
            Err(error) => details.push(Chain(&error).to_string()),
        }
    }
    let details = details.join("; ");
    let outcome = if streams.is_empty() { Err(details) } else { Ok(details) };
    (streams, outcome)
}

pub(super) fn handshake(options: &Options, target: &Target, stream: TcpStream) -> Result<String, LinkError> {
    let Some(tls) = &options.broker.tls else { return Ok("not configured".to_owned()) };
    let connector = tls::connector(tls).map_err(|it| target.untrusted(it))?;
    let limit = options.client.connection_timeout.max(LEAST);
    match tls::shake_hands(&connector, tls, target, stream, Instant::now() + limit)? {
        Some(_) if tls.insecure => Ok("encrypted, to nobody knows whom (TLS_INSECURE)".to_owned()),
        Some(_) => Ok(format!("the certificate is trusted and is for {}", target.endpoint.host)),
        None => Err(target.silent(limit)),
    }
}

pub(super) fn log_in(options: &Options, targets: &[Target]) -> (Option<Connection>, Result<String, String>) {
    let mut outcome = Err("there is no address to log in at".to_owned());
    for target in targets {
        outcome = match Connection::open(options, target, options.client.connection_timeout, |_| {}) {
            Ok(connection) => {
                let user = match &options.credentials {
                    Some(it) => format!("as {}", it.username),
                    None => "as anonymous".to_owned(),
                };
                return (Some(connection), Ok(user));
            }
            Err(error) => Err(Chain(&error).to_string()),
        };
    }
    (None, outcome)
}

/// Subscribes to `topic`, publishes there and waits for the message to come back. Its acknowledgement
/// would prove nothing: in MQTT 3.1.1 a broker acknowledges also what it throws away.
pub(super) fn publish(
    options: &Options,
    connection: &mut Connection,
    topic: &Topic,
) -> Result<String, String> {
    let deadline = Instant::now() + options.client.connection_timeout;
    if !subscribe(connection, topic, deadline)? {
        return Err(format!(
            "the broker refused the subscription to {topic}: check what it allows this user"
        ));
    }
    let payload = format!("luigi-mqtt check {:016x}", fastrand::u64(..));
    connection
        .client()
        .try_publish(topic.as_str(), QoS::AtLeastOnce, false, payload.as_bytes())
        .map_err(|_| "the message could not be handed over".to_owned())?;
    let mut acknowledged = false;
    let returned = until(connection, deadline, |event| match event {
        Event::Incoming(Packet::PubAck(_)) => {
            acknowledged = true;
            None
        }
        Event::Incoming(Packet::Publish(it)) => is_message(it, topic, payload.as_bytes()).then_some(()),
        _ => None,
    })?;
    match (returned, acknowledged) {
        (Some(()), _) => Ok(format!("a message on {topic} came back")),
        (None, true) => Err(format!(
            "the broker took a message on {topic} and did not pass it on: \
             check that it allows this user to publish and to read there"
        )),
        (None, false) => Err(format!("the broker did not acknowledge a message on {topic}")),
    }
}

/// What Home Assistant says on `topic`, if it says anything within `wait`.
pub(super) fn listen(
    options: &Options,
    connection: &mut Connection,
    topic: &Topic,
    wait: Duration,
) -> Result<Option<String>, String> {
    if !subscribe(connection, topic, Instant::now() + options.client.connection_timeout)? {
        return Err(format!(
            "the broker refused the subscription to {topic}: check what it allows this user"
        ));
    }
    let seen = until(connection, Instant::now() + wait, |event| match event {
        Event::Incoming(Packet::Publish(it)) if it.topic == topic.as_str() => {
            Some((String::from_utf8_lossy(&it.payload).into_owned(), it.retain))
        }
        _ => None,
    })?;
    Ok(seen.map(|(payload, retained)| match retained {
        true => format!("said {payload:?} on {topic} (retained)"),
        false => format!("says {payload:?} on {topic}"),
    }))
}

/// Subscribes to `topic`. Returns whether the broker accepts that.
fn subscribe(connection: &mut Connection, topic: &Topic, deadline: Instant) -> Result<bool, String> {
    let filter = rumqttc::SubscribeFilter::new(topic.as_str().to_owned(), QoS::AtLeastOnce);
    connection.subscribe(vec![filter]);
    let accepted = until(connection, deadline, |event| match event {
        Event::Incoming(Packet::SubAck(it)) => {
            Some(it.return_codes.iter().all(|it| matches!(it, SubscribeReasonCode::Success(_))))
        }
        _ => None,
    })?;
    accepted.ok_or_else(|| format!("the broker did not answer the subscription to {topic}"))
}

/// What `wanted` makes of the first event that it wants before `deadline`.
fn until<T>(
    connection: &mut Connection,
    deadline: Instant,
    mut wanted: impl FnMut(&Event) -> Option<T>,
) -> Result<Option<T>, String> {
    while Instant::now() < deadline {
        match connection.next_until(deadline) {
            Some(Ok(event)) => {
                if let Some(found) = wanted(&event) {
                    return Ok(Some(found));
                }
            }
            Some(Err(end @ LinkError::ClosedByBroker)) => {
                return Err(format!(
                    "{end}, as some do at what they do not allow: check what it allows this user"
                ));
            }
            Some(Err(end)) => return Err(Chain(&end).to_string()),
            None => break,
        }
    }
    Ok(None)
}

fn is_message(publish: &Publish, topic: &Topic, payload: &[u8]) -> bool {
    publish.topic == topic.as_str() && publish.payload == payload
}

/// No address gets less time than this.
const LEAST: Duration = Duration::from_secs(1);
