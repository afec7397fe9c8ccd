//! How much a registry may know.

/// The bounds of a [`Registry`](super::Registry). What would go beyond them is refused: who was first stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The most entities. 10,000 unless said otherwise: some hundred devices have two thousand.
    pub entities: usize,
    /// About the most bytes of memory for all of them, with their announcements, topics and states.
    /// 24 MiB unless said otherwise: room for 10,000 of Zigbee2MQTT's sensors, at 2.2 KiB each.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entities: 10_000, bytes: 24 * 1024 * 1024 }
    }
}

/// What one allocation takes beyond its bytes: the allocator's own words and the two counts of an `Arc`.
pub(super) const ALLOCATION: usize = 24;

/// What `bytes` that are held take in all. Between them lie gaps that no other allocation fits: 10,000 sensors of
/// Zigbee2MQTT held 16.9 MB and had the process grow by 25.8 MB (glibc, 64 bits).
pub(super) const fn with_gaps(bytes: usize) -> usize {
    bytes + bytes / 2
}

/// What can be held in `bytes` with the gaps between.
pub(super) const fn without_gaps(bytes: usize) -> usize {
    bytes / 3 * 2
}
