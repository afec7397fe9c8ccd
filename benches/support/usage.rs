//! What a process takes of the machine.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What a process has and has used, from `/proc` (proc(5)). Sizes in kB of 1024 bytes.
pub(crate) struct Usage {
    pub(crate) rss: u64,
    pub(crate) anonymous: u64,
    pub(crate) proportional: u64,
    /// Each thread's voluntary context switches: it goes to sleep once for each time it has woken.
    pub(crate) threads: Vec<(String, u64)>,
    /// Time on a processor.
    pub(crate) ran: Duration,
}

impl Usage {
    /// What `process`, a number or `self`, has and has used so far.
    pub(crate) fn of(process: &str) -> Result<Usage, Box<dyn Error>> {
        let process = Path::new("/proc").join(process);
        let status = fs::read_to_string(process.join("status"))?;
        let mut threads = Vec::new();
        let mut ran = Duration::ZERO;
        for thread in fs::read_dir(process.join("task"))? {
            let thread = thread?.path();
            let name = fs::read_to_string(thread.join("comm"))?.trim().to_owned();
            threads.push((
                name,
                field(&fs::read_to_string(thread.join("status"))?, "voluntary_ctxt_switches:")?,
            ));
            let schedule = fs::read_to_string(thread.join("schedstat"))?;
            ran += Duration::from_nanos(schedule.split(' ').next().ok_or("no schedstat")?.parse()?);
        }
        Ok(Usage {
            rss: field(&status, "VmRSS:")?,
            anonymous: field(&status, "RssAnon:")?,
            proportional: field(&fs::read_to_string(process.join("smaps_rollup"))?, "Pss:")?,
            threads,
            ran,
        })
    }

    /// The voluntary context switches of all its threads.
    pub(crate) fn switches(&self) -> u64 {
        self.threads.iter().map(|it| it.1).sum()
    }
}

/// The number after `name` in a file of `name value` lines.
fn field(text: &str, name: &str) -> Result<u64, Box<dyn Error>> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).ok_or(format!("no {name}"))?;
    Ok(value.split_whitespace().next().ok_or(format!("no {name}"))?.parse()?)
}
