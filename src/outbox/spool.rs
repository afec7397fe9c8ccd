//! stub
#![allow(missing_docs)]
#![allow(dead_code)]
use crate::model::{Message, Topic};
use crossbeam_channel::Sender;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
#[derive(Debug)]
pub struct Spool;
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub accepted: u64,
    pub message: Message,
}
#[derive(Debug)]
pub enum SpoolError {
    Thread(io::Error),
}
impl std::fmt::Display for SpoolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stub")
    }
}
impl std::error::Error for SpoolError {}
#[derive(Debug)]
pub enum SpoolEvent {
    Opened { first: u64, next: u64, bytes: u64, topics: Vec<(Topic, u64)>, lost: u64 },
    Stored { next: u64 },
    Refused { records: Vec<Record>, cause: SpoolError },
    Dropped { next: u64, topics: Vec<(Topic, u64)> },
    Loaded { first: u64, records: Vec<Option<Record>> },
    Failed { cause: SpoolError },
}
impl Spool {
    pub fn start(_directory: PathBuf, _max_bytes: u64, _events: Sender<SpoolEvent>) -> io::Result<Spool> {
        Ok(Spool)
    }
    pub fn exists(_directory: &std::path::Path) -> bool {
        false
    }
    pub fn append(&self, _records: Vec<Record>) {}
    pub fn load(&self, _from: u64) {}
    pub fn release(&self, _next: u64) {}
    pub fn stop(self, _limit: Duration) -> bool {
        true
    }
}
