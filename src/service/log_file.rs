//! A log file that is rotated by size, and that nothing on the card can make fatal.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{self, Path, PathBuf};

use file_rotate::compression::Compression;
use file_rotate::suffix::{AppendCount, Representation, SuffixScheme};
use file_rotate::{ContentLimit, FileRotate, SuffixInfo};
use log::Level;
use nix::fcntl::OFlag;

use super::console::Console;

/// The file `path` and its older parts `path.1` (the newest) to `path.N`.
///
/// Takes text in pieces, as simplelog's logger writes it, and stores it line by line. While the file cannot be
/// written or rotated its lines are lost, which the console is told once.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Size of `file`.
    bytes: usize,
    max_bytes: usize,
    backups: usize,
    /// Pieces of the line to come.
    line: Vec<u8>,
    failing: bool,
    console: Console,
}

impl LogFile {
    /// Opens the file `path`, and makes it and the folders above it where they are missing. It is rotated before a
    /// line would take it over `max_bytes`; `backups` older parts are kept.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be made, or not be written.
    pub(super) fn open(
        path: &Path,
        max_bytes: usize,
        backups: usize,
        console: Console,
    ) -> io::Result<LogFile> {
        let path = path::absolute(path)?;
        let file = open(&path)?;
        // `/dev/null` and its like take any amount, and must not be renamed.
        let max_bytes = if file.metadata()?.is_file() { max_bytes } else { usize::MAX };
        let bytes = size(&file)?;
        Ok(LogFile { path, file, bytes, max_bytes, backups, line: Vec::new(), failing: false, console })
    }

