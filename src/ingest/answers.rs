//! What a client is owed, and in which order: [`Answers`].

use std::collections::VecDeque;

/// The answers of one client, in the order of its requests, and the bytes that are on their way to it.
#[derive(Debug, Default)]
pub(super) struct Answers {
    // Invariant: the first of them, where there is one, is waited for. What is ready before that is in `bytes`.
    /// `None` for one that is waited for.
    places: VecDeque<Option<String>>,
    /// The number of the first place.
    first: u64,
    /// How many bytes are in `places`.
    kept: usize,
    bytes: Vec<u8>,
    /// How many of `bytes` the client has.
    sent: usize,
}

impl Answers {
    /// Adds the answer to the next request.
    pub(super) fn push(&mut self, line: String) {
        if self.places.is_empty() {
            self.first += 1;
            self.tell(&line);
        } else {
            self.kept += line.len();
            self.places.push_back(Some(line));
        }
    }

    /// Keeps the place of the answer to the next request, and returns its number.
    pub(super) fn promise(&mut self) -> u64 {
        self.places.push_back(None);
        self.first + self.places.len() as u64 - 1
    }

    /// Puts the answer into its place. One that is not waited for is dropped.
    pub(super) fn keep(&mut self, place: u64, line: String) {
        let index = place.checked_sub(self.first).and_then(|it| usize::try_from(it).ok());
        let Some(kept @ None) = index.and_then(|it| self.places.get_mut(it)) else { return };
        self.kept += line.len();
        *kept = Some(line);
        while let Some(Some(_)) = self.places.front() {
            if let Some(Some(line)) = self.places.pop_front() {
                self.first += 1;
                self.kept -= line.len();
                self.tell(&line);
            }
        }
    }

    /// Sends `line` after what is ready.
    pub(super) fn tell(&mut self, line: &str) {
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.push(b'\n');
    }

    /// What the client is to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// It has got `count` bytes of that.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.discard();
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Nobody reads it.
    pub(super) fn discard(&mut self) {
        self.sent = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }

    /// How many places are kept: of answers that are waited for, and of those behind them.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// How many bytes wait: to be sent, and behind an answer that is waited for.
    pub(super) fn waiting(&self) -> usize {
        self.unsent().len() + self.kept
    }

    /// How much memory it holds, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.kept + self.places.len() * size_of::<Option<String>>()
    }
}

/// Some answers of the usual length.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// What has been sent since it was asked last.
    fn take(answers: &mut Answers) -> String {
        let text = String::from_utf8(answers.unsent().to_vec()).unwrap();
        answers.sent(text.len());
        text
    }

    #[test]
    fn answers_come_in_the_order_of_the_requests() {
        let mut answers = Answers::default();
        answers.push("1".to_owned());
        let (second, third) = (answers.promise(), answers.promise());
        answers.push("4".to_owned());
        assert_eq!(take(&mut answers), "1\n");
        answers.keep(third, "3".to_owned());
        assert_eq!((take(&mut answers).as_str(), answers.waiting()), ("", 2));
        answers.keep(second, "2".to_owned());
        assert_eq!((take(&mut answers).as_str(), answers.waiting()), ("2\n3\n4\n", 0));
        assert_eq!(answers.places(), 0);
    }

    #[test]
    fn an_event_goes_before_an_answer_that_is_waited_for() {
        let mut answers = Answers::default();
        let first = answers.promise();
        answers.tell("event");
        answers.keep(first, "1".to_owned());
        assert_eq!(take(&mut answers), "event\n1\n");
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_dropped() {
        let mut answers = Answers::default();
        let first = answers.promise();
        answers.keep(first + 1, "2".to_owned());
        answers.keep(first, "1".to_owned());
        answers.keep(first, "again".to_owned());
        assert_eq!(take(&mut answers), "1\n");
    }

    #[test]
    fn what_is_sent_in_parts_arrives_whole_and_holds_nothing_after() {
        let mut answers = Answers::default();
        let line = "0123456789".repeat(1000);
        answers.push(line.clone());
        let mut text = Vec::new();
        while !answers.unsent().is_empty() {
            let count = answers.unsent().len().min(3000);
            text.extend_from_slice(&answers.unsent()[..count]);
            answers.sent(count);
        }
        assert_eq!(text, (line + "\n").into_bytes());
        assert_eq!(answers.held(), 0);
    }
}
