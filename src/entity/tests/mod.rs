//! Tests over the platforms: what builds, what entities tell and what they are asked.

mod attributes;
mod building;
mod classes;
mod commands;
mod states;

use super::*;

fn pump() -> Switch {
    Switch::new("pump", "Pump")
}

fn level() -> Number {
    Number::new("level", "Level").min(-5.0).max(30.0).step(0.5)
}

fn lamp() -> Light {
    Light::new("lamp", "Lamp")
}

/// A light that can do nearly everything.
fn strip() -> Light {
    lamp().color_modes(["color_temp", "hs", "rgb", "rgbw", "rgbww", "white", "xy"]).kelvin(2700, 6500)
}

fn doorbell() -> Event {
    Event::new("doorbell", "Doorbell", ["ring", "knock"])
}

fn update() -> Update {
    Update::new("firmware", "Firmware")
}

fn cat() -> DeviceTracker {
    DeviceTracker::new("cat", "Cat")
}

fn gate() -> Other {
    Other::new("cover", "gate", "Gate")
}
