//! Plain values that everyone shares: no input or output, no threads, no wire formats.

mod chain;
mod delivery;
mod filter_tree;
mod health;
mod id;
mod message;
mod reading;
mod secret;
mod suggestion;
mod topic;

pub use chain::Chain;
pub use delivery::{Delivery, Fate, Figures, Report, SpoolMode};
pub use filter_tree::{FilterTree, Matches};
pub use health::{Health, LinkDown};
pub use id::{IdError, ObjectId};
pub use message::{Incoming, Message, Qos, Token};
pub use reading::{Reading, Value};
pub use secret::Secret;
pub use suggestion::nearest;
pub use topic::{Topic, TopicError, TopicFilter};
