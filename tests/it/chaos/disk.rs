//! The disk that the spool is on: it can be filled, and its bytes go bad.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;

/// A folder for the spool.
pub(super) struct Disk {
    folder: PathBuf,
    kind: Kind,
}

/// What it is, and how it is made full.
enum Kind {
    /// A folder like any other, with plenty of room.
    Large,
    /// A small file system of its own, filled by another file: who may mount one has this.
    Mounted,
    /// Files beyond a size cannot be written by the process: everybody else has this.
    Limited,
}

impl Disk {
    /// A disk at `folder`, where nothing is yet; a small one, where it is to be filled.
    pub(super) fn new(folder: PathBuf, is_small: bool) -> Disk {
        fs::create_dir(&folder).unwrap();
        let mounted = || {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "chaos"]).arg(&folder);
            mount.output().is_ok_and(|it| it.status.success())
        };
        let kind = match is_small {
            false => Kind::Large,
            true if mounted() => Kind::Mounted,
            true => Kind::Limited,
        };
        Disk { folder, kind }
    }

    /// Where the spool is to be.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has the process `id` write nothing where nothing was before, or hardly anything, until [`Disk::clear`].
    pub(super) fn fill(&self, id: u32) {
        match self.kind {
            Kind::Large => panic!("nobody has so many bytes"),
            Kind::Mounted => {
                let mut ballast = File::create(self.folder.join(BALLAST)).unwrap();
                while ballast.write_all(&[7; 1024]).is_ok() {}
            }
            Kind::Limited => limit(id, HEADER),
        }
    }

    /// Ends what [`Disk::fill`] began.
    pub(super) fn clear(&self, id: u32) {
        match self.kind {
            Kind::Large => {}
            Kind::Mounted => fs::remove_file(self.folder.join(BALLAST)).unwrap(),
            Kind::Limited => limit(id, "unlimited"),
        }
    }

    /// Cuts one of its files short, or turns bits of it over. Returns what was done; `None` where there is no file.
    pub(super) fn damage(&self, random: &mut Rng) -> Option<String> {
        let files = self.files();
        let path = random.choice(&files)?;
        let file = File::options().read(true).write(true).open(path).unwrap();
        let length = file.metadata().unwrap().len();
        let name = path.file_name().expect("it is a file").to_string_lossy();
        // Most of the file may be a hole: what is written is worth more.
        let mut bytes = vec![0; usize::try_from(length).expect("spools are small")];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let written: Vec<u64> =
            (0..length).zip(&bytes).filter(|(_, byte)| **byte != 0).map(|it| it.0).collect();
        let mut place = || random.choice(&written).copied().unwrap_or(0);
        let mut places = vec![place(), place(), place()];
        if random.bool() {
            file.set_len(places[0]).unwrap();
            return Some(format!("cut {name} from {length} bytes to {}", places[0]));
        }
        places.truncate(random.usize(1..=3));
        for place in &places {
            let byte = bytes[usize::try_from(*place).expect("spools are small")] ^ (1 << random.u8(..8));
            file.write_all_at(&[byte], *place).unwrap();
        }
        Some(format!("turned over a bit at {places:?} of the {length} bytes of {name}"))
    }

    /// Copies its files to `folder`, a new one.
    pub(super) fn copy(&self, folder: &Path) {
        fs::create_dir(folder).unwrap();
        for path in self.files() {
            fs::copy(&path, folder.join(path.file_name().expect("it is a file"))).unwrap();
        }
    }

    /// Its files that have something in them, in an order that is the same each time.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).unwrap().map(|it| it.unwrap().path());
        let has_bytes = |it: &PathBuf| fs::metadata(it).is_ok_and(|it| it.len() > 0);
        let mut files: Vec<PathBuf> = entries.filter(has_bytes).collect();
        files.sort_unstable();
        files
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Mounted) {
            let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        }
    }
}

/// A program that is not ended by its limit, but told of it.
pub(super) fn tolerant(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"]).arg(program);
    command
}

/// Sets the size to which the process `id` may write a file, which it may raise again.
fn limit(id: u32, bytes: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--pid={id}")).arg(format!("--fsize={bytes}:"));
    assert!(prlimit.status().unwrap().success(), "{prlimit:?}");
}

/// The size of a mounted one: filled in a moment, and more than waits at the end of an outage.
const SIZE: &str = "8m";
/// The bytes that can be written where there is no such thing: enough for what the spool writes again and again.
const HEADER: &str = "4096";
/// What fills it.
const BALLAST: &str = "ballast";
