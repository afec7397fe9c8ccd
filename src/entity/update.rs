//! The builder of updates, and what one tells.

use serde_json::{Map, Value as Json};

use super::check;
use super::draft::{Draft, common_setters};
use super::refusal::{Refusal, quoted};
use super::state::MAX_CHARS;
use super::{Entity, EntityError, Kind, Platform};
use crate::model::UPDATE_KEYS;
use crate::model::Value;
use crate::model::json;

/// Describes an update: the version of some software, and the newest there is. Nothing is checked before
/// [`Update::build`].
///
/// ```
/// use luigi_mqtt::entity::{Command, Update, UpdateState};
///
/// let firmware = Update::new("firmware", "Firmware").device_class("firmware").installable(true).build()?;
/// let state = UpdateState::new("1.2.0").latest_version("1.3.0").release_url("https://example.org/1.3.0");
/// assert!(firmware.state_payload(&state.into()).is_ok());
/// assert_eq!(firmware.command(b"INSTALL")?, Command::Install);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Update {
    draft: Draft,
    title: Option<String>,
    installs: bool,
}

impl Update {
    /// An update without a class that cannot be installed from Home Assistant.
    pub fn new(id: &str, name: &str) -> Update {
        Update { draft: Draft::new(id, name), title: None, installs: false }
    }

    /// What is updated, by Home Assistant's name for it: `firmware`.
    pub fn device_class(mut self, class: &str) -> Update {
        self.draft.device_class = Some(class.to_owned());
        self
    }

    /// The name of the software.
    pub fn title(mut self, title: &str) -> Update {
        self.title = Some(title.to_owned());
        self
    }

    /// Whether Home Assistant may ask to [install](super::Command::Install) it. Not unless told so.
    pub fn installable(mut self, installable: bool) -> Update {
        self.installs = installable;
        self
    }

    /// The update, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Update { draft, title, installs } = self;
        let mut problems = draft.problems(Platform::Update);
        let class =
            check::one_of_known("device_class", draft.device_class.as_deref(), CLASSES, &mut problems);
        if let Some(title) = title.as_deref().filter(|title| title.trim().is_empty()) {
            problems.add("title", "a text", quoted(title));
        }
        draft.into_entity(Kind::Update { class, title, installs }, problems)
    }
}

common_setters!(Update, "update");

/// The state of an update. It turns into a [`Value`];
/// [`Entity::state_payload`](crate::entity::Entity::state_payload) checks it.
///
/// Home Assistant keeps what it is not told of anew: say again that the update is no longer in progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateState {
    object: Map<String, Json>,
}

impl UpdateState {
    /// The version `installed` is what runs. Home Assistant shows the update as unknown until it is told the newest
    /// version too.
    pub fn new(installed: &str) -> UpdateState {
        UpdateState::default().with("installed_version", installed)
    }

    /// The newest version there is.
    pub fn latest_version(self, version: &str) -> UpdateState {
        self.with("latest_version", version)
    }

    /// The name of the software.
    pub fn title(self, title: &str) -> UpdateState {
        self.with("title", title)
    }

    /// What is new in it, at most 255 characters.
    pub fn release_summary(self, summary: &str) -> UpdateState {
        self.with("release_summary", summary)
    }

    /// Where to read what is new in it: a URL of `http` or `https`.
    pub fn release_url(self, url: &str) -> UpdateState {
        self.with("release_url", url)
    }

    /// Its picture: a URL of `http` or `https`.
    pub fn entity_picture(self, url: &str) -> UpdateState {
        self.with("entity_picture", url)
    }

    /// Whether it is being installed.
    pub fn in_progress(self, in_progress: bool) -> UpdateState {
        self.with("in_progress", in_progress)
    }

    /// How much of it is installed, 0 to 100 %; `None` when nobody knows, or nothing is.
    pub fn update_percentage(self, percentage: Option<f64>) -> UpdateState {
        self.with("update_percentage", percentage)
    }

    fn with(mut self, key: &str, value: impl Into<Json>) -> UpdateState {
        self.object.insert(key.to_owned(), value.into());
        self
    }
}

impl From<UpdateState> for Value {
    fn from(state: UpdateState) -> Value {
        Value::Text(Json::Object(state.object).to_string())
    }
}

/// How `value` is told by an update: the installed version, or a JSON object that says more.
pub(super) fn state_payload(value: &Value) -> Result<String, Refusal> {
    let expected = || format!("a version, or a JSON object of {}", UPDATE_KEYS.join(", "));
    let Value::Text(text) = value else { return Err(Refusal::of(expected(), value)) };
    match json::from_slice::<Map<_, _>>(text.as_bytes()) {
        Ok(object) if object.is_empty() => Err(Refusal::of(expected(), value)),
        Ok(object) => {
            for (key, value) in &object {
                if !UPDATE_KEYS.contains(&key.as_str()) {
                    return Err(Refusal::new(expected(), format!("the key {}", quoted(key))));
                }
                if let Some(expected) = complaint(key, value) {
                    return Err(Refusal::new(format!("{key} {expected}"), quoted(&value.to_string())));
                }
            }
            Ok(text.clone())
        }
        // So that Home Assistant does not read 1.10 as the number 1.1.
        Err(_) if is_version(text) => Ok(Json::from_iter([("installed_version", text.as_str())]).to_string()),
        Err(_) => Err(Refusal::of(expected(), value)),
    }
}

/// What `value` would have to be to be told by `key`, if it is not: `MQTT_JSON_UPDATE_SCHEMA` in
/// `homeassistant/components/mqtt/update.py`.
fn complaint(key: &str, value: &Json) -> Option<String> {
    let text = value.as_str();
    let (fits, expected) = match key {
        "installed_version" | "latest_version" => {
            (text.is_some_and(is_version), format!("as a text of 1 to {MAX_CHARS} characters"))
        }
        "release_summary" => (
            text.is_some_and(|text| text.chars().count() <= MAX_CHARS),
            format!("as a text of at most {MAX_CHARS} characters"),
        ),
        "release_url" | "entity_picture" => {
            (text.is_some_and(is_url), "as a URL of http or https".to_owned())
        }
        "in_progress" => (value.is_boolean(), "as true or false".to_owned()),
        "update_percentage" => (
            value.is_null() || value.as_f64().is_some_and(|it| (0.0..=100.0).contains(&it)),
            "from 0 to 100, or null".to_owned(),
        ),
        _ => (text.is_some(), "as a text".to_owned()),
    };
    (!fits).then_some(expected)
}

fn is_version(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MAX_CHARS
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or(text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    host.is_some_and(|host| !host.is_empty()) && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// From `homeassistant/components/update/const.py`.
pub(super) const CLASSES: &[&str] = &["firmware"];
