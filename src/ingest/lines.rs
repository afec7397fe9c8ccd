//! Bytes as they come become lines: [`Lines`].

/// What has come and not been taken yet: whole lines, and the beginning of one. It holds no memory once all is taken.
///
/// Of a line that is too long only that is told, once; the rest of it takes no memory, however long.
#[derive(Debug)]
pub(super) struct Lines {
    /// The longest line.
    most: usize,
    bytes: Vec<u8>,
    // Invariant: `start <= seen <= bytes.len()`, and no line ends between `start` and `seen`.
    /// Where the next line begins.
    start: usize,
    /// How far has been looked for its end.
    seen: usize,
    /// Whether the rest of a line that is too long is skipped; `bytes` is empty then.
    skips: bool,
}

/// A line, its end taken off.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// This.
    Whole(&'a [u8]),
    /// One that is too long.
    TooLong,
}

impl Lines {
    /// None yet. A line has at most `most` bytes, its end not counted.
    pub(super) fn new(most: usize) -> Lines {
        Lines { most, bytes: Vec::new(), start: 0, seen: 0, skips: false }
    }

    /// Adds what has come. What is held after that is what was held, and `chunk`.
    pub(super) fn extend(&mut self, mut chunk: &[u8]) {
        if self.skips {
            let Some(end) = chunk.iter().position(|&it| it == END) else { return };
            chunk = &chunk[end + 1..];
            self.skips = false;
        }
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// The next line that is whole, or known to be too long.
    pub(super) fn next(&mut self) -> Option<Line<'_>> {
        let end = self.bytes[self.seen..].iter().position(|&it| it == END).map(|it| self.seen + it);
        let (start, length) = (self.start, end.unwrap_or(self.bytes.len()) - self.start);
        match end {
            Some(end) => (self.start, self.seen) = (end + 1, end + 1),
            None if length > self.most => {
                self.release();
                self.skips = true;
            }
            None => {
                self.seen = self.bytes.len();
                if length == 0 {
                    self.release();
                }
                return None;
            }
        }
        if length > self.most {
            return Some(Line::TooLong);
        }
        Some(Line::Whole(&self.bytes[start..start + length]))
    }

    /// Has the line that came last, of `length` bytes, come again.
    pub(super) fn put_back(&mut self, length: usize) {
        self.start -= length + 1;
        self.seen = self.start;
    }

    /// Nothing comes any more: what there is of the last line counts as one, as `printf` without a newline writes it.
    pub(super) fn finish(&mut self) {
        if !self.skips && self.bytes.len() > self.start && self.bytes.last() != Some(&END) {
            self.bytes.push(END);
        }
    }

    /// How much memory it holds, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    fn release(&mut self) {
        // A program that asks and waits, asks and waits, need not have it made anew for each.
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        (self.start, self.seen) = (0, 0);
    }
}

const END: u8 = b'\n';
/// A line of the usual length.
const KEPT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of `lines`, as text; `…` for one that is too long.
    fn all(lines: &mut Lines) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            all.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::TooLong => "…".to_owned(),
            });
        }
        all
    }

    /// Lines of at most 4 bytes that come as `chunks`, the last of them at the end.
    #[track_caller]
    fn check(chunks: &[&str], expected: &[&[&str]], rest: &[&str]) {
        let mut lines = Lines::new(4);
        let found: Vec<_> = chunks
            .iter()
            .map(|chunk| {
                lines.extend(chunk.as_bytes());
                all(&mut lines)
            })
            .collect();
        assert_eq!(found, expected, "{chunks:?}");
        lines.finish();
        assert_eq!(all(&mut lines), rest, "{chunks:?}, at the end");
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        check(&["a\nbc\n"], &[&["a", "bc"]], &[]);
        check(&["a", "\nb", "c\n"], &[&[], &["a"], &["bc"]], &[]);
        check(&["\n\n"], &[&["", ""]], &[]);
        check(&["a\0\n"], &[&["a\0"]], &[]);
    }

    #[test]
    fn what_is_left_at_the_end_is_a_line() {
        check(&["a\nbc"], &[&["a"]], &["bc"]);
        check(&[""], &[&[]], &[]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once() {
        check(&["abcd\nabcde\nf\n"], &[&["abcd", "…", "f"]], &[]);
        check(&["abcd", "e", "fgh", "i\nj\n"], &[&[], &["…"], &[], &["j"]], &[]);
        check(&["abcde", "fg"], &[&["…"], &[]], &[]);
    }

    #[test]
    fn nothing_is_held_of_a_line_beyond_the_longest() {
        let mut lines = Lines::new(100 << 10);
        let mut told = 0;
        for _ in 0..1000 {
            lines.extend(&[b'x'; 8 << 10]);
            told += all(&mut lines).len();
            assert!(lines.held() <= 2 * ((100 << 10) + (8 << 10)), "{}", lines.held());
        }
        assert_eq!((told, lines.held()), (1, 0));
    }

    #[test]
    fn nothing_is_held_once_all_is_taken() {
        let mut lines = Lines::new(100 << 10);
        lines.extend(&[b'\n'; 8 << 10]);
        assert_eq!(all(&mut lines).len(), 8 << 10);
        assert!(lines.held() <= KEPT);
    }
}
