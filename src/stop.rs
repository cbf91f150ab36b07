//! The stop of commands that finish what they have begun: it is asked for once, and two
//! limits follow.
//!
//! ```text
//! asked ──────── 17 s ────────▶ deadline ── 4 s ──▶ end ── 3 s ──▶ the process exits
//! nothing new is begun;         what hangs is       the last
//! what is in hand is finished   left, or given back words are said
//! ```
//!
//! SIGINT or SIGTERM asks; in a load also a fault, and a used-up poison budget. A second
//! signal exits at once. Whatever hangs, the process is gone 24 s after the first signal:
//! units and compose file here kill it after 30 s.
//!
//! Invariant: the three come in this order, and none is taken back.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Exit};
use crate::output;

/// From the first word to the moment when no more is written.
const TIME_TO_FINISH: Duration = Duration::from_secs(17);
/// From there to the moment when no more is given back.
const TIME_TO_GIVE_BACK: Duration = Duration::from_secs(4);
/// After a signal, the process ends within this time.
const LONGEST: Duration = Duration::from_secs(24);
/// This much of it is kept for what comes after the last words.
const MARGIN: Duration = Duration::from_secs(2);

/// The stop of one command. All clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    // Three words, not one: work that is not begun can wait for another run at once, work
    // in hand deserves time to be finished, and what is given back must be given back
    // even if that time was not enough, or it stays hidden from other loaders.
    asked: CancellationToken,
    deadline: CancellationToken,
    end: CancellationToken,
    /// When a signal asked.
    signalled: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// A stop that a signal asks for; then `said` tells the user what it will do.
    ///
    /// # Errors
    /// When the system lets nobody wait for signals.
    pub(crate) fn on_signal(said: &'static str) -> Result<Self, Error> {
        let signals = Signals::listen()?;
        let stop = Self::default();
        tokio::spawn(stop.clone().wait_for_signals(signals, said));
        Ok(stop)
    }

    /// Asks for it. Whoever asks first starts the clock.
    pub(crate) fn ask(&self) {
        self.ask_within(TIME_TO_FINISH, TIME_TO_GIVE_BACK);
    }

    fn ask_within(&self, finish: Duration, give_back: Duration) {
        if self.asked.is_cancelled() {
            return;
        }
        // The clock runs in a task of its own: nobody who waits for a server that hangs
        // can hold it up.
        self.asked.cancel();
        let (deadline, end) = (self.deadline.clone(), self.end.clone());
        tokio::spawn(async move {
            tokio::time::sleep(finish).await;
            deadline.cancel();
            tokio::time::sleep(give_back).await;
            end.cancel();
        });
    }

    /// Whether it was asked for.
    #[must_use]
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// For what can be begun anew at any time: nothing, once a stop is asked for.
    pub(crate) async fn unless_asked<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.asked.run_until_cancelled(work).await
    }

    /// For what is in hand: nothing, if it takes longer than the deadline.
    pub(crate) async fn before_deadline<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.deadline.run_until_cancelled(work).await
    }

    /// For what others wait for: nothing, if it takes longer than the end.
    pub(crate) async fn before_end<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.end.run_until_cancelled(work).await
    }

    /// A limit for the last words of a command: shorter after a signal, so that they are
    /// said before the process exits.
    #[must_use]
    pub(crate) fn shorten(&self, limit: Duration) -> Duration {
        let left = |at: &Instant| {
            LONGEST.saturating_sub(MARGIN + at.elapsed()).max(Duration::from_millis(500))
        };
        self.signalled.get().map_or(limit, |at| limit.min(left(at)))
    }

    async fn wait_for_signals(self, mut signals: Signals, said: &'static str) {
        signals.next().await;
        let _ = self.signalled.set(Instant::now());
        output::note(said);
        self.ask();
        if tokio::time::timeout(LONGEST, signals.next()).await.is_err() {
            output::warning("something did not answer in time: stopped; nothing is lost");
        }
        // It exits here: whatever hangs would hold up the way back through `main` too.
        std::process::exit(Exit::Temporary as i32);
    }
}

/// Ctrl-C and SIGTERM.
struct Signals(Signal, Signal);

impl Signals {
    fn listen() -> Result<Self, Error> {
        let unusable = |e: std::io::Error| Error::Start(e.to_string());
        Ok(Self(
            signal(SignalKind::interrupt()).map_err(unusable)?,
            signal(SignalKind::terminate()).map_err(unusable)?,
        ))
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.0.recv() => {}, _ = self.1.recv() => {} }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::{Duration, Instant, LONGEST, Stop, TIME_TO_FINISH, TIME_TO_GIVE_BACK};
    use std::future::pending;

    #[tokio::test]
    async fn the_deadline_and_the_end_follow_the_word_in_their_order() {
        let stop = Stop::default();
        assert!(!stop.is_asked());
        assert_eq!(stop.unless_asked(async { 7 }).await, Some(7));
        stop.ask_within(Duration::from_millis(20), Duration::from_millis(20));
        // The clock runs once.
        stop.ask_within(Duration::ZERO, Duration::ZERO);
        assert!(stop.is_asked() && !stop.deadline.is_cancelled());
        assert_eq!(stop.unless_asked(pending::<()>()).await, None);
        assert_eq!(stop.before_deadline(pending::<()>()).await, None);
        assert!(!stop.end.is_cancelled());
        assert_eq!(stop.before_end(pending::<()>()).await, None);
        assert!(TIME_TO_FINISH + TIME_TO_GIVE_BACK < LONGEST);
    }

    #[tokio::test]
    async fn last_words_are_shorter_only_after_a_signal() {
        let (stop, limit) = (Stop::default(), Duration::from_secs(90));
        stop.ask();
        assert_eq!(stop.shorten(limit), limit);
        stop.signalled.set(Instant::now()).unwrap();
        assert!(stop.shorten(limit) < LONGEST);
    }
}
