//! Answers that come later: [`Pending`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, unbounded};
use serde_json::Value as Json;

use crate::ingest::ClientId;
use crate::ingest::Ticket;
use crate::model::Fate;
use crate::os::Bell;
use crate::outbox::News;
use crate::outbox::Notice;
use crate::protocol::Answer;
use crate::protocol::Code;
use crate::protocol::Failure;

/// Answers that come later, each under the ticket that stands for it.
pub(super) struct Pending {
    waiting: BTreeMap<Ticket, Waiting>,
    deadlines: BTreeSet<(Instant, Ticket)>,
    /// The last that was given.
    last: Ticket,
    /// At most two wait in it for each answer, of which the server allows so many.
    arrived: Receiver<(Ticket, Arrival)>,
    postbox: Postbox,
}

/// A place for an answer that may come later. Once it is dropped nothing comes in for it any more.
pub(super) struct Place {
    pub(super) ticket: Ticket,
    /// Of who waits for a message's notice.
    interest: Option<Arc<()>>,
}

/// Where other threads put what an answer is made of.
#[derive(Clone)]
pub(super) struct Postbox {
    arrivals: Sender<(Ticket, Arrival)>,
    bell: Bell,
}

/// What came for an answer.
pub(super) enum Arrival {
    /// Of a message.
    News(News),
    /// The answer itself.
    Answer(Result<Answer, Failure>),
}

/// An answer that is not there yet.
struct Waiting {
    client: ClientId,
    tag: Option<Json>,
    deadline: Option<Instant>,
    until: Until,
    /// While it lives, a message's notice is worth keeping.
    _interest: Option<Arc<()>>,
}

/// What a message's answer waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Until {
    /// That it is where it was promised to be.
    Stored,
    /// That the broker has it.
    Delivered,
    /// Something else, of which the answer is this word, unless it makes one itself.
    Answered(&'static str),
}

impl Pending {
    /// None yet. What arrives rings `bell`.
    pub(super) fn new(bell: Bell) -> Pending {
        let (arrivals, arrived) = unbounded();
        let postbox = Postbox { arrivals, bell };
        Pending { waiting: BTreeMap::new(), deadlines: BTreeSet::new(), last: Ticket(0), arrived, postbox }
    }

    /// Has an answer to `client` wait in its `place`, until `deadline` where there is one.
    pub(super) fn add(
        &mut self,
        Place { ticket, interest }: Place,
        client: ClientId,
        tag: Option<Json>,
        until: Until,
        deadline: Option<Instant>,
    ) -> Ticket {
        self.deadlines.extend(deadline.map(|it| (it, ticket)));
        self.waiting.insert(ticket, Waiting { client, tag, deadline, until, _interest: interest });
        ticket
    }

    /// A place that nobody else has.
    pub(super) fn place(&mut self) -> Place {
        self.last.0 += 1;
        Place { ticket: self.last, interest: None }
    }

    /// A notice for a message, and the place for which it comes in.
    pub(super) fn notice(&mut self) -> (Notice, Place) {
        let (postbox, interest) = (self.postbox.clone(), Arc::new(()));
        let Place { ticket, .. } = self.place();
        let notice = Notice::new(move |news| postbox.put(ticket, Arrival::News(news))).while_held(&interest);
        (notice, Place { ticket, interest: Some(interest) })
    }

    /// Where the answer of a ticket is to be put.
    pub(super) fn postbox(&self) -> Postbox {
        self.postbox.clone()
    }

    /// Nobody reads the answers for `client` any more.
    pub(super) fn forget(&mut self, client: ClientId) {
        self.waiting.retain(|ticket, it| {
            let stays = it.client != client;
            if let (false, Some(deadline)) = (stays, it.deadline) {
                self.deadlines.remove(&(deadline, *ticket));
            }
            stays
        });
    }

    /// When the first of them has to be given, whatever has come.
    pub(super) fn due(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Appends the answers that are there, or whose time is over. `is_up` says whether the broker is connected.
    pub(super) fn answers(&mut self, now: Instant, is_up: bool, answers: &mut Vec<(Ticket, String)>) {
        while let Ok((ticket, arrival)) = self.arrived.try_recv() {
            let Some(waiting) = self.waiting.get(&ticket) else { continue };
            let answer = match arrival {
                Arrival::Answer(answer) => Some(answer),
                Arrival::News(news) => answer_to(news, waiting.until, is_up),
            };
            answers.extend(answer.and_then(|it| self.end(ticket, it)));
        }
        while let Some((_, ticket)) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now)
        {
            let reason = "the broker has not acknowledged it in time; it is on its way still";
            answers.extend(self.end(ticket, Err(Failure::new(Code::Timeout, reason))));
        }
    }

