//! `luigi-mqtt completions`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Outcome;
use crate::support::bare;

#[test]
fn bash_completes_commands_and_options() {
    let root = tempfile::tempdir().unwrap();
    let script = Outcome::of(&mut bare(&["completions", "bash"], root.path()), b"");
    assert_eq!((script.errors.as_str(), script.code), ("", 0));
    let file = root.path().join("completions");
    fs::write(&file, script.output).unwrap();
    let completed = |words: &[&str]| {
        // What bash does when somebody presses Tab behind the last word.
        let press = r#"source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            set -- $(complete -p luigi-mqtt); while [ "$1" != -F ]; do shift; done
            "$2" luigi-mqtt "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; echo "${COMPREPLY[*]}""#;
        let mut bash = Command::new("bash");
        let outcome = Outcome::of(bash.args(["-c", press]).arg(&file).args(words), b"");
        assert_eq!(outcome.errors, "");
        outcome.output
    };
    assert_eq!(completed(&["luigi-mqtt", "pub"]), "publish\n");
    assert_eq!(completed(&["luigi-mqtt", "publish", "--payl"]), "--payload-file\n");
    assert_eq!(completed(&["luigi-mqtt", "completions", "z"]), "zsh\n");
}

#[test]
fn there_are_some_for_each_shell() {
    let root = tempfile::tempdir().unwrap();
    for (shell, part) in [("zsh", "#compdef luigi-mqtt"), ("fish", "complete -c luigi-mqtt")] {
        let outcome = Outcome::of(&mut bare(&["completions", shell], root.path()), b"");
        assert!(outcome.code == 0 && outcome.output.contains(part), "{outcome:?}");
    }
    assert_eq!(Outcome::of(&mut bare(&["completions", "csh"], root.path()), b"").code, 2);
}

#[test]
fn those_in_packaging_are_these() {
    let root = tempfile::tempdir().unwrap();
    for (shell, name) in [("bash", "luigi-mqtt.bash"), ("zsh", "_luigi-mqtt"), ("fish", "luigi-mqtt.fish")] {
        let outcome = Outcome::of(&mut bare(&["completions", shell], root.path()), b"");
        let kept = format!("packaging/completions/{name}");
        let there = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&kept)).unwrap();
        assert!(there == outcome.output, "out of date: cargo run -- completions {shell} >{kept}");
    }
}
