//! What others announce to Home Assistant, for programs that ask: [`Devices`].

use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use super::{Done, Office};
use crate::bridge::Sighting;
use crate::bridge::Watch;
use crate::client::DeviceError;
use crate::client::Error;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::protocol;
use crate::protocol::Answer;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::Request;

/// What others announce. It is followed only while somebody wants to know of it, for it takes memory and traffic: from the first
/// question on, until nobody has asked for five minutes and nobody watches.
#[derive(Default)]
pub(super) struct Devices {
    /// Since when it is followed.
    since: Option<Instant>,
    /// When somebody asked last.
    asked: Option<Instant>,
    /// When to look whether what is announced has been heard, where somebody waits for that.
    look: Option<Instant>,
}

impl Devices {
    /// Answers `request` where what is announced has been heard already. Else it is to be asked again when [`Devices::due`] has
    /// passed: nothing is kept of it here, for it may be large and one of thousands.
    ///
    /// # Errors
    ///
    /// [`Code::NotConnected`], and what the question is answered with.
    pub(super) fn ask(&mut self, office: &Office, request: &Request, now: Instant) -> Result<Done, Failure> {
        self.follow(office, now)?;
        if self.is_heard(office, now) {
            return answer(office, request).map(Done::Answer);
        }
        if is_known(office, request) {
            if let Ok(answer) = answer(office, request) {
                return Ok(Done::Answer(answer));
            }
        }
        // Not later for whoever waits already.
        self.look.get_or_insert(now + LOOK);
        Ok(Done::Busy)
    }

    /// Begins to follow, for somebody who watches: `ring` is called for all that there is, and whenever it changes.
    ///
    /// # Errors
    ///
    /// [`Code::Ended`].
    pub(super) fn watch(
        &mut self,
        office: &Office,
        ring: impl Fn() + Send + Sync + 'static,
        now: Instant,
    ) -> Result<Watch, Failure> {
        self.begin(office, now);
        office.handle.watch_devices(ring).ok_or_else(|| Failure::new(Code::Ended, "the daemon ends"))
    }

    /// Follows no longer where nobody wants it. `is_watched` says whether somebody does.
    pub(super) fn tick(&mut self, office: &Office, is_watched: bool, now: Instant) {
        // Whoever waits still asks again, and has another look set.
        self.look = self.look.filter(|it| *it > now);
        if self.since.is_none() {
            return;
        }
        if is_watched {
            self.asked = Some(now);
        } else if self.asked.is_none_or(|it| it + IDLE <= now) {
            office.client.stop_discovery();
            self.since = None;
        }
    }

    /// When [`Devices::tick`] is to be called at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        self.look.or_else(|| self.since.and(self.asked).map(|it| it + IDLE))
    }

    /// Follows, where the broker is connected.
    fn follow(&mut self, office: &Office, now: Instant) -> Result<(), Failure> {
        let link = office.health.link();
        if !link.up {
            let why = link.error.map(|it| format!(": {it}")).unwrap_or_default();
            return Err(Failure::new(Code::NotConnected, format!("the broker is not connected{why}")));
        }
        self.begin(office, now);
        Ok(())
    }

    fn begin(&mut self, office: &Office, now: Instant) {
        self.asked = Some(now);
        if self.since.is_none() {
            self.since = Some(now);
            // Where the bridge has ended, the question is answered so.
            let _ = office.client.start_discovery();
        }
    }

    /// Whether what is announced has been heard, or has had the time.
    fn is_heard(&self, office: &Office, now: Instant) -> bool {
        self.since.is_some_and(|it| it + HEARD <= now)
            || office.handle.discovery_quiet().is_some_and(|it| it >= QUIET)
    }
}

/// Whether nothing more has to be heard of the one that `request` is about: it has told its state.
fn is_known(office: &Office, request: &Request) -> bool {
    match request {
        Request::Get { entity } => {
            office.client.state(&id_of(office, entity)).is_some_and(|it| !it.fields.is_empty())
        }
        Request::Set { .. } => true,
        _ => false,
    }
}

