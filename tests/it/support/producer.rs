//! Another program at the daemon's socket: lines, as anybody would write them.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value as Json;

use super::daemon::Daemon;
use super::wait::{LIMIT, wait_until_or};

/// A program at the socket of a daemon.
pub(crate) struct Producer {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    /// What came while an answer was waited for.
    events: VecDeque<Json>,
}

impl Producer {
    /// One that is connected to `daemon`, once that has its socket.
    #[track_caller]
    pub(crate) fn connect(daemon: &Daemon) -> Producer {
        let path = daemon.socket();
        wait_until_or("the socket", LIMIT, || UnixStream::connect(&path).is_ok(), || daemon.lines());
        Producer::at(&path)
    }

    /// One that is connected at `path`.
    #[track_caller]
    pub(crate) fn at(path: &Path) -> Producer {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Producer { stream, lines, events: VecDeque::new() }
    }

    /// Its socket.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Writes `bytes` as they are.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The next line; `None` where the daemon has closed the connection.
    #[track_caller]
    pub(crate) fn line(&mut self) -> Option<Json> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))),
            Err(error) => panic!("no line within the limit: {error}"),
        }
    }

    /// The answer to `request`, once events that come before it are put aside.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Json) -> Json {
        self.write(format!("{request}\n"));
        self.answer()
    }

    /// The next answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Json {
        loop {
            let line = self.line().expect("the daemon has closed the connection");
            if line.get("ok").is_some() || line.get("error").is_some() {
                return line;
            }
            self.events.push_back(line);
        }
    }

    /// The next event.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Json {
        match self.events.pop_front() {
            Some(event) => event,
            None => self.line().expect("the daemon has closed the connection"),
        }
    }
}
