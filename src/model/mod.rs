//! Plain values that everyone shares: no input or output, no threads, no wire formats.

mod attribute;
mod chain;
mod delivery;
mod filter_tree;
mod health;
mod id;
pub(crate) mod json;
mod line;
mod message;
mod program;
mod reading;
mod secret;
mod suggestion;
#[cfg(any(test, feature = "daemon"))]
mod thermometer;
mod topic;

pub use chain::Chain;
pub use delivery::{Delivery, Fate, Figures, Report, SpoolMode};
pub use health::{Health, LinkReport};
pub use id::{IdError, ObjectId};
pub use line::{Bias, Line, LinePlace};
pub use message::{Incoming, Message, Qos};
pub use program::Program;
pub use reading::{Reading, Value};
pub use secret::Secret;
pub use topic::{Topic, TopicError, TopicFilter};

#[doc(hidden)]
pub use filter_tree::{FilterTree, Matches};
#[doc(hidden)]
pub use message::Token;

pub(crate) use attribute::{UPDATE_KEYS, is_reserved_attribute};
pub(crate) use suggestion::nearest;
#[cfg(any(test, feature = "daemon"))]
pub(crate) use thermometer::is_thermometer;
