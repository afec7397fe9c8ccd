//! Messages for a program: subscriptions by callback and by channel.

use std::fmt;

use super::{Client, Messages, SubscribeError};
use crate::bridge::Handle;
use crate::bridge::Subscriber;
use crate::dispatch::Mailbox;
use crate::dispatch::SubscriptionId;
use crate::model::Incoming;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::TopicFilter;

/// A subscription by callback. Dropping it changes nothing; [`Subscription::unsubscribe`] ends it.
pub struct Subscription {
    handle: Handle,
    id: SubscriptionId,
    filter: TopicFilter,
}

impl Client {
    /// Has `callback` called for each message on a topic that `filter` matches, with this client and the message.
    /// Wildcards are MQTT's (3.1.1, section 4.7): `+` for one level, `#` for all that follow, `a/#` matches `a` too, and
    /// neither matches a first level that begins with `$`. `qos` is the highest at which messages come; 2 is asked for
    /// as 1, so a message may come twice where the connection is cut.
    ///
    /// Any number of subscriptions may overlap: each gets a message once. (But from a broker that sends a copy for each
    /// filter, as MQTT 3.1.1 allows in section 3.3.5 and Mosquitto does not, as many as there are filters such as `a/+`
    /// and `+/b` of which neither covers the other.) They are made again on each connection, and what the broker keeps
    /// on their topics comes then (and at first), as [retained](Incoming::retained).
    ///
    /// Callbacks are called on threads of the client, for one subscription one message after the other. They may take
    /// their time, publish, subscribe, and panic: others are not held up. Where one is too slow, 1,024 messages (or
    /// 1 MiB) wait for it, and the oldest gives way to the newest. The client that a callback is given does not keep the
    /// connection alive; a clone of the program's own `Client` in there would, until [`Client::disconnect`].
    ///
    /// Returns at once, connected or not. Blocks only while the bridge is busy with earlier requests: microseconds.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// use luigi_mqtt::Qos;
    ///
    /// client.subscribe("garden/+/valve", Qos::AtLeastOnce, |client, message| {
    ///     println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
    ///     let _ = client.publish("garden/seen", message.topic.as_str());
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Filter`] or [`SubscribeError::Ended`]. A broker that refuses it is told in the log, and asked
    /// again on the next connection.
    pub fn subscribe(
        &self,
        filter: &str,
        qos: Qos,
        mut callback: impl FnMut(&Client, &Incoming) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let client = self.without_life();
        let callback = move |message: Incoming| callback(&client, &message);
        self.subscribe_for(None, checked(filter)?, qos, callback)
    }

    /// The messages on topics that `filter` matches, as a channel: as [`Client::subscribe`] at QoS 1, without a thread.
    /// What is returned is a receiver of the crate `crossbeam-channel` 0.5: it can be waited for, with a limit or in a
    /// `select!`, and iterated over. Dropping it ends the subscription.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), luigi_mqtt::Error> {
    /// # let client = luigi_mqtt::Client::connect(luigi_mqtt::Config::builder("x").build()?)?;
    /// let doors = client.subscribe_channel("+/door")?;
    /// while let Ok(message) = doors.recv() {
    ///     println!("{} is {}", message.topic, String::from_utf8_lossy(&message.payload));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    pub fn subscribe_channel(&self, filter: &str) -> Result<Messages, SubscribeError> {
        let (filter, id) = (checked(filter)?, self.handle.subscription_id());
        let handle = self.handle.clone();
        let (mailbox, messages) = Mailbox::channel(move || handle.unsubscribe(id));
        self.add(Subscriber { id, owner: None, filter, qos: Qos::AtLeastOnce, mailbox })?;
        Ok(messages)
    }

    /// As [`Client::subscribe_channel`] at `qos`, for a thread that waits for something else: `ring` is called whenever there
    /// is a message, and at the end, on the thread of the bridge, and must not block. Nobody waits for the bridge here but
    /// while it is busy with earlier requests, nor when what is returned is dropped.
    #[doc(hidden)]
    pub fn subscribe_ringing(
        &self,
        filter: TopicFilter,
        qos: Qos,
        ring: impl Fn() + Send + 'static,
    ) -> Result<Messages, SubscribeError> {
        let (id, handle) = (self.handle.subscription_id(), self.handle.clone());
        let (mailbox, messages) = Mailbox::ringing(move || _ = handle.unsubscribing(id), ring);
        let subscriber = Subscriber { id, owner: None, filter, qos, mailbox };
        match self.handle.subscribing(subscriber) {
            Some(_) => Ok(messages),
            None => Err(SubscribeError::Ended),
        }
    }

    /// As [`Client::subscribe`], with a filter that is one; ends with the entity `owner`.
    pub(super) fn subscribe_for(
        &self,
        owner: Option<ObjectId>,
        filter: TopicFilter,
        qos: Qos,
        callback: impl FnMut(Incoming) + Send + 'static,
    ) -> Result<Subscription, SubscribeError> {
        let (id, handle) = (self.handle.subscription_id(), self.handle.clone());
        self.add(Subscriber {
            id,
            owner,
            filter: filter.clone(),
            qos,
            mailbox: Mailbox::callback(callback),
        })?;
        Ok(Subscription { handle, id, filter })
    }

    fn add(&self, subscriber: Subscriber) -> Result<(), SubscribeError> {
        let owner = subscriber.owner.clone();
        match (self.handle.subscribe(subscriber), owner) {
            (Some(false), Some(owner)) => Err(SubscribeError::NoCommands { entity: owner.to_string() }),
            (Some(_), _) => Ok(()),
            (None, _) => Err(SubscribeError::Ended),
        }
    }
}

impl Subscription {
    /// The topic filter that was subscribed to.
    pub fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    /// Ends it: no call of the callback begins any more once this returns, one that has begun goes on. Blocks only while
    /// the bridge is busy: microseconds.
    pub fn unsubscribe(self) {
        self.handle.unsubscribe(self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("filter", &self.filter).finish_non_exhaustive()
    }
}

fn checked(filter: &str) -> Result<TopicFilter, SubscribeError> {
    let wrong = |cause| SubscribeError::Filter { filter: filter.to_owned(), cause };
    TopicFilter::new(filter).map_err(wrong)
}
