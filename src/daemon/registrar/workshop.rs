//! Does what has to wait for the card or the bridge, on a thread of its own: [`Workshop`].

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::announcer::{Announcer, NotAnnounced};
use super::super::roster::PRODUCERS;
use super::Kept;
use super::kept;
use super::orders::Orders;
use super::refusal::{not_kept, taken};
use crate::client::Client;
use crate::client::Subscription;
use crate::entity::Entity;
use crate::ingest::Ticket;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::worker::Stop;
use crate::worker::Worker;

/// Does one [`Job`] after the other, those that wait together with one writing, on a thread `registrar` that is there only while
/// there are some.
pub(super) struct Workshop(Arc<Shared>);

/// Something to be done.
pub(super) struct Job {
    /// Whose answer waits for it.
    pub(super) ticket: Option<Ticket>,
    pub(super) task: Task,
}

/// What is to be done.
pub(super) enum Task {
    /// Have it announced.
    Announce {
        entity: Arc<Entity>,
        /// Its description as JSON, where it is to be kept for good.
        keep: Option<String>,
        /// Whether it was there for good before.
        was_for_good: bool,
        /// Whether it was said to be unavailable.
        is_back: bool,
    },
    /// Have it removed, and kept no longer.
    Withdraw { id: ObjectId, was_for_good: bool },
    /// Keep it no longer, though it stays announced.
    Release(ObjectId),
    /// Hear the commands for it, which is announced.
    Hear(Arc<Entity>),
    /// Hear no more commands for it: it is somebody else's.
    Forget(ObjectId),
    /// Remove what nobody has come back for since an earlier run.
    GiveUp,
    /// Announce what is kept and is nobody's.
    Restore,
}

/// What was done.
pub(super) struct Done {
    pub(super) ticket: Option<Ticket>,
    pub(super) what: What,
    pub(super) outcome: Result<(), Failure>,
}

/// With what something was done.
pub(super) enum What {
    /// It was announced, withdrawn, or released.
    Entity { id: ObjectId, was_for_good: bool },
    /// These were announced, which are there for good.
    Restored(Vec<Arc<Entity>>),
    /// Nothing that the registrar has to know of.
    Else,
}

/// What the thread and whoever has something done share.
struct Shared {
    kept: Kept,
    orders: Orders,
    ring: Arc<dyn Fn() + Send + Sync>,
    tray: Mutex<Tray>,
    bench: Mutex<Bench>,
}

/// What waits for the thread, and what it has done.
#[derive(Default)]
struct Tray {
    jobs: VecDeque<Job>,
    done: Vec<Done>,
    /// Whether there is a thread that will look at `jobs` again.
    is_awake: bool,
    worker: Option<Worker>,
}

/// What the thread works with.
struct Bench {
    announcer: Announcer,
    client: Client,
    /// Whose commands are heard.
    heard: BTreeMap<ObjectId, (Arc<Entity>, Subscription)>,
}

impl Workshop {
    /// One without a job. `ring` is called whenever something was done.
    pub(super) fn new(
        announcer: Announcer,
        client: Client,
        kept: Kept,
        orders: Orders,
        ring: Arc<dyn Fn() + Send + Sync>,
    ) -> Workshop {
        let bench = Mutex::new(Bench { announcer, client, heard: BTreeMap::new() });
        Workshop(Arc::new(Shared { kept, orders, ring, tray: Mutex::default(), bench }))
    }

    /// Has `job` done. Never waits for it.
    pub(super) fn give(&self, job: Job) {
        let mut tray = self.0.tray();
        tray.jobs.push_back(job);
        if tray.is_awake {
            return;
        }
        let shared = Arc::clone(&self.0);
        match Worker::spawn("registrar", move |stop| shared.work(&stop)) {
            Ok(worker) => {
                // The one before it has said that it ends.
                tray.worker = Some(worker);
                tray.is_awake = true;
            }
            Err(cause) => {
                let failure = Failure::new(Code::Internal, format!("no thread for it: {cause}"));
                let failed = mem::take(&mut tray.jobs).into_iter().map(|job| job.done(Err(failure.clone())));
                tray.done.extend(failed);
                drop(tray);
                (self.0.ring)();
            }
        }
    }

    /// What was done since it was asked last.
    pub(super) fn done(&self) -> Vec<Done> {
        mem::take(&mut self.0.tray().done)
    }

    /// Ends after the job in hand. Returns whether that is within `limit`.
    pub(super) fn stop_within(&self, limit: Duration) -> bool {
        let worker = self.0.tray().worker.take();
        worker.is_none_or(|it| it.stop_within(limit))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // The thread has the shared too, and cannot wait for its own end.
        let worker = self.0.tray().worker.take();
        drop(worker);
    }
}

