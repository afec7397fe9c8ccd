//! The manual's pages, made from the arguments' own help and kept in `packaging/man`: they are never older than it.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command as Program, Stdio};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::Args;

/// The file name and the text of each page: one of the command, and one of each sub-command.
fn pages() -> Vec<(String, String)> {
    let mut command = Args::command();
    command.build();
    let subcommands = command.get_subcommands().filter(|it| it.get_name() != "help").cloned();
    subcommands.chain([command.clone()]).map(page).collect()
}

fn page(command: Command) -> (String, String) {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let man = Man::new(command.disable_help_subcommand(true)).manual("luigi-mqtt").source("luigi-mqtt");
    let mut text = Vec::new();
    man.render(&mut text).unwrap();
    // What stands behind the options is called so for want of knowing what it is.
    let text = String::from_utf8(text).unwrap().replace(".SH EXTRA", ".SH NOTES");
    (format!("{name}.1"), text)
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/man"))
}

/// With the variable `WRITE_MAN` set, writes them instead.
#[test]
fn the_pages_are_those_of_the_arguments() {
    if env::var_os("WRITE_MAN").is_some() {
        let _ = fs::remove_dir_all(folder());
        fs::create_dir_all(folder()).unwrap();
        pages().iter().for_each(|(name, text)| fs::write(folder().join(name), text).unwrap());
    }
    let mut there: Vec<String> =
        fs::read_dir(folder()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    there.sort_unstable();
    let mut expected: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
    expected.sort_unstable();
    assert_eq!(there, expected, "WRITE_MAN=1 cargo test --lib cli::man writes them");
    for (name, text) in pages() {
        let kept = fs::read_to_string(folder().join(&name)).unwrap();
        assert!(kept == text, "{name} is out of date: WRITE_MAN=1 cargo test --lib cli::man writes it");
    }
}

/// Where there is no groff, there is nobody to read them either.
#[test]
fn the_pages_can_be_typeset_without_a_warning() {
    for (name, text) in pages() {
        let mut groff = Program::new("groff");
        groff.args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"]);
        let Ok(mut groff) = groff.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn() else { return };
        let mut input = groff.stdin.take().expect("it is piped");
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        let typeset = groff.wait_with_output().unwrap();
        let warnings = String::from_utf8_lossy(&typeset.stderr);
        assert!(typeset.status.success() && warnings.is_empty(), "{name}: {warnings}");
    }
}
