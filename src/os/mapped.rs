//! What of the program itself is in memory.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::{self, NonNull};

use nix::sys::mman::{MmapAdvise, madvise};

/// Has the kernel take back what it has mapped of the program's own file, and map again what is still used, as it is used: what was
/// needed for a start or a handshake no longer counts as ours (`RssFile`, proc_pid_status(5)), and is the first to
/// go where memory gets short. It stays in the page cache until then. Worth it where much has run that will not soon run again.
///
/// Blocks for as long as the kernel takes to list what is mapped, some twenty ranges in a static program; what runs next pays with a page
/// fault for each 64 kB of it, without a look at the card. Where the kernel does not tell what it has mapped (`/proc`), nothing happens.
pub fn unmap_idle_code() {
    let Ok(maps) = File::open("/proc/self/smaps") else { return };
    // All of it is read first: what reads it is code, too.
    let untouched: Vec<_> = untouched(BufReader::new(maps)).collect();
    untouched.into_iter().for_each(forget);
}

/// The ranges of addresses at which nothing can be but what a file says: read-only mappings without a page of their own,
/// in proc_pid_smaps(5).
fn untouched(maps: impl BufRead) -> impl Iterator<Item = Range<usize>> {
    let mut mapping = None;
    maps.lines().map_while(Result::ok).filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        match (words.next()?, words.next()?) {
            // A breakpoint of a debugger is such a page, as is what a dynamic linker has written.
            ("Anonymous:", "0") => mapping.take(),
            (name, _) if name.ends_with(':') => None,
            (addresses, permissions) => {
                let is_of_file = words.nth(2).is_some_and(|inode| inode != "0");
                let is_constant = matches!(permissions, "r--p" | "r-xp");
                mapping = range(addresses).filter(|_| is_of_file && is_constant);
                None
            }
        }
    })
}

/// `00010000-000ca000`.
fn range(addresses: &str) -> Option<Range<usize>> {
    let (start, end) = addresses.split_once('-')?;
    let hexadecimal = |it| usize::from_str_radix(it, 16).ok();
    Some(hexadecimal(start)?..hexadecimal(end)?)
}

/// Takes the pages out of the process. Where the kernel refuses, they stay.
#[expect(unsafe_code, reason = "the one call that the system has for this")]
fn forget(pages: Range<usize>) {
    let start = NonZeroUsize::new(pages.start).map(|it| ptr::with_exposed_provenance_mut(it.get()));
    let Some(start) = start.and_then(NonNull::new) else { return };
    // SAFETY: they are those of a private mapping of a file that nobody can write to, and none differs from it: each comes back
    // as it was when it is used next (madvise(2), MADV_DONTNEED). Nothing of the kind is unmapped while the program runs.
    let _ = unsafe { madvise(start, pages.len(), MmapAdvise::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;

    const MAPS: &str = "\
00010000-000ca000 r--p 00000000 b3:01 1234                               /usr/bin/luigi-mqtt
Size:                744 kB
Rss:                 424 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
000d9000-0045c000 r-xp 000b9000 b3:01 1234                               /usr/bin/luigi-mqtt
Anonymous:             0 kB
00460000-00461000 r-xp 000b9000 b3:01 1234                               /usr/bin/with a breakpoint in it
Anonymous:             4 kB
0046b000-0046c000 rw-p 0043b000 b3:01 1234                               /usr/bin/luigi-mqtt
Anonymous:             0 kB
0047f000-00485000 r--p 00000000 00:00 0
Anonymous:             0 kB
b6b4f000-b6bb0000 r--s 00000000 b3:01 77                                 /shared
Anonymous:             0 kB
";

    #[test]
    fn only_what_nobody_can_have_written_to_is_given_back() {
        assert_eq!(untouched(MAPS.as_bytes()).collect::<Vec<_>>(), [0x10000..0xca000, 0xd9000..0x45c000]);
    }

    #[test]
    fn what_is_no_list_of_mappings_has_none() {
        for text in [
            "",
            "\n",
            "Anonymous: 0 kB\n",
            "x-y r-xp 0 0 1 /f\nAnonymous: 0 kB\n",
            "1000 r-xp\nAnonymous: 0 kB",
        ] {
            assert_eq!(untouched(text.as_bytes()).count(), 0, "{text:?}");
        }
    }

    #[test]
    fn the_program_goes_on_with_less_of_it_in_memory() {
        let in_memory = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|it| it.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u32>().unwrap()
        };
        // Other tests are using what this one gives back.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let before = in_memory();
            unmap_idle_code();
            let after = in_memory();
            if after < before {
                break;
            }
            assert!(Instant::now() < deadline, "{after} kB of {before}");
        }
    }
}
