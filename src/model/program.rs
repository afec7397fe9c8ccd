//! A program to be run.

use std::fmt;
use std::time::Duration;

/// A program with its arguments, run without a shell unless it is one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Program {
    /// Its path, absolute.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may run, 100 ms to 1 h; it is killed with its process group after that.
    pub limit: Duration,
}

impl Program {
    /// The shell line `line`, with `/bin/sh`.
    pub fn shell(line: &str, limit: Duration) -> Program {
        Program { path: "/bin/sh".to_owned(), arguments: vec!["-c".to_owned(), line.to_owned()], limit }
    }
}

impl fmt::Display for Program {
    /// The path alone: an argument may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
