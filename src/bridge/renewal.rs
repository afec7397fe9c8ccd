//! Another connection for the same bridge: what waits, waits on, and whoever has a handle keeps it.

use std::convert::Infallible;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::announcement::Announcement;
use super::devices::Devices;
use super::link_state::LinkState;
use super::{Bridge, Inbox, Presence};
use crate::link::LinkEvent;
use crate::model::Qos;
use crate::outbox::Lane;

impl Bridge {
    /// Takes leave of the broker: delivers what is left, says `offline`, and disconnects. Returns how many messages had not
    /// been delivered when that was said; they wait. Blocks for `limit` at most, not at all when the link is down.
    pub fn part(&mut self, inbox: &Inbox, limit: Duration) -> u64 {
        let began = Instant::now();
        if self.may_announce() {
            self.hurry_devices(began);
        }
        self.announcement = Announcement::Closing;
        // A quarter is left for the last message, however much before it is never acknowledged.
        self.deliver(inbox, began + limit / 4 * 3);
        let undelivered = self.outbox.len();
        if self.link.is_up() {
            self.announce_availability(false);
            self.deliver(inbox, began + limit);
            self.disconnect(inbox, began + limit);
        }
        undelivered
    }

    /// Is a bridge that is not connected again, to be [run](Bridge::run) until `stop` closes: `link` brings what another
    /// connection reports, with `window` messages in flight at most. All is announced there as `presence` says; what waits is
    /// sent there, on the topics that it has.
    pub fn renew(
        &mut self,
        inbox: &mut Inbox,
        presence: Presence,
        window: u16,
        stop: Receiver<Infallible>,
        link: Receiver<LinkEvent>,
    ) {
        (inbox.stop, inbox.link) = (stop, link);
        inbox.of_link.set(0);
        self.begin_anew(presence, window, Instant::now());
    }

    /// Is a bridge that is not connected, at `now`.
    pub(super) fn begin_anew(&mut self, presence: Presence, window: u16, now: Instant) {
        self.link = LinkState::default();
        // What it is told otherwise while it works on the last message of a device would be lost.
        self.announcement = match self.devices.are_at_work() {
            true => Announcement::parted(now),
            false => Announcement::Done,
        };
        self.echo = None;
        self.outbox.begin_anew(window);
        self.wire.set_own(presence.birth_topic.clone().into());
        let former = mem::replace(&mut self.presence, Arc::new(presence));
        if *former != *self.presence {
            *self.shared_presence.write().unwrap_or_else(PoisonError::into_inner) =
                Arc::clone(&self.presence);
            self.move_in(&former);
        }
        self.follow_anew(now);
    }

    /// Has all that was announced as `former` says known as `presence` says. What is left behind is for whoever knows the
    /// ledger to [clear away](Bridge::depart).
    fn move_in(&mut self, former: &Presence) {
        self.outbox.forget_announcements();
        self.devices = Devices::default();
        for (id, it) in mem::take(&mut self.entities) {
            let (entity, subscriptions) = (it.entity.clone(), it.subscriptions.clone());
            if former.topics.state(&id) != self.presence.topics.state(&id) {
                it.companion_topics().for_each(|topic| self.outbox.withdraw(Lane::State, topic));
                // An event has happened, wherever it is told; a state is told again where it belongs now.
                if !entity.is_momentary() {
                    self.outbox.withdraw(Lane::State, it.topic());
                }
            }
            self.outbox.untrack(it.topic());
            self.insert(entity, Some(it));
            let (old, new) = (former.topics.command(&id).into(), self.presence.topics.command(&id).into());
            for id in subscriptions {
                if old != new && self.dispatch.move_to(id, &old, &new) {
                    self.wire.unwant(&old);
                    self.wire.want(new.clone(), Qos::AtLeastOnce);
                }
            }
        }
    }
}
