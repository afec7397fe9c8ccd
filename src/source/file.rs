//! A value in a file.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::extract::Extractor;
use super::read::MAX_BYTES;
use super::{Sample, Source, SourceError};
use crate::config::Extract;
use crate::entity::Entity;

/// A value in a file of the kernel, of a program or on a share.
pub(super) struct TextFile {
    entities: [Entity; 1],
    path: PathBuf,
    extractor: Extractor,
    /// Whether it was a file the last time, and had a value.
    is_known: bool,
    /// What was read, to be used again.
    bytes: Vec<u8>,
}

impl TextFile {
    /// What `extract` says of the file `path` under `root`, for `entity`. Nothing is read yet.
    pub(super) fn new(root: &Path, path: &Path, extract: &Extract, entity: Entity) -> TextFile {
        let extractor = Extractor::new(extract, &entity);
        let path = root.join(path.strip_prefix("/").unwrap_or(path));
        TextFile { entities: [entity], path, extractor, is_known: false, bytes: Vec::new() }
    }

    /// Reads the file, its first [`MAX_BYTES`] at most. Blocks as long as its driver, disk or server takes.
    fn read(&mut self) -> io::Result<()> {
        self.bytes.clear();
        if !self.is_known {
            // Looked at before it is opened: opening a device may already do something, as with a watchdog.
            let kind = fs::metadata(&self.path)?.file_type();
            if !kind.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {}", name_of(kind))));
            }
        }
        // Should it have become a FIFO meanwhile, nobody waits for its other end.
        let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&self.path)?;
        file.take(MAX_BYTES).read_to_end(&mut self.bytes)?;
        Ok(())
    }
}

impl Source for TextFile {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let outcome = self.read();
        self.is_known = false;
        outcome.map_err(|cause| SourceError::Read { path: self.path.clone(), cause })?;
        // A stray byte, such as the degree sign of an old script, need not hide the number beside it.
        let text = String::from_utf8_lossy(&self.bytes);
        let value = self.extractor.value(&text).map_err(|refusal| SourceError::Malformed {
            path: self.path.clone(),
            expected: refusal.expected.into(),
            found: refusal.found,
        })?;
        self.is_known = true;
        samples.push(Ok(value));
        Ok(())
    }
}

/// What is there instead of a file.
fn name_of(kind: fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use nix::sys::stat::Mode;
    use tempfile::TempDir;

    use super::*;
    use crate::entity::Sensor;
    use crate::model::Chain;
    use crate::model::Value;

    fn entity() -> Entity {
        Sensor::new("level", "Level").unit("%").build().unwrap()
    }

    fn level(root: &TempDir) -> TextFile {
        TextFile::new(root.path(), Path::new("/run/level"), &Extract::Number, entity())
    }

    fn sampled(file: &mut TextFile) -> Result<Value, SourceError> {
        let mut samples = Vec::new();
        file.sample(&mut samples)?;
        samples.pop().unwrap()
    }

    fn folder() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        root
    }

    #[test]
    fn a_file_is_read_anew_each_time_below_the_root() {
        let root = folder();
        let mut file = level(&root);
        assert_eq!(file.entities(), [entity()]);
        for (text, expected) in [("71.5 %\n", 71.5), ("8", 8.0)] {
            fs::write(root.path().join("run/level"), text).unwrap();
            assert_eq!(sampled(&mut file).unwrap(), Value::Number(expected));
        }
    }

    #[test]
    fn what_is_no_text_beside_a_number_does_not_hide_it() {
        let root = folder();
        fs::write(root.path().join("run/level"), b"21.5 \xb0C").unwrap();
        assert_eq!(sampled(&mut level(&root)).unwrap(), Value::Number(21.5));
    }

    #[test]
    fn no_more_of_a_file_is_read_than_the_limit() {
        let root = folder();
        fs::write(root.path().join("run/level"), format!("5{}", " ".repeat(200_000))).unwrap();
        let mut file = level(&root);
        assert_eq!(sampled(&mut file).unwrap(), Value::Number(5.0));
        assert_eq!(file.bytes.len() as u64, MAX_BYTES);
    }

    #[test]
    fn an_error_says_which_file_what_was_expected_and_what_was_there() {
        let root = folder();
        let path = root.path().join("run/level");
        let mut file = level(&root);
        let missing = sampled(&mut file).unwrap_err();
        assert_eq!(missing.to_string(), format!("cannot read {}", path.display()));
        fs::write(&path, "N/A\n").unwrap();
        let malformed = sampled(&mut file).unwrap_err();
        assert_eq!(malformed.to_string(), format!("{}: expected a number, found \"N/A\"", path.display()));
    }

    #[test]
    fn what_would_wait_for_somebody_or_is_no_file_is_refused_at_once() {
        let root = folder();
        nix::unistd::mkfifo(&root.path().join("run/level"), Mode::S_IRWXU).unwrap();
        let cause = |error: SourceError| error.source().unwrap().to_string();
        assert_eq!(cause(sampled(&mut level(&root)).unwrap_err()), "it is a FIFO");

        for (path, expected) in [("/dev/zero", "it is a device"), ("/dev", "it is a folder")] {
            let mut file = TextFile::new(Path::new("/"), Path::new(path), &Extract::Number, entity());
            assert_eq!(cause(sampled(&mut file).unwrap_err()), expected, "{path}");
        }
    }

    #[test]
    fn what_becomes_a_fifo_holds_up_nobody_and_is_named_from_the_second_time_on() {
        let root = folder();
        let path = root.path().join("run/level");
        fs::write(&path, "1").unwrap();
        let mut file = level(&root);
        assert_eq!(sampled(&mut file).unwrap(), Value::Number(1.0));
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let errors = [(); 2].map(|()| Chain(&sampled(&mut file).unwrap_err()).to_string());
        let shown = path.display();
        assert_eq!(
            errors,
            [format!("{shown}: expected a number, found \"\""), format!("cannot read {shown}: it is a FIFO")]
        );
    }
}
