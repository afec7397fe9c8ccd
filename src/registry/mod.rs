//! What others announce to Home Assistant, what they tell, and what can be done with it.
//!
//! All facts about discovery are those of Home Assistant 2026.11.0, `homeassistant/components/mqtt/`. Nothing here
//! has a thread, a clock or a connection: messages go in, [`Change`]s come out.

pub mod capability;

mod abbreviations;
mod address;
mod availability;
mod change;
mod discovered;
mod document;
mod flaw;
mod intake;
mod known;
mod layout;
mod limits;
mod platform;
mod registry;
mod topics;

#[cfg(test)]
mod tests;

pub use availability::Availability;
pub use capability::SetError;
pub use change::Change;
pub use discovered::{Device, Discovered, Origin, State};
pub use flaw::{Flaw, MAX_PAYLOAD, Refusal};
pub use limits::Limits;
pub use registry::Registry;
