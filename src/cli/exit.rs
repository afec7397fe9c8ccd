//! Exit codes: a promise to scripts and to the service manager.

use std::process::ExitCode;

/// How the process ends. The numbers are those of sysexits.h where it has one. One more comes from elsewhere: 130 for a
/// second signal ([`EXIT_AT_ONCE`](crate::service::signal::EXIT_AT_ONCE)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// 0: done.
    Ok,
    /// 2: arguments that make no sense, as clap has it.
    Usage,
    /// 69: the broker, or something on the way to it, is not available.
    Unavailable,
    /// 71: the system has no thread or handler to give.
    System,
    /// 78: the configuration is wrong. Starting again will not help.
    Config,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Usage => 2,
            Exit::Unavailable => 69,
            Exit::System => 71,
            Exit::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
