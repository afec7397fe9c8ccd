//! The `luigi-mqtt` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    luigi_mqtt::cli::main().into()
}