impl Shared {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, stop: &Stop) {
        let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        while !stop.is_set() {
            let mut tray = self.tray();
            let some = tray.jobs.len().min(TOGETHER);
            let jobs: Vec<Job> = tray.jobs.drain(..some).collect();
            if jobs.is_empty() {
                tray.is_awake = false;
                return;
            }
            drop(tray);
            let done = self.carry_out(&mut bench, jobs);
            self.tray().done.extend(done);
            (self.ring)();
        }
    }

    /// Does `jobs` in order. The card first: what is answered for lasts.
    fn carry_out(&self, bench: &mut Bench, jobs: Vec<Job>) -> Vec<Done> {
        let kept = self.kept.change(jobs.iter().filter_map(|it| it.task.change()));
        let mut done = Vec::with_capacity(jobs.len());
        let mut announced = Vec::new();
        for job in jobs {
            if let (Err(cause), Some(_)) = (&kept, job.task.change()) {
                done.push(job.done(Err(not_kept(cause))));
                continue;
            }
            if !matches!(job.task, Task::Announce { .. }) {
                done.extend(self.announce(bench, mem::take(&mut announced)));
                done.push(self.carry_out_one(bench, job));
            } else {
                announced.push(job);
            }
        }
        done.extend(self.announce(bench, announced));
        done
    }

    fn carry_out_one(&self, bench: &mut Bench, job: Job) -> Done {
        let mut restored = Vec::new();
        match &job.task {
            Task::Withdraw { id, .. } => {
                bench.announcer.withdraw(PRODUCERS, id);
                bench.heard.remove(id); // The bridge has ended it with the entity.
            }
            Task::Hear(entity) => self.hear(bench, Arc::clone(entity)),
            Task::Forget(id) => {
                if let Some((_, subscription)) = bench.heard.remove(id) {
                    subscription.unsubscribe();
                }
            }
            Task::GiveUp => bench.announcer.give_up_producers(),
            Task::Restore => restored = self.restore(bench),
            Task::Announce { .. } | Task::Release(_) => {}
        }
        match job.task {
            Task::Restore => Done { ticket: None, what: What::Restored(restored), outcome: Ok(()) },
            _ => job.done(Ok(())),
        }
    }

    /// Announces what each of `jobs` has, all with one writing.
    fn announce(&self, bench: &mut Bench, jobs: Vec<Job>) -> Vec<Done> {
        let members: Vec<_> = jobs.iter().filter_map(|it| it.task.announced()).collect();
        let members: Vec<_> = members.into_iter().map(|it| (PRODUCERS.to_owned(), Arc::clone(it))).collect();
        let outcomes = bench.announcer.try_announce_all(&members);
        let mut done = Vec::with_capacity(jobs.len());
        for ((job, (_, entity)), outcome) in jobs.into_iter().zip(members).zip(outcomes) {
            let id = entity.id().clone();
            done.push(match (&job.task, outcome) {
                (Task::Announce { is_back, .. }, Ok(())) => {
                    if *is_back {
                        bench.announcer.set_available(PRODUCERS, &id, true);
                    }
                    self.hear(bench, entity);
                    job.done(Ok(()))
                }
                (_, Ok(())) => job.done(Ok(())),
                (_, Err(error)) => {
                    // Somebody was quicker, and it would come up at the next start.
                    if let Err(cause) = self.kept.change([(&id, None)]) {
                        log::warn!("\"{id}\" is still registered for good: {cause}");
                    }
                    job.done(Err(refused(error)))
                }
            });
        }
        done
    }

    /// Announces what is kept and is nobody's; returns it.
    fn restore(&self, bench: &mut Bench) -> Vec<Arc<Entity>> {
        let kept = self.kept.entities(&bench.announcer.device()).into_iter();
        let lost = kept.filter(|it| bench.announcer.owner_of(it.id()).is_none());
        let members: Vec<_> = lost.map(|it| (PRODUCERS.to_owned(), Arc::new(it))).collect();
        let outcomes = bench.announcer.try_announce_all(&members);
        let restored = members.into_iter().zip(outcomes).filter(|(_, it)| it.is_ok());
        let restored: Vec<_> = restored.map(|((_, entity), _)| entity).collect();
        restored.iter().for_each(|it| self.hear(bench, Arc::clone(it)));
        restored
    }

    /// Has commands heard for `entity`, where it takes any, in the place of what it was before.
    fn hear(&self, bench: &mut Bench, entity: Arc<Entity>) {
        let former = bench.heard.remove(entity.id());
        if former.as_ref().is_some_and(|(it, _)| **it == *entity) {
            bench.heard.extend(former.map(|it| (entity.id().clone(), it)));
            return;
        }
        if entity.takes_commands() {
            match self.orders.hear(&entity, &bench.client, &bench.announcer) {
                Ok(subscription) => {
                    bench.heard.insert(entity.id().clone(), (entity, subscription));
                }
                Err(error) => log::debug!("no commands are heard for {}: {error}", entity.id()),
            }
        }
        // Not before: none is missed between them.
        if let Some((_, subscription)) = former {
            subscription.unsubscribe();
        }
    }
}

impl Job {
    fn done(self, outcome: Result<(), Failure>) -> Done {
        let what = match self.task {
            Task::Announce { entity, was_for_good, .. } => {
                What::Entity { id: entity.id().clone(), was_for_good }
            }
            Task::Withdraw { id, was_for_good } => What::Entity { id, was_for_good },
            Task::Release(id) => What::Entity { id, was_for_good: true },
            _ => What::Else,
        };
        Done { ticket: self.ticket, what, outcome }
    }
}

impl Task {
    /// What it changes of what is kept.
    fn change(&self) -> Option<kept::Change<'_>> {
        match self {
            Task::Announce { entity, keep: Some(description), .. } => Some((entity.id(), Some(description))),
            Task::Withdraw { id, was_for_good: true } | Task::Release(id) => Some((id, None)),
            _ => None,
        }
    }

    fn announced(&self) -> Option<&Arc<Entity>> {
        match self {
            Task::Announce { entity, .. } => Some(entity),
            _ => None,
        }
    }
}

fn refused(error: NotAnnounced) -> Failure {
    match error {
        NotAnnounced::Taken { id, owner } => taken(&id, &owner),
        NotAnnounced::Unfit(error) => Failure::new(Code::Invalid, Chain(&error)),
    }
}

/// How many jobs are done with one writing at most: all that a program may have registered.
const TOGETHER: usize = super::MOST_OF_ONE;
