//! How the crate queue-file (2.x) lays out its file, as far as we read it without that crate.
//!
//! The crate stops at the first damage; we are to bring back everything around it. Two header slots at 0 and
//! 4096, written in turn, then a ring of elements: header, content, footer. Numbers are big-endian, checksums
//! CRC-32.

use std::os::unix::fs::FileExt;

/// What a header slot says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    /// End of the ring, in bytes from the start of the file.
    pub(super) end: u64,
    /// How many elements there are, fewer than `next`.
    pub(super) count: u64,
    /// Where the first of them is; 0 without any.
    pub(super) first_at: u64,
    /// Where the last of them is; 0 without any.
    pub(super) last_at: u64,
    /// Higher by one with each writing.
    pub(super) generation: u64,
    /// The number of the element that comes next. Elements are numbered without gaps, from 1 on.
    pub(super) next: u64,
}

/// What the two slots of a file say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slots {
    /// The slot that holds: the newer one of those that are whole.
    pub(super) newest: Option<Slot>,
    /// The other one.
    pub(super) older: Option<Slot>,
    /// Whether a newer version of queue-file wrote them.
    pub(super) foreign: bool,
}

/// An element that is as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Element {
    /// Its number.
    pub(super) number: u64,
    /// Where it is.
    pub(super) at: u64,
    /// Where the ring ends in which it is.
    pub(super) ring_end: u64,
    /// Bytes of its content.
    pub(super) length: u64,
}

/// Reads a file in order, a buffer at a time. What cannot be read is zeros: a bad block is damage like any
/// other.
pub(super) struct Reader<'f> {
    file: &'f dyn FileExt,
    /// Length of the file.
    length: u64,
    buffer: Vec<u8>,
    /// What the buffer begins with.
    at: u64,
}

impl Slot {
    /// The slot of an empty ring that ends at `end`; the number of its first element will be `next`.
    pub(super) fn empty(end: u64, next: u64) -> Slot {
        Slot { end, count: 0, first_at: 0, last_at: 0, generation: 1, next }
    }

    /// The number of the first element.
    pub(super) fn first(&self) -> u64 {
        self.next - self.count
    }

    /// The slot as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLOT_BYTES);
        bytes.extend(SLOT_MAGIC);
        bytes.extend([SLOT_VERSION, 0, 0, 0]);
        bytes.extend(self.end.to_be_bytes());
        bytes.extend((self.count as u32).to_be_bytes());
        for number in [self.first_at, self.last_at, self.generation, self.next] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<Slot> {
        let slot = Slot {
            end: u64_at(bytes, 8),
            count: u32_at(bytes, 16).into(),
            first_at: u64_at(bytes, 20),
            last_at: u64_at(bytes, 28),
            generation: u64_at(bytes, 36),
            next: u64_at(bytes, 44),
        };
        let legal = slot.end >= DATA_START && slot.next > slot.count && slot.next < MOST;
        // Encoding it again checks the magic, the version and the checksum.
        (legal && slot.encode() == bytes).then_some(slot)
    }
}

