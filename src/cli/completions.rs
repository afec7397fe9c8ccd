//! `luigi-mqtt completions`: what a shell needs to complete our arguments.

use clap::CommandFactory;
use clap_complete::Generator;
use clap_complete::shells::{Bash, Fish, Zsh};

use super::Exit;
use super::args::{Args, Shell};
use super::output;

/// Prints it.
pub(super) fn print(shell: Shell) -> Exit {
    output::print(&script(shell));
    Exit::Ok
}

fn script(shell: Shell) -> String {
    match shell {
        // Up to clap_complete 4.6.11 the script spells a command with a hyphen in its name in two ways, and would complete
        // nothing behind a sub-command (clap issue 6421).
        Shell::Bash => generated(Bash).replace("luigi__subcmd__mqtt", "luigi__mqtt"),
        Shell::Zsh => generated(Zsh),
        Shell::Fish => generated(Fish),
    }
}

fn generated(shell: impl Generator) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "luigi-mqtt", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
