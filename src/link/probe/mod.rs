//! Whether the broker can be reached and used, step by step, for a person who sets it up.

mod steps;

use std::fmt;
use std::time::Duration;

use steps::{connect, handshake, listen, log_in, publish, resolve};

use crate::link::options::Options;
use crate::link::site::Site;
use crate::model::Chain;
use crate::model::Topic;

/// A step of [`probe`], in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// The broker's name has addresses.
    Resolve,
    /// At least one of them accepts connections.
    Tcp,
    /// It speaks TLS with a certificate that we trust; left out where TLS is not configured.
    Tls,
    /// It accepts our login.
    Login,
    /// A message that we publish comes back to us.
    Publish,
    /// Home Assistant has said something on its birth topic.
    HomeAssistant,
}

/// How a step of [`probe`] went, with a detail, or with what failed and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// As it should.
    Well(String),
    /// Nobody can tell; no reason to change anything.
    Unsure(String),
    /// Not as it should.
    Failed(String),
}

/// Tries what `options` say at the broker at `site`, and tells the outcome of each step, until one fails that the others need.
/// Blocks: each step up to `connection_timeout` (the first as long as the resolver takes), the last up to
/// `wait`. Returns whether none failed.
///
/// The client identifier is the configured one with `-check` behind it and there is no will, so a daemon
/// that runs meanwhile is not disturbed. A message that is not retained is published on each of `topics`.
///
/// Nobody on `birth_topic` is [`Outcome::Unsure`]: Home Assistant speaks there when it starts, and keeps
/// the message only if it was told to retain it.
pub fn probe(
    options: &Options,
    site: &Site,
    topics: &[Topic],
    birth_topic: &Topic,
    wait: Duration,
    mut report: impl FnMut(Step, &Outcome),
) -> bool {
    let mut options = options.clone();
    options.client.id.push_str("-check");
    let mut tell = |step, outcome: Outcome| {
        report(step, &outcome);
        !matches!(outcome, Outcome::Failed(_))
    };

    let (addresses, outcome) = resolve(&options, site.endpoint());
    if !tell(Step::Resolve, outcome.into()) {
        return false;
    }
    let (streams, outcome) = connect(&options, options.targets(site.endpoint(), &addresses));
    if !tell(Step::Tcp, outcome.into()) {
        return false;
    }
    let (reachable, mut streams): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
    let stream = streams.drain(..).next();
    if let Some(stream) = stream.filter(|_| options.broker.tls.is_some()) {
        let outcome = handshake(&options, &reachable[0], stream).map_err(|it| Chain(&it).to_string());
        if !tell(Step::Tls, outcome.into()) {
            return false;
        }
    }
    drop(streams);
    let (connection, outcome) = log_in(&options, &reachable);
    if !tell(Step::Login, outcome.into()) {
        return false;
    }
    let Some(mut connection) = connection else { return false };
    let mut well = true;
    for topic in topics {
        if !connection.has_ended() {
            well &= tell(Step::Publish, publish(&options, &mut connection, topic).into());
        }
    }
    if !connection.has_ended() {
        let outcome = match listen(&options, &mut connection, birth_topic, wait) {
            Ok(Some(said)) => Outcome::Well(said),
            Ok(None) => Outcome::Unsure(format!(
                "not heard within {} s: it speaks on {birth_topic} when it starts",
                wait.as_secs()
            )),
            Err(reason) => Outcome::Failed(reason),
        };
        well &= tell(Step::HomeAssistant, outcome);
    }
    if !connection.has_ended() {
        connection.say_goodbye();
    }
    well
}