/// The event that tells of what `watch` has seen next.
pub(super) fn event(office: &Office, watch: &Watch) -> Option<Answer> {
    let (id, sighting) = watch.next()?;
    let change = match sighting {
        Sighting::Came => "came",
        Sighting::Changed => "changed",
        Sighting::Told => "told",
        Sighting::Went => "went",
    };
    let mut content = match office.client.device(&id) {
        Some(device) => protocol::device(&device, office.client.state(&id).as_ref()),
        None => json!({"id": &*id}),
    };
    content["change"] = change.into();
    Some(Answer::event("device", content))
}

fn answer(office: &Office, request: &Request) -> Result<Answer, Failure> {
    match request {
        Request::Devices { after } => Ok(list(office, after.as_deref())),
        Request::Get { entity } => get(office, entity),
        Request::Set { entity, value } => set(office, entity, value),
        other => Err(Failure::new(Code::Internal, format!("{other:?} is not about devices"))),
    }
}

/// A page of what is announced, behind `after`: as many as fit into a line.
fn list(office: &Office, after: Option<&str>) -> Answer {
    let some = office.handle.discovered_after(after).unwrap_or_default();
    let (mut devices, mut bytes, mut is_all) = (Vec::new(), 0, some.is_empty());
    for (at, it) in some.iter().enumerate() {
        let device = protocol::device(it, office.client.state(&it.id).as_ref());
        bytes += device.to_string().len();
        if bytes > PAGE_BYTES && !devices.is_empty() {
            break;
        }
        devices.push(device);
        is_all = at + 1 == some.len()
            && office.handle.discovered_after(Some(&it.id)).is_none_or(|it| it.is_empty());
    }
    Answer::ok("devices").with("devices", devices).with("more", !is_all)
}

fn get(office: &Office, entity: &str) -> Result<Answer, Failure> {
    let id = id_of(office, entity);
    let device = office.client.device(&id).ok_or_else(|| protocol::no_device(entity))?;
    let device = protocol::device(&device, office.client.state(&id).as_ref());
    Ok(Answer::ok("device").with("device", device))
}

fn set(office: &Office, entity: &str, value: &Json) -> Result<Answer, Failure> {
    let id = id_of(office, entity);
    let wanted = match value {
        Json::Object(wanted) => wanted.clone(),
        plain => {
            let offers = office.client.device(&id).map(|it| it.offers).unwrap_or_default();
            // What has one thing that can be set need not be told which.
            let field = match &*offers {
                [only] => only.field,
                _ => "state",
            };
            Map::from_iter([(field.to_owned(), plain.clone())])
        }
    };
    match office.client.set_state(&id, &wanted) {
        Ok(()) => Ok(Answer::ok("accepted")),
        Err(Error::Device(DeviceError::Unknown { .. })) => Err(protocol::no_device(entity)),
        Err(error) => {
            let code = match &error {
                Error::Device(_) => Code::Invalid,
                Error::Connection(_) => Code::NotConnected,
                Error::Publish(_) => Code::Full,
                _ => Code::Internal,
            };
            Err(Failure::new(code, Chain(&error)))
        }
    }
}

/// By what the registry knows `entity`: one of ours goes by its id too.
fn id_of(office: &Office, entity: &str) -> String {
    let own = ObjectId::new(entity).ok().filter(|it| office.announcer.find(it).is_some());
    own.map_or_else(|| entity.to_owned(), |it| office.handle.topics().unique_id(&it))
}

/// After so long without another announcement all were heard: a broker sends what it keeps in one go.
const QUIET: Duration = Duration::from_millis(500);
/// How often to look whether they were, while somebody waits for it.
const LOOK: Duration = Duration::from_millis(250);
/// Where devices never cease to talk, what was heard by then is all.
const HEARD: Duration = Duration::from_secs(5);
/// As long as somebody at a terminal thinks about the next command.
const IDLE: Duration = Duration::from_secs(300);
/// Of a list of devices: half a line, for the next may be long.
const PAGE_BYTES: usize = protocol::LINE_BYTES / 2;
