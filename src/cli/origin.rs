//! Where the values of a declared entity come from, and what its commands move: for people, before the start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::Declared;
use crate::config::Feed;
use crate::config::Target;
use crate::model::LinePlace;
use crate::model::Program;
use crate::os::gpio;

/// Both in a few words: `/run/level`, `GPIO17`, `hwmon cpu_thermal temp1`; `sets GPIO27`. No argument of a program: it may be
/// a secret.
pub(super) fn origin(declared: &Declared) -> String {
    let feed = declared.input.as_ref().map(|it| match &it.feed {
        Feed::File { path, .. } => path.display().to_string(),
        Feed::W1 { device } => format!("1-Wire {}", device.as_deref().unwrap_or("all")),
        Feed::Hwmon(it) => format!("hwmon {} {}", it.chip, it.channel),
        Feed::Iio(it) => format!("iio {} {}", it.chip, it.channel),
        Feed::Exec { program, .. } => program.to_string(),
        Feed::Gpio { line, .. } => line.place.to_string(),
        Feed::Socket => "socket".to_owned(),
    });
    let target = declared.output.as_ref().map(|it| match &it.target {
        Target::Line { line, .. } => format!("sets {}", line.place),
        Target::File { path, .. } => format!("sets {}", path.display()),
        Target::Program(program) => format!("runs {program}"),
    });
    feed.into_iter().chain(target).collect::<Vec<_>>().join(", ")
}

/// What of both is missing on the machine with the root `root`, a sentence each. It may come yet.
pub(super) fn missing(declared: &Declared, root: &Path) -> Vec<String> {
    let fed = declared.input.as_ref().and_then(|it| match &it.feed {
        Feed::File { path, .. } => no_file(path, root),
        Feed::Exec { program, .. } => no_program(program),
        Feed::Gpio { line, .. } => no_line(&line.place),
        Feed::W1 { .. } | Feed::Hwmon(_) | Feed::Iio(_) | Feed::Socket => None,
    });
    let moved = declared.output.as_ref().and_then(|it| match &it.target {
        // The file itself is made where it is none of the kernel's.
        Target::File { path, .. } => no_file(path.parent().unwrap_or(path), root),
        Target::Line { line, .. } => no_line(&line.place),
        Target::Program(program) => no_program(program),
    });
    let mut missing: Vec<String> = fed.into_iter().chain(moved).collect();
    missing.dedup();
    missing.into_iter().map(|it| format!("[{}]: {it}", declared.section)).collect()
}

fn no_file(path: &Path, root: &Path) -> Option<String> {
    let path: PathBuf = root.join(path.strip_prefix("/").unwrap_or(path));
    (!path.exists()).then(|| format!("{} is not there now", path.display()))
}

fn no_program(program: &Program) -> Option<String> {
    match fs::metadata(&program.path) {
        Err(_) => Some(format!("{program} is not there now")),
        Ok(it) if !it.is_file() || it.permissions().mode() & 0o111 == 0 => {
            Some(format!("{program} is not executable"))
        }
        Ok(_) => None,
    }
}

fn no_line(place: &LinePlace) -> Option<String> {
    gpio::look_for(place).err().map(|error| error.to_string())
}
