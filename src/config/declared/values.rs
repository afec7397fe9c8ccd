//! The kinds of value that only the sections of entities have.

use std::ops::RangeInclusive;
use std::time::Duration;

use regex_lite::Regex;

use super::OnOff;
use crate::config::value::{self, Refusal};
use crate::model::Bias;
use crate::model::LinePlace;
use crate::model::is_thermometer;

/// A 1-Wire thermometer such as `28-00000a1b2c3d`; `None` for `all`.
pub(super) fn thermometer(text: &str) -> Result<Option<String>, Refusal> {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "all" => Ok(None),
        name if is_thermometer(name) => Ok(Some(text)),
        _ => Err("all, or a thermometer as it is called in /sys/bus/w1/devices, 28-00000a1b2c3d for one \
                  (family 10, 22, 28, 3b or 42)"
            .into()),
    }
}

/// The name of a kernel device or of a channel: part of a file name.
pub(super) fn kernel_name(text: &str) -> Result<String, Refusal> {
    let fits = text.len() <= 64 && !text.contains('/') && !text.starts_with('.');
    if fits { Ok(text.to_owned()) } else { Err("a name of at most 64 bytes, without /".into()) }
}

/// A line by its name, or by its chip and number.
pub(super) fn line(text: &str) -> Result<LinePlace, Refusal> {
    let refused = |suggestion| Refusal { suggestion, ..EXPECTED_LINE.into() };
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if let Some((chip, offset)) = text.split_once(':').filter(|(chip, _)| chip.starts_with("gpiochip")) {
        let number = is_number(&chip["gpiochip".len()..]) && is_number(offset);
        return match offset.parse() {
            Ok(offset) if number => Ok(LinePlace::Numbered { chip: chip.to_owned(), offset }),
            _ => Err(refused(None)),
        };
    }
    if is_number(text) {
        // As which of its three numberings? Most often as the kernel has it.
        return Err(refused(Some(format!("GPIO{text}")).filter(|_| text.len() <= 2)));
    }
    let fits = text.len() <= LINE_NAME_BYTES && !text.contains(char::is_control);
    if fits { Ok(LinePlace::Named(text.to_owned())) } else { Err(refused(None)) }
}

/// What holds an input line.
pub(super) fn bias(text: &str) -> Result<Bias, Refusal> {
    let known = [
        ("as-is", Bias::AsIs),
        ("disabled", Bias::Disabled),
        ("pull-up", Bias::PullUp),
        ("pull-down", Bias::PullDown),
    ];
    value::word(&known)(text)
}

/// How long a level must last.
pub(super) fn debounce(text: &str) -> Result<Duration, Refusal> {
    value::duration(Duration::ZERO..=Duration::from_secs(60))(text)
}

/// The path of a program and its arguments, split as a shell does it. Never shown: an argument may be a secret.
pub(super) fn command(text: &str) -> Result<(String, Vec<String>), Refusal> {
    let hidden = |expected: &str| Refusal { hidden: true, ..expected.into() };
    let words = shlex::split(text).ok_or_else(|| hidden("words with their quotes closed"))?;
    let mut words = words.into_iter();
    match words.next() {
        Some(path) if path.starts_with('/') => Ok((path, words.collect())),
        _ => Err(hidden("the absolute path of a program, and its arguments")),
    }
}

/// A regular expression.
pub(super) fn regex(text: &str) -> Result<String, Refusal> {
    match Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("a regular expression without look-around ({error})").into()),
    }
}

/// A JSON pointer.
pub(super) fn pointer(text: &str) -> Result<String, Refusal> {
    let escapes_are_whole = text.split('~').skip(1).all(|it| it.starts_with(['0', '1']));
    match text.starts_with('/') && escapes_are_whole {
        true => Ok(text.to_owned()),
        false => Err("a JSON pointer such as /main/temp".into()),
    }
}

/// A finite number.
pub(super) fn number(text: &str) -> Result<f64, Refusal> {
    text.parse().ok().filter(|it: &f64| it.is_finite()).ok_or_else(|| "a number".into())
}

/// Two numbers with `..` between them, the smaller one first.
pub(super) fn range(text: &str) -> Result<RangeInclusive<f64>, Refusal> {
    let ends = text.split_once("..").map(|(start, end)| (number(start.trim()), number(end.trim())));
    match ends {
        Some((Ok(start), Ok(end))) if start < end => Ok(start..=end),
        _ => Err("two numbers such as -40..125, the smaller one first".into()),
    }
}

/// Texts with commas between, at least one, none of them empty.
pub(super) fn list(text: &str) -> Result<Vec<String>, Refusal> {
    let items: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
    if items.iter().any(String::is_empty) { Err("texts with commas between".into()) } else { Ok(items) }
}

/// A number that something is multiplied by.
pub(super) fn factor(text: &str) -> Result<f64, Refusal> {
    number(text).ok().filter(|it| *it != 0.0).ok_or_else(|| "a number but 0".into())
}

/// A number of more than 0.
pub(super) fn positive(text: &str) -> Result<f64, Refusal> {
    number(text).ok().filter(|it| *it > 0.0).ok_or_else(|| "a number of more than 0".into())
}

/// A whole number of at most 255, what a text has room for.
pub(super) fn chars(text: &str) -> Result<u8, Refusal> {
    value::whole(0..=255)(text).map(|it| it as u8)
}

