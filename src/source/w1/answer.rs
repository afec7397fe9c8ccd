//! What a thermometer's file says, and whether to believe it.

/// What a thermometer's file said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// A temperature in thousandths of a °C.
    Millidegrees(i32),
    /// Nothing: the kernel has asked in vain.
    Nothing,
    /// Something with a wrong checksum.
    Garbled,
    /// Zeros only, whose checksum is right.
    Zeros,
}

impl Answer {
    /// Reads `w1_slave`: a line with nine bytes, their checksum and whether it is right, and a line with the temperature.
    pub(super) fn with_bytes(text: &str) -> Option<Answer> {
        if text.trim().is_empty() {
            return Some(Answer::Nothing);
        }
        let (first, second) = text.split_once('\n')?;
        let (bytes, checksum) = first.split_once(": crc=")?;
        match checksum.split_whitespace().next_back()? {
            "NO" => return Some(Answer::Garbled),
            "YES" => {}
            _ => return None,
        }
        if bytes.split_whitespace().all(|byte| byte == "00") {
            return Some(Answer::Zeros);
        }
        let (_, temperature) = second.split_once("t=")?;
        temperature.trim().parse().ok().map(Answer::Millidegrees)
    }

    /// Reads `temperature`: a number, or nothing.
    pub(super) fn alone(text: &str) -> Option<Answer> {
        match text.trim() {
            "" => Some(Answer::Nothing),
            temperature => temperature.parse().ok().map(Answer::Millidegrees),
        }
    }

    /// The temperature in °C, of a device of this family that measured `last` before; or what was found instead of what.
    ///
    /// 85 °C is what a device has before it has measured: without enough power it never gets beyond. So just that is
    /// believed only where it is no leap from `last`.
    pub(super) fn celsius(self, family: &str, last: Option<f64>) -> Result<f64, (String, &'static str)> {
        let millidegrees = match self {
            Answer::Millidegrees(millidegrees) => millidegrees,
            Answer::Nothing => return Err(("no answer".to_owned(), "a temperature")),
            Answer::Garbled => return Err(("a wrong checksum".to_owned(), "a temperature")),
            Answer::Zeros => return Err(("zeros, as of a shorted line".to_owned(), "a temperature")),
        };
        let celsius = f64::from(millidegrees) / 1000.0;
        let (range, expected) = match family {
            THERMOCOUPLES => (-270_000..=1_800_000, "-270 to 1800 °C"),
            _ => (-55_000..=125_000, "-55 to 125 °C"),
        };
        let is_leap = || last.is_none_or(|last| (celsius - last).abs() > LEAP);
        if !range.contains(&millidegrees) {
            Err((format!("{celsius} °C"), expected))
        } else if millidegrees == POWER_ON && is_leap() {
            Err((format!("{celsius} °C"), "a measured temperature, not the one of a device without power"))
        } else {
            Ok(celsius)
        }
    }
}

/// What `w1_slave` should say.
pub(super) const EXPECTED: &str = "bytes with `crc=` and YES, then `t=` and millidegrees";
/// What `temperature` should say.
pub(super) const EXPECTED_ALONE: &str = "millidegrees";
/// What a DS18B20 has in its memory at power-on, in thousandths (its data sheet, table 1).
const POWER_ON: i32 = 85_000;
/// How far a believable 85 °C may be from what was measured before, °C.
const LEAP: f64 = 5.0;
/// The family to which the MAX31850 belongs, whose thermocouple may be anywhere.
const THERMOCOUPLES: &str = "3b";

#[cfg(test)]
mod tests {
    use super::super::super::read::garbage;
    use super::*;

    const GOOD: &str = "50 01 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 01 4b 46 7f ff 0c 10 1c t=21000\n";

    #[test]
    fn the_file_with_the_bytes_says_whether_they_are_right() {
        let zeros = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n";
        for (text, expected) in [
            (GOOD, Some(Answer::Millidegrees(21_000))),
            (&GOOD.replace("21000", "-1062"), Some(Answer::Millidegrees(-1_062))),
            (&GOOD.replace("YES", "NO"), Some(Answer::Garbled)),
            (zeros, Some(Answer::Zeros)),
            ("", Some(Answer::Nothing)),
            ("\n", Some(Answer::Nothing)),
            ("21000\n", None),
            (&GOOD.replace("YES", "MAYBE"), None),
            (&GOOD.replace("t=", "u="), None),
            (&GOOD.replace("21000", "21.0"), None),
            (&GOOD.replace(": crc", ""), None),
        ] {
            assert_eq!(Answer::with_bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_other_file_says_a_number_or_nothing() {
        for (text, expected) in [
            ("21062\n", Some(Answer::Millidegrees(21_062))),
            ("", Some(Answer::Nothing)),
            ("21.0\n", None),
            ("99999999999\n", None),
        ] {
            assert_eq!(Answer::alone(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_the_device_cannot_measure_is_refused() {
        let is_believed = |it: i32, family| Answer::Millidegrees(it).celsius(family, None).is_ok();
        for millidegrees in [-55_000, -1, 0, 21_000, 84_937, 125_000] {
            assert!(is_believed(millidegrees, "28"), "{millidegrees}");
        }
        for millidegrees in [-127_000, -55_063, 125_063, 127_937, i32::MAX, i32::MIN] {
            assert!(!is_believed(millidegrees, "28"), "{millidegrees}");
        }
        assert!(is_believed(650_000, "3b") && is_believed(-200_000, "3b"));
        assert!(!is_believed(2_000_000, "3b"));
        for nothing in [Answer::Nothing, Answer::Garbled, Answer::Zeros] {
            assert!(nothing.celsius("28", Some(21.0)).is_err(), "{nothing:?}");
        }
    }

    #[test]
    fn the_value_at_power_on_is_believed_only_near_what_was_measured_before() {
        for (last, is_believed) in
            [(None, false), (Some(21.0), false), (Some(79.9), false), (Some(80.5), true), (Some(88.0), true)]
        {
            assert_eq!(Answer::Millidegrees(85_000).celsius("28", last).is_ok(), is_believed, "{last:?}");
        }
    }

    #[test]
    fn nothing_makes_it_panic_or_believe_nonsense() {
        for text in garbage(GOOD).chain(garbage("21062\n")) {
            for answer in [Answer::with_bytes(&text), Answer::alone(&text)].into_iter().flatten() {
                let celsius = answer.celsius("28", None);
                assert!(
                    celsius.is_err() || celsius.is_ok_and(|it| (-55.0..=125.0).contains(&it)),
                    "{text:?}"
                );
            }
        }
    }
}
