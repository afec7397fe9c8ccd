//! Why an entity is not announced: [`NotAnnounced`].

use std::error::Error;
use std::fmt;

use crate::entity::EntityError;
use crate::model::ObjectId;

/// Why an entity is not announced.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum NotAnnounced {
    /// Its id is that of somebody else.
    Taken {
        /// Which.
        id: ObjectId,
        /// Whose: `Sensor attic`.
        owner: String,
    },
    /// It does not go with this device.
    Unfit(EntityError),
}

impl fmt::Display for NotAnnounced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAnnounced::Taken { id, owner } => {
                write!(f, "\"{id}\" is not announced: its id is that of [{owner}]")
            }
            NotAnnounced::Unfit(_) => f.write_str("not announced"),
        }
    }
}

impl Error for NotAnnounced {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            NotAnnounced::Taken { .. } => None,
            NotAnnounced::Unfit(error) => Some(error),
        }
    }
}
