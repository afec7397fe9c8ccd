//! A daemon that answers by a script, and the commands that ask it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// A socket at which each line is answered by a script. It serves one client after the other, until the test ends.
pub(crate) struct Script {
    folder: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// Answers each line with what `answer` makes of it; `None` ends the connection.
    pub(crate) fn start(mut answer: impl FnMut(&str) -> Option<String> + Send + 'static) -> Script {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    let reply = answer(&line);
                    seen.lock().unwrap().push(line);
                    let Some(reply) = reply else { break };
                    if writeln!(&stream, "{reply}").is_err() {
                        break;
                    }
                }
            }
        });
        Script { folder, asked }
    }

    /// Answers whatever is asked with `answer`.
    pub(crate) fn always(answer: &str) -> Script {
        let answer = answer.to_owned();
        Script::start(move |_| Some(answer.clone()))
    }

    /// Where it listens.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// The lines that have come.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The command `luigi-mqtt` with `arguments`, which finds this socket, on a machine without anything else.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments, self.folder.path());
        command.env("LUIGI_MQTT_SOCKET", self.path());
        command
    }

    /// What that does with `input` for its standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        Outcome::of(&mut self.command(arguments), input)
    }

    /// The same on a terminal of its own, by script(1); `line` is for a shell. Nothing tells output and errors apart there.
    pub(crate) fn on_a_terminal(&self, line: &str, variables: &[(&str, &str)]) -> Outcome {
        let line = format!("{} {line}", env!("CARGO_BIN_EXE_luigi-mqtt"));
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        terminal.env_remove("NO_COLOR").env("TERM", "xterm").env("LUIGI_MQTT_SOCKET", self.path());
        Outcome::of(terminal.envs(variables.iter().copied()), b"")
    }
}

/// The command `luigi-mqtt` with `arguments`, with nothing in its environment but the machine at `root`.
pub(crate) fn bare(arguments: &[&str], root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
    command.args(arguments).env_clear().env("LUIGI_MQTT_ROOT", root);
    command
}

/// How a command ended, and what it wrote.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    /// To standard output.
    pub(crate) output: String,
    /// To standard error.
    pub(crate) errors: String,
    /// The exit code.
    pub(crate) code: i32,
}

impl Outcome {
    /// Runs `command` with `input` for its standard input, to its end.
    pub(crate) fn of(command: &mut Command, input: &[u8]) -> Outcome {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
        // One that ends early leaves the rest unread, which is no error.
        let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        let [output, errors] = [stdout, stderr].map(|it| String::from_utf8(it).unwrap());
        Outcome { output, errors, code: status.code().unwrap() }
    }
}

const SOCKET: &str = "luigi-mqtt.sock";
