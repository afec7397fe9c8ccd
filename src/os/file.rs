//! Small files: read whole, and there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// The content of the file `path`. Blocks for the card; not for whoever may write to a pipe of that name.
///
/// # Errors
///
/// The system's own; [`ErrorKind::InvalidInput`] where it is something else than a file, and
/// [`ErrorKind::FileTooLarge`] where it has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        let other = "expected a file, found another thing of that name";
        return Err(io::Error::new(ErrorKind::InvalidInput, other));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let long = format!("expected at most {most} bytes, found more");
        return Err(io::Error::new(ErrorKind::FileTooLarge, long));
    }
    Ok(bytes)
}

/// Makes `bytes` the content of the file `path`, with the permissions `mode` (less the umask). Whoever reads it, and
/// whatever a power cut leaves, has the old content or the new one, never a part. When it returns, the new content is
/// on the card; until then it blocks, for as long as the card takes.
///
/// One caller at a time for each path: the new content is written next to it, as `.NAME.new`.
///
/// # Errors
///
/// The system's own, when the folder is not there, full, or not to be written. The old content is untouched unless
/// it is the folder that cannot be flushed, in which case either is there.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = sibling(path)?;
    let written = write(&new, bytes, mode).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // A full card should not have to keep half a file too; it is written anew in any case.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(folder(path))?.sync_all()
}

/// Writes the file anew: what an earlier attempt left may have other permissions.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sibling(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "expected the path of a file"));
    };
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(".new");
    Ok(path.with_file_name(new))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_read_whole_and_nothing_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.json");
        let kind = |path: &Path| read(path, 4).map_err(|it| it.kind());
        assert_eq!(kind(&path), Err(ErrorKind::NotFound));
        for (content, expected) in
            [("", Ok(vec![])), ("1234", Ok(b"1234".to_vec())), ("12345", Err(ErrorKind::FileTooLarge))]
        {
            fs::write(&path, content).unwrap();
            assert_eq!(kind(&path), expected, "{content:?}");
        }
        assert_eq!(kind(folder.path()), Err(ErrorKind::InvalidInput));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(kind(&pipe), Err(ErrorKind::InvalidInput));
    }

    #[test]
    fn the_new_content_takes_the_place_of_the_old_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.json");
        for content in ["first, and longer", "second"] {
            replace(&path, content.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["values.json"]);
    }

    #[test]
    fn what_a_power_cut_left_of_an_earlier_attempt_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".values.json.new");
        fs::write(&left, "half of it, which is longer than all of the new").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o444)).unwrap();
        let path = folder.path().join("values.json");
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["values.json"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_content_and_no_rubbish() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file, whoever asks: even root.
        let path = folder.path().join("values.json");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"new", 0o600).is_err());
        assert_eq!(names(folder.path()), ["values.json"]);
        assert!(path.is_dir());
        assert!(replace(&folder.path().join("absent/values.json"), b"new", 0o600).is_err());
        assert!(replace(Path::new("/"), b"new", 0o600).is_err());
    }
}
