//! Which line a place means.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use gpiocdev::Chip;
use gpiocdev::chip::chips;

use super::GpioError;
use crate::model::LinePlace;
use crate::model::nearest;

/// A line that is there.
pub(super) struct Found {
    pub(super) chip: Chip,
    pub(super) offset: u32,
    /// As people know it: `GPIO17 (gpiochip0:17)`.
    pub(super) name: String,
}

/// The line at `place`.
pub(super) fn find(place: &LinePlace) -> Result<Found, GpioError> {
    match place {
        LinePlace::Named(name) => by_name(name),
        LinePlace::Numbered { chip, offset } => by_number(chip, *offset),
    }
}

fn by_number(name: &str, offset: u32) -> Result<Found, GpioError> {
    let path = Path::new("/dev").join(name);
    let cannot_open = |cause| {
        let chips = chips().unwrap_or_default();
        let known = chips.iter().map(|it| short(it)).collect();
        denied(&path).unwrap_or(GpioError::NoChip { chip: name.to_owned(), known, cause: Box::new(cause) })
    };
    let chip = Chip::from_path(&path).map_err(cannot_open)?;
    let lines = chip.info().map_err(cannot_open)?.num_lines;
    if offset >= lines {
        return Err(GpioError::NoOffset { chip: name.to_owned(), offset, lines });
    }
    let label = chip.line_info(offset).map(|it| it.name).unwrap_or_default();
    let place = format!("{name}:{offset}");
    let name = if label.is_empty() { place } else { format!("{label} ({place})") };
    Ok(Found { chip, offset, name })
}

fn by_name(name: &str) -> Result<Found, GpioError> {
    let mut shut = None;
    let mut open = Vec::new();
    for path in chips().unwrap_or_default() {
        match Chip::from_path(&path) {
            Ok(chip) => open.push(chip),
            Err(_) => shut = shut.or_else(|| denied(&path)),
        }
    }
    if open.is_empty() {
        return Err(shut.unwrap_or(GpioError::NoChips));
    }
    let names: Vec<(String, Vec<String>)> = open.iter().map(|it| (it.name(), line_names(it))).collect();
    let (position, offset) = match search(name, &names) {
        // It may be on the chip that we may not see.
        Err(absent @ GpioError::NoLine { .. }) => return Err(shut.unwrap_or(absent)),
        found => found?,
    };
    let name = format!("{name} ({}:{offset})", names[position].0);
    Ok(Found { chip: open.swap_remove(position), offset, name })
}

fn line_names(chip: &Chip) -> Vec<String> {
    let lines = chip.line_info_iter().into_iter().flatten();
    lines.map(|it| it.map(|it| it.name).unwrap_or_default()).collect()
}

/// Where the line `name` is among the lines of `chips`: the position of its chip, and its offset.
fn search(name: &str, chips: &[(String, Vec<String>)]) -> Result<(usize, u32), GpioError> {
    let lines = chips.iter().enumerate().flat_map(|(position, (_, lines))| {
        (0..).zip(lines).map(move |(offset, line)| (position, offset, line))
    });
    let mut places = lines.clone().filter(|it| it.2 == name).map(|it| (it.0, it.1));
    let Some(first) = places.next() else {
        let near = nearest(name, lines.map(|it| it.2.as_str()).filter(|it| !it.is_empty()));
        return Err(GpioError::NoLine { name: name.to_owned(), near: near.map(str::to_owned) });
    };
    match places.next() {
        None => Ok(first),
        Some(second) => {
            let places = [first, second].map(|(position, offset)| format!("{}:{offset}", chips[position].0));
            Err(GpioError::Ambiguous { name: name.to_owned(), places })
        }
    }
}

/// That we may not open `path`, where that is so.
fn denied(path: &Path) -> Option<GpioError> {
    let error = File::open(path).err()?;
    (error.kind() == ErrorKind::PermissionDenied).then(|| GpioError::Denied { chip: short(path) })
}

/// A chip's name below `/dev`.
fn short(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Result<(usize, u32), &str>) {
        let chip =
            |name: &str, lines: &[&str]| (name.to_owned(), lines.iter().map(|it| (*it).to_owned()).collect());
        let chips = [
            chip("gpiochip0", &["ID_SDA", "GPIO17", "GPIO18", "", "NC"]),
            chip("gpiochip1", &["", "RELAY", "NC"]),
        ];
        assert_eq!(search(name, &chips).map_err(|it| it.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_line_is_found_by_its_name_on_whichever_chip() {
        check("GPIO17", Ok((0, 1)));
        check("RELAY", Ok((1, 1)));
    }

    #[test]
    fn a_name_that_two_lines_have_means_neither() {
        check(
            "NC",
            Err("GPIO lines gpiochip0:4 and gpiochip1:2 are both called NC: say which by chip and number"),
        );
    }

    #[test]
    fn a_name_that_no_line_has_is_answered_with_the_nearest() {
        check(
            "GPIO71",
            Err("no GPIO line is called GPIO71: is GPIO17 meant? The command gpioinfo lists them"),
        );
        check(
            "gpio18",
            Err("no GPIO line is called gpio18: is GPIO18 meant? The command gpioinfo lists them"),
        );
        check("pump", Err("no GPIO line is called pump: the command gpioinfo lists them"));
    }

    #[test]
    fn a_chip_that_is_not_there_is_named_with_those_that_are() {
        let place = LinePlace::Numbered { chip: "gpiochip9999".to_owned(), offset: 3 };
        let error = find(&place).err().expect("no machine has so many").to_string();
        assert!(error.starts_with("there is no GPIO chip gpiochip9999, "), "{error}");
        let place = LinePlace::Numbered { chip: "null".to_owned(), offset: 3 };
        let error = find(&place).err().expect("it is no chip").to_string();
        assert!(error.starts_with("there is no GPIO chip null, "), "{error}");
    }
}
