//! Programs as what commands move.

use super::FailureCause;
use super::setting::{Setting, unfit};
use crate::entity::Entity;
use crate::entity::Platform;
use crate::model::Program;
use crate::os::Halt;
use crate::os::process;

/// Runs `program` so that it sets `entity` to `setting`, and waits for its end: as long as its limit, or until `ending` is
/// set. It gets the value (`on`, `off`, `press`, the number, the option or the text) as its last argument, and in its
/// environment:
///
/// | variable | value |
/// | --- | --- |
/// | `LUIGI_ENTITY` | the entity's id |
/// | `LUIGI_COMMAND` | `on`, `off`, `press`, or `set` |
/// | `LUIGI_VALUE` | the value, as the argument |
/// | `LUIGI_STATE` | of a light: `on` or `off` |
/// | `LUIGI_BRIGHTNESS` | of a light with a brightness: 1 to 255, 0 where it is off |
///
/// The value is one argument whatever it contains; one that begins with `-`, as a negative number does, is for the program to
/// tell from an option. A shell line has it as `"$1"`.
///
/// # Errors
///
/// [`FailureCause`], where it did not end with status 0.
pub(super) fn run(
    program: &Program,
    ending: Option<&Halt>,
    entity: &Entity,
    setting: &Setting,
) -> Result<(), FailureCause> {
    let value = setting.word();
    if value.contains('\0') {
        let error = unfit(entity, "a text without NUL, for a program gets it", setting);
        return Err(FailureCause::Unfit(error));
    }
    let brightness = setting.brightness().map(|it| if value == "on" { it } else { 0 }.to_string());
    let command = if setting.is_on().is_some() { value } else { "set" };
    let mut environment =
        vec![("LUIGI_ENTITY", entity.id().as_str()), ("LUIGI_COMMAND", command), ("LUIGI_VALUE", value)];
    if entity.platform() == Platform::Light {
        environment.push(("LUIGI_STATE", value));
    }
    if let Some(brightness) = &brightness {
        environment.push(("LUIGI_BRIGHTNESS", brightness));
    }
    let finished = process::run(program, &environment, Some(value), ending).map_err(FailureCause::Program)?;
    if finished.status.success() {
        return Ok(());
    }
    let complaint = Some(finished.complaint).filter(|it| !it.is_empty());
    Err(FailureCause::Status { program: program.path.clone(), status: finished.status, complaint })
}
