//! A small real MQTT broker in this process, with faults on request, and a view of what Home Assistant would show.
//!
//! It replaces the broker, never our client: the daemon's mock mode and the scenario tests talk to [`Broker`] over
//! TCP with the ordinary link. [`View`] is fed with what arrives there. Nothing of it runs unless it is started.

mod announced;
mod announcement;
mod broker;
mod connection;
mod event;
mod exchange;
mod faults;
mod packet;
mod record;
mod rehearsal;
mod session;
#[cfg(test)]
mod tests;
mod view;

pub use broker::{Broker, Login, Settings};
pub use faults::{Faults, Refusal};
pub use record::{Connect, Publish, Subscription, line};
pub use rehearsal::Rehearsal;
pub use view::{Row, View};