/// Decimals, 0 to 6: as many as a state has.
pub(super) fn decimals(text: &str) -> Result<u8, Refusal> {
    value::whole(0..=6)(text).map(|it| it as u8)
}

impl OnOff {
    /// What the `on` and `off` of the file mean, each with its usual texts where it has none of its own.
    ///
    /// # Errors
    ///
    /// The text that would mean both.
    pub(super) fn of(on: Option<&[String]>, off: Option<&[String]>, invert: bool) -> Result<OnOff, String> {
        let lower = |it: &[String]| it.iter().map(|it| it.to_lowercase()).collect::<Vec<_>>();
        let usual = |texts: &[&str], others: Option<&[String]>| {
            let others = others.map(lower).unwrap_or_default();
            texts.iter().map(|it| (*it).to_owned()).filter(|it| !others.contains(it)).collect()
        };
        let ours = on.map_or_else(|| usual(&USUAL_ON, off), lower);
        let theirs = off.map_or_else(|| usual(&USUAL_OFF, on), lower);
        match ours.iter().find(|it| theirs.contains(it)) {
            Some(both) => Err(both.clone()),
            None => Ok(OnOff { on: ours, off: theirs, invert }),
        }
    }
}

/// What texts mean on where the file has none.
const USUAL_ON: [&str; 4] = ["1", "on", "true", "yes"];
/// What texts mean off where the file has none.
const USUAL_OFF: [&str; 4] = ["0", "off", "false", "no"];
/// `GPIO_MAX_NAME_SIZE` (Linux, `include/uapi/linux/gpio.h`) without the NUL.
const LINE_NAME_BYTES: usize = 31;
const EXPECTED_LINE: &str = "the name of a line, such as GPIO17, or chip and number, such as gpiochip0:17";

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation<T>(read: Result<T, Refusal>) -> String {
        read.err().map(|it| it.expected).unwrap_or_default()
    }

    #[test]
    fn a_thermometer_has_a_family_of_thermometers() {
        for text in ["28-00000a1b2c3d", "10-0008019a3b4c", "3B-00000A1B2C3D"] {
            assert_eq!(thermometer(text), Ok(Some(text.to_lowercase())));
        }
        assert_eq!(thermometer("All"), Ok(None));
        for text in
            ["", "28", "28-1", "28-00000a1b2c3g", "29-00000a1b2c3d", "28.00000a1b2c3d", "28-00000a1b2c3d4"]
        {
            assert!(thermometer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_has_a_name_or_a_chip_and_a_number() {
        let named = |name: &str| Ok(LinePlace::Named(name.to_owned()));
        let numbered = |chip: &str, offset| Ok(LinePlace::Numbered { chip: chip.to_owned(), offset });
        assert_eq!(line("GPIO17"), named("GPIO17"));
        assert_eq!(line("ID_SDA:x"), named("ID_SDA:x"));
        assert_eq!(line("gpiochip0:17"), numbered("gpiochip0", 17));
        assert_eq!(line("gpiochip10:0"), numbered("gpiochip10", 0));
        for text in
            ["gpiochip:1", "gpiochip0:", "gpiochip0:+1", "gpiochip0:4294967296", "17", "117", &"x".repeat(32)]
        {
            assert!(line(text).is_err(), "{text}");
        }
        assert_eq!(line("17").unwrap_err().suggestion.as_deref(), Some("GPIO17"));
        assert_eq!(line("117").unwrap_err().suggestion, None);
    }

    #[test]
    fn a_command_is_split_as_a_shell_does_it_and_is_nothing_to_a_shell() {
        let words = |text| command(text).map(|(path, arguments)| [vec![path], arguments].concat());
        let expected = ["/bin/x", "a b", "$HOME", "|", "c'd"].map(str::to_owned).to_vec();
        assert_eq!(words(r#"/bin/x "a b" $HOME '|' c\'d"#), Ok(expected));
        for text in ["", "ls -l", "./x", "/bin/x 'a", "\"\""] {
            assert!(words(text).unwrap_err().hidden, "{text}");
        }
    }

    #[test]
    fn a_pointer_leads_into_a_document() {
        for text in ["/", "/a/0", "/a~1b/~0"] {
            assert!(pointer(text).is_ok(), "{text}");
        }
        for text in ["a", "a/b", "/a~", "/a~2b"] {
            assert_eq!(expectation(pointer(text)), "a JSON pointer such as /main/temp", "{text}");
        }
    }

    #[track_caller]
    fn check_meaning(on: Option<&str>, off: Option<&str>, expected: Result<(&[&str], &[&str]), &str>) {
        let list = |it: Option<&str>| it.map(|it| list(it).unwrap());
        let found = OnOff::of(list(on).as_deref(), list(off).as_deref(), false);
        let texts = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let expected = expected.map(|(on, off)| OnOff { on: texts(on), off: texts(off), invert: false });
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn what_means_on_does_not_mean_off() {
        check_meaning(None, None, Ok((&USUAL_ON, &USUAL_OFF)));
        check_meaning(Some("Open,AJAR"), None, Ok((&["open", "ajar"], &USUAL_OFF)));
        // Low is on, high is off: what is set takes its texts from the usual others.
        check_meaning(Some("0"), None, Ok((&["0"], &["off", "false", "no"])));
        check_meaning(Some("0"), Some("1"), Ok((&["0"], &["1"])));
        check_meaning(Some("a,b"), Some("B"), Err("b"));
    }
}
