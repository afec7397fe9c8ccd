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
    /// The shell line `line`, with `/bin/sh`. An argument behind those here is `"$1"` in the line: text that the shell does
    /// not read.
    pub fn shell(line: &str, limit: Duration) -> Program {
        // The last is `$0`, which would otherwise be the first argument behind.
        let arguments = ["-c", line, "sh"].map(str::to_owned).to_vec();
        Program { path: "/bin/sh".to_owned(), arguments, limit }
    }

    /// Whether it is the shell, ending with `status`, that could not run what its line names: that is not there (127) or no
    /// program (126; POSIX.1-2024, XCU 2.8.2).
    pub fn could_not_run(&self, status: i32) -> bool {
        self.path == "/bin/sh"
            && self.arguments.first().is_some_and(|it| it == "-c")
            && [126, 127].contains(&status)
    }
}

impl fmt::Display for Program {
    /// The path alone: an argument may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
