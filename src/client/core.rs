//! Bridge and link together: what the daemon and an embedding program have in common.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::StartError;
use crate::bridge;
use crate::bridge::Bridge;
use crate::bridge::Farewell;
use crate::bridge::Handle;
use crate::bridge::Inbox;
use crate::bridge::Presence;
use crate::config::Config;
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::Topics;
use crate::link::Link;
use crate::link::Options;
use crate::model::Health;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::TopicError;
use crate::worker::Pulses;

/// A bridge and the link that it publishes with, to run on a thread of the owner's choice: what is below a
/// [`Client`](super::Client).
pub struct Core {
    bridge: Bridge,
    inbox: Inbox,
    handle: Handle,
    link: Link,
    /// Who watches over the link.
    pulses: Pulses,
}

impl Core {
    /// Starts what `config` describes, with `entities` to be announced as `presence` says, to run until `stop` closes. The link begins to
    /// connect at once, watched over by `pulses`; what it reports waits for [`Core::run`].
    ///
    /// # Errors
    ///
    /// [`StartError`], with nothing started.
    pub fn start(
        config: &Config,
        presence: Presence,
        entities: impl IntoIterator<Item = Entity>,
        health: Health,
        stop: Receiver<Infallible>,
        pulses: Pulses,
    ) -> Result<Core, StartError> {
        let options = link_options(config, &presence);
        let (reports, reported) = bounded(LINK_EVENTS);
        let (window, spool) = (config.client.max_in_flight, config.spool.clone());
        let (mut bridge, inbox, handle) = bridge::new(presence, window, spool, health, stop, reported);
        for entity in entities {
            bridge.register(entity).map_err(StartError::Entity)?;
        }
        let failed = |cause| StartError::System { part: "the link thread", cause };
        let link = Link::start_watched(options, reports, &pulses).map_err(failed)?;
        Ok(Core { bridge, inbox, handle, link, pulses })
    }

    /// Has something done now and then on the thread of the bridge, as [`Bridge::between_events`].
    pub fn between_events(&mut self, due: Instant, act: impl FnMut(Instant) -> Instant + Send + 'static) {
        self.bridge.between_events(due, act);
    }

    /// Has something done where much is behind the bridge that comes again seldom, as [`Bridge::after_work`].
    pub fn after_work(&mut self, now: Instant, act: impl FnMut() + Send + 'static) {
        self.bridge.after_work(now, act);
    }

    /// Has what an earlier run announced removed and moved, as [`Bridge::depart`].
    pub fn depart(&mut self, before: Vec<Vec<Message>>, after: Vec<Message>, done: Sender<()>) {
        self.bridge.depart(before, after, done);
    }

    /// A handle to the bridge.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs the bridge until it is told to stop, or the link has ended by itself. Blocks as long as that takes.
    pub fn run(&mut self) {
        self.bridge.run(&self.inbox);
    }

    /// Runs the bridge on until `stop` closes, in the place of what it was to stop at.
    pub fn run_until(&mut self, stop: Receiver<Infallible>) {
        self.inbox.stop_at(stop);
        self.run();
    }

    /// Ends the connection in order within `limit`, and half a second more at most, and begins the one that `config` describes,
    /// announcing as `presence` says, to run until `stop` closes. Nothing that waits is lost by that, and all handles go on. What
    /// else of `config` a core goes by, its spool, stays as it was.
    ///
    /// # Errors
    ///
    /// [`StartError`], with the connection ended and no other begun.
    pub fn renew(
        &mut self,
        config: &Config,
        presence: Presence,
        stop: Receiver<Infallible>,
        limit: Duration,
    ) -> Result<(), StartError> {
        self.bridge.part(&self.inbox, limit);
        let options = link_options(config, &presence);
        let (reports, reported) = bounded(LINK_EVENTS);
        // Before the join: from here on the reports of the link fail rather than wait.
        self.bridge.renew(&mut self.inbox, presence, config.client.max_in_flight, stop, reported);
        if !self.link.end(LINK_END) {
            log::debug!("the link thread is in a name look-up or connecting, and is left behind");
        }
        let failed = |cause| StartError::System { part: "the link thread", cause };
        self.link = Link::start_watched(options, reports, &self.pulses).map_err(failed)?;
        Ok(())
    }

    /// Ends in order, as [`Bridge::finish`], then ends the link: half a second more at most.
    pub fn finish(self, limit: Duration) -> Farewell {
        let Core { mut bridge, mut inbox, link, .. } = self;
        let farewell = bridge.finish(&mut inbox, limit);
        drop(inbox); // Before the join: from here on the link's reports fail rather than wait.
        if !link.stop(LINK_END) {
            log::debug!("the link thread is in a name look-up or connecting, and is left behind");
        }
        farewell
    }
}

