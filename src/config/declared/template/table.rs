//! The templates, with the names that Linux gives their devices: the drivers below `drivers/` are those of 6.12, the overlays
//! those of its `arch/arm/boot/dts/overlays/README` for the Raspberry Pi.

use super::{Argument, Channel, Kind, Template, Variant};

const fn one(kind: Kind, keys: &'static [(&'static str, &'static str)]) -> Variant {
    Variant { kind, keys, channels: &[], argument: None }
}

const fn several(keys: &'static [(&'static str, &'static str)], channels: &'static [Channel]) -> Variant {
    Variant { kind: Kind::Sensor, keys, channels, argument: None }
}

const fn channel(
    suffix: &'static str,
    name: &'static str,
    keys: &'static [(&'static str, &'static str)],
) -> Channel {
    Channel { suffix, name, keys }
}

pub(super) const TEMPLATES: &[Template] = &[
    Template {
        name: "ds18b20",
        about: "A DS18B20 thermometer on a 1-Wire bus, or all of them: those that are found have the end of their number \
                behind id and name",
        lines: "[Sensor attic]\nTEMPLATE=ds18b20\n# As it is called in /sys/bus/w1/devices; all without it.\n\
                DEVICE=28-00000a1b2c3d\n",
        overlay: Some("dtoverlay=w1-gpio,gpiopin=4"),
        // -55 to 125 °C by its data sheet.
        variants: &[one(Kind::Sensor, &[("SOURCE", "w1"), ("PRECISION", "1"), ("VALID", "-55..125")])],
    },
    Template {
        name: "dht22",
        about: "A DHT22 (AM2302) or DHT11: temperature and humidity. One sample in some fails, for the kernel has to keep the \
                time",
        lines: "[Sensor cellar]\nTEMPLATE=dht22\n",
        overlay: Some("dtoverlay=dht11,gpiopin=4"),
        // The driver calls itself by its place in the device tree, dht11@0 (drivers/iio/humidity/dht11.c).
        variants: &[several(
            &[("SOURCE", "iio"), ("CHIP", "dht11"), ("MISSES", "5"), ("PRECISION", "1")],
            &[
                channel("temperature", "temperature", &[("CHANNEL", "temp"), ("VALID", "-40..80")]),
                channel("humidity", "humidity", &[("CHANNEL", "humidityrelative"), ("VALID", "0..100")]),
            ],
        )],
    },
    Template {
        name: "bme280",
        about: "A BME280: temperature, humidity and pressure. A BMP280 has no humidity: CHIP=bmp280 and \
                CHANNELS=temperature, pressure",
        lines: "[Sensor balcony]\nTEMPLATE=bme280\n",
        overlay: Some("dtoverlay=i2c-sensor,bme280,addr=0x76"),
        // drivers/iio/pressure/bmp280-i2c.c.
        variants: &[several(
            &[("SOURCE", "iio"), ("CHIP", "bme280"), ("PRECISION", "1")],
            &[
                channel("temperature", "temperature", &[("CHANNEL", "temp"), ("VALID", "-40..85")]),
                channel("humidity", "humidity", &[("CHANNEL", "humidityrelative"), ("VALID", "0..100")]),
                channel(
                    "pressure",
                    "pressure",
                    &[
                        ("CHANNEL", "pressure"),
                        ("DEVICE_CLASS", "atmospheric_pressure"),
                        ("UNIT", "hPa"),
                        ("VALID", "300..1100"),
                    ],
                ),
            ],
        )],
    },
    Template {
        name: "bh1750",
        about: "A BH1750: how bright it is",
        lines: "[Sensor daylight]\nTEMPLATE=bh1750\n",
        overlay: Some("dtoverlay=i2c-sensor,bh1750,addr=0x23"),
        // drivers/iio/light/bh1750.c.
        variants: &[one(
            Kind::Sensor,
            &[("SOURCE", "iio"), ("CHIP", "bh1750"), ("CHANNEL", "illuminance"), ("PRECISION", "0")],
        )],
    },
    Template {
        name: "ina219",
        about: "An INA219: voltage, current and power. No overlay has it; this has the kernel look for it at each start: \
                echo 'w /sys/bus/i2c/devices/i2c-1/new_device - - - - ina219 0x40' | sudo tee /etc/tmpfiles.d/ina219.conf. \
                The kernel takes its shunt for 0.01 Ω then; most boards have 0.1 Ω (R100), hence the scales",
        lines: "[Sensor solar]\nTEMPLATE=ina219\nCURRENT_SCALE=0.1\nPOWER_SCALE=0.1\n",
        overlay: Some("dtparam=i2c_arm=on"),
        // Documentation/hwmon/ina2xx.rst: in1 is the voltage of the bus, in0 that of the shunt.
        variants: &[several(
            &[("SOURCE", "hwmon"), ("CHIP", "ina219")],
            &[
                channel("voltage", "voltage", &[("CHANNEL", "in1"), ("PRECISION", "2")]),
                channel("current", "current", &[("CHANNEL", "curr1"), ("PRECISION", "3")]),
                channel("power", "power", &[("CHANNEL", "power1"), ("PRECISION", "2")]),
            ],
        )],
    },
    Template {
        name: "ads1115",
        about: "An ADS1115 or ADS1015: four voltages of up to 4.096 V against ground. A voltage between two is a channel of \
                its own: A0_CHANNEL=voltage0-voltage1 with cha_cfg=0 in the overlay",
        lines: "[Sensor battery]\nTEMPLATE=ads1115\n# Those of its inputs that are wired; all without it.\nCHANNELS=a0, a1\n",
        overlay: Some("dtoverlay=ads1115,cha_enable,chb_enable,chc_enable,chd_enable"),
        // Both call themselves ads1015 (ADS1015_DRV_NAME in drivers/iio/adc/ti-ads1015.c).
        variants: &[several(
            &[("SOURCE", "iio"), ("CHIP", "ads1015"), ("PRECISION", "3")],
            &[
                channel("a0", "A0", &[("CHANNEL", "voltage0")]),
                channel("a1", "A1", &[("CHANNEL", "voltage1")]),
                channel("a2", "A2", &[("CHANNEL", "voltage2")]),
                channel("a3", "A3", &[("CHANNEL", "voltage3")]),
            ],
        )],
    },
    Template {
        name: "pir",
        about: "A motion sensor that drives a line high while it sees somebody (HC-SR501, AM312)",
        lines: "[BinarySensor hall]\nTEMPLATE=pir\nLINE=GPIO17\n",
        overlay: None,
        variants: &[one(
            Kind::BinarySensor,
            &[("SOURCE", "gpio"), ("DEVICE_CLASS", "motion"), ("BIAS", "pull-down")],
        )],
    },
    Template {
        name: "door",
        about: "A door or window contact between a line and ground, closed while the door is shut",
        lines: "[BinarySensor front_door]\nTEMPLATE=door\nLINE=GPIO22\n",
        overlay: None,
        variants: &[one(
            Kind::BinarySensor,
            &[("SOURCE", "gpio"), ("DEVICE_CLASS", "door"), ("BIAS", "pull-up"), ("DEBOUNCE", "100ms")],
        )],
    },
    Template {
        name: "button",
        about: "A push-button between a line and ground: an event for each press and release, or a state",
        lines: "[Event doorbell]\nTEMPLATE=button\nLINE=GPIO23\n",
        overlay: None,
        variants: &[
            one(
                Kind::Event,
                &[("SOURCE", "gpio"), ("DEVICE_CLASS", "button"), ("BIAS", "pull-up"), ("ACTIVE_LOW", "yes")],
            ),
            one(Kind::BinarySensor, &[("SOURCE", "gpio"), ("BIAS", "pull-up"), ("ACTIVE_LOW", "yes")]),
        ],
    },
    Template {
        name: "relay",
        about: "A relay on a line: off at the start and at the end of luigi-mqtt, unless told otherwise. As a [Button …] it is \
                closed for a moment",
        lines: "[Switch pump]\nTEMPLATE=relay\nLINE=GPIO27\n# Most relay boards are on while the line is low.\n\
                ACTIVE_LOW=yes\n",
        overlay: None,
        variants: &[
            one(Kind::Switch, &[("TARGET", "gpio"), ("INITIAL_STATE", "off"), ("SAFE_STATE", "off")]),
            one(Kind::Button, &[("TARGET", "gpio")]),
        ],
    },
    Template {
        name: "water-meter",
        about: "A water meter with a contact or an open collector between a line and ground, one pulse a litre. OFFSET is what \
                the meter showed when the counting began",
        lines: "[Sensor water]\nTEMPLATE=water-meter\nLINE=GPIO24\n# Litres a pulse.\nSCALE=1\n",
        overlay: None,
        variants: &[one(
            Kind::Sensor,
            &[
                ("SOURCE", "gpio"),
                ("COUNT", "total"),
                ("DEVICE_CLASS", "water"),
                ("UNIT", "L"),
                ("BIAS", "pull-up"),
                ("ACTIVE_LOW", "yes"),
                ("DEBOUNCE", "50ms"),
            ],
        )],
    },
    Template {
        name: "fan",
        about: "A fan: how fast the kernel has it run, in %; one with a tachometer tells its speed with CHANNEL=fan1, SCALE=1 \
                and UNIT=rpm. As a [Switch …] one on a LINE, without the overlay",
        lines: "[Sensor fan]\nTEMPLATE=fan\n",
        overlay: Some("dtoverlay=pwm-gpio-fan,fan_gpio=18"),
        // drivers/hwmon/pwm-fan.c calls itself pwmfan; pwm1 is 0 to 255.
        variants: &[
            one(
                Kind::Sensor,
                &[
                    ("SOURCE", "hwmon"),
                    ("CHIP", "pwmfan"),
                    ("CHANNEL", "pwm1"),
                    ("SCALE", "0.39215686"),
                    ("UNIT", "%"),
                    ("PRECISION", "0"),
                    ("ICON", "mdi:fan"),
                ],
            ),
            one(Kind::Switch, &[("TARGET", "gpio"), ("ICON", "mdi:fan")]),
        ],
    },
    Template {
        name: "ping",
        about: "Whether another machine answers",
        lines: "[BinarySensor router]\nTEMPLATE=ping\nHOST=192.168.1.1\n",
        overlay: None,
        variants: &[Variant {
            kind: Kind::BinarySensor,
            keys: &[
                ("SOURCE", "exec"),
                ("COMMAND", "/bin/ping -c 1 -W 2"),
                ("RESULT", "status"),
                ("TIMEOUT", "5s"),
                ("DEVICE_CLASS", "connectivity"),
            ],
            channels: &[],
            argument: Some(Argument {
                key: "HOST",
                expected: "the name or the address of a machine",
                signs: ".-_:%",
            }),
        }],
    },
    Template {
        name: "service",
        about: "Whether a unit of systemd is active",
        lines: "[BinarySensor ssh]\nTEMPLATE=service\nSERVICE=ssh\n",
        overlay: None,
        variants: &[Variant {
            kind: Kind::BinarySensor,
            keys: &[
                ("SOURCE", "exec"),
                ("COMMAND", "/bin/systemctl is-active --quiet"),
                ("RESULT", "status"),
                ("DEVICE_CLASS", "running"),
                ("CATEGORY", "diagnostic"),
            ],
            channels: &[],
            argument: Some(Argument {
                key: "SERVICE",
                expected: "the name of a systemd unit",
                signs: ".-_:@",
            }),
        }],
    },
];
