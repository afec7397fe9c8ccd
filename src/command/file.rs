//! Files as what commands move.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::setting::{FULL, Setting, has_brightness, unfit};
use crate::entity::CommandError;
use crate::entity::Entity;
use crate::entity::Platform;

/// A file that commands write, and what it is written.
pub(super) struct Written {
    /// Where it is.
    path: PathBuf,
    /// Whether it is made where it is not: not among those of the kernel, whose names mean something.
    is_made: bool,
    on: String,
    off: String,
    full: f64,
}

impl Written {
    /// The file `path` below `root`, with its texts for on and off, and its number for a light's full brightness.
    pub(super) fn new(path: &Path, root: &Path, on: &str, off: &str, full: f64) -> Written {
        Written {
            path: root.join(path.strip_prefix("/").unwrap_or(path)),
            is_made: !KERNEL.iter().any(|it| path.starts_with(it)),
            on: on.to_owned(),
            off: off.to_owned(),
            full,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is written so that `entity` is set to `setting`: one line, without its end.
    ///
    /// # Errors
    ///
    /// [`CommandError`] for a text that is more than a line.
    pub(super) fn text(&self, entity: &Entity, setting: &Setting) -> Result<String, CommandError> {
        match setting {
            Setting::Press | Setting::On(true) => Ok(self.on.clone()),
            Setting::On(false) => Ok(self.off.clone()),
            Setting::Light { on: false, .. } => Ok("0".to_owned()),
            Setting::Light { on: true, brightness } => {
                let level = f64::from(*brightness) * self.full / f64::from(FULL);
                Ok(level.round().max(1.0).to_string()) // At 0 it would be off.
            }
            Setting::Number(_, text) => Ok(text.clone()),
            Setting::Text(text) if text.contains(['\n', '\r', '\0']) => {
                Err(unfit(entity, "a text of one line, for it goes into a file", setting))
            }
            Setting::Text(text) => Ok(text.clone()),
        }
    }

    /// Writes `text` as one line, with one call of write(2), as the kernel's files want it. What a plain file held before
    /// is gone. Blocks as long as the file system does.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let line = format!("{text}\n");
        let mut file = OpenOptions::new()
            .write(true)
            .create(self.is_made)
            .truncate(true)
            .custom_flags(NO_WAIT)
            .open(&self.path)?;
        loop {
            match file.write(line.as_bytes()) {
                Ok(written) if written == line.len() => return Ok(()),
                Ok(written) => {
                    let text = format!("{written} of {} bytes were taken", line.len());
                    return Err(io::Error::new(ErrorKind::WriteZero, text));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What `entity` is set to as the file says, which was set to `before`; `None` where it cannot be read or says
    /// something else, as the kernel's files do that show all options at once.
    pub(super) fn read(&self, entity: &Entity, before: Option<&Setting>) -> Option<Setting> {
        let text = self.line()?;
        match entity.platform() {
            Platform::Light if has_brightness(entity) => self.light(text.trim().parse().ok()?, before),
            Platform::Light | Platform::Switch => match text.trim() {
                it if it == self.on.trim() => Some(Setting::On(true)),
                it if it == self.off.trim() => Some(Setting::On(false)),
                _ => None,
            },
            Platform::Number => Setting::told(entity, text.trim(), before),
            Platform::Select | Platform::Text => Setting::told(entity, &text, before),
            _ => None,
        }
    }

    fn light(&self, level: f64, before: Option<&Setting>) -> Option<Setting> {
        if level == 0.0 {
            let brightness = before.and_then(Setting::brightness).unwrap_or(FULL);
            return Some(Setting::Light { on: false, brightness });
        }
        let brightness = (level / self.full * f64::from(FULL)).round();
        let brightness = brightness.clamp(1.0, f64::from(FULL)) as u32;
        (level > 0.0).then_some(Setting::Light { on: true, brightness })
    }

    fn line(&self) -> Option<String> {
        // Of a pipe or a device, a read would take what is another's, or wait.
        if !fs::metadata(&self.path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(&self.path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }
}

/// Where files are the kernel's.
const KERNEL: [&str; 3] = ["/sys", "/proc", "/dev"];
/// A pipe that nobody reads is an error rather than a wait, and a terminal does not become ours.
const NO_WAIT: i32 = OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits();
/// More than the longest state in any encoding, and as much as the kernel's files hold.
const MOST_BYTES: u64 = 4096;
