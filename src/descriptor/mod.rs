//! Descriptors: the sensors that other Luigi modules feed through us, each described by a file in a folder.
//!
//! Files as Luigi's shell module `ha-mqtt` reads them (`sensors.d/*.json`), and Luigi's registry of installed modules
//! (`/etc/luigi/modules/*.json`), so that each module is a device of its own below ours.

mod description;
mod fields;
mod folder;
mod inventory;
mod module;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{self, Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use crate::entity::Device;
use crate::entity::Entity;
use crate::model::ObjectId;
use crate::worker::Pulse;
use crate::worker::Pulses;
use crate::worker::Worker;
use crate::worker::poll_timeout;

use description::Description;
use inventory::{Entities, Inventory};
use watch::{News, Watch};

/// The thread `descriptors`, which keeps up with two folders: other modules' descriptors, and the registry of modules.
/// It sleeps until the kernel says that something there is another. Dropping it stops it.
///
/// Neither folder need be there; they may come and go. Of each the first 1,000 files `*.json` count, 64 KiB at most. What
/// is wrong with one is in the log once, as is that it is mended; what it described before stays meanwhile.
#[derive(Debug)]
pub struct Descriptors {
    /// Closed to wake the thread. Before the worker, which is joined when it is dropped.
    wake: UnixStream,
    worker: Worker,
}

/// What became of a descriptor.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most are the large one")]
pub enum Change {
    /// An entity is described that was not before, or is described otherwise; one with the same id is replaced.
    Came {
        /// Who has it announced: `descriptor attic.json`.
        owner: String,
        /// What is announced, on the device of its module.
        entity: Entity,
    },
    /// Nothing describes it any more.
    Went {
        /// Who had it announced.
        owner: String,
        /// Which.
        entity: ObjectId,
    },
}

impl Descriptors {
    /// Watches the descriptors in `folder` and the registry in `modules`, and tells how what they describe differs from
    /// what is `known` already: what [`read_all`] has returned, or nothing. The modules' devices hang below `device`.
    /// `tell` is called on the thread with all that is another at once, what went before what came, and may block. `pulses` watch
    /// over the thread.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread, inotify instance or socket to give.
    pub fn start(
        folder: PathBuf,
        modules: PathBuf,
        device: &Device,
        known: Vec<(String, Entity)>,
        tell: impl FnMut(Vec<Change>) + Send + 'static,
        pulses: &Pulses,
    ) -> io::Result<Descriptors> {
        let (folder, modules) = (path::absolute(folder)?, path::absolute(modules)?);
        let watches = [Watch::new(&folder)?, Watch::new(&modules)?];
        let told = known.into_iter().map(|(owner, entity)| (entity.id().clone(), (owner, entity))).collect();
        let inventory = Inventory::new(&folder, &modules, device);
        let mut keeper = Keeper { inventory, told, problems: BTreeSet::new(), tell };
        let (wake, woken) = UnixStream::pair()?;
        let worker = Worker::spawn_watched("descriptors", pulses, move |_, pulse| {
            pulse.turns_within(LONGEST_UPDATE);
            keeper.update(&News::everything(), &News::everything());
            if let Err(cause) = keep_up(&mut keeper, watches, &woken, &pulse) {
                log::error!(
                    "descriptors that come, change or go are not noticed until the next start: {cause}"
                );
            }
        })?;
        Ok(Descriptors { wake, worker })
    }

