//! GPIO lines, through the kernel's character device (Linux, `Documentation/userspace-api/gpio/chardev.rst`).

mod error;
mod find;

pub use error::GpioError;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{self, EdgeDetection, EdgeKind, Value};
use gpiocdev::request::{Builder, Config};

use crate::model::Bias;
use crate::model::Line;
use crate::model::LinePlace;

/// A line that we drive. Whoever asks for it meanwhile is told that it is in use by `luigi-mqtt`. When it is dropped, it is up to
/// the driver whether the line keeps its level.
#[derive(Debug)]
pub struct OutputLine {
    name: String,
    request: Request,
}

/// A line whose edges we get.
#[derive(Debug)]
pub struct InputLine {
    name: String,
    request: Request,
}

/// Which edges of a line are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Edges {
    /// Those on which it becomes active.
    Rising,
    /// All.
    Both,
}

/// An edge of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Edge {
    /// Whether it became active.
    pub active: bool,
    /// Its number among the wanted edges of this line, from 1, modulo 2^32. What the kernel had no room for is missing from the
    /// numbers: it drops the oldest.
    pub number: u32,
    /// When the kernel saw it, by its monotonic clock.
    pub at: Duration,
}

/// Whether there is the line `place`. Takes milliseconds, for the lines of all chips are asked for their names.
///
/// # Errors
///
/// [`GpioError`] when there is none, or we may not look.
pub fn look_for(place: &LinePlace) -> Result<(), GpioError> {
    find::find(place).map(drop)
}

impl OutputLine {
    /// Takes the line for an output that is active or not as `initial` says; as it is found where that is `None`: a
    /// relay does not click because we start. Takes milliseconds, for the lines of all chips are asked for their names.
    ///
    /// # Errors
    ///
    /// [`GpioError`] when there is no such line, it is in use, or it cannot be had.
    pub fn open(line: &Line, initial: Option<bool>) -> Result<OutputLine, GpioError> {
        let found = find::find(&line.place)?;
        let output = |active: bool| {
            let mut config = Config::default();
            wired(&mut config, line).as_output(Value::from(active)).with_line(found.offset);
            config
        };
        let Some(active) = initial else {
            // Neither input nor output yet: asking for a direction would change what is there to be read.
            let mut as_is = Config::default();
            let direction = if line.active_low { as_is.as_active_low() } else { &mut as_is };
            direction.as_is().with_line(found.offset);
            let request = found.request(Request::builder().with_config(as_is), "be read")?;
            let active =
                request.value(found.offset).map_err(|cause| refused(&found.name, "be read", cause))?;
            let outcome = request.reconfigure(&output(active.into()));
            outcome.map_err(|cause| refused(&found.name, "be an output", cause))?;
            return Ok(OutputLine { name: found.name, request });
        };
        let request = found.request(Request::builder().with_config(output(active)), "be an output")?;
        Ok(OutputLine { name: found.name, request })
    }

    /// Makes the line active or inactive: volts or none, the other way round where it is active low. Takes
    /// microseconds, milliseconds on an expander behind a bus.
    ///
    /// # Errors
    ///
    /// [`GpioError`] when the driver fails, as that of an expander that is gone.
    pub fn set(&mut self, active: bool) -> Result<(), GpioError> {
        self.request.set_lone_value(active.into()).map_err(|cause| refused(&self.name, "be set", cause))
    }

    /// Whether the line is active now, as the kernel knows it.
    ///
    /// # Errors
    ///
    /// As [`set`](OutputLine::set).
    pub fn is_active(&self) -> Result<bool, GpioError> {
        is_active(&self.request, &self.name)
    }
}

