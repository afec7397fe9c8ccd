//! Exit codes: a promise to scripts and to the service manager.

use std::process::ExitCode;

use crate::ingest::CallError;
use crate::protocol::Code;

/// How the process ends. The numbers are those of sysexits.h where it has one. One more comes from elsewhere: 130 for a
/// second signal ([`EXIT_AT_ONCE`](crate::service::signal::EXIT_AT_ONCE)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// 0: done.
    Ok,
    /// 1: it was tried and failed: given up, or some of several were refused.
    Failed,
    /// 2: arguments that make no sense, as clap has it.
    Usage,
    /// 3: the daemon does not run, as `systemctl status` has it.
    Stopped,
    /// 65: what was to be told is refused: the value, the entity, the topic.
    Refused,
    /// 69: the broker, or something on the way to it, is not available.
    Unavailable,
    /// 71: the system has no thread or handler to give.
    System,
    /// 74: what was to be printed cannot be written, as to a full disk.
    Unwritten,
    /// 75: not accepted now; it may be another time.
    Later,
    /// 76: the daemon speaks another language: an older or a newer one.
    Protocol,
    /// 77: not permitted.
    Forbidden,
    /// 78: the configuration is wrong. Starting again will not help.
    Config,
    /// 124: accepted, but not acknowledged within the limit, as timeout(1) has it.
    Timeout,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Stopped => 3,
            Exit::Refused => 65,
            Exit::Unavailable => 69,
            Exit::System => 71,
            Exit::Unwritten => 74,
            Exit::Later => 75,
            Exit::Protocol => 76,
            Exit::Forbidden => 77,
            Exit::Config => 78,
            Exit::Timeout => 124,
        }
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Exit {
        match code {
            Code::LineTooLong | Code::Field | Code::UnknownEntity | Code::Taken | Code::Invalid => {
                Exit::Refused
            }
            Code::NotJson | Code::UnknownOperation | Code::UnknownVersion => Exit::Protocol,
            Code::Forbidden => Exit::Forbidden,
            Code::TooMany | Code::Full | Code::NotConnected | Code::Ended => Exit::Later,
            Code::Timeout => Exit::Timeout,
            Code::Replaced | Code::Dropped | Code::Internal => Exit::Failed,
            Code::Configuration => Exit::Config,
        }
    }
}

impl From<&CallError> for Exit {
    fn from(error: &CallError) -> Exit {
        match error {
            CallError::Forbidden { .. } => Exit::Forbidden,
            CallError::Strange(_) => Exit::Protocol,
            _ => Exit::Unavailable,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
