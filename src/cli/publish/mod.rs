//! `luigi-mqtt publish`: a reading or a message, or as many as standard input has.

mod lines;
mod one;
mod tally;

use std::io::{self, BufReader, IsTerminal};
use std::ops::ControlFlow;
use std::sync::Arc;

use lines::{Form, Lines};
use one::{Unfit, one};
use tally::Tally;

use super::Exit;
use super::answer::{granted, json, lost};
use super::args::Publish;
use super::printable::printable;
use super::say;
use super::socket::{ANSWER_LIMIT, Surroundings, open};
use crate::protocol::Reply;
use crate::protocol::Request;

/// Publishes what `request` says. Blocks until it is accepted, or as long as `request` waits; with several until standard input
/// ends.
pub(super) fn publish(request: &Publish, around: &Surroundings<'_>) -> Exit {
    let many = request.stdin || request.topic_lines || request.json_lines || request.words == ["-"];
    let outcome = match many && request.topic.is_none() {
        true => several(request, around),
        false => single(request, around),
    };
    outcome.err().unwrap_or(Exit::Ok)
}

/// Publishes one.
fn single(request: &Publish, around: &Surroundings<'_>) -> Result<(), Exit> {
    let one = one(request, &mut io::stdin()).map_err(Unfit::said)?;
    let mut agent = open(&request.route, around)?;
    let reply = agent.ask(&one, ANSWER_LIMIT + request.wait.unwrap_or_default());
    if request.json {
        let reply = reply.map_err(|error| lost(&error))?;
        let exit = if let Reply::Failed(failure) = &reply { Err(failure.code.into()) } else { Ok(()) };
        say(&json(reply, Default::default()));
        return exit;
    }
    let (word, fields) = granted(reply)?;
    if io::stdout().is_terminal() {
        let place = fields.get("in").and_then(|it| it.as_str());
        say(&printable(&told(&one, &word, place)));
    }
    Ok(())
}

/// Publishes what standard input says, line by line. What is wrong with one does not keep the others.
fn several(request: &Publish, around: &Surroundings<'_>) -> Result<(), Exit> {
    if request.words.iter().any(|it| it != "-") {
        return Err(Unfit::usage("several stand in the lines of standard input, and none beside it").said());
    }
    let mut agent = open(&request.route, around)?;
    let tally = Arc::new(Tally::new(request.json, io::stderr().is_terminal()));
    tally.tell_when_interrupted();
    let form = Form::of(request);
    let input = BufReader::with_capacity(INPUT_BYTES, io::stdin());
    let lines = Lines::new(input, form, Arc::clone(&tally));
    let asked = agent.ask_all(Box::new(lines), form.limit(), &mut |mark, reply| {
        tally.answered(&mark, reply);
        ControlFlow::Continue(())
    });
    if let Err(error) = asked {
        let exit = lost(&error);
        tally.ended_early("not all was published");
        return Err(exit);
    }
    tally.ended();
    match tally.failed() {
        0 => Ok(()),
        _ => Err(Exit::Failed),
    }
}

/// What became of `one`, for people: `place` is where it waits.
fn told(one: &Request, word: &str, place: Option<&str>) -> String {
    let what = match one {
        Request::Reading { entity, .. } => entity.as_str(),
        Request::Publish { topic, .. } => topic.as_str(),
        _ => "",
    };
    match word {
        "queued" => {
            let place = if place == Some("card") { "on the card" } else { "in memory" };
            format!("{what}: queued {place}, for the broker is not connected")
        }
        word => format!("{what}: {word}"),
    }
}

/// Some thousand readings at once, where they come from a file.
const INPUT_BYTES: usize = 64 << 10;
