//! What scenarios are written with: a broker, an observer, the daemon, and patience.

mod certificates;
mod configuration;
mod daemon;
mod encrypted;
mod example;
mod mosquitto;
mod net;
mod observer;
mod process;
mod producer;
mod program;
mod relay;
mod script;
mod siege;
mod station;
mod wait;
mod witness;

pub(crate) use certificates::{EVERYWHERE, Folder, Request};
pub(crate) use configuration::{AVAILABILITY, CLIENT_ID, Configuration};
pub(crate) use daemon::{Daemon, Launch, Stream};
pub(crate) use encrypted::{ASKING, EncryptedBroker, IPV6, TlsVersion, loopback_of_version_6};
pub(crate) use example::example;
pub(crate) use mosquitto::{Mosquitto, MosquittoOptions};
pub(crate) use net::{SilentPeer, free_port};
pub(crate) use observer::{Observer, Seen};
pub(crate) use process::{Process, installed};
pub(crate) use producer::Producer;
pub(crate) use program::{STATES, connected, is_subscribed, porch};
pub(crate) use relay::{Ending, Relay, Side, Weather};
pub(crate) use script::{Outcome, Script, bare};
pub(crate) use siege::{MOST_GROWTH, Siege, resident};
pub(crate) use station::{Station, config, hasty};
pub(crate) use wait::{LIMIT, wait_until, wait_until_or};
pub(crate) use witness::{Witness, line, payload, retained, wait_for_connects, wait_for_retained};
