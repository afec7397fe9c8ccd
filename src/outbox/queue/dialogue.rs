//! What queue and spool say to each other, by way of the bridge.

use super::super::spool::{Record, SpoolError};

/// What is to be asked of the spool. There is never more than one of a kind under way.
#[derive(Debug, PartialEq)]
pub enum SpoolOrder {
    /// Start it, if that was not done, and say what is there.
    Open,
    /// Put these records on the card together.
    Append(Vec<Record>),
    /// Bring the records from this number on.
    Load(u64),
    /// Forget the records below this number.
    Release(u64),
}

/// What matters to what goes to the card when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Situation {
    /// The broker acknowledges.
    Connected,
    /// It does not.
    Away,
    /// This is the end of the process.
    Ending,
}

/// What happened to the spool that a person should know.
#[derive(Debug)]
pub enum SpoolNews {
    /// It is in use.
    Opened {
        /// How many messages of an earlier process wait in it.
        waiting: u64,
        /// How many records were damaged.
        lost: u64,
    },
    /// It takes records again.
    Mended,
    /// It does not take records: what should be there stays in memory.
    Refused(SpoolError),
    /// It cannot be used at all.
    Failed {
        /// Why.
        cause: SpoolError,
        /// How many messages in it are out of reach.
        lost: u64,
    },
    /// So many of its oldest records gave way to newer ones.
    Dropped(u64),
    /// So many of its records turned out to be damaged.
    Damaged(u64),
}
