//! Which GPIO lines the sections use, and whether they can share them.

use super::{Declared, Feed, Target};
use crate::config::error::Problem;
use crate::config::settings::{Reported, Settings};
use crate::model::Line;

/// Checks that each line is an output of one entity, or an input of entities that want it alike: the kernel lends a line
/// once, in one way. Only what is named alike is known to be the same line.
pub(super) fn check(settings: &mut Settings<'_>, declared: &[Declared]) -> Result<(), Reported> {
    let mut result = Ok(());
    for (at, later) in declared.iter().enumerate() {
        let Some((line, is_output)) = line(later) else { continue };
        let same = |it: &&Declared| self::line(it).is_some_and(|(other, _)| other.place == line.place);
        let Some(first) = declared[..at].iter().find(same) else { continue };
        let Some((other, was_output)) = self::line(first) else { continue };
        let expected = match (was_output, is_output) {
            (true, true) => "a line of its own",
            (true, false) | (false, true) => "another line than one that goes the other way",
            (false, false) if other == line => continue,
            (false, false) => "the same ACTIVE_LOW and BIAS",
        };
        let where_to = first.place.line().map_or(String::new(), |it| format!(" of line {it}"));
        let expected = format!("{expected}: {} is used by [{}]{where_to}", line.place, first.section);
        result = Err(settings.refuse(later.place.with_key("LINE"), Problem::expected_hidden(expected)));
    }
    result
}

/// The line that it uses, and whether as an output.
fn line(declared: &Declared) -> Option<(&Line, bool)> {
    let output = declared.output.as_ref().and_then(|it| match &it.target {
        Target::Line { line, .. } => Some((line, true)),
        _ => None,
    });
    let input = declared.input.as_ref().and_then(|it| match &it.feed {
        Feed::Gpio { line, .. } => Some((line, false)),
        _ => None,
    });
    output.or(input)
}
