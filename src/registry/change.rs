//! What a message changed in a registry.

use std::sync::Arc;

use crate::model::Qos;
use crate::model::TopicFilter;

use super::Refusal;

/// One thing that a message changed: something for the link to do, or for whoever watches to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Change {
    /// Subscribe to this filter, most often a topic: an entity tells its state or its availability there.
    Listen(TopicFilter, Qos),
    /// Unsubscribe from this filter: no entity reads it any more.
    Ignore(TopicFilter),
    /// The entity with this identifier is new.
    Announced(Arc<str>),
    /// The entity with this identifier is announced otherwise than before.
    Updated(Arc<str>),
    /// The entity with this identifier is gone.
    Removed(Arc<str>),
    /// The entity with this identifier has told something of its state, or its availability has changed.
    State(Arc<str>),
    /// An announcement does not count.
    Refused(Refusal),
}