    /// The answer of `ticket`, where somebody waits for that: what was asked is `done`, or why it is not.
    pub(super) fn conclude(&mut self, ticket: Ticket, done: Result<(), Failure>) -> Option<(Ticket, String)> {
        let Until::Answered(word) = self.waiting.get(&ticket)?.until else { return None };
        self.end(ticket, done.map(|()| Answer::ok(word)))
    }

    /// Appends an answer for all that are still waited for: nobody will know.
    pub(super) fn give_up(&mut self, answers: &mut Vec<(Ticket, String)>) {
        self.deadlines.clear();
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        answers.extend(waiting.map(|(ticket, it)| (ticket, ended().line(it.tag.as_ref()))));
    }

    /// Ends the waiting for `ticket` with that answer.
    fn end(&mut self, ticket: Ticket, answer: Result<Answer, Failure>) -> Option<(Ticket, String)> {
        let Waiting { tag, deadline, .. } = self.waiting.remove(&ticket)?;
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        let tag = tag.as_ref();
        Some((ticket, answer.map_or_else(|failure| failure.line(tag), |answer| answer.line(tag))))
    }
}

impl Postbox {
    /// Puts in what has come for `ticket`, and has it looked for. Never blocks.
    pub(super) fn put(&self, ticket: Ticket, arrival: Arrival) {
        let _ = self.arrivals.send((ticket, arrival)); // Where nobody looks any more, nobody waits.
        self.bell.ring();
    }
}

/// What is answered where a message was accepted, and the broker is connected or not.
pub(super) fn accepted(is_up: bool, place: &str) -> Answer {
    match is_up {
        true => Answer::ok("accepted"),
        false => Answer::ok("queued").with("in", place),
    }
}

/// The answer that `news` are to whoever waits `until` something; `None` where they are not what is waited for.
fn answer_to(news: News, until: Until, is_up: bool) -> Option<Result<Answer, Failure>> {
    Some(match (news, until) {
        (News::Stored, Until::Delivered) => return None,
        (News::Stored, _) => Ok(accepted(is_up, "card")),
        (News::Ended(Some(Fate::Delivered)), Until::Delivered) => Ok(Answer::ok("delivered")),
        // It need not be on the card any more.
        (News::Ended(Some(Fate::Delivered)), _) => Ok(accepted(true, "memory")),
        (News::Ended(Some(Fate::Replaced)), Until::Delivered) => {
            let reason = "a newer value of the same topic has taken its place before it was sent";
            Err(Failure::new(Code::Replaced, reason))
        }
        (News::Ended(Some(Fate::Replaced)), _) => Ok(accepted(is_up, "memory")),
        (News::Ended(Some(Fate::Expired)), _) => {
            Err(Failure::new(Code::Dropped, "its time was over before it could be sent"))
        }
        (News::Ended(Some(Fate::Dropped)), _) => {
            let reason = "it was given up: there was no room for it, or no connection survived it";
            Err(Failure::new(Code::Dropped, reason))
        }
        (News::Ended(None), _) => Err(ended()),
    })
}

