//! A folder under the kernel's eyes (inotify), whether it is there already or not.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::AddWatchFlags as Mask;
use nix::sys::inotify::{InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use super::folder;

/// Watches one folder, and all above it: a folder that is made, removed, or moved away with one above it, is noticed.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: Inotify,
    folder: PathBuf,
    /// What is watched: a folder above by the name of the next below it, the folder itself by none.
    places: Vec<(WatchDescriptor, Option<OsString>)>,
}

/// What has happened in a folder.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether all of it must be looked at anew.
    pub(super) everything: bool,
    /// Its files that were touched, and whether they can be whole: one that has just been made may be half written,
    /// and is told again when it is closed.
    pub(super) files: BTreeMap<String, bool>,
}

impl Watch {
    /// Watches `folder`, an absolute path. What is there already has to be looked at after that.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no inotify instance to give (`fs.inotify.max_user_instances`).
    pub(super) fn new(folder: &Path) -> io::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let mut watch = Watch { inotify, folder: folder.to_owned(), places: Vec::new() };
        watch.set();
        Ok(watch)
    }

    /// Reads what the kernel has to tell, without waiting, and adds it to `news`.
    ///
    /// # Errors
    ///
    /// The system's own; nothing is told any more then.
    pub(super) fn read(&mut self, news: &mut News) -> io::Result<()> {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let mut moved = false;
        for event in events {
            if event.mask.contains(Mask::IN_Q_OVERFLOW) {
                news.everything = true;
                continue;
            }
            // Those of a watch that was given up since are no news.
            let Some((_, next)) = self.places.iter().find(|(it, _)| *it == event.wd) else { continue };
            match (next, &event.name) {
                (_, None) => moved = true,
                (Some(next), Some(name)) => moved |= name == next,
                (None, Some(name)) => news.touch(name, &event),
            }
        }
        if moved {
            self.set();
            news.everything = true;
        }
        Ok(())
    }

    /// Watches what is there now. From the top down, each for the next before that is tried: what is made meanwhile is
    /// told.
    fn set(&mut self) {
        for (place, _) in self.places.drain(..) {
            let _ = self.inotify.rm_watch(place); // Of a folder that is gone, the kernel has done it.
        }
        let mut above: Option<&Path> = None;
        let all: Vec<&Path> = self.folder.ancestors().collect();
        for path in all.into_iter().rev() {
            let is_last = path == self.folder;
            let mask = if is_last { FILES } else { NEXT };
            match self.inotify.add_watch(path, mask | ITSELF) {
                Ok(place) => {
                    let next = self.folder.strip_prefix(path).ok().and_then(|it| it.iter().next());
                    self.places.push((place, next.map(OsStr::to_owned)));
                    // Whatever else is made up there shall wake nobody.
                    if let Some(above) = above.replace(path) {
                        let _ = self.inotify.add_watch(above, ITSELF);
                    }
                }
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) if is_last => {
                    let cause = io::Error::from(errno);
                    log::warn!("changes in {} will not be noticed: {cause}", path.display());
                }
                Err(_) => {} // One that we may pass and not read, for example.
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl News {
    /// Look at all.
    pub(super) fn everything() -> News {
        News { everything: true, files: BTreeMap::new() }
    }

    /// Whether nothing has happened.
    pub(super) fn is_empty(&self) -> bool {
        !self.everything && self.files.is_empty()
    }

    /// Notes that `event` touched the file called `name`.
    fn touch(&mut self, name: &OsStr, event: &InotifyEvent) {
        let Some(name) = name.to_str().filter(|it| folder::is_ours(it)) else { return };
        if self.files.len() >= folder::MOST_FILES && !self.files.contains_key(name) {
            self.everything = true;
            return;
        }
        let whole = !event.mask.contains(Mask::IN_CREATE);
        *self.files.entry(name.to_owned()).or_default() |= whole;
    }
}

/// Of the folder's files. A link is only made: nothing closes it.
const FILES: Mask = Mask::IN_CREATE
    .union(Mask::IN_CLOSE_WRITE)
    .union(Mask::IN_MOVED_TO)
    .union(Mask::IN_MOVED_FROM)
    .union(Mask::IN_DELETE)
    .union(Mask::IN_ATTRIB)
    .union(Mask::IN_ONLYDIR);
/// Of the next folder on the way down: made, moved there, or allowed to be read.
const NEXT: Mask = Mask::IN_CREATE.union(Mask::IN_MOVED_TO).union(Mask::IN_ATTRIB).union(Mask::IN_ONLYDIR);
/// Of any folder: gone, or called otherwise.
const ITSELF: Mask = Mask::IN_DELETE_SELF.union(Mask::IN_MOVE_SELF);
