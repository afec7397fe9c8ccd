//! `[Spool]`: where messages wait that must all be delivered.

use std::path::PathBuf;

use crate::model::SpoolMode;

/// Where messages wait that must all be delivered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spool {
    /// In memory or on the card.
    pub mode: SpoolMode,
    /// The folder on the card.
    pub directory: PathBuf,
    /// Largest size on the card, in bytes.
    pub max_bytes: u64,
}
