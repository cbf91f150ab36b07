//! How a run ends: at the end of its source, by a stop, or by an error; and what is given
//! back then.
//!
//! A fault of receiving stops the receiving: what is in hand is written. A fault of the
//! database, a delete that is refused for good, a panic, or a beginning that is none of
//! login events gives up: what is in hand goes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::stop::Stop;

/// The end of one run.
pub(super) struct Ending<H> {
    /// Asked for when no more is to be received.
    pub stop: Stop,
    failure: Mutex<Option<Error>>,
    has_given_up: AtomicBool,
    has_all: AtomicBool,
    has_left: AtomicBool,
    /// What is to be given back; none any more when the last receiver has ended.
    unwanted: Mutex<Option<Vec<H>>>,
}

impl<H> Ending<H> {
    /// Nothing has ended yet.
    #[must_use]
    pub(super) fn new(stop: Stop) -> Self {
        let (failure, has_given_up, has_all, has_left) = Default::default();
        Self {
            stop,
            failure,
            has_given_up,
            has_all,
            has_left,
            unwanted: Mutex::new(Some(Vec::new())),
        }
    }

    /// Keeps an error for the end of the run: the first one.
    pub(super) fn keep_failure(&self, error: Error) {
        // Those that follow mostly follow from it.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Receives no more, because of an error.
    pub(super) fn fail(&self, error: Error) {
        self.keep_failure(error);
        self.stop.ask();
    }

    /// The same, and nothing more is written.
    pub(super) fn give_up(&self, error: Error) {
        // In this order: whoever the stop wakes must find that nothing more is written.
        self.has_given_up.store(true, Ordering::SeqCst);
        self.fail(error);
    }

    /// Whether what is in hand goes back.
    #[must_use]
    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up.load(Ordering::SeqCst)
    }

    /// The error that ended the run, if one did.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The source has no more, or as much as was wanted.
    pub(super) fn note_all(&self) {
        self.has_all.store(true, Ordering::SeqCst);
    }

    /// Something was left that had been handed out, or was asked for.
    pub(super) fn note_left(&self) {
        self.has_left.store(true, Ordering::SeqCst);
    }

    /// Whether the source has no more, and all of it was taken to its end.
    #[must_use]
    pub(super) fn has_all(&self) -> bool {
        self.has_all.load(Ordering::SeqCst) && !self.has_left.load(Ordering::SeqCst)
    }

    /// Keeps what is to be given back until the last receiver has ended, and hands it
    /// back to the caller after that.
    pub(super) fn keep_unwanted(&self, handles: Vec<H>) -> Vec<H> {
        // Given back now, it would come to a receiver of this very process
        // again. Each receive counts, and after so many the queue takes the
        // message for a dead letter.
        match self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(unwanted) => {
                unwanted.extend(handles);
                Vec::new()
            }
            None => handles,
        }
    }

    /// The last receiver has ended: what was kept.
    pub(super) fn take_unwanted(&self) -> Vec<H> {
        self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}
