//! Why the spool does not store or read, in words that say what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the spool did not store records, or has none to offer. Whatever it is, the next append tries again.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpoolError {
    /// There is no thread for it.
    Thread(io::Error),
    /// The folder for it cannot be made.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// A file of it cannot be opened.
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// Nothing can be written where it is, hence nothing be let go of either.
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// How many messages an earlier process left in it.
        waiting: u64,
        /// The system's answer.
        cause: io::Error,
    },
    /// What has its name is no file.
    NotAFile {
        /// Where it is.
        path: PathBuf,
    },
    /// Another process has it open.
    Locked {
        /// The spool.
        path: PathBuf,
    },
    /// It cannot be written.
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// It cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// It was removed, replaced or unmounted while we had it open.
    Vanished {
        /// Where it was.
        path: PathBuf,
    },
    /// It was damaged while we had it open, beyond repair.
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// One of the records alone would not fit.
    TooLarge {
        /// What it takes, see [`Record::spool_bytes`](super::Record::spool_bytes).
        bytes: u64,
        /// The most that one record may take.
        limit: u64,
    },
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpoolError::Thread(_) => f.write_str("cannot start the thread of the spool"),
            SpoolError::Folder { path, .. } => {
                write!(f, "cannot make the folder {}: check DIRECTORY in [Spool]", path.display())
            }
            SpoolError::Open { path, cause } => write!(f, "cannot open {}{}", path.display(), Cure(cause)),
            SpoolError::ReadOnly { path, waiting, .. } => {
                write!(f, "{} is read-only", path.display())?;
                if *waiting > 0 {
                    write!(f, ", and the {waiting} messages in it are not sent until it is writable")?;
                }
                f.write_str(" (see dmesg for why, then mount it again: mount -o remount,rw)")
            }
            SpoolError::NotAFile { path } => {
                write!(
                    f,
                    "{} is not a file: move it away, or set another DIRECTORY in [Spool]",
                    path.display()
                )
            }
            SpoolError::Locked { path } => write!(
                f,
                "another process uses {}: stop it, or give each a DIRECTORY in [Spool] of its own",
                path.display()
            ),
            SpoolError::Write { path, cause } => write!(f, "cannot write {}{}", path.display(), Cure(cause)),
            SpoolError::Read { path, cause } => write!(f, "cannot read {}{}", path.display(), Cure(cause)),
            SpoolError::Vanished { path } => {
                write!(f, "{} was removed or replaced while it was in use", path.display())
            }
            SpoolError::Damaged { path } => {
                write!(f, "{} was damaged while it was in use: check the card", path.display())
            }
            SpoolError::TooLarge { bytes, limit } => write!(
                f,
                "a message of {bytes} bytes is larger than the {limit} that MAX_BYTES in [Spool] leaves for one"
            ),
        }
    }
}

impl Error for SpoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SpoolError::Thread(cause)
            | SpoolError::Folder { cause, .. }
            | SpoolError::Open { cause, .. }
            | SpoolError::ReadOnly { cause, .. }
            | SpoolError::Write { cause, .. }
            | SpoolError::Read { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// What a person can do about an answer of the system's.
struct Cure<'a>(&'a io::Error);

impl fmt::Display for Cure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        f.write_str(match self.0.kind() {
            StorageFull | QuotaExceeded => " (free some space on that disk)",
            ReadOnlyFilesystem => " (is the card worn out? check dmesg)",
            PermissionDenied => " (it must belong to the user that luigi-mqtt runs as)",
            _ => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::model::Chain;

    #[test]
    fn a_full_disk_is_explained_once() {
        let cause = io::Error::from_raw_os_error(nix::errno::Errno::ENOSPC as i32);
        let error = SpoolError::Write { path: "/s/spool".into(), cause };
        assert_eq!(
            Chain(&error).to_string(),
            "cannot write /s/spool (free some space on that disk): No space left on device (os error 28)"
        );
    }

    #[test]
    fn what_has_no_cause_says_what_to_do() {
        let error = SpoolError::Locked { path: "/s/spool".into() };
        assert_eq!(
            Chain(&error).to_string(),
            "another process uses /s/spool: stop it, or give each a DIRECTORY in [Spool] of its own"
        );
    }
}
