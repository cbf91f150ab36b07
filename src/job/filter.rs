//! The loop of a filter: lines from standard input, through one worker, to standard
//! output, one for one and in order.
//!
//! Invariants: only whole lines are written; whatever has been read is answered before it
//! waits for more, so that who writes a line and reads one never waits for ever; memory
//! does not grow with the number of lines.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::lines::{Lines, NextLine, Unreadable};
use crate::content::Damage;
use crate::crypto::SecretBytes;
use crate::error::{Error, JobError};
use crate::logging;
use crate::login::{Body, NearNames};
use crate::output;
use crate::stop::Stop;

/// So much is written at once, if it is there.
const CHUNK: usize = 256 * 1024;
/// The same in lines, for those that are held back.
const MOST_LINES: u64 = 10_000;
/// A worker that is older is made anew: its keys are unwrapped again.
const REFRESH_AFTER: Duration = Duration::from_secs(30 * 60);
const READ_AGAIN: &str = "see where it comes from; nothing that was written counts, run it again \
                          over all lines";

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is masked, or rewritten.
    Through,
    /// It was rejected, or could not be opened: its line says so.
    Aside,
    /// It is no line of this filter at all.
    Foreign,
}

/// What a line goes through.
pub(crate) trait Filter: Send + 'static {
    /// Writes the line that a line becomes, and gives its memory back.
    fn turn(&mut self, line: Body, into: &mut Vec<u8>) -> (Fate, Body);

    /// Writes the line that one of so many bytes becomes, which is too long to be read;
    /// nothing, where there can be none.
    fn pass_over(&mut self, length: usize, into: &mut Vec<u8>) -> Option<Fate>;

    /// Adds what it holds back until lines are written, and at the end what ends them.
    fn gather(&mut self, is_end: bool, into: &mut Vec<u8>);

    /// Goes on with the keys of a newer one.
    fn renew(&mut self, newer: Self);

    /// Names that are almost those of fields.
    fn near_names(&self) -> Option<&NearNames>;
}

/// Lines so far. All clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    lines: Arc<AtomicU64>,
    aside: Arc<AtomicU64>,
}

impl Counts {
    /// Lines that were written, and how many of them were set aside.
    #[must_use]
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.lines.load(Ordering::Relaxed), self.aside.load(Ordering::Relaxed))
    }

    fn add(&self, lines: u64, aside: u64) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        self.aside.fetch_add(aside, Ordering::Relaxed);
    }
}

/// Where lines come from and go to.
pub(crate) struct Pipes {
    from: Box<dyn Read + Send>,
    to: Box<dyn Write + Send>,
    refresh_after: Duration,
}

impl Pipes {
    /// Standard input and output.
    #[must_use]
    pub(crate) fn standard() -> Self {
        let (from, to) = (output::standard_input(), output::standard_output());
        Self { from, to, refresh_after: REFRESH_AFTER }
    }
}

/// Lets all lines through a filter that `open` makes, now and then anew.
///
/// # Errors
/// When they cannot be read or written, or a line is foreign; or when it was stopped:
/// then whole lines were written, and not all.
pub(crate) async fn filter<F: Filter, O>(
    open: impl Fn() -> O + Send + 'static,
    pipes: Pipes,
    counts: &Counts,
    stop: &Stop,
) -> Result<(), Error>
where
    O: Future<Output = Result<F, Error>> + Send,
{
    let Pipes { from, to, refresh_after } = pipes;
    let valve = Arc::new(Valve(Mutex::new(Some(to))));
    let worker = {
        let (valve, counts, handle) = (Arc::clone(&valve), counts.clone(), Handle::current());
        let (out, pending) = (Vec::new(), (0, 0));
        let mut worker = Worker { open, refresh_after, handle, valve, counts, out, pending };
        tokio::task::spawn_blocking(move || worker.run(from))
    };
    match stop.unless_asked(worker).await {
        Some(done) => done.map_err(|_| JobError::Panicked)?,
        None => {
            // What is being written now is written to its end.
            stop.before_deadline(valve.close()).await;
            Err(JobError::Stopped.into())
        }
    }
}

