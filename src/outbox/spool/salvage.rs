//! What can be brought back of a damaged spool.

use std::ops::Range;

use super::layout::{DATA_START, Reader, Slots};

/// Where the records of a damaged file are. Takes memory by the number of damages, not of records.
#[derive(Clone, Debug)]
pub(super) struct Salvage {
    /// The numbers that are to be in the spool.
    range: Range<u64>,
    /// Elements in unbroken rows, by their first number.
    runs: Vec<Run>,
    ring_end: u64,
    start_may_be_over: bool,
}

/// Elements that follow each other in place and number.
#[derive(Clone, Debug)]
struct Run {
    at: u64,
    /// Where the element after the last would begin.
    end: u64,
    numbers: Range<u64>,
}

impl Salvage {
    /// Searches a damaged file for elements: those with the numbers `known` where they are known, else those
    /// that the headers name, else the newest in a row. `None` where the file holds neither header nor
    /// element: it is no spool.
    pub(super) fn search(reader: &mut Reader<'_>, known: Option<Range<u64>>) -> Option<Salvage> {
        let Slots { newest, older, .. } = reader.slots();
        // Without a header it is the end of the file, which has that length from the beginning.
        let ring_end = newest.map_or(reader.length(), |it| it.end).max(DATA_START + 1);
        let mut runs = runs(reader, ring_end);
        runs.sort_by_key(|it| it.numbers.start);

        let is_there = |number: u64| runs.iter().find(|it| it.numbers.contains(&number));
        let range = match (known, newest, older) {
            (Some(known), _, _) => known,
            (None, Some(newest), Some(_)) => newest.first()..newest.next,
            (None, Some(one), None) => {
                // The other slot may have been the newer one: its records follow.
                let mut end = one.next;
                while let Some(run) = is_there(end) {
                    end = run.numbers.end;
                }
                one.first()..end
            }
            (None, None, _) => {
                let end = runs.iter().map(|it| it.numbers.end).max()?;
                let mut start = end;
                while let Some(run) = is_there(start - 1) {
                    start = run.numbers.start;
                }
                start..end
            }
        };
        // An append that the power cut before its header was written, over the place of delivered records.
        let start_may_be_over = runs.iter().any(|it| it.numbers.end > range.end);
        Some(Salvage { range, runs, ring_end, start_may_be_over })
    }

    /// The numbers that are to be in the spool.
    pub(super) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Whether records at the start of the range may be missing because they were delivered, and written over.
    pub(super) fn start_may_be_over(&self) -> bool {
        self.start_may_be_over
    }

    /// Shows to `each`, in order, what every number of the range has for content: `None` where that is lost.
    pub(super) fn contents<E>(
        &self,
        reader: &mut Reader<'_>,
        mut each: impl FnMut(Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut content = Vec::new();
        let mut next = self.range.start;
        for Run { at, numbers, .. } in &self.runs {
            let mut at = *at;
            for number in numbers.start..numbers.end.min(self.range.end) {
                if numbers.end <= next {
                    break;
                }
                let Some(element) = reader.element(at, self.ring_end) else { break };
                at = element.end();
                if number < next {
                    continue;
                }
                for _ in next..number {
                    each(None)?;
                }
                reader.content(&element, &mut content);
                each(Some(&content))?;
                next = number + 1;
            }
        }
        (next..self.range.end).try_for_each(|_| each(None))
    }
}

/// All the elements in the file, also those that were delivered and not written over.
fn runs(reader: &mut Reader<'_>, ring_end: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut at = DATA_START;
    while let Some(candidate) = reader.candidate(at, ring_end) {
        let Some(element) = reader.element(candidate, ring_end) else {
            at = candidate + 1;
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.end == candidate && run.numbers.end == element.number => {
                run.numbers.end += 1;
                run.end = element.end();
            }
            _ => runs.push(Run {
                at: candidate,
                end: element.end(),
                numbers: element.number..element.number + 1,
            }),
        }
        if element.end() <= candidate {
            break; // It went around the ring, of which all was seen.
        }
        at = element.end();
    }
    runs
}
