//! `luigi-mqtt templates`: what can be had ready-made, and what to put into which file for it.

use clap::builder::PossibleValuesParser;

use super::Exit;
use super::output;
use crate::config::Template;
use crate::config::templates;

/// Prints the template called `name`, or all.
pub(super) fn print(name: Option<&str>) -> Exit {
    let chosen = templates().iter().filter(|it| name.is_none_or(|name| it.name == name));
    let texts: Vec<String> = chosen.map(describe).collect();
    output::print(&texts.join("\n"));
    Exit::Ok
}

/// What may be asked for.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(templates().iter().map(|it| it.name))
}

/// The template, in lines that can be pasted: what is no line of the file is a comment in it.
fn describe(template: &Template) -> String {
    let kinds: Vec<String> = template.kinds().map(|it| format!("[{it} …]")).collect();
    let mut text = format!("# {} ({})\n# {}.\n", template.name, kinds.join(", "), template.about);
    if let Some(overlay) = template.overlay {
        text += &format!("# In /boot/firmware/config.txt, then restart: {overlay}\n");
    }
    text + template.lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::config::Environment;

    #[test]
    fn all_that_is_printed_can_be_pasted_into_the_file() {
        let environment = Environment::new("pi", Path::new("/nowhere"));
        for template in templates() {
            let config = Config::parse(describe(template).as_bytes(), &environment);
            let config = config.unwrap_or_else(|errors| panic!("{}: {errors}", template.name));
            assert!(!config.declared.is_empty(), "{}", template.name);
        }
    }

    #[test]
    fn a_template_tells_its_kinds_its_overlay_and_its_lines() {
        let bme280 = templates().iter().find(|it| it.name == "bme280").unwrap();
        assert_eq!(
            describe(bme280),
            "# bme280 ([Sensor …])\n\
             # A BME280: temperature, humidity and pressure. A BMP280 has no humidity: CHIP=bmp280 and \
             CHANNELS=temperature, pressure.\n\
             # In /boot/firmware/config.txt, then restart: dtoverlay=i2c-sensor,bme280,addr=0x76\n\
             [Sensor balcony]\nTEMPLATE=bme280\n",
        );
    }
}
