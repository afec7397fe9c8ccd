//! What an announced entity tells of its state, and what it can be told.
//!
//! All of it follows from the entity's platform and its discovery configuration (full key names, `~` expanded),
//! by the rules of Home Assistant 2026.11, `homeassistant/components/mqtt/`. Nothing here reads or sends.

mod command;
mod config;
mod fields;
mod offer;
mod payload;
mod set_error;
mod source;
mod template;

pub(super) use source::ANY_CASE;

pub use command::set;
pub use fields::{FieldValue, Fields};
pub use offer::{Offer, Range, offers};
pub use payload::Payload;
pub use set_error::SetError;
pub use source::{Source, sources};
pub use template::{Rendered, Template};
