//! The builder of selects.

use super::check::{self, quoted};
use super::draft::{Draft, common_setters};
use super::{Entity, EntityError, Kind, Platform};

/// Describes a select: something of which one of several options is chosen. Nothing is checked before
/// [`Select::build`].
///
/// ```
/// use luigi_mqtt::entity::{Command, Select};
///
/// let mode = Select::new("mode", "Mode", ["eco", "comfort"]).icon("mdi:fan").build()?;
/// assert_eq!(mode.command(b"eco")?, Command::Select("eco".to_owned()));
/// assert_eq!(
///     mode.command(b"turbo").unwrap_err().to_string(),
///     "select \"mode\": expected one of eco, comfort, found \"turbo\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Select {
    draft: Draft,
    options: Vec<String>,
}

impl Select {
    /// A select of one of `options`: texts of 1 to 255 characters, each once, at least one, none of them `none` in
    /// any case, which Home Assistant takes for "unknown".
    pub fn new<T: Into<String>>(id: &str, name: &str, options: impl IntoIterator<Item = T>) -> Select {
        Select { draft: Draft::new(id, name), options: options.into_iter().map(T::into).collect() }
    }

    /// The select, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Select { draft, options } = self;
        let mut problems = draft.problems(Platform::Select);
        check::options("options", &options, &mut problems);
        for option in &options {
            if option.trim().is_empty() || option.eq_ignore_ascii_case("none") && option != "None" {
                problems.add("options", "no blank ones, and no none in any case", quoted(option));
            }
        }
        draft.into_entity(Kind::Select { options }, problems)
    }
}

common_setters!(Select, "select");
