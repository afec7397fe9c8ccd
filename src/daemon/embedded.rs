//! A bridge in somebody else's program.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::core::Core;
use super::{DaemonError, GOODBYE};
use crate::bridge::Client;
use crate::bridge::Farewell;
use crate::config::Config;
use crate::model::Health;

/// A connection to the broker in a program of one's own: bridge and link on a thread each, without sources, log file
/// or signals. Dropping it ends it in order, within 2 s for the last messages.
///
/// ```no_run
/// use luigi_mqtt::config::{Config, Environment};
/// use luigi_mqtt::daemon::Embedded;
/// use luigi_mqtt::model::{Delivery, Message, Qos, Topic};
///
/// let config = Config::load(None, &Environment::of_process()).unwrap();
/// let luigi = Embedded::start(config).unwrap();
/// let topic = Topic::new("garage/door").unwrap();
/// let opened = Message { topic, payload: (*b"opened").into(), qos: Qos::AtLeastOnce, retain: false };
/// if let Err(refused) = luigi.client().publish(opened, Delivery::Every) {
///     eprintln!("{refused}: {}", refused.cause);
/// }
/// ```
pub struct Embedded {
    client: Client,
    health: Health,
    stop: Option<Sender<Infallible>>,
    limit: Sender<Duration>,
    farewell: Receiver<Farewell>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Embedded {
    /// Starts what `config` describes, but for its sources and its log: connecting goes on in the background from
    /// here on, whether the broker is there or not.
    ///
    /// # Errors
    ///
    /// [`DaemonError::Topic`] or [`DaemonError::System`]. A broker that is away is no error.
    pub fn start(config: Config) -> Result<Embedded, DaemonError> {
        let (stop, stopped) = bounded(0);
        let (limit, limited) = bounded(1);
        let (tell, farewell) = bounded(1);
        let health = Health::default();
        let mut core = Core::start(&config, [], health.clone(), stopped)?;
        let client = core.client();
        let body = move || {
            core.run();
            let _ = tell.send(core.finish(limited.recv().unwrap_or(GOODBYE)));
        };
        let thread = thread::Builder::new().name("bridge".to_owned()).stack_size(STACK_BYTES).spawn(body);
        let failed = |cause: io::Error| DaemonError::System { part: "the bridge thread", cause };
        let thread = Some(thread.map_err(failed)?);
        Ok(Embedded { client, health, stop: Some(stop), limit, farewell, thread })
    }

    /// A handle to publish with, cheap to clone.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Its figures, readable at any time without waiting.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Delivers what it can within `limit`, says `offline`, disconnects, and puts what must be delivered and was not
    /// on the card. Blocks for `limit`, half a second for the disconnect, and as long as the card takes (5 s at most).
    pub fn stop(mut self, limit: Duration) -> Farewell {
        self.end(limit)
    }

    fn end(&mut self, limit: Duration) -> Farewell {
        let _ = self.limit.try_send(limit);
        self.stop.take();
        let farewell = self.farewell.recv().unwrap_or_default();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        farewell
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end(GOODBYE);
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("health", &self.health).finish_non_exhaustive()
    }
}

/// As much as the other threads have.
const STACK_BYTES: usize = 256 << 10;
