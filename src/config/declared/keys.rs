//! The keys of the sections that declare an entity: which kinds have them, and beside what.

use super::kind::Kind;
use Kind::{BinarySensor, Button, Event, Light, Number, Select, Sensor, Switch, Text};

/// A key of the sections that declare an entity.
pub(in crate::config) struct Key {
    /// Its name.
    pub(in crate::config) name: &'static str,
    /// The sections that may have it.
    pub(in crate::config) kinds: &'static [Kind],
    /// What has to stand beside it, or what it is for; empty where it can stand alone.
    pub(in crate::config) needs: &'static str,
}

impl Key {
    /// The key called `name`, whatever its case.
    pub(super) fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|it| it.name.eq_ignore_ascii_case(name))
    }

    /// Those that a section of this `kind` may have.
    pub(in crate::config) fn of(kind: Kind) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |it| it.kinds.contains(&kind))
    }
}

const fn key(name: &'static str, kinds: &'static [Kind], needs: &'static str) -> Key {
    Key { name, kinds, needs }
}

/// Those without a state of their own have none of what feeds one.
const STATEFUL: &[Kind] = &[Sensor, BinarySensor, Switch, Number, Select, Text, Light];
const OUTPUTS: &[Kind] = &[Switch, Button, Number, Select, Text, Light];
const SETTABLE: &[Kind] = &[Switch, Number, Select, Text, Light];
const ON_LINES: &[Kind] = &[Sensor, BinarySensor, Switch, Button, Light, Event];

const A_LINE: &str = "a LINE";
const A_LINE_AS_INPUT: &str = "SOURCE=gpio";
const A_PROGRAM: &str = "a COMMAND, a SHELL, a STATE_COMMAND or a STATE_SHELL";
const A_TEXT: &str =
    "a file or a program to read: with SOURCE=file or exec, or a STATE_PATH, STATE_COMMAND or STATE_SHELL";
const ASKED: &str = "something that is asked: with SOURCE=file, w1, hwmon, iio or exec, or a STATE_PATH, STATE_COMMAND or STATE_SHELL";
const NUMBERS: &str = "a sensor of numbers: with a UNIT or a DEVICE_CLASS that has numbers";

pub(in crate::config) const KEYS: &[Key] = &[
    key("TEMPLATE", &Kind::ALL, ""),
    key("CHANNELS", &[Sensor], "a TEMPLATE of several channels"),
    key("HOST", &[BinarySensor], "TEMPLATE=ping"),
    key("SERVICE", &[BinarySensor], "TEMPLATE=service"),
    key("NAME", &Kind::ALL, ""),
    key("DEVICE_CLASS", &[Sensor, BinarySensor, Switch, Button, Number, Event], ""),
    key("UNIT", &[Sensor, Number], ""),
    key("STATE_CLASS", &[Sensor], ""),
    key("PRECISION", &[Sensor], ""),
    key("ICON", &Kind::ALL, ""),
    key("CATEGORY", &Kind::ALL, ""),
    key("ENABLED", &Kind::ALL, ""),
    key("ENTITY_ID", &Kind::ALL, ""),
    key("DELIVERY", &Kind::ALL, ""),
    key("QOS", &Kind::ALL, ""),
    key("EXPIRE_AFTER", &[Sensor, BinarySensor], ""),
    key("OFF_DELAY", &[BinarySensor], ""),
    key("OPTIONS", &[Sensor, Select], "DEVICE_CLASS=enum"),
    key("EVENT_TYPES", &[Event], ""),
    key("MIN", &[Number, Text], ""),
    key("MAX", &[Number, Text], ""),
    key("STEP", &[Number], ""),
    key("MODE", &[Number, Text], ""),
    key("PATTERN", &[Text], ""),
    key("BRIGHTNESS", &[Light], ""),
    key("SOURCE", &[Sensor, BinarySensor, Switch, Number, Select, Text, Light, Event], ""),
    key("TARGET", OUTPUTS, ""),
    key(
        "PATH",
        &[Sensor, BinarySensor, Switch, Button, Number, Select, Text, Light],
        "SOURCE=file or TARGET=file",
    ),
    key(
        "COMMAND",
        &[Sensor, BinarySensor, Switch, Button, Number, Select, Text, Light],
        "SOURCE=exec or TARGET=exec",
    ),
    key(
        "SHELL",
        &[Sensor, BinarySensor, Switch, Button, Number, Select, Text, Light],
        "SOURCE=exec or TARGET=exec",
    ),
    key("LINE", ON_LINES, "SOURCE=gpio or TARGET=gpio"),
    key("DEVICE", &[Sensor], "SOURCE=w1"),
    key("CHIP", &[Sensor, BinarySensor], "SOURCE=hwmon or iio"),
    key("CHANNEL", &[Sensor, BinarySensor], "SOURCE=hwmon or iio"),
    key("STATE_PATH", SETTABLE, ""),
    key("STATE_COMMAND", SETTABLE, ""),
    key("STATE_SHELL", SETTABLE, ""),
    key("TIMEOUT", &[Sensor, BinarySensor, Switch, Button, Number, Select, Text, Light], A_PROGRAM),
    key("REGEX", STATEFUL, A_TEXT),
    key("POINTER", STATEFUL, A_TEXT),
    key(
        "RESULT",
        &[BinarySensor, Switch, Light],
        "a program to read: with SOURCE=exec, or a STATE_COMMAND or STATE_SHELL",
    ),
    key("INTERVAL", STATEFUL, ASKED),
    key("MISSES", STATEFUL, ASKED),
    key("HEARTBEAT", STATEFUL, ASKED),
    key("DEAD_BAND", &[Sensor, Number], NUMBERS),
    key("SMOOTHING", &[Sensor], NUMBERS),
    key("VALID", &[Sensor], NUMBERS),
    key("SCALE", &[Sensor], NUMBERS),
    key("OFFSET", &[Sensor], NUMBERS),
    key("INVERT", &[BinarySensor], "a source that is asked (of a LINE, it is ACTIVE_LOW)"),
    key("ON", &[BinarySensor, Switch, Button, Light], "a file to write, or texts to read"),
    key("OFF", &[BinarySensor, Switch, Light], "a file to write, or texts to read"),
    key("DEBOUNCE", &[Sensor, BinarySensor, Event], "a LINE, or a binary sensor that is asked"),
    key("ACTIVE_LOW", ON_LINES, A_LINE),
    key("BIAS", &[Sensor, BinarySensor, Event], A_LINE_AS_INPUT),
    key("COUNT", &[Sensor], A_LINE_AS_INPUT),
    key("ACTIVE", &[Event], A_LINE_AS_INPUT),
    key("INACTIVE", &[Event], A_LINE_AS_INPUT),
    key("PULSE", &[Button], A_LINE),
    key("FULL", &[Light], "a PATH and BRIGHTNESS=yes"),
    key("INITIAL_STATE", SETTABLE, "a LINE, PATH, COMMAND or SHELL"),
    key("SAFE_STATE", SETTABLE, "a LINE, PATH, COMMAND or SHELL"),
];
