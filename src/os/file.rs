//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
