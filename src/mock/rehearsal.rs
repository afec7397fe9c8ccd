//! A run against the mock broker: shows what arrives, and what Home Assistant would make of it.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use crossbeam_channel::{Receiver, after, never, select};

use super::Broker;
use super::Publish;
use super::Settings;
use super::View;
use super::line;
use crate::model::Topic;
use crate::worker::Worker;

/// A mock broker and the thread that shows what arrives there, line by line, with a table of the entities
/// whenever more or fewer of them have a state and it is quiet. Dropping it shows the last lines and ends both.
#[derive(Debug)]
pub struct Rehearsal {
    broker: Broker,
    _show: Worker,
}

impl Rehearsal {
    /// Starts the broker and shows on `output` what arrives. `discovery_prefix` is the one to look for
    /// entities under.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no port or thread to give.
    pub fn start(discovery_prefix: &Topic, output: impl Write + Send + 'static) -> io::Result<Rehearsal> {
        let broker = Broker::start(Settings::default())?;
        let publishes = broker.publishes(PUBLISHES);
        let show = Show { view: View::new(discovery_prefix.as_str()), shown: (0, 0), output };
        let worker = Worker::spawn("show", move |stop| show.run(&publishes, stop.channel()))?;
        Ok(Rehearsal { broker, _show: worker })
    }

    /// Where the broker listens.
    pub fn address(&self) -> SocketAddr {
        self.broker.address()
    }
}

struct Show<W> {
    view: View,
    /// How many entities the last table showed, and how many of them with a state.
    shown: (usize, usize),
    output: W,
}

impl<W: Write> Show<W> {
    fn run(mut self, publishes: &Receiver<Publish>, stop: &Receiver<Infallible>) {
        loop {
            let news = self.known() != self.shown;
            let quiet = if news { after(QUIET) } else { never() };
            select! {
                recv(stop) -> _ => break,
                recv(publishes) -> publish => match publish {
                    Ok(publish) => self.line(&publish),
                    Err(_) => break,
                },
                recv(quiet) -> _ => self.table(),
            }
        }
        publishes.try_iter().for_each(|publish| self.line(&publish));
    }

    fn known(&self) -> (usize, usize) {
        let rows = self.view.rows();
        (
            rows.len(),
            rows.iter().filter(|it| !["unknown", "unavailable"].contains(&it.state.as_str())).count(),
        )
    }

    fn line(&mut self, publish: &Publish) {
        self.view.update(publish);
        // Whoever reads this may have gone (`| head`): that is no reason to stop.
        let _ = writeln!(self.output, "{}", line(publish));
    }

    fn table(&mut self) {
        self.shown = self.known();
        let _ = write!(self.output, "\n{}\n", self.view.table());
        let _ = self.output.flush();
    }
}

/// How many messages wait to be shown; a slow terminal loses lines rather than holding up the broker.
const PUBLISHES: usize = 1024;
/// How long nothing must have arrived before the table: longer than the pause in an announcement.
const QUIET: Duration = Duration::from_millis(1_500);

#[cfg(test)]
mod tests {
    use super::*;

    use crossbeam_channel::{Sender, unbounded};

    use super::super::Publish;
    use crate::model::Message;
    use crate::model::Qos;

    struct Lines(Sender<String>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn publish(topic: &str, payload: &str) -> Publish {
        let message = Message::retained(Topic::new(topic).unwrap(), payload.as_bytes(), Qos::AtLeastOnce);
        Publish::new("pi", &message, false)
    }

    #[test]
    fn each_message_is_a_line_and_the_table_follows_when_it_is_quiet() {
        let (written, lines) = unbounded();
        let (publisher, publishes) = unbounded();
        let config = r#"{"name":"Attic","unique_id":"a","state_topic":"s","unit_of_measurement":"°C","device":{"identifiers":["x"],"name":"Pi"}}"#;
        publisher.send(publish("homeassistant/sensor/x/a/config", config)).unwrap();
        publisher.send(publish("s", "21.5")).unwrap();
        let show = Show { view: View::new("homeassistant"), shown: (0, 0), output: Lines(written) };
        let worker = Worker::spawn("show", move |stop| show.run(&publishes, stop.channel())).unwrap();
        let mut text = String::new();
        while !text.contains("Attic   21.5   °C    Pi\n") {
            text +=
                &lines.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("no table in {text}"));
        }
        assert!(text.contains("[MOCK] s = 21.5\n"), "{text}");
        drop(worker);
    }
}
