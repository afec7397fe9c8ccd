//! The library's bridge and link in this process: what a program that embeds them has.

use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use luigi_mqtt::bridge;
use luigi_mqtt::bridge::Farewell;
use luigi_mqtt::bridge::Handle;
use luigi_mqtt::client;
use luigi_mqtt::config::Config;
use luigi_mqtt::config::Environment;
use luigi_mqtt::entity::Entity;
use luigi_mqtt::link::Link;
use luigi_mqtt::link::LinkEvent;
use luigi_mqtt::model::Health;
use luigi_mqtt::model::ObjectId;
use luigi_mqtt::model::Reading;
use luigi_mqtt::model::SpoolMode;
use luigi_mqtt::model::Value;

use super::configuration::Configuration;
use super::wait::{LIMIT, wait_until_or};

/// A bridge and its link on threads of their own. Dropping it stops both without goodbye.
pub(crate) struct Station {
    /// The handle to the bridge.
    pub(crate) client: Handle,
    /// The bridge's figures.
    pub(crate) health: Health,
    ends: Arc<Mutex<Vec<String>>>,
    stop: Option<Sender<Infallible>>,
    bridge: Option<JoinHandle<Farewell>>,
    link: Option<Link>,
}

impl Station {
    /// Starts with `entities` registered.
    pub(crate) fn start(config: &Config, entities: impl IntoIterator<Item = Entity>) -> Station {
        let health = Health::default();
        let presence = client::presence(config).unwrap();
        let options = client::link_options(config, &presence);
        let (reports, reported) = bounded(64);
        let (forward, events) = bounded(64);
        let (stop, stopped) = bounded(0);
        let (window, spool) = (config.client.max_in_flight, config.spool.clone());
        let (mut bridge, mut inbox, client) =
            bridge::new(presence, window, spool, health.clone(), stopped, events);
        entities.into_iter().for_each(|entity| bridge.register(entity).unwrap());
        let bridge = thread::spawn(move || {
            bridge.run(&inbox);
            bridge.finish(&mut inbox, Duration::from_secs(2))
        });
        let ends = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&ends);
        thread::spawn(move || {
            for event in reported {
                if let LinkEvent::Down(down) = &event {
                    seen.lock().unwrap().push(down.cause.to_string());
                }
                if forward.send(event).is_err() {
                    return;
                }
            }
        });
        let link = Link::start(options, reports).unwrap();
        Station { client, health, ends, stop: Some(stop), bridge: Some(bridge), link: Some(link) }
    }

    /// Offers `value` of the entity `id`.
    pub(crate) fn offer(&self, id: &str, value: impl Into<Value>) {
        self.client.offer(Reading::new(ObjectId::new(id).unwrap(), value.into()));
    }

    /// Why connections and attempts have ended so far.
    pub(crate) fn ends(&self) -> Vec<String> {
        self.ends.lock().unwrap().clone()
    }

    /// Waits until `count` connections or attempts have ended, or more.
    #[track_caller]
    pub(crate) fn wait_for_ends(&self, count: usize) {
        wait_until_or(&format!("{count} ends"), LIMIT, || self.ends().len() >= count, || self.ends());
    }

    /// Waits until the link is up, or down.
    #[track_caller]
    pub(crate) fn wait_for_link(&self, up: bool) {
        wait_until_or("the link to change", LIMIT, || self.health.link_up() == up, || self.ends());
    }

    /// Waits until `count` messages are delivered in all, or more, and none waits.
    #[track_caller]
    pub(crate) fn wait_for_delivered(&self, count: u64) {
        let health = &self.health;
        let delivered = || health.delivered() >= count && health.waiting() == 0;
        wait_until_or(&format!("{count} deliveries"), LIMIT, delivered, || (health.clone(), self.ends()));
    }

    /// Stops as the daemon does. Returns what was not delivered.
    pub(crate) fn stop(mut self) -> Farewell {
        self.stop = None;
        self.bridge.take().expect("it runs").join().unwrap()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.stop(Duration::ZERO);
        }
    }
}

/// The configuration that `text` is, on a machine called `pi`, with pauses of milliseconds between attempts.
pub(crate) fn hasty(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("luigi-mqtt.conf");
    fs::write(&path, text).unwrap();
    let mut config = Config::load(Some(&path), &Environment::new("pi", folder.path())).unwrap();
    config.client.reconnect_delay = Duration::from_millis(5);
    config.client.reconnect_delay_max = Duration::from_millis(40);
    // A test that wants a spool says where; the machine's own is nobody's business.
    config.spool.mode = SpoolMode::Memory;
    config.spool.directory = "/nowhere".into();
    config
}

/// The text of a configuration for a broker at `port`: one reading of the machine, the load, each second. `more` keys
/// are set besides, each in its section.
pub(crate) fn config(port: u16, more: &[(&str, &str, &str)]) -> String {
    let load = Configuration::new(port).set("Host", "SENSORS", "load").set("Host", "INTERVAL", 1);
    more.iter().fold(load, |it, (section, key, value)| it.set(section, key, value)).text()
}