fn ended() -> Failure {
    Failure::new(Code::Ended, "the daemon ends")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const US: ClientId = ClientId(1);

    fn pending() -> Pending {
        Pending::new(Bell::new().unwrap())
    }

    /// The answers that there are at `now`.
    fn answers(pending: &mut Pending, now: Instant) -> Vec<(Ticket, String)> {
        let mut answers = Vec::new();
        pending.answers(now, true, &mut answers);
        answers
    }

    /// That what is told `news` of gets the answer `expected`, `""` for none, where that is waited for `until` something.
    #[track_caller]
    fn check(news: News, until: Until, is_up: bool, expected: &str) {
        let answer = answer_to(news, until, is_up);
        let line = answer.map(|it| it.map_or_else(|failure| failure.line(None), |answer| answer.line(None)));
        let line = line.unwrap_or_default();
        let is_expected = if expected.is_empty() { line.is_empty() } else { line.starts_with(expected) };
        assert!(is_expected, "{news:?}, {until:?}: {line}");
    }

    #[test]
    fn what_became_of_a_message_is_answered_as_far_as_it_was_asked_for() {
        let ended = |fate| News::Ended(Some(fate));
        check(News::Stored, Until::Delivered, true, "");
        check(News::Stored, Until::Stored, true, r#"{"ok":"accepted"}"#);
        check(News::Stored, Until::Stored, false, r#"{"in":"card","ok":"queued"}"#);
        check(ended(Fate::Delivered), Until::Delivered, true, r#"{"ok":"delivered"}"#);
        check(ended(Fate::Delivered), Until::Stored, true, r#"{"ok":"accepted"}"#);
        check(ended(Fate::Replaced), Until::Delivered, true, r#"{"error":"replaced","#);
        check(ended(Fate::Replaced), Until::Stored, true, r#"{"ok":"accepted"}"#);
        check(ended(Fate::Expired), Until::Delivered, true, r#"{"error":"dropped","#);
        check(ended(Fate::Dropped), Until::Stored, true, r#"{"error":"dropped","#);
        check(News::Ended(None), Until::Delivered, true, r#"{"error":"ended","#);
    }

    #[test]
    fn whoever_waits_in_vain_is_told_when_the_time_is_over_and_nothing_after() {
        let (mut pending, start) = (pending(), Instant::now());
        let (notice, place) = pending.notice();
        let later = start + Duration::from_secs(5);
        let ticket = pending.add(place, US, Some(json!("t")), Until::Delivered, Some(later));
        assert_eq!((answers(&mut pending, start), pending.due()), (vec![], Some(later)));
        let told = answers(&mut pending, later);
        assert_eq!((told.len(), told[0].0, pending.due()), (1, ticket, None));
        assert!(told[0].1.contains(r#""error":"timeout""#) && told[0].1.contains(r#""tag":"t""#), "{told:?}");
        notice.end(Fate::Delivered);
        assert_eq!(answers(&mut pending, later), []);
    }

    #[test]
    fn nothing_is_kept_for_a_program_that_has_gone() {
        let (mut pending, now) = (pending(), Instant::now());
        let ((notice, place), another) = (pending.notice(), pending.place());
        pending.add(place, US, None, Until::Delivered, Some(now));
        let other = pending.add(another, ClientId(2), None, Until::Answered("registered"), None);
        pending.forget(US);
        assert_eq!((pending.due(), pending.waiting.len(), pending.deadlines.len()), (None, 1, 0));
        notice.end(Fate::Delivered);
        assert_eq!(answers(&mut pending, now), []);
        assert_eq!(pending.conclude(other, Ok(())), Some((other, r#"{"ok":"registered"}"#.to_owned())));
    }

    #[test]
    fn a_message_that_nobody_waits_for_says_nothing_to_the_answers_after_it() {
        let (mut pending, now) = (pending(), Instant::now());
        pending.notice().0.forget(); // Refused.
        let (notice, place) = pending.notice();
        drop(place); // Answered already.
        let another = pending.place();
        pending.add(another, US, None, Until::Answered("reloaded"), None);
        notice.end(Fate::Delivered);
        assert_eq!(answers(&mut pending, now), []);
    }

    #[test]
    fn at_the_end_all_who_wait_are_told_so() {
        let (mut pending, now) = (pending(), Instant::now());
        let places = [pending.place(), pending.place()];
        let tickets = places.each_ref().map(|it| it.ticket);
        let [first, second] = places;
        pending.add(first, US, Some(json!(7)), Until::Delivered, Some(now + Duration::from_secs(5)));
        pending.add(second, US, None, Until::Answered("reloaded"), None);
        let mut told = Vec::new();
        pending.give_up(&mut told);
        assert_eq!(told.iter().map(|it| it.0).collect::<Vec<_>>(), tickets);
        assert!(told.iter().all(|it| it.1.starts_with(r#"{"error":"ended","#)), "{told:?}");
        assert!(told[0].1.contains(r#""tag":7"#), "{told:?}");
        assert_eq!(pending.due(), None);
    }
}