/// What is the same for everything that `config` has announced.
///
/// # Errors
///
/// [`TopicError`] when a topic would be longer than MQTT allows.
pub fn presence(config: &Config) -> Result<Presence, TopicError> {
    // As the Python module did it, but for characters that Home Assistant refuses: entities keep their history.
    let node = ObjectId::sanitized(&config.client.id);
    let discovery = &config.discovery;
    let device = Device {
        identifier: node.clone(),
        name: discovery.device_name.clone(),
        manufacturer: discovery.manufacturer.clone(),
        model: discovery.model.clone(),
        sw_version: discovery.sw_version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
        via: None,
    };
    let topics = &config.topics;
    Ok(Presence {
        device,
        topics: Topics::new(
            topics.discovery_prefix.clone(),
            node,
            topics.state.clone(),
            topics.availability.clone(),
        )?,
        form: discovery.form,
        qos: config.client.qos,
        layout: topics.layout.clone(),
        birth_topic: discovery.birth_topic.clone(),
        birth_payload: discovery.birth_payload.clone(),
    })
}

/// How to connect as `config` says.
pub fn link_options(config: &Config, presence: &Presence) -> Options {
    Options {
        broker: config.broker.clone(),
        credentials: config.credentials.clone(),
        client: config.client.clone(),
        will: Some(presence.availability(false)),
        subscriptions: vec![(presence.birth_topic.clone().into(), Qos::AtLeastOnce)],
    }
}

/// How many reports of the link wait for the bridge; the next waits with the link thread.
const LINK_EVENTS: usize = 64;
/// Limit for the link thread to end after the disconnect; only an attempt to connect takes longer.
const LINK_END: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::config::Environment;
    use crate::entity::Sensor;
    use crate::mock::Broker;
    use crate::mock::Faults;
    use crate::mock::Refusal;
    use crate::model::Delivery;
    use crate::model::Reading;
    use crate::model::Topic;

    fn config(broker: &Broker, sections: &str) -> Config {
        let text = format!("[Broker]\nHOST=127.0.0.1\nPORT={}\n{sections}", broker.address().port());
        Config::parse(text.as_bytes(), &Environment::new("pi", Path::new("/nowhere"))).unwrap()
    }

    #[track_caller]
    fn wait_until(what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_one_broker_never_took_goes_to_the_next_on_the_topics_that_it_has_there() {
        let refusing = Faults { refuse: Some(Refusal::Unavailable), ..Faults::default() };
        let (old, new) = (Broker::start(refusing).unwrap(), Broker::start(Faults::default()).unwrap());
        let before = config(&old, "");
        let attic = Sensor::new("attic", "Attic").build().unwrap();
        let (stop, stopped) = bounded(0);
        let presence = presence(&before).unwrap();
        let mut core =
            Core::start(&before, presence, [attic.clone()], Health::default(), stopped, Pulses::default())
                .unwrap();
        let handle = core.handle();
        let running = thread::spawn(move || {
            core.run();
            core
        });
        handle.offer(Reading::new(attic.id().clone(), 21.5.into()));
        let message = |topic: &str, text: &str| {
            Message::retained(Topic::new(topic).unwrap(), text.as_bytes().to_vec(), Qos::AtLeastOnce)
        };
        handle.submit(message("own/topic", "every"), Delivery::Every, None).unwrap();
        wait_until("an attempt to connect", || old.connect_count() > 0);
        drop(stop);
        let mut core = running.join().unwrap();

        let after = config(&new, "[Topics]\nSTATE_TOPIC=house/pi\n");
        let (stop, stopped) = bounded(0);
        let limit = Duration::from_secs(1);
        core.renew(&after, super::presence(&after).unwrap(), stopped, limit).unwrap();
        let running = thread::spawn(move || core.run());
        for (topic, text) in [("house/pi/attic", "21.5"), ("own/topic", "every")] {
            let topic = Topic::new(topic).unwrap();
            wait_until(text, || new.retained(&topic).is_some_and(|it| it == *text.as_bytes()));
        }
        // A handle of then is one of now.
        handle.offer(Reading::new(attic.id().clone(), 22.5.into()));
        let topic = Topic::new("house/pi/attic").unwrap();
        wait_until("the next", || new.retained(&topic).is_some_and(|it| *it == b"22.5"[..]));
        drop(stop);
        running.join().unwrap();
    }
}
