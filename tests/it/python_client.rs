//! The client for Python with the running daemon: what a script does reaches the broker, and what happens there the script.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Process;
use crate::support::Seen;
use crate::support::installed;
use crate::support::wait_until_or;

/// A broker, an observer of it, a daemon with a socket.
struct House {
    daemon: Option<Daemon>,
    folder: TempDir,
    configuration: String,
    observer: Observer,
    mosquitto: Mosquitto,
}

/// A script that runs, and what it says.
struct Script {
    process: Process,
    lines: Arc<Mutex<Vec<String>>>,
}

impl House {
    fn new() -> House {
        let mosquitto = Mosquitto::start(MosquittoOptions::default());
        let observer = Observer::start(&mosquitto, &["#"]);
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(SOCKET).parent().expect("it is in a folder")).unwrap();
        let configuration = Configuration::new(mosquitto.port()).text();
        let mut house = House { daemon: None, folder, configuration, observer, mosquitto };
        house.start();
        house
    }

    fn start(&mut self) {
        let launch =
            Launch::new(&self.configuration).env("STATE_DIRECTORY", self.folder.path().join("state"));
        self.daemon = Some(launch.env("LUIGI_MQTT_ROOT", self.folder.path()).start());
    }

    /// Runs `text`, which has the module as `m`.
    fn script(&self, text: &str) -> Script {
        let mut command = Command::new(installed("python3"));
        command.env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/python"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        command.env("LUIGI_MQTT_SOCKET", self.folder.path().join(SOCKET));
        // For longer than a daemon takes to start on a busy machine.
        let text = format!(
            "import signal, luigi_mqtt\n\
             signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n\
             m = luigi_mqtt.LuigiMQTT(timeout=60)\n\
             {text}"
        );
        let mut process =
            Process::start(command.args(["-c", &text]).stdout(Stdio::piped()).stdin(Stdio::null()));
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let inbox = Arc::clone(&lines);
        Process::each_line(process.stdout(), move |line| inbox.lock().unwrap().push(line));
        Script { process, lines }
    }
}

impl Script {
    /// Waits until it has said `line`.
    #[track_caller]
    fn wait_for(&self, line: &str) {
        let said = || self.lines.lock().unwrap().clone();
        wait_until_or(line, LIMIT, || said().iter().any(|it| it == line), said);
    }

    /// Waits until it has ended well.
    #[track_caller]
    fn finish(mut self) {
        let status = self.process.wait_exit(LIMIT);
        assert!(status.success(), "{status}: {:?}", self.lines.lock().unwrap());
    }
}

/// Whether an entity was announced as `name`.
fn announces(messages: &[Seen], name: &str) -> bool {
    let field = format!("\"name\":\"{name}\"");
    messages.iter().any(|it| it.topic.starts_with("homeassistant/") && it.text().contains(&field))
}

#[test]
fn what_a_script_registers_and_publishes_is_announced_and_told() {
    let house = House::new();
    let script = house.script(
        "m.register_sensor('attic', 'Attic', 'temperature', '°C', 'measurement', attributes=True)\n\
         m.register_binary_sensor('door', 'Door', 'door')\n\
         assert m.publish('attic', 21.5, attributes={'n': 1}, wait=60) == 'delivered'\n\
         assert m.publish_binary_sensor('door', True, wait=60) == 'delivered'\n\
         assert m.publish_raw('garden/picture', b'\\xff\\x00', qos=2, wait=60) == 'delivered'\n\
         try: m.publish('nobody', 1)\n\
         except luigi_mqtt.UnknownEntity as e: print(e.code)\n\
         try: m.publish('attic', 'warm')\n\
         except luigi_mqtt.Invalid as e: print(e.code)\n\
         assert m.status()['connection']['up']",
    );
    house.observer.wait_for_latest("luigi/pi/attic", "21.5");
    house.observer.wait_for_latest("luigi/pi/door", "ON");
    let is_picture = |it: &Seen| it.topic == "garden/picture" && it.payload == [0xff, 0] && it.qos == 2;
    house.observer.wait_for("the picture", LIMIT, |seen| seen.iter().any(is_picture));
    house.observer.wait_for("the announcement", LIMIT, |seen| announces(seen, "Attic"));
    script.wait_for("unknown_entity");
    script.wait_for("invalid");
    script.finish();
}

#[test]
fn messages_and_commands_reach_the_callbacks_of_a_script() {
    let house = House::new();
    let script = house.script(
        "m.subscribe('garden/+', lambda it: print(it.topic, it.text))\n\
         m.on_command('pump', lambda on: (print('pump', on), m.publish('pump', on)))\n\
         m.register('switch', 'pump', 'Pump')\n\
         print('ready')\n\
         signal.pause()",
    );
    script.wait_for("ready");
    house.mosquitto.publish("garden/wind", "3 m/s", false);
    script.wait_for("garden/wind 3 m/s");
    house.mosquitto.publish("luigi/pi/pump/set", "ON", false);
    script.wait_for("pump True");
    house.observer.wait_for_latest("luigi/pi/pump", "ON");
}

#[test]
fn a_script_goes_on_with_the_daemon_that_takes_the_place_of_a_killed_one() {
    let mut house = House::new();
    let script = house.script(
        "m.subscribe('garden/+', lambda it: print(it.text))\n\
         m.register_sensor('attic', 'Attic', unit='°C')\n\
         m.publish('attic', 1, wait=60)\n\
         print('before')\n\
         signal.sigwait([signal.SIGUSR1])\n\
         print(m.publish('attic', 2, wait=60))\n\
         signal.pause()",
    );
    script.wait_for("before");
    house.daemon.take().expect("it runs").kill();
    house.observer.clear();
    house.start();
    // By itself, without any call.
    house.observer.wait_for("the announcement", LIMIT, |seen| announces(seen, "Attic"));
    script.process.signal(Signal::SIGUSR1);
    script.wait_for("delivered");
    house.observer.wait_for_latest("luigi/pi/attic", "2");
    house.mosquitto.publish("garden/wind", "calm", false);
    script.wait_for("calm");
}

/// The socket, below the root of the machine, which is the house's folder.
const SOCKET: &str = "run/luigi-mqtt/luigi-mqtt.sock";
