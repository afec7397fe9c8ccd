//! luigi-mqtt: a Raspberry Pi's sensors in Home Assistant, over one MQTT connection that heals.
//!
//! One package, two ways in. The command `luigi-mqtt` is a service that a file configures. This library is the same
//! thing for a program of one's own: a loop that waits for an edge on a GPIO line or reads a sensor, and never
//! for the network.
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
//!   What is published meanwhile waits: of an entity's states the newest, of messages every one, in order
//!   ([`Delivery`] has the choice). Dropping it delivers what waits and says `offline`.
//! - **[`Config`]** says which broker and under which name: set [key by key](Config::builder), from
//!   [the environment](Config::from_environment), or from [the machine's file](Config::for_program). Topics and
//!   identifiers have defaults that no other program on the machine has.
//! - **[`entity`]** has a builder for what Home Assistant can show. What it would refuse does not build, and the error names
//!   the field and what is allowed. [`Client::register`] announces it, on each connection and to each Home Assistant that
//!   starts; [`EntityHandle::publish`](client::EntityHandle::publish) tells its state,
//!   [`EntityHandle::on_command`](client::EntityHandle::on_command) hears what it is asked to do.
//! - **[`Client::subscribe`]** and [`Client::subscribe_channel`] bring messages, to a callback or through a channel.
//! - **[`Client::start_discovery`]** follows what others announce to Home Assistant, [`Client::state`] and
//!   [`Client::set_state`] read and move it.
//!
//! The folder `examples/` has a program for each: motion on a GPIO line, a temperature, a light that obeys Home
//! Assistant, several threads with one connection, and a table of what others announce.
//!
//! # Who waits for what
//!
//! The thread `bridge` owns all state, and waits neither for the network nor for a disk: the threads `link` and `spool` do.
//! Whatever is asked of it takes microseconds.
//!
//! | call | waits |
//! | --- | --- |
//! | [`Client::connect`] | for nothing |
//! | [`EntityHandle::publish`](client::EntityHandle::publish), [`Client::publish`] and its kind | for nothing: where there is no room it is refused. With [`SpoolMode::Always`](model::SpoolMode::Always), a message waits for the card |
//! | [`Client::register`], [`Client::subscribe`] and their kind | for the bridge to have room for a request: microseconds |
//! | [`Client::report`], [`Client::state`], [`Client::set_state`] and their kind | for the bridge's answer: microseconds, milliseconds for a list of thousands |
//! | [`Client::wait_connected`], [`Client::publish_and_wait`] | for the broker, as long as they are told |
//! | [`Client::disconnect`], dropping the last [`Client`] | for the broker to have all, as long as it is told or 2 s, and for a slow card |
//!
//! Callbacks are called on threads of the client and may wait for what they like.
//!
//! # Errors
//!
//! Each method returns the enum of its concern, and [`Error`] is over them all, for a `?` that does not care.
//! What an error shows is what was attempted on what; [`Chain`](model::Chain) adds the causes. A message that is
//! refused is handed back in the error. A broker that is away is no error but to those who wait for it; the log
//! (the crate `log`) tells of each change of the connection, once.
//!
//! # Footprint
//!
//! Two threads (`bridge` and `link`), a third from the first message for the card on (`spool`), a fourth from the first
//! message for a callback on (`callback`; more only while callbacks keep others waiting). No more wake-ups than keep alive
//! needs. It builds with Rust 1.85, and on ARMv6. A program that is linked at a fixed address (`-C relocation-model=static`, as
//! `luigi-mqtt` itself is) has half a megabyte less of private memory: that much of OpenSSL's tables is patched at the
//! start otherwise.
//!
//! | feature | brings | without it |
//! | --- | --- | --- |
//! | `cli` (default) | the command `luigi-mqtt`; and `daemon` | no clap |
//! | `daemon` | the service: `daemon` and what it is made of, sources and outputs above all; and `mock` | no sections for sensors, no log file, no signal handlers |
//! | `mock` | a small broker in the process, for tests | |
//!
//! A program of one's own needs none of them: `default-features = false`; its tests perhaps `mock`.
//!
//! # Modules
//!
//! A program has to do with [`client`], [`config`], [`entity`], [`registry`] and [`model`], its tests perhaps with `mock`. What
//! else is public is so for the command and for the tests of this package; no promise covers it.

pub mod client;
pub mod config;
pub mod entity;
pub mod model;
pub mod registry;

#[cfg(any(test, feature = "mock"))]
pub mod mock;

#[cfg(feature = "daemon")]
pub mod command;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod descriptor;
#[cfg(feature = "daemon")]
pub mod ghost;
#[cfg(feature = "daemon")]
pub mod ingest;
#[cfg(feature = "daemon")]
pub mod ledger;
#[cfg(feature = "daemon")]
pub mod os;
#[cfg(feature = "daemon")]
pub mod protocol;
#[cfg(feature = "daemon")]
pub mod service;
#[cfg(feature = "daemon")]
pub mod source;
#[cfg(feature = "daemon")]
pub mod store;

#[cfg(feature = "cli")]
pub mod cli;

// What a client is made of; ARCHITECTURE.md says how it hangs together.
#[doc(hidden)]
pub mod bridge;
#[doc(hidden)]
pub mod dispatch;
#[doc(hidden)]
pub mod link;
#[doc(hidden)]
pub mod outbox;
#[doc(hidden)]
pub mod resolver;
#[doc(hidden)]
pub mod worker;

pub use client::{Client, Error, ErrorKind};
pub use config::Config;
pub use model::{Delivery, Qos};

/// The README's Rust is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