/// Once it is closed, nothing more is written.
struct Valve(Mutex<Option<Box<dyn Write + Send>>>);

impl Valve {
    async fn close(&self) {
        *self.0.lock().await = None;
    }

    fn write(&self, lines: &[u8], counts: &Counts) -> Result<(), Error> {
        let mut open = self.0.blocking_lock();
        let to = open.as_mut().ok_or(JobError::Stopped)?;
        to.write_all(lines).and_then(|()| to.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => JobError::ReaderGone { lines: counts.get().0 }.into(),
            _ => Error::Output(error),
        })
    }
}

struct Worker<O> {
    open: O,
    refresh_after: Duration,
    handle: Handle,
    valve: Arc<Valve>,
    counts: Counts,
    out: Vec<u8>,
    /// Lines in `out`, and how many of them are set aside.
    pending: (u64, u64),
}

impl<M> Worker<M> {
    fn run<F: Filter, O>(&mut self, from: Box<dyn Read + Send>) -> Result<(), Error>
    where
        O: Future<Output = Result<F, Error>>,
        M: Fn() -> O,
    {
        let mut lines = Lines::of(from).map_err(unreadable)?;
        let mut filter = self.handle.block_on((self.open)())?;
        let mut opened_at = Instant::now();
        let mut text = SecretBytes::zeroed(0);
        loop {
            let waits = !lines.has_next();
            let writes = waits || self.out.len() >= CHUNK || self.pending.0 >= MOST_LINES;
            if writes {
                self.write(&mut filter, false)?;
                filter.near_names().into_iter().for_each(logging::near_names);
            }
            let next = lines.next(&mut text).map_err(unreadable)?;
            // Hours may have passed while it waited for this line. None needs no keys.
            if writes && next != NextLine::End && opened_at.elapsed() > self.refresh_after {
                filter.renew(self.handle.block_on((self.open)())?);
                opened_at = Instant::now();
            }
            let fate = match next {
                NextLine::End => return self.write(&mut filter, true),
                NextLine::TooLong(length) => filter.pass_over(length, &mut self.out),
                NextLine::Text => {
                    let (fate, line) = filter.turn(Body::from_secret(text), &mut self.out);
                    text = line.into_secret();
                    Some(fate)
                }
            };
            self.count(fate, &mut filter)?;
        }
    }

    fn count(&mut self, fate: Option<Fate>, filter: &mut impl Filter) -> Result<(), Error> {
        let Some(fate) = fate.filter(|fate| *fate != Fate::Foreign) else {
            self.write(filter, true)?;
            return Err(JobError::ForeignLine { line: self.counts.get().0 + 1 }.into());
        };
        self.pending.0 += 1;
        self.pending.1 += u64::from(fate == Fate::Aside);
        Ok(())
    }

    fn write(&mut self, filter: &mut impl Filter, is_end: bool) -> Result<(), Error> {
        filter.gather(is_end, &mut self.out);
        if self.out.is_empty() {
            return Ok(());
        }
        self.valve.write(&self.out, &self.counts)?;
        self.out.clear();
        let (lines, aside) = std::mem::take(&mut self.pending);
        self.counts.add(lines, aside);
        Ok(())
    }
}

fn unreadable(error: std::io::Error) -> Error {
    let inner = error.get_ref();
    if let Some(form) = inner.and_then(|inner| inner.downcast_ref::<Unreadable>()) {
        let remedy = form.remedy();
        return JobError::Input { problem: form.to_string(), remedy }.into();
    }
    let damage = inner.and_then(|inner| inner.downcast_ref::<Damage>());
    let problem =
        damage.map_or_else(|| format!("cannot be read ({})", error.kind()), ToString::to_string);
    JobError::Input { problem, remedy: READ_AGAIN.to_owned() }.into()
}

#[cfg(test)]
mod tests;