    /// Stops and waits at most `limit`, for a card that hangs. Returns whether the thread has ended.
    pub fn stop_within(self, limit: Duration) -> bool {
        drop(self.wake);
        self.worker.stop_within(limit)
    }
}

/// What the descriptors in `folder` describe now, each with its owner (`descriptor attic.json`), and what is wrong or
/// unwise there, as sentences; nothing of it is logged. The modules in `modules` are devices below `device`. Blocks for
/// the card.
pub fn read_all(folder: &Path, modules: &Path, device: &Device) -> (Vec<(String, Entity)>, Vec<String>) {
    let mut inventory = Inventory::new(folder, modules, device);
    inventory.update(&News::everything(), &News::everything());
    let (entities, problems) = inventory.entities();
    (entities.into_values().collect(), problems.into_iter().collect())
}

/// Whether `owner` is a descriptor: `descriptor attic.json`.
pub fn is_descriptor(owner: &str) -> bool {
    inventory::file_of(owner).is_some()
}

/// Whether there is a file in `folder` that `owner` (`descriptor attic.json`) stands for, and nobody knows what it describes:
/// what it described before is not to be forgotten then. Blocks for the card.
pub fn is_unreadable(folder: &Path, owner: &str) -> bool {
    let Some(file) = inventory::file_of(owner).filter(|it| folder::is_ours(it)) else { return false };
    match folder::read(&folder.join(file)) {
        Ok(Some(bytes)) => Description::parse(file, &bytes).is_err(),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// What is in the folders, and what of that was told.
struct Keeper<T> {
    inventory: Inventory,
    told: Entities,
    problems: BTreeSet<String>,
    tell: T,
}

impl<T: FnMut(Vec<Change>)> Keeper<T> {
    /// Looks at what the news speak of, and tells what has changed by that.
    fn update(&mut self, of_descriptors: &News, of_modules: &News) {
        self.inventory.update(of_descriptors, of_modules);
        let (entities, problems) = self.inventory.entities();
        for problem in problems.difference(&self.problems) {
            log::warn!("{problem}");
        }
        for problem in self.problems.difference(&problems) {
            log::info!("no longer so: {problem}");
        }
        self.problems = problems;
        let told = std::mem::replace(&mut self.told, entities);
        let went = told.iter().filter(|(id, _)| !self.told.contains_key(id));
        let went = went.map(|(id, (owner, _))| Change::Went { owner: owner.clone(), entity: id.clone() });
        let came = self.told.iter().filter(|(id, now)| told.get(id) != Some(now));
        let came = came.map(|(_, (owner, it))| Change::Came { owner: owner.clone(), entity: it.clone() });
        let changes: Vec<Change> = went.chain(came).collect();
        if !changes.is_empty() {
            (self.tell)(changes);
        }
    }
}

/// Has `keeper` look at what the watches tell, until the other end of `woken` is closed.
///
/// # Errors
///
/// The system's own, of waiting or reading.
fn keep_up<T: FnMut(Vec<Change>)>(
    keeper: &mut Keeper<T>,
    [mut descriptors, mut modules]: [Watch; 2],
    woken: &UnixStream,
    pulse: &Pulse,
) -> io::Result<()> {
    let mut news = [News::default(), News::default()];
    // None while there is no news.
    let mut latest: Option<Instant> = None;
    loop {
        let left = latest.map(|it| it.saturating_duration_since(Instant::now()).min(QUIET));
        let pause = match left {
            Some(left) => {
                pulse.turns_within(left);
                Some(left)
            }
            None => pulse.sleeps_until(None).map(|it| it.saturating_duration_since(Instant::now())),
        };
        let wanted = PollFlags::POLLIN;
        let mut waiting =
            [woken.as_fd(), descriptors.as_fd(), modules.as_fd()].map(|it| PollFd::new(it, wanted));
        match poll(&mut waiting, poll_timeout(pause)) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) if waiting[0].any() != Some(false) => return Ok(()),
            Ok(count) if count > 0 && left != Some(Duration::ZERO) => {
                descriptors.read(&mut news[0])?;
                modules.read(&mut news[1])?;
                if !news.iter().all(News::is_empty) {
                    latest = latest.or(Some(Instant::now() + LONGEST));
                }
            }
            Ok(0) if left.is_none() => {} // Woken to say that it lives.
            Ok(_) => {
                pulse.turns_within(LONGEST_UPDATE);
                let [of_descriptors, of_modules] = std::mem::take(&mut news);
                latest = None;
                keeper.update(&of_descriptors, &of_modules);
            }
        }
    }
}

/// Nothing has been touched for this long: an editor has put the new file where it has just taken the old one away, and
/// Home Assistant hears nothing of that.
const QUIET: Duration = Duration::from_millis(200);
/// Whatever is touched on and on is looked at after this long.
const LONGEST: Duration = Duration::from_secs(2);
/// Longer than a worn card takes for an answer: the files are read from it, and what is announced is written to it.
const LONGEST_UPDATE: Duration = Duration::from_secs(15 * 60);
