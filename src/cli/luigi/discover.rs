//! `luigi-discover`: which descriptors describe a sensor, and that it is announced.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use clap::{ArgAction, Parser};

use super::super::Exit;
use super::super::announced::Announced;
use super::super::answer::granted;
use super::super::args::Socket;
use super::super::complain;
use super::super::migrate;
use super::super::printable::printable;
use super::super::say;
use super::super::socket::{ANSWER_LIMIT, Surroundings, running};
use super::{NONE, VERSION};
use crate::daemon::roster::Roster;
use crate::entity::Entity;
use crate::ingest::Caller;
use crate::model::Health;
use crate::protocol::Code;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Have the sensors announced that the descriptors in sensors.d describe
#[derive(Debug, Parser)]
#[command(name = "luigi-discover", version = VERSION, disable_version_flag = true, after_help = NOTES)]
pub(super) struct Discover {
    /// Have the daemon read its configuration again first
    #[arg(long)]
    force: bool,

    /// Say nothing but what is wrong
    #[arg(long)]
    quiet: bool,

    /// Say more of each sensor
    #[arg(long)]
    verbose: bool,

    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Lists the descriptors, once the daemon has announced what they describe; where it does not run, that is done here. Blocks for a few
/// seconds, without the daemon for 30 s at most.
///
/// # Errors
///
/// The exit code: [`Exit::Failed`] where some are not announced, [`NONE`] where none is; why was said.
pub(super) fn discover(wanted: &Discover, around: &Surroundings<'_>) -> Result<(), Exit> {
    let config = around.load()?;
    let Some(folder) = &config.discovery.sensors_dir else {
        complain(format_args!("luigi-discover: there is no folder of descriptors ([Discovery] SENSORS_DIR)"));
        return Ok(());
    };
    let files = descriptors(folder).map_err(|cause| {
        complain(format_args!("luigi-discover: cannot read {}: {cause}", folder.display()));
        Exit::Failed
    })?;
    if files.is_empty() {
        tell(wanted, &format!("no descriptors in {}", folder.display()));
        return Ok(());
    }
    let mut daemon = running(&Socket::default(), around);
    if let (true, Some(daemon)) = (wanted.force, &mut daemon) {
        granted(daemon.ask(&Request::Reload, ANSWER_LIMIT))?;
    }
    let Announced { presence, .. } = Announced::look(&config)?;
    let roster = Roster::gather(&config, &Health::default(), &presence.device).map_err(|clash| {
        complain(format_args!("luigi-discover: {clash}"));
        Exit::Config
    })?;
    let announced = match &mut daemon {
        Some(_) => Ok(()),
        None => migrate::announce(&config),
    };
    let deadline = Instant::now() + PATIENCE;
    let mut failed = 0;
    for file in &files {
        let owner = format!("descriptor {file}");
        let described = roster.described.iter().find(|(it, _)| *it == owner).map(|(_, entity)| entity);
        let outcome = match (described, &mut daemon) {
            (None, _) => Err(why(file, &roster.problems)),
            (Some(it), Some(daemon)) => known(it, daemon, deadline).map(|()| it),
            (Some(it), None) => announced.map(|()| it).map_err(|_| "it could not be announced".to_owned()),
        };
        match outcome {
            Ok(it) => {
                tell(wanted, &format!("ok  {} ({})", printable(it.name()), it.platform()));
                if wanted.verbose {
                    tell(wanted, &format!("    {file}: {}, on {}", it.id(), presence.topics.state(it.id())));
                }
            }
            Err(reason) => {
                failed += 1;
                complain(format_args!("NO  {}: {}", printable(file), printable(&reason)));
            }
        }
    }
    tell(wanted, &format!("{} descriptors, {} announced, {failed} not", files.len(), files.len() - failed));
    match failed {
        0 => Ok(()),
        _ if failed == files.len() => Err(NONE),
        _ => Err(Exit::Failed),
    }
}

/// The names of the files in `folder` that count, in order; none where there is no folder.
fn descriptors(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Returns once the daemon knows `entity`: it notices a descriptor a moment after it was written.
///
/// # Errors
///
/// A sentence, where it does not by `deadline`.
fn known(entity: &Entity, daemon: &mut Caller, deadline: Instant) -> Result<(), String> {
    let request = Request::Get { entity: entity.id().to_string() };
    loop {
        match daemon.ask(&request, ANSWER_LIMIT) {
            Ok(Reply::Failed(failure)) if failure.code == Code::UnknownEntity => {}
            // It may not be ours to know, but it is known.
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        if Instant::now() >= deadline {
            return Err("the daemon does not announce it: does it read the same configuration?".to_owned());
        }
        thread::sleep(PAUSE);
    }
}

/// Why `file` describes nothing.
fn why(file: &str, problems: &[String]) -> String {
    let of_file = problems.iter().find(|it| it.contains(file));
    of_file.cloned().unwrap_or_else(|| "it describes nothing".to_owned())
}

fn tell(wanted: &Discover, line: &str) {
    if !wanted.quiet {
        say(line);
    }
}

/// How long the daemon may take to notice what was written just now: it waits for two seconds while a folder is being written to.
const PATIENCE: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(50);

const NOTES: &str = "\
The daemon announces what is described by itself, when a descriptor comes, changes or goes: this waits until it has, and says of each
whether it is announced. Where the daemon does not run, it is announced from here.

Exit codes: 0 all are announced, or there are none, 1 some are not, 2 none is, or the configuration is wrong.";
