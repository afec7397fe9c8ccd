//! The other end.

use std::ops::ControlFlow;
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::ingest::CallError;
use crate::ingest::Caller;
use crate::protocol::Reply;
use crate::protocol::Request;

/// What `daemon` does with the only program that connects, while `call` does the rest.
fn with_daemon<T>(daemon: impl FnOnce(Program) + Send + 'static, call: impl FnOnce(&mut Caller) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut caller = Caller::connect(&path).unwrap();
    let daemon = thread::spawn(move || daemon(Program(BufReader::new(listener.accept().unwrap().0))));
    let found = call(&mut caller);
    drop(caller);
    daemon.join().unwrap();
    found
}

fn ok(reply: &Reply) -> &str {
    match reply {
        Reply::Ok(word, _) => word,
        other => panic!("expected an answer, found {other:?}"),
    }
}

#[test]
fn where_nobody_listens_the_daemon_is_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    assert!(matches!(Caller::connect(&path), Err(CallError::Absent { .. })));
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(Caller::connect(&path), Err(CallError::Absent { .. })));
}

#[test]
fn events_before_an_answer_are_kept() {
    let daemon = |mut program: Program| {
        program.line();
        program.write("{\"message\":1}\n{\"message\":2}\n{\"ok\":\"status\"}\n");
    };
    let replies = with_daemon(daemon, |caller| {
        let answer = caller.ask(&Request::Status, LIMIT).unwrap();
        [answer, caller.receive(Some(LIMIT)).unwrap(), caller.receive(None).unwrap()]
    });
    let event = |number: i32| Reply::Event("message".to_owned(), number.into());
    assert_eq!((ok(&replies[0]), &replies[1..]), ("status", &[event(1), event(2)][..]));
}

#[test]
fn a_daemon_that_says_nothing_is_silent() {
    let (over, end) = mpsc::channel::<()>();
    let daemon = move |_: Program| assert!(end.recv().is_err());
    with_daemon(daemon, |caller| {
        let limit = Duration::from_millis(20);
        assert!(matches!(caller.ask(&Request::Status, limit), Err(CallError::Silent(it)) if it == limit));
        let requests = [((), Request::Status)].into_iter();
        let all = caller.ask_all(requests, limit, |(), _| ControlFlow::Continue(()));
        assert!(matches!(all, Err(CallError::Silent(it)) if it == limit));
        drop(over);
    });
}

#[test]
fn a_daemon_that_has_gone_may_have_said_why() {
    let daemon = |mut program: Program| program.write("{\"error\":\"too_many\",\"reason\":\"too many\"}\n");
    with_daemon(daemon, |caller| {
        // Whether it has gone by now or not.
        let answer = caller.ask(&Request::Status, LIMIT);
        assert!(matches!(answer, Ok(Reply::Failed(_))), "{answer:?}");
        assert!(matches!(caller.ask(&Request::Status, LIMIT), Err(CallError::Lost(_))));
    });
}

#[test]
fn what_is_no_answer_is_strange() {
    with_daemon(
        |mut program| program.write("220 ready\n"),
        |caller| assert!(matches!(caller.receive(Some(LIMIT)), Err(CallError::Strange(_)))),
    );
}

/// Answers each line with its number.
fn count(mut program: Program) {
    let mut writer = program.0.get_ref().try_clone().unwrap();
    let mut number = 0;
    while !program.line().is_empty() {
        number += 1;
        if writer.write_all(format!("{{\"ok\":\"{number}\"}}\n").as_bytes()).is_err() {
            break;
        }
    }
}

#[test]
fn a_hundred_thousand_are_answered_in_order() {
    let mut next = 0;
    let told = |mark: u32, reply: Reply| {
        next += 1;
        assert_eq!((mark, ok(&reply)), (next, next.to_string().as_str()));
        ControlFlow::Continue(())
    };
    let requests = (1..=100_000).map(|it| (it, Request::Status));
    with_daemon(count, |caller| caller.ask_all(requests, LIMIT, told)).unwrap();
    assert_eq!(next, 100_000);
}

#[test]
fn an_answer_comes_before_there_is_more_to_ask() {
    let (sender, answered) = mpsc::channel();
    let requests = (1..=3).map(move |it| {
        if it > 1 {
            answered.recv_timeout(LIMIT).expect("the one before is answered");
        }
        ((), Request::Status)
    });
    let told = |(), _| {
        let _ = sender.send(()); // After the last, nobody waits.
        ControlFlow::Continue(())
    };
    with_daemon(count, |caller| caller.ask_all(requests, LIMIT, told)).unwrap();
}

#[test]
fn of_requests_without_end_few_are_underway() {
    let (sender, asked) = mpsc::channel();
    let requests = (0..).map(move |it| {
        let _ = sender.send(());
        (it, Request::Status)
    });
    let told = |mark: usize, _| if mark == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    with_daemon(count, |caller| caller.ask_all(requests, LIMIT, told)).unwrap();
    // Until the thread has noticed: what is underway, what waits, and the one that it holds.
    assert!(asked.iter().count() <= 10 + 2 * 1024 + 1);
}

#[test]
fn many_that_are_only_sent_block_nobody() {
    with_daemon(count, |caller| {
        for _ in 0..100_000 {
            caller.send(&Request::Status).unwrap();
        }
        for number in 1..=100_000 {
            assert_eq!(ok(&caller.receive(Some(LIMIT)).unwrap()), number.to_string());
        }
    });
}

#[test]
fn a_daemon_that_ends_amid_many_is_lost() {
    let daemon = |mut program: Program| {
        program.line();
        program.write("{\"ok\":\"1\"}\n");
    };
    let mut told = 0;
    let requests = (0..).map(|_| ((), Request::Status));
    let result = with_daemon(daemon, |caller| {
        caller.ask_all(requests, LIMIT, |(), _| {
            told += 1;
            ControlFlow::Continue(())
        })
    });
    assert!(matches!(result, Err(CallError::Lost(_))), "{result:?}");
    assert_eq!(told, 1);
}
