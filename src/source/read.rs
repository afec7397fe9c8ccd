//! Reading one small file of the kernel.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::SourceError;

/// A file of `/proc` or `/sys`, with the buffer that each reading of it uses again.
pub(super) struct KernelFile {
    path: PathBuf,
    text: String,
}

impl KernelFile {
    /// The file `path` (`proc/…` or `sys/…`) under `root`. Nothing is read yet.
    pub(super) fn new(root: &Path, path: &str) -> KernelFile {
        KernelFile::at(root.join(path))
    }

    /// The file at `path`. Nothing is read yet.
    pub(super) fn at(path: PathBuf) -> KernelFile {
        KernelFile { path, text: String::new() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file, its first [`MAX_BYTES`] at most, and returns what `parse` makes of it.
    /// Blocks as long as the driver takes: some wait for their device, a 1-Wire thermometer's for most of a second.
    ///
    /// # Errors
    ///
    /// [`SourceError::Read`] when it cannot be read or is not UTF-8, [`SourceError::Malformed`] with
    /// `expected` when `parse` finds nothing.
    pub(super) fn parse<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SourceError> {
        self.read().map_err(|cause| SourceError::Read { path: self.path.clone(), cause })?;
        parse(&self.text).ok_or_else(|| SourceError::Malformed {
            path: self.path.clone(),
            expected: expected.into(),
            found: beginning(&self.text),
        })
    }

    /// Reads until the end: `/proc` hands out a page at a time, however large the buffer.
    fn read(&mut self) -> io::Result<()> {
        self.text.clear();
        File::open(&self.path)?.take(MAX_BYTES).read_to_string(&mut self.text)?;
        Ok(())
    }
}

/// How `text` begins, for an error.
pub(super) fn beginning(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(FOUND_CHARS).collect()
}

/// `value` rounded to one decimal: more is noise, and each change of it would be published.
pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// `part` of `whole` in percent, 0 to 100, rounded to one decimal; `None` of nothing.
pub(super) fn percentage(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| tenths(part.min(whole) as f64 / whole as f64 * 100.0))
}

/// The longest files we read (`/proc/stat`, `/proc/net/fib_trie`) have a few kilobytes on a small machine.
pub(super) const MAX_BYTES: u64 = 64 * 1024;
/// How much of a text an error shows.
const FOUND_CHARS: usize = 60;

/// Random bytes and random cuts and mixes of what kernels say, for the tests of the parsers.
#[cfg(test)]
pub(super) fn garbage(sample: &str) -> impl Iterator<Item = String> {
    let mut random = fastrand::Rng::with_seed(1);
    let sample = sample.as_bytes().to_vec();
    (0..2_000).map(move |_| {
        let mut bytes = sample.clone();
        for _ in 0..random.usize(0..8) {
            if bytes.is_empty() {
                bytes.push(random.u8(..));
            }
            let at = random.usize(..bytes.len());
            match random.u8(0..5) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.truncate(at),
                2 => bytes.insert(at, *random.choice(b"0 9 -.:/\n|xeE\tf").expect("it is not empty")),
                3 => drop(bytes.splice(at..at, b"99999999999999999999".iter().copied())),
                _ => drop(bytes.remove(at)),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What `source` tells, where it has a value for each of its entities.
#[cfg(test)]
pub(super) fn values_of(source: &mut dyn super::Source) -> Vec<crate::model::Value> {
    let mut samples = Vec::new();
    source.sample(&mut samples).unwrap();
    samples.into_iter().map(Result::unwrap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_read_is_bounded_and_the_buffer_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = KernelFile::new(folder.path(), "x");
        for (written, read) in [(3, 3), (100_000, 65_536), (0, 0), (5, 5)] {
            fs::write(folder.path().join("x"), "1".repeat(written)).unwrap();
            assert_eq!(file.parse("digits", |text| Some(text.len())).unwrap(), read);
        }
    }

    #[test]
    fn an_error_names_the_file_and_shows_how_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("temp");
        let mut file = KernelFile::new(folder.path(), "temp");

        let missing = file.parse("a number", |_| Some(())).unwrap_err();
        assert_eq!(missing.to_string(), format!("cannot read {}", path.display()));
        assert!(std::error::Error::source(&missing).is_some());

        fs::write(&path, "N/A\nsecond line\n").unwrap();
        let malformed = file.parse("a number", |_| None::<()>).unwrap_err();
        assert_eq!(malformed.to_string(), format!("{}: expected a number, found \"N/A\"", path.display()));

        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(file.parse("a number", |_| Some(())), Err(SourceError::Read { .. })));
    }

    #[test]
    fn percentages_stay_within_0_and_100() {
        for (part, whole, expected) in [
            (1, 3, Some(33.3)),
            (0, 5, Some(0.0)),
            (7, 5, Some(100.0)),
            (u64::MAX, u64::MAX, Some(100.0)),
            (1, 0, None),
        ] {
            assert_eq!(percentage(part, whole), expected, "{part} of {whole}");
        }
    }
}
