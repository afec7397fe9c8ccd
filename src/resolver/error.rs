//! Why a name of the local network has no address.

use std::error::Error;
use std::fmt;
use std::io;

/// Nobody knows the name: whom we asked, and what the system's resolver said at last, which is the source.
#[derive(Debug)]
pub(super) struct Unknown {
    /// What came of each that we asked, in order.
    pub(super) tried: Vec<String>,
    /// The answer of the system's resolver.
    pub(super) cause: io::Error,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, and the system does not know it either", self.tried.join(", "))
    }
}

impl Error for Unknown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
