//! The tools of Luigi's shell module `ha-mqtt`, by whose names this program may be called too: `luigi-publish`, `luigi-discover`,
//! `luigi-mqtt-status`. Other modules call them: options and exit codes are those.

mod discover;
mod publish;
mod status;

use std::ffi::OsStr;
use std::path::Path;

use clap::Parser;

use super::Exit;
use super::socket::Surroundings;
use crate::config::Environment;

use discover::Discover;
use publish::Publish;
use status::Status;

/// One of the tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tool {
    Publish,
    Discover,
    Status,
}

impl Tool {
    /// The tool that the program was `called` as, by whatever path.
    pub(super) fn of(called: &OsStr) -> Option<Tool> {
        match Path::new(called).file_name()?.to_str()? {
            "luigi-publish" => Some(Tool::Publish),
            "luigi-discover" => Some(Tool::Discover),
            "luigi-mqtt-status" => Some(Tool::Status),
            _ => None,
        }
    }

    /// Does what the process's arguments ask for. Blocks as long as that takes.
    pub(super) fn run(self) -> Exit {
        let environment = Environment::of_process();
        let around = Surroundings { config: None, environment: &environment };
        let exit = match self {
            Tool::Publish => parsed().and_then(|it: Publish| publish::publish(&it, &around)),
            Tool::Discover => parsed().and_then(|it: Discover| discover::discover(&it, &around)),
            Tool::Status => parsed().and_then(|it: Status| status::status(&it, &around)),
        };
        match exit {
            Ok(()) => Exit::Ok,
            Err(Exit::Ok) => Exit::Ok,
            Err(Exit::Config | NONE) => NONE,
            Err(_) => Exit::Failed,
        }
    }
}

/// The arguments.
///
/// # Errors
///
/// The exit code, where they are wrong, or ask for nothing but help; that was said.
fn parsed<T: Parser>() -> Result<T, Exit> {
    T::try_parse().map_err(|error| {
        let _ = error.print();
        if error.use_stderr() { Exit::Failed } else { Exit::Ok }
    })
}

/// As `-v` has it.
const VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"));
/// 2: a wrong configuration, as those tools have it, and of `luigi-discover` that nothing was announced.
const NONE: Exit = Exit::Usage;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_known_by_the_name_that_it_is_called_by() {
        let check = |called: &str, expected| assert_eq!(Tool::of(called.as_ref()), expected, "{called}");
        check("luigi-publish", Some(Tool::Publish));
        check("/usr/local/bin/luigi-discover", Some(Tool::Discover));
        check("./luigi-mqtt-status", Some(Tool::Status));
        check("luigi-mqtt", None);
        check("/usr/bin/luigi-publish/", Some(Tool::Publish));
        check("", None);
    }
}