    /// Stores the complete line, and tells the console where that begins to fail.
    fn store_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let stored = self.store(&line);
        let failed_before = std::mem::replace(&mut self.failing, stored.is_err());
        if let (Err(cause), false) = (stored, failed_before) {
            let path = self.path.display();
            let message = format!("cannot write the log file {path}: {cause}: logging to the console only");
            self.console.say(Level::Warn, &message);
        }
    }

    fn store(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes.saturating_add(line.len()) > self.max_bytes {
            rotate(&self.path, self.backups)?;
            self.file = open(&self.path)?;
            self.bytes = size(&self.file)?;
        }
        self.file.write_all(line)?;
        self.bytes = self.bytes.saturating_add(line.len());
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(piece);
        if piece.ends_with(b"\n") {
            self.store_line();
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A file does not care, but a pipe that nobody reads would hold up its opener, and a full one its writer.
    File::options().create(true).append(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

fn size(file: &File) -> io::Result<usize> {
    Ok(usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX))
}

/// Renames `path` to `path.1`, that to `path.2` and so on, and deletes what is beyond `backups`.
///
/// file-rotate does it, afresh each time: between two rotations it would trust its memory of what lies in the folder,
/// and panic when somebody has tidied up there.
fn rotate(path: &Path, backups: usize) -> io::Result<()> {
    // Both would panic in `new`. (The folder of an absolute path that names a file is always there to ask for.)
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    File::options().create(true).append(true).open(path)?;
    FileRotate::new(path, Numbered(AppendCount::new(backups)), ContentLimit::None, Compression::None, None)
        .rotate()
}

/// `AppendCount`, but an error wherever file-rotate 0.8 would panic: it asserts, before each renaming, that the old
/// name is there and the new one is not.
struct Numbered(AppendCount);

impl SuffixScheme for Numbered {
    type Repr = usize;

    fn rotate_file(
        &mut self,
        base: &Path,
        newest: Option<&usize>,
        suffix: &Option<usize>,
    ) -> io::Result<usize> {
        let next = self.0.rotate_file(base, newest, suffix)?;
        let target = next.to_path(base);
        // A file there is known from the scan and makes way; anything else is not ours to move.
        if target.exists() && !target.is_file() {
            return Err(io::Error::other(format!("{} is in the way", target.display())));
        }
        Ok(next)
    }

    fn parse(&self, suffix: &str) -> Option<usize> {
        self.0.parse(suffix)
    }

    fn too_old(&self, suffix: &usize, file_number: usize) -> bool {
        self.0.too_old(suffix, file_number)
    }

    /// The parts from `.1` up to the first gap, for those are what has to move.
    fn scan_suffixes(&self, base: &Path) -> BTreeSet<SuffixInfo<usize>> {
        (1..)
            .take_while(|suffix: &usize| suffix.to_path(base).is_file())
            .map(|suffix| SuffixInfo { suffix, compressed: false })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    const MAX_BYTES: usize = 10;

    fn log_file(path: &Path, backups: usize) -> LogFile {
        LogFile::open(path, MAX_BYTES, backups, Console::Terminal).unwrap()
    }

    /// Name and content of each file in the folder of `path`.
    fn files(path: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = entries
            .filter(|it| it.path().is_file())
            .map(|it| (it.file_name().into_string().unwrap(), fs::read_to_string(it.path()).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[track_caller]
    fn check(path: &Path, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        assert_eq!(files(path), expected);
    }

    #[test]
    fn parts_are_numbered_from_the_newest_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/folders/log");
        let mut log = log_file(&path, 2);
        for number in 1..=7 {
            writeln!(log, "ln {number}").unwrap();
        }
        check(&path, &[("log", "ln 7\n"), ("log.1", "ln 5\nln 6\n"), ("log.2", "ln 3\nln 4\n")]);
    }

    #[test]
    fn no_backups_means_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = log_file(&path, 0);
        for number in 1..=3 {
            writeln!(log, "ln {number}").unwrap();
        }
        check(&path, &[("log", "ln 3\n")]);
    }

    #[test]
    fn a_restart_goes_on_with_the_file_it_finds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "ln 1\nln 2\n").unwrap();
        writeln!(log_file(&path, 5), "ln 3").unwrap();
        check(&path, &[("log", "ln 3\n"), ("log.1", "ln 1\nln 2\n")]);
    }

    #[test]
    fn a_line_longer_than_the_limit_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        writeln!(log_file(&path, 1), "more than ten bytes").unwrap();
        check(&path, &[("log", "more than ten bytes\n")]);
    }

    #[test]
    fn whoever_tidies_up_in_the_folder_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = log_file(&path, 5);
        for number in 1..=6 {
            writeln!(log, "ln {number}").unwrap();
        }
        fs::remove_file(folder.path().join("log.1")).unwrap();
        writeln!(log, "ln 7").unwrap();
        check(&path, &[("log", "ln 7\n"), ("log.1", "ln 5\nln 6\n"), ("log.2", "ln 1\nln 2\n")]);

        fs::remove_dir_all(folder.path()).unwrap();
        writeln!(log, "ln 8").unwrap(); // Goes where the open file went.
        writeln!(log, "ln 9").unwrap();
        check(&path, &[("log", "ln 9\n"), ("log.1", "")]);
    }

    #[test]
    fn what_is_in_the_way_of_a_rotation_costs_lines_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::create_dir(folder.path().join("log.1")).unwrap();
        let mut log = log_file(&path, 5);
        for number in 1..=4 {
            writeln!(log, "ln {number}").unwrap();
        }
        assert!(log.failing);
        check(&path, &[("log", "ln 1\nln 2\n")]);

        fs::remove_dir(folder.path().join("log.1")).unwrap();
        writeln!(log, "ln 5").unwrap();
        assert!(!log.failing);
        check(&path, &[("log", "ln 5\n"), ("log.1", "ln 1\nln 2\n")]);
    }

    #[test]
    fn a_full_disk_is_an_error_of_the_file_and_no_error_of_the_program() {
        let mut log = LogFile::open(Path::new("/dev/full"), MAX_BYTES, 5, Console::Terminal).unwrap();
        for _ in 0..3 {
            assert!(writeln!(log, "a line of a length").is_ok());
        }
        assert!(log.failing);
        assert!(log.line.is_empty());
    }

    #[test]
    fn a_device_is_never_renamed() {
        let mut log = LogFile::open(Path::new("/dev/null"), MAX_BYTES, 5, Console::Terminal).unwrap();
        writeln!(log, "a line of a length").unwrap();
        assert!(log.bytes > MAX_BYTES && log.bytes < log.max_bytes);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(LogFile::open(folder.path(), MAX_BYTES, 5, Console::Terminal).is_err());
        let below_a_file = Path::new("/proc/version/log");
        assert!(LogFile::open(below_a_file, MAX_BYTES, 5, Console::Terminal).is_err());
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_and_no_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert!(LogFile::open(&path, MAX_BYTES, 5, Console::Terminal).is_err());

        let _reader = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path).unwrap();
        let mut log = log_file(&path, 5);
        while !log.failing {
            writeln!(log, "{}", "-".repeat(1_000)).unwrap(); // Until the pipe is full.
        }
    }
}