impl From<Result<String, String>> for Outcome {
    fn from(result: Result<String, String>) -> Outcome {
        match result {
            Ok(detail) => Outcome::Well(detail),
            Err(reason) => Outcome::Failed(reason),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Resolve => "name look-up",
            Step::Tcp => "TCP",
            Step::Tls => "TLS",
            Step::Login => "login",
            Step::Publish => "publishing",
            Step::HomeAssistant => "Home Assistant",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::link::peer::{self, LIMIT, Peer, Wire, puback};

    /// The steps, as text, of a probe of a peer that behaves as `serve` does, and the probe's verdict.
    fn steps(serve: impl FnOnce(&Peer) + Send) -> (Vec<String>, bool) {
        steps_within(LIMIT, LIMIT, serve)
    }

    /// The same with a limit for each step, and another for Home Assistant to speak.
    fn steps_within(
        limit: Duration,
        wait: Duration,
        serve: impl FnOnce(&Peer) + Send,
    ) -> (Vec<String>, bool) {
        let peer = Peer::new();
        let mut options = peer::options(peer.port());
        options.client.connection_timeout = limit;
        let [probe_topic, birth] = ["luigi/check", "ha/status"].map(|it| Topic::new(it).unwrap());
        let outcome = thread::scope(|scope| {
            scope.spawn(|| serve(&peer));
            let mut steps = Vec::new();
            let report = |step, outcome: &Outcome| steps.push(format!("{step}: {outcome:?}"));
            let well = probe(&options, &options.site(0), &[probe_topic], &birth, wait, report);
            (steps, well)
        });
        assert!(peer.try_accept().is_none(), "it connects more often than it needs to");
        outcome
    }

    /// Takes the bare TCP connection, then the login, then a SUBSCRIBE, which it accepts.
    fn subscribed(peer: &Peer) -> Wire {
        drop(peer.accept());
        let mut wire = peer.log_in();
        accept_subscription(&mut wire);
        wire
    }

    fn accept_subscription(wire: &mut Wire) {
        let (first, body) = wire.packet();
        assert_eq!(first, 0x82);
        wire.send(&[0x90, 3, body[0], body[1], 1]);
    }

    /// Takes the probe's message, acknowledges it, and returns it as it would be passed on.
    fn take_message(wire: &mut Wire) -> Vec<u8> {
        let (first, body) = wire.packet();
        assert_eq!(first, 0x32, "not retained");
        wire.send(&puback(body[14]));
        peer::publish("luigi/check", &body[15..], None, false)
    }

    #[test]
    fn a_broker_that_does_all_and_home_assistant_are_found() {
        let (steps, well) = steps(|peer| {
            drop(peer.accept());
            let mut wire = peer.accept();
            let (_, login) = wire.packet();
            assert!(login.ends_with(b"\0\x10luigi-test-check"), "no will, an identifier of its own");
            wire.send(&peer::CONNACK);
            accept_subscription(&mut wire);
            let message = take_message(&mut wire);
            wire.send(&message);
            accept_subscription(&mut wire);
            wire.send(&peer::publish("ha/status", b"online", None, true));
            assert_eq!(wire.packet(), (0xe0, vec![]));
        });
        assert!(well, "{steps:?}");
        assert_eq!(
            steps[2..],
            [
                r#"login: Well("as anonymous")"#,
                r#"publishing: Well("a message on luigi/check came back")"#,
                r#"Home Assistant: Well("said \"online\" on ha/status (retained)")"#,
            ]
        );
    }

    #[test]
    fn a_message_that_is_acknowledged_and_thrown_away_is_a_failure_and_a_silent_home_assistant_is_none() {
        let (limit, wait) = (Duration::from_secs(4), Duration::from_millis(300));
        let (steps, well) = steps_within(limit, wait, |peer| {
            let mut wire = subscribed(peer);
            take_message(&mut wire);
            // What others say on the same topic is not our message.
            wire.send(&peer::publish("luigi/check", b"luigi-mqtt check", None, true));
            accept_subscription(&mut wire);
            assert_eq!(wire.packet(), (0xe0, vec![]));
        });
        assert!(!well);
        assert!(
            steps[3].starts_with(r#"publishing: Failed("the broker took a message on luigi/check"#),
            "{steps:?}"
        );
        assert!(steps[4].starts_with(r#"Home Assistant: Unsure("not heard within"#), "{steps:?}");
    }

    #[test]
    fn who_may_not_hear_home_assistant_is_told_so() {
        let (steps, well) = steps(|peer| {
            let mut wire = subscribed(peer);
            let message = take_message(&mut wire);
            wire.send(&message);
            let (_, body) = wire.packet();
            wire.send(&[0x90, 3, body[0], body[1], 0x80]);
            assert_eq!(wire.packet(), (0xe0, vec![]));
        });
        assert!(!well);
        let expected = r#"Home Assistant: Failed("the broker refused the subscription to ha/status"#;
        assert!(steps[4].starts_with(expected), "{steps:?}");
    }

    #[test]
    fn a_broker_that_hangs_up_on_a_publish_is_not_called_again() {
        let (steps, well) = steps(|peer| {
            let mut wire = subscribed(peer);
            wire.packet();
            drop(wire);
        });
        assert!(!well);
        assert_eq!(
            steps[3..],
            [
                r#"publishing: Failed("the broker closed the connection, as some do at what they do not allow: check what it allows this user")"#
            ]
        );
    }

    #[test]
    fn the_first_step_that_fails_is_the_last() {
        let (refused, _) = steps(|peer| {
            drop(peer.accept());
            let mut wire = peer.accept();
            wire.packet();
            wire.send(&[0x20, 2, 0, 5]);
        });
        assert_eq!(refused.len(), 3);
        assert!(refused[2].contains("check USERNAME and PASSWORD"), "{refused:?}");

        let mut absent = Vec::new();
        let topic = Topic::new("a").unwrap();
        let options = peer::options(Peer::new().port());
        assert!(!probe(
            &options,
            &options.site(0),
            std::slice::from_ref(&topic),
            &topic,
            Duration::ZERO,
            |step, _| absent.push(step)
        ));
        assert_eq!(absent, [Step::Resolve, Step::Tcp]);
    }
}
