//! The rules of the source tree, read from its text.

use std::fs;
use std::path::Path;

/// The layers, lowest first. A module may name those below its own layer, never its siblings.
const LAYERS: &[&[&str]] = &[
    &["model", "worker"],
    &["os"],
    &["dispatch", "entity", "outbox", "registry", "resolver", "store"],
    &["config", "ghost", "ledger", "protocol"],
    &["command", "descriptor", "ingest", "link", "service", "source", "mock"],
    &["bridge"],
    &["client"],
    &["daemon"],
    &["cli"],
];

/// Names that belong to one place each.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("rumqttc", &["src/link/", "src/mock/packet.rs"]),
    ("openssl::", &["src/link/tls/"]),
    ("unsafe_code", &["src/os/mapped.rs"]),
    ("NOTIFY_SOCKET", &["src/service/notify.rs", "src/os/process"]),
];

/// Beyond this, a file holds more than one noun.
const MOST_LINES: usize = 450;

/// A file of the source tree.
struct File {
    /// Below the package, e.g. `src/link/mod.rs`.
    path: String,
    text: String,
}

impl File {
    /// The module of the crate to which it belongs; none for `lib.rs` and `main.rs`.
    fn module(&self) -> Option<&str> {
        let name = self.path.strip_prefix("src/")?.split(['/', '.']).next()?;
        (!matches!(name, "lib" | "main")).then_some(name)
    }

    /// The text without lines of comment: those may name whatever explains the matter.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(index, line)| (index + 1, line))
    }

    /// Whether `super` is the crate itself here, outside its unit tests.
    fn is_below_the_crate(&self) -> bool {
        self.path.ends_with("/mod.rs") && self.path.matches('/').count() == 2
            || self.path.matches('/').count() == 1
    }
}

fn files_below(folder: &str) -> Vec<File> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![package.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            // A link may lead to where we came from.
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(package).unwrap().to_str().unwrap().to_owned();
                files.push(File { path, text });
            }
        }
    }
    assert!(!files.is_empty(), "no file below {folder}");
    files
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|it| it.contains(&module))
}

/// The identifiers that follow `prefix` in `line`.
fn names_after<'a>(line: &'a str, prefix: &str) -> impl Iterator<Item = &'a str> {
    let after = line.split(prefix).skip(1).collect::<Vec<_>>();
    after.into_iter().map(|it| it.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(it))
}

#[test]
fn modules_name_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for file in files_below("src") {
        let Some(module) = file.module() else { continue };
        let own = layer(module).unwrap_or_else(|| panic!("{}: in which layer is {module}?", file.path));
        for (number, line) in file.code() {
            let by_super =
                file.is_below_the_crate().then(|| names_after(line, "super::")).into_iter().flatten();
            let named = names_after(line, "crate::").chain(by_super.filter(|it| layer(it).is_some()));
            for name in named.filter(|&it| it != module) {
                if layer(name).is_none_or(|it| it >= own) {
                    wrong.push(format!("{}:{number}: {module} may not name {name}", file.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_foreign_name_is_known_in_one_place() {
    let mut wrong = Vec::new();
    for file in files_below("src") {
        for (name, places) in ONLY_IN {
            let allowed = places.iter().any(|place| file.path.starts_with(place));
            for (number, line) in file.code().filter(|(_, line)| !allowed && line.contains(name)) {
                wrong.push(format!("{}:{number}: only {places:?} may name {name}: {line}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn imports_of_our_own_crate_are_one_line_each() {
    let mut wrong = Vec::new();
    for file in files_below("src").iter().chain(&files_below("tests")) {
        for (number, line) in file.code().filter(|(_, line)| line.trim_start().starts_with("use crate::{")) {
            wrong.push(format!("{}:{number}: {line}", file.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_file_says_what_is_in_it_and_holds_one_noun() {
    let mut wrong = Vec::new();
    for file in files_below("src").iter().chain(&files_below("tests")) {
        let lines = file.text.lines().count();
        if !file.text.starts_with("//! ") {
            wrong.push(format!("{}: does not begin with what is in it", file.path));
        }
        if lines > MOST_LINES {
            wrong.push(format!("{}: {lines} lines", file.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_files_that_the_drawing_names_are_there() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let drawing = fs::read_to_string(package.join("ARCHITECTURE.md")).unwrap();
    let files: Vec<String> =
        ["src", "tests", "examples"].into_iter().flat_map(files_below).map(|it| it.path).collect();
    let named: Vec<&str> = drawing.split('`').skip(1).step_by(2).filter(|it| it.ends_with(".rs")).collect();
    let is_there =
        |name: &str| package.join(name).is_file() || files.iter().any(|it| it.ends_with(&format!("/{name}")));
    let missing: Vec<&str> = named.iter().copied().filter(|it| !is_there(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(named.len() > 20, "{named:?}");
}
