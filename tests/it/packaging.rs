//! What is installed: one list for the package and for scripts/setup, and nothing in `packaging` that neither has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Outcome;

/// A line of `packaging/files`.
struct Installed {
    source: String,
    target: String,
    mode: String,
}

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn installed() -> Vec<Installed> {
    let files = text("packaging/files");
    let lines = files.lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
    lines
        .map(|line| match *line.split_whitespace().collect::<Vec<_>>() {
            [source, target, mode] => {
                Installed { source: source.into(), target: target.into(), mode: mode.into() }
            }
            _ => panic!("packaging/files: expected source, target and mode, found {line:?}"),
        })
        .collect()
}

/// The names of what is in `folder` of the repository.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_package_has_the_files_that_set_up_installs() {
    let manifest = text("Cargo.toml");
    let assets = manifest.split("\nassets = [\n").nth(1).unwrap().split("\n]").next().unwrap();
    // What only a package has comes from there.
    let found: Vec<&str> =
        assets.lines().map(str::trim).filter(|it| !it.contains("packaging/debian")).collect();
    let expected: Vec<String> = installed()
        .iter()
        .map(|Installed { source, target, mode }| match (source.as_str(), mode.as_str()) {
            (_, "link") => format!(r#"{{ link_name = "{source}", dest = "{target}" }},"#),
            ("BINARY", _) => {
                format!(r#"{{ source = "target/deb/luigi-mqtt", dest = "{target}", mode = "{mode}" }},"#)
            }
            _ => format!(r#"{{ source = "{source}", dest = "{target}", mode = "{mode}" }},"#),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn whatever_packaging_has_is_installed() {
    let sources: Vec<String> = installed().into_iter().map(|it| it.source).collect();
    // The list itself, what the bench holds, what only a package has, and the client's own tests.
    let left_out = ["files", "budget", "debian", "test_luigi_mqtt.py", "__pycache__"];
    let mut folders = vec!["packaging".to_owned()];
    while let Some(folder) = folders.pop() {
        for name in names(&folder).iter().filter(|it| !left_out.contains(&it.as_str())) {
            let path = format!("{folder}/{name}");
            if Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).is_dir() {
                folders.push(path);
                continue;
            }
            let found = sources.iter().any(|source| match source.split_once('*') {
                Some((before, after)) => path.starts_with(before) && path.ends_with(after),
                None => *source == path,
            });
            assert!(found, "{path} is not in packaging/files");
        }
    }
}

#[test]
fn maintainer_scripts_are_shell_that_every_shell_reads() {
    let scripts: Vec<String> =
        names("packaging/debian").into_iter().filter(|it| it.starts_with('p')).collect();
    assert_eq!(scripts, ["postinst", "postrm", "prerm"]);
    for name in scripts {
        let path = format!("packaging/debian/{name}");
        assert!(text(&path).starts_with("#!/bin/sh\n"), "{path}");
        let mut shell = Command::new("sh");
        let outcome = Outcome::of(shell.arg("-n").arg(&path).current_dir(env!("CARGO_MANIFEST_DIR")), b"");
        assert_eq!((outcome.errors.as_str(), outcome.code), ("", 0), "{path}");
    }
}
