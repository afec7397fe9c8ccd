//! The way in for messages and readings: [`Entrance`].

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{PoisonError, RwLock};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::RefusedBecause;
use super::event::{Post, Told};

/// Where messages and readings come in until it is closed. What came in before is there to be taken out then, and nothing comes
/// after: a channel whose receiver is dropped takes along what was sent in that moment.
pub(super) struct Entrance {
    posts: RwLock<Option<Sender<Post>>>,
    /// How many bytes wait there.
    bytes: AtomicUsize,
    /// Whether somebody was sent away since there was room, and is to be called.
    was_full: AtomicBool,
    /// Calls whoever wants to try again.
    call: RwLock<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl Entrance {
    /// The open way into `posts`.
    pub(super) fn new(posts: Sender<Post>) -> Entrance {
        Entrance {
            posts: RwLock::new(Some(posts)),
            bytes: AtomicUsize::new(0),
            was_full: AtomicBool::new(false),
            call: RwLock::new(None),
        }
    }

    /// Takes `post` in, or gives back what it is and says why. Waits for no more than others doing the same.
    pub(super) fn enter(&self, post: Post) -> Result<(), (Told, RefusedBecause)> {
        let posts = self.posts.read().unwrap_or_else(PoisonError::into_inner);
        let refused = |post: Post, cause| {
            post.notice.into_iter().for_each(|it| it.forget());
            Err((post.told, cause))
        };
        let Some(posts) = &*posts else { return refused(post, RefusedBecause::Stopped) };
        let post = match self.put(posts, post) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(post)) => post,
            Err(TrySendError::Disconnected(post)) => return refused(post, RefusedBecause::Stopped),
        };
        // Once more: whoever took one out in between has not seen that somebody is to be called.
        self.was_full.store(true, SeqCst);
        match self.put(posts, post) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(post)) => refused(post, RefusedBecause::Full),
            Err(TrySendError::Disconnected(post)) => refused(post, RefusedBecause::Stopped),
        }
    }

    /// Puts `post` in where there is room for it: there always is where nothing else waits, however large it is.
    fn put(&self, posts: &Sender<Post>, post: Post) -> Result<(), TrySendError<Post>> {
        let bytes = post.told.bytes();
        let before = self.bytes.fetch_add(bytes, SeqCst);
        let put = match before > 0 && before + bytes > MOST_BYTES {
            true => Err(TrySendError::Full(post)),
            false => posts.try_send(post),
        };
        if put.is_err() {
            self.bytes.fetch_sub(bytes, SeqCst);
        }
        put
    }

    /// Has `call` called whenever there is room again for those who were sent away.
    pub(super) fn when_room(&self, call: impl Fn() + Send + Sync + 'static) {
        *self.call.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(call));
    }

    /// `post` was taken out of `posts`: calls those who were sent away, once half of them are gone.
    pub(super) fn taken(&self, post: &Post, posts: &Receiver<Post>) {
        let bytes = post.told.bytes();
        let left = self.bytes.fetch_sub(bytes, SeqCst) - bytes;
        let is_half_empty = posts.len() * 2 <= posts.capacity().unwrap_or(0) && left * 2 <= MOST_BYTES;
        if self.was_full.load(SeqCst) && is_half_empty {
            self.was_full.store(false, SeqCst);
            self.call();
        }
    }

    /// Lets nothing in any more. Who was sent away learns of it when they try again.
    pub(super) fn close(&self) {
        *self.posts.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.call();
    }

    fn call(&self) {
        if let Some(call) = &*self.call.read().unwrap_or_else(PoisonError::into_inner) {
            call();
        }
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance").field("was_full", &self.was_full).finish_non_exhaustive()
    }
}

/// How many bytes of messages may wait for the bridge beside the outbox, whose bound they do not count for: some seconds of all
/// that a Pi Zero publishes.
const MOST_BYTES: usize = 1 << 20;