impl<'f> Reader<'f> {
    /// A reader of `file`, which has `length` bytes.
    pub(super) fn new(file: &'f dyn FileExt, length: u64) -> Reader<'f> {
        Reader { file, length, buffer: vec![0; length.min(BUFFER_BYTES) as usize], at: length }
    }

    /// Bytes in the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The header slots.
    pub(super) fn slots(&mut self) -> Slots {
        let [a, b] = SLOTS_AT.map(|at| {
            let mut bytes = [0; SLOT_BYTES];
            self.copy(at, self.length, &mut bytes).then_some(bytes)
        });
        let decode = |it: Option<[u8; SLOT_BYTES]>| it.as_ref().and_then(Slot::decode);
        let newer =
            |it: Option<[u8; SLOT_BYTES]>| it.is_some_and(|it| it[..4] == SLOT_MAGIC && it[4] > SLOT_VERSION);
        let foreign = newer(a) && newer(b);
        match (decode(a), decode(b)) {
            (Some(a), Some(b)) if a.generation >= b.generation => {
                Slots { newest: Some(a), older: Some(b), foreign }
            }
            (a, Some(b)) => Slots { newest: Some(b), older: a, foreign },
            (a, None) => Slots { newest: a, older: None, foreign },
        }
    }

    /// The element at `at` in the ring that ends at `ring_end`, if what is there is one, and whole.
    pub(super) fn element(&mut self, at: u64, ring_end: u64) -> Option<Element> {
        let mut header = [0; HEADER_BYTES];
        if !self.copy(at, ring_end, &mut header) || header[..4] != ELEMENT_MAGIC {
            return None;
        }
        let (number, length) = (u64_at(&header, 4), u64::from(u32_at(&header, 20)));
        let legal = u32_at(&header, 24) == crc32fast::hash(&header[..24])
            && (1..MOST).contains(&number)
            && length <= MOST_CONTENT
            && span(length as usize) <= ring_end - DATA_START;
        if !legal {
            return None;
        }
        let content_at = wrap(at + HEADER_BYTES as u64, ring_end);
        let mut checksum = crc32fast::Hasher::new();
        let footer_at = self.pieces(content_at, ring_end, length, |piece| checksum.update(piece))?;
        let mut footer = [0; FOOTER_BYTES];
        if !self.copy(footer_at, ring_end, &mut footer) || footer[..4] != FOOTER_MAGIC {
            return None;
        }
        checksum.update(&footer[..12]);
        let whole = u64_at(&footer, 4) == number && u32_at(&footer, 12) == checksum.finalize();
        whole.then_some(Element { number, at, ring_end, length })
    }

    /// The content of `element`, into `content`.
    pub(super) fn content(&mut self, element: &Element, content: &mut Vec<u8>) {
        content.clear();
        let at = wrap(element.at + HEADER_BYTES as u64, element.ring_end);
        self.pieces(at, element.ring_end, element.length, |piece| content.extend(piece));
    }

    /// The next place from `at` on where an element may begin in the ring that ends at `ring_end`: where its
    /// magic is, or would go around. `None` at the end of ring or file.
    pub(super) fn candidate(&mut self, mut at: u64, ring_end: u64) -> Option<u64> {
        loop {
            let piece = self.piece(at, ring_end);
            if piece.len() < MAGIC_BYTES {
                return (!piece.is_empty()).then_some(at);
            }
            if let Some(found) = piece.windows(MAGIC_BYTES).position(|it| it == ELEMENT_MAGIC) {
                return Some(at + found as u64);
            }
            at += (piece.len() - MAGIC_BYTES + 1) as u64;
        }
    }

    /// Fills `bytes` from `at` on, around the ring. Returns false where the file is too short.
    fn copy(&mut self, at: u64, ring_end: u64, bytes: &mut [u8]) -> bool {
        let mut rest = bytes;
        self.pieces(at, ring_end, rest.len() as u64, |piece| {
            let (filled, more) = std::mem::take(&mut rest).split_at_mut(piece.len());
            filled.copy_from_slice(piece);
            rest = more;
        })
        .is_some()
    }

    /// Shows `length` bytes from `at` on, around the ring, to `each`, piece by piece. Returns where they end;
    /// `None` where the file is too short.
    fn pieces(
        &mut self,
        mut at: u64,
        ring_end: u64,
        length: u64,
        mut each: impl FnMut(&[u8]),
    ) -> Option<u64> {
        let mut left = length;
        while left > 0 {
            let piece = self.piece(at, at.saturating_add(left).min(ring_end));
            if piece.is_empty() {
                return None;
            }
            each(piece);
            let length = piece.len() as u64;
            left -= length;
            at = wrap(at + length, ring_end);
        }
        Some(at)
    }

    /// Some bytes from `at` on, before `end`, at least a magic's where there are as many; none beyond the file.
    fn piece(&mut self, at: u64, end: u64) -> &[u8] {
        let end = end.min(self.length);
        if at >= end {
            return &[];
        }
        if at < self.at || at + (end - at).min(MAGIC_BYTES as u64) > self.at + self.buffer.len() as u64 {
            self.fill(at);
        }
        let rest = &self.buffer[(at - self.at) as usize..];
        &rest[..rest.len().min((end - at) as usize)]
    }

    /// Reads the buffer anew, so that it holds what is at `at`.
    fn fill(&mut self, at: u64) {
        self.at = at - at % SECTOR_BYTES;
        self.buffer.resize((self.length - self.at).min(BUFFER_BYTES) as usize, 0);
        if self.file.read_exact_at(&mut self.buffer, self.at).is_err() {
            let places = (self.at..).step_by(SECTOR_BYTES as usize);
            for (sector, at) in self.buffer.chunks_mut(SECTOR_BYTES as usize).zip(places) {
                if self.file.read_exact_at(sector, at).is_err() {
                    sector.fill(0);
                }
            }
        }
    }
}

impl Element {
    /// How many bytes it takes.
    pub(super) fn span(&self) -> u64 {
        span(self.length as usize)
    }

    /// Where the next element begins.
    pub(super) fn end(&self) -> u64 {
        wrap(self.at + self.span(), self.ring_end)
    }
}

/// How many bytes an element takes that has `length` bytes of content.
pub(super) fn span(length: usize) -> u64 {
    (HEADER_BYTES + length + FOOTER_BYTES) as u64
}

/// The place `at`, at most a ring's length beyond the end, within the ring that ends at `ring_end`.
fn wrap(at: u64, ring_end: u64) -> u64 {
    if at >= ring_end { at - ring_end + DATA_START } else { at }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Where the ring begins.
pub(super) const DATA_START: u64 = 8192;
/// Where the header slots are: on two pages of any file system, so that no one write can damage both.
pub(super) const SLOTS_AT: [u64; 2] = [0, 4096];
/// Bytes of a slot.
const SLOT_BYTES: usize = 56;
/// Bytes of an element's header.
const HEADER_BYTES: usize = 28;
/// Bytes of an element's footer.
const FOOTER_BYTES: usize = 16;
const MAGIC_BYTES: usize = 4;
const SLOT_MAGIC: [u8; MAGIC_BYTES] = *b"QFMH";
const ELEMENT_MAGIC: [u8; MAGIC_BYTES] = *b"ITHD";
const FOOTER_MAGIC: [u8; MAGIC_BYTES] = *b"ITFT";
const SLOT_VERSION: u8 = 2;
/// Numbers and lengths of the crate are signed: an element has at most this many bytes.
const MOST_CONTENT: u64 = i32::MAX as u64;
/// Beyond any number that a file can come to.
const MOST: u64 = i64::MAX as u64;
/// Read at once: what a card reads in a few milliseconds.
const BUFFER_BYTES: u64 = 64 * 1024;
/// The least that a disk reads: what is lost around a bad spot.
const SECTOR_BYTES: u64 = 512;
