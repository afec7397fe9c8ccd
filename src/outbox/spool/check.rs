//! Whether a file is a sound spool, and what is in it.

use super::census::Census;
use super::layout::{DATA_START, Reader, Slot, Slots};
use super::record::{self, Undecodable};

/// What a file is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// A spool that can be used as it is.
    Sound(Contents),
    /// One that is to be salvaged first, or no spool at all: only searching it will tell.
    Damaged,
    /// One that a newer version of this program wrote.
    Newer,
}

/// What is in a sound spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Contents {
    /// The header that holds.
    pub(super) slot: Slot,
    /// Bytes that the records take in the ring.
    pub(super) bytes: u64,
    /// How many records there are on each topic.
    pub(super) topics: Census,
}

/// Reads the whole live part of the file in order, every checksum included.
///
/// Stricter in everything than queue-file, which trusts what it opens: on a file that passes here it neither
/// fails nor panics.
pub(super) fn check(reader: &mut Reader<'_>) -> Verdict {
    let Slots { newest, older, foreign } = reader.slots();
    let (Some(slot), Some(_), false) = (newest, older, foreign) else {
        return if foreign { Verdict::Newer } else { Verdict::Damaged };
    };
    if slot.end > reader.length() {
        return Verdict::Damaged;
    }
    let mut topics = Census::default();
    let mut content = Vec::new();
    let room = slot.end - DATA_START;
    let mut bytes = 0;
    let (mut at, mut last_at) = (slot.first_at, 0);
    for number in slot.first()..slot.next {
        let found = (DATA_START..slot.end).contains(&at).then(|| reader.element(at, slot.end)).flatten();
        let Some(element) = found.filter(|it| it.number == number && bytes + it.span() <= room) else {
            return Verdict::Damaged;
        };
        reader.content(&element, &mut content);
        match record::decode(&content) {
            Ok(record) => topics.count(record.message.topic),
            Err(Undecodable::Gone) => {}
            Err(Undecodable::Newer) => return Verdict::Newer,
            Err(Undecodable::Nonsense) => return Verdict::Damaged,
        }
        bytes += element.span();
        (at, last_at) = (element.end(), at);
    }
    let pointed =
        if slot.count == 0 { slot.first_at == 0 && slot.last_at == 0 } else { slot.last_at == last_at };
    if pointed { Verdict::Sound(Contents { slot, bytes, topics }) } else { Verdict::Damaged }
}
