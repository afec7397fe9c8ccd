//! A SUBSCRIBE or UNSUBSCRIBE of ours, from the request to the broker's answer: [`Question`].

use std::time::Instant;

use crate::model::TopicFilter;

/// What the broker was asked, and how far that is. There is one at a time.
#[derive(Debug)]
pub(super) struct Question {
    asked: Asked,
    since: Instant,
    stage: Stage,
}

/// What was asked.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// To send what matches these filters. Those with false are not passed on to the broker; once it has answered,
    /// those neither to which it did not agree.
    Subscribe(Vec<(TopicFilter, bool)>),
    /// To send that no longer.
    Unsubscribe,
}

/// The packet in which it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Packet {
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE. Also of a filter that stands for nothing, where there is nothing to pass on.
    Unsubscribe,
}

#[derive(Debug, Eq, PartialEq)]
enum Stage {
    Requested,
    /// With this packet identifier.
    Written(u16),
    Answered,
}

impl Question {
    /// A question that is about to be written.
    pub(super) fn new(asked: Asked) -> Question {
        Question { asked, since: Instant::now(), stage: Stage::Requested }
    }

    /// When it was requested.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// What was asked, and if it is answered, what became of it.
    pub(super) fn into_asked(self) -> Asked {
        self.asked
    }

    /// Takes note that `packet` was written as `packet_id`. Returns whether it was this one's.
    pub(super) fn written(&mut self, packet: Packet, packet_id: u16) -> bool {
        let is_ours = self.stage == Stage::Requested && self.asked.packet() == packet;
        if is_ours {
            self.stage = Stage::Written(packet_id);
        }
        is_ours
    }

    /// Takes note of the answer to `packet` number `packet_id`: whether the broker agrees, for each filter that was
    /// passed on; what it does not mention it does not agree to. Returns whether it was for this one.
    pub(super) fn answered(&mut self, packet: Packet, packet_id: u16, agreed: &[bool]) -> bool {
        let is_ours = self.stage == Stage::Written(packet_id) && self.asked.packet() == packet;
        if is_ours {
            self.stage = Stage::Answered;
            if let Asked::Subscribe(filters) = &mut self.asked {
                let mut agreed = agreed.iter().copied();
                for (_, granted) in filters.iter_mut().filter(|(_, passed_on)| *passed_on) {
                    *granted = agreed.next().unwrap_or(false);
                }
            }
        }
        is_ours
    }
}

impl Asked {
    /// What it is asked in.
    pub(super) fn packet(&self) -> Packet {
        match self {
            Asked::Subscribe(_) if self.passed_on().next().is_some() => Packet::Subscribe,
            _ => Packet::Unsubscribe,
        }
    }

    /// The filters for which it subscribes.
    pub(super) fn passed_on(&self) -> impl DoubleEndedIterator<Item = &TopicFilter> {
        let filters = match self {
            Asked::Subscribe(filters) => &filters[..],
            Asked::Unsubscribe => &[],
        };
        filters.iter().filter(|(_, passed_on)| *passed_on).map(|(filter, _)| filter)
    }
}