impl InputLine {
    /// Takes the line for an input and waits for `edges` from now on. A level has to last for `debounce` to be an edge; the
    /// kernel sees to that by itself where the hardware cannot. Takes milliseconds.
    ///
    /// # Errors
    ///
    /// [`GpioError`] when there is no such line, it is in use, or it has no interrupt.
    pub fn open(line: &Line, edges: Edges, debounce: Duration) -> Result<InputLine, GpioError> {
        let found = find::find(&line.place)?;
        let mut config = Config::default();
        wired(&mut config, line).as_input().with_edge_detection(match edges {
            Edges::Rising => EdgeDetection::RisingEdge,
            Edges::Both => EdgeDetection::BothEdges,
        });
        if !debounce.is_zero() {
            config.with_debounce_period(debounce);
        }
        config.with_line(found.offset);
        let mut builder = Request::builder();
        builder.with_config(config).with_kernel_event_buffer_size(KERNEL_EDGES);
        let request = found.request(&mut builder, "be an input with edges")?;
        Ok(InputLine { name: found.name, request })
    }

    /// Whether the line is active now.
    ///
    /// # Errors
    ///
    /// [`GpioError`] when the driver fails.
    pub fn is_active(&self) -> Result<bool, GpioError> {
        is_active(&self.request, &self.name)
    }

    /// Hands `take` the edges that wait, oldest first; none where none waits. Never blocks.
    ///
    /// # Errors
    ///
    /// [`GpioError`] when the chip is gone.
    pub fn read(&self, mut take: impl FnMut(Edge)) -> Result<(), GpioError> {
        let failed = |cause| refused(&self.name, "be read", cause);
        let mut events = [0; BATCH * EDGE_WORDS];
        // Bounded, for a line that nothing holds may bring more all the time.
        for _ in 0..KERNEL_EDGES as usize / BATCH {
            if !self.request.has_edge_event().map_err(failed)? {
                break;
            }
            let words = self.request.read_edge_events_into_slice(&mut events).map_err(failed)?;
            for event in events[..words].chunks_exact(EDGE_WORDS) {
                let event = self.request.edge_event_from_slice(event).map_err(failed)?;
                take(Edge {
                    active: event.kind == EdgeKind::Rising,
                    number: event.line_seqno,
                    at: Duration::from_nanos(event.timestamp_ns),
                });
            }
        }
        Ok(())
    }
}

/// Readable while edges wait.
impl AsFd for InputLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }
}

/// `config` with how `line` is wired.
fn wired<'a>(config: &'a mut Config, line: &Line) -> &'a mut Config {
    if line.active_low {
        config.as_active_low();
    }
    config.with_bias(match line.bias {
        Bias::AsIs => None,
        Bias::Disabled => Some(line::Bias::Disabled),
        Bias::PullUp => Some(line::Bias::PullUp),
        Bias::PullDown => Some(line::Bias::PullDown),
    })
}

fn is_active(request: &Request, name: &str) -> Result<bool, GpioError> {
    request.lone_value().map(bool::from).map_err(|cause| refused(name, "be read", cause))
}

fn refused(line: &str, purpose: &'static str, cause: gpiocdev::Error) -> GpioError {
    GpioError::Refused { line: line.to_owned(), purpose, cause: Box::new(cause) }
}

impl find::Found {
    /// Asks the kernel for the line.
    fn request(&self, builder: &mut Builder, purpose: &'static str) -> Result<Request, GpioError> {
        builder.on_chip(self.chip.path()).with_consumer(CONSUMER);
        builder.request().map_err(|cause| match self.chip.line_info(self.offset) {
            Ok(it) if it.used => GpioError::Busy { line: self.name.clone(), consumer: it.consumer },
            _ => refused(&self.name, purpose, cause),
        })
    }
}

/// Who has our lines, as `gpioinfo` shows it.
const CONSUMER: &str = "luigi-mqtt";
/// How many edges the kernel keeps for us, of 48 bytes each: a quarter of a second of a thousand a second.
const KERNEL_EDGES: u32 = 256;
/// Edges that are read at once: most often there is one.
const BATCH: usize = 16;
/// Size of `struct gpio_v2_line_event` (Linux, `include/uapi/linux/gpio.h`) in words of 8 bytes.
const EDGE_WORDS: usize = 6;
