//! How full a file system is.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{self, FsType, statfs};
use nix::sys::statvfs::statvfs;

use super::super::read::percentage;
use super::super::{Pace, Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Value;

/// Use of the file system that holds a path, in %, as `df` has it: what is used, of what is used and what
/// others than root may still use (statvfs(3)).
///
/// Never blocks on a local disk; a network file system whose server is gone holds up its caller.
pub(super) struct Disk {
    entities: [Entity; 1],
    path: PathBuf,
}

impl Disk {
    /// The file system of `disk_path` on the machine under `root`.
    pub(super) fn new(root: &Path, disk_path: &Path) -> Disk {
        let entity = Sensor::new("disk_use", "Disk use")
            .unit("%")
            .state_class("measurement")
            .precision(1)
            .icon("mdi:harddisk")
            .category_diagnostic()
            .build()
            .expect("a test builds every entity of the host");
        // Joining an absolute path would leave the root.
        let path = root.join(disk_path.strip_prefix("/").unwrap_or(disk_path));
        Disk { entities: [entity], path }
    }

    /// How long asking for the file system that holds `disk_path`, on the machine under `root`, may take: as long as a
    /// server that is gone, unless it is that of `/`, over which nothing is mounted later, and on a local disk.
    pub(super) fn pace(root: &Path, disk_path: &Path) -> Pace {
        let is_local = |kind: FsType| LOCAL.contains(&kind);
        match statfs(root) {
            Ok(size) if disk_path == Path::new("/") && is_local(size.filesystem_type()) => Pace::Quick,
            _ => Pace::Slow,
        }
    }
}

impl Source for Disk {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let size = statvfs(&self.path).map_err(|errno| SourceError::FileSystem {
            path: self.path.clone(),
            cause: io::Error::from(errno),
        })?;
        // The fields have 32 bits on some machines and 64 on others.
        #[allow(clippy::useless_conversion)]
        let [blocks, free, available] =
            [size.blocks(), size.blocks_free(), size.blocks_available()].map(u64::from);
        let used = disk_use(blocks, free, available);
        samples.push(Ok(Value::Number(used.ok_or_else(|| SourceError::NoSize { path: self.path.clone() })?)));
        Ok(())
    }
}

fn disk_use(blocks: u64, free: u64, available: u64) -> Option<f64> {
    let used = blocks.saturating_sub(free);
    percentage(used, used.saturating_add(available))
}

/// The file systems (statfs(2)) of a Pi's card or disk, and what lies over a card that is never written to.
const LOCAL: [FsType; 5] = [
    statfs::EXT4_SUPER_MAGIC, // Also that of ext2 and ext3.
    statfs::BTRFS_SUPER_MAGIC,
    statfs::F2FS_SUPER_MAGIC,
    statfs::OVERLAYFS_SUPER_MAGIC,
    statfs::TMPFS_MAGIC,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_root_may_use_counts_neither_as_used_nor_as_free() {
        for (blocks, free, available, expected) in [
            (1000, 500, 400, Some(55.6)),
            (1000, 50, 0, Some(100.0)),
            (1000, 1000, 950, Some(0.0)),
            (0, 0, 0, None),
            (1, u64::MAX, u64::MAX, Some(0.0)),
        ] {
            assert_eq!(disk_use(blocks, free, available), expected, "{blocks} {free} {available}");
        }
    }

    #[test]
    fn the_path_stays_under_the_root() {
        let root = tempfile::tempdir().unwrap();
        let sample = |path: &str| Disk::new(root.path(), Path::new(path)).sample(&mut Vec::new());
        assert!(sample("/").is_ok());
        assert!(matches!(sample("/proc"), Err(SourceError::FileSystem { .. })));
    }

    #[test]
    fn only_the_root_of_a_local_disk_is_quick() {
        let [root, here] = [Path::new("/"), Path::new(env!("CARGO_MANIFEST_DIR"))];
        for (root, disk_path, expected) in [
            (here, "/", Pace::Quick),
            (here, "/srv", Pace::Slow),
            (root, "/proc", Pace::Slow),
            (Path::new("/proc"), "/", Pace::Slow),
            (Path::new("/nowhere"), "/", Pace::Slow),
        ] {
            assert_eq!(Disk::pace(root, Path::new(disk_path)), expected, "{} {disk_path}", root.display());
        }
    }

    #[test]
    fn a_file_system_without_a_size_has_no_use() {
        let proc = Disk::new(Path::new("/"), Path::new("/proc")).sample(&mut Vec::new());
        assert!(matches!(proc, Err(SourceError::NoSize { .. })), "{proc:?}");
    }
}
