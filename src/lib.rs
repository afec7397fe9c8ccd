//! luigi-mqtt: a Raspberry Pi's sensors in Home Assistant, over one MQTT connection that heals.
//!
//! Two programs in one package. The command `luigi-mqtt` is a service that is configured by a file; this library is the
//! same thing for a program of one's own: a loop that waits for an edge on a GPIO line or reads a sensor, and
//! never for the network.
//!
//! ```no_run
//! use luigi_mqtt::entity::BinarySensor;
//! use luigi_mqtt::{Client, Config};
//!
//! # fn next_edge() -> bool { true }
//! fn main() -> Result<(), luigi_mqtt::Error> {
//!     let config = Config::builder("hall").broker("homeassistant.local", 1883).build()?;
//!     let client = Client::connect(config)?; // At once, whether the broker is there or not.
//!     let motion = client.register(BinarySensor::new("motion", "Motion").device_class("motion"))?;
//!     loop {
//!         motion.publish(next_edge())?; // Never waits.
//!     }
//! }
//! ```
//!
//! # What it does
//!
//! - **[`Client`]** is the connection: made in the background, made again whenever it is lost, shared by all threads.
//!   What is published meanwhile waits, and arrives in order; see [`Delivery`](model::Delivery) for what counts as lost.
//! - **[`entity`]** has a builder for what Home Assistant can show. What it would refuse does not build, and the error names
//!   the field and what is allowed. [`Client::register`] announces it, on each connection and to each Home Assistant that starts.
//! - **[`Client::subscribe`]** and [`Client::subscribe_channel`] bring messages, [`EntityHandle::on_command`](client::EntityHandle::on_command)
//!   what Home Assistant asks of an entity.
//! - **[`Client::start_discovery`]** follows what others announce to Home Assistant, [`Client::state`] and
//!   [`Client::set_state`] read and move it.
//!
//! # Who waits for what
//!
//! Publishing and registering take microseconds: they hand a value to the thread `bridge`, which owns all state. It never waits
//! for the network or a disk itself; the threads `link` and `spool` do. A message of which every one counts is
//! on the card before `publish` returns only where the configuration asks for that
//! ([`SpoolMode::Always`](model::SpoolMode::Always)). The methods that wait for the broker are
//! [`Client::wait_connected`], [`Client::publish_and_wait`] and [`Client::disconnect`]; each takes a limit.
//!
//! # Footprint
//!
//! Two threads (`bridge` and `link`), a third from the first message for the card on (`spool`), a fourth from the first callback on
//! (`callback`). No more wake-ups than keep alive needs. `default-features = false` leaves out the command (feature `cli`), the
//! service with its sources (`daemon`) and the broker for tests (`mock`). It builds with Rust 1.85, and on ARMv6.
//!
//! # Modules
//!
//! In reading order; ARCHITECTURE.md says how they hang together.

pub mod model;
pub mod worker;

pub mod config;
pub mod dispatch;
pub mod entity;
pub mod outbox;
pub mod registry;

pub mod link;
#[cfg(any(test, feature = "mock"))]
pub mod mock;
#[cfg(feature = "daemon")]
pub mod service;
#[cfg(feature = "daemon")]
pub mod source;

pub mod bridge;

pub mod client;

#[cfg(feature = "daemon")]
pub mod daemon;

#[cfg(feature = "cli")]
pub mod cli;

pub use client::{Client, Error, ErrorKind};
pub use config::Config;
