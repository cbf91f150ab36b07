//! An archive of queue messages as a source: each line has the id and the time by which
//! the ledger knows its message, so that a replay counts nothing twice.
//!
//! Invariants: of a file, every line is looked at before the first is handed out; a
//! message that the ledger may have forgotten is handed out never.

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::reader::{ChunkError, ChunkReader};
use super::refusal::REPLAY;
use super::source::FileSource;
use crate::error::Error;
use crate::load::archived::Archived;
use crate::load::source::{Facts, Origin, Polled, Source, SourceError};
use crate::login::read_archived;
use crate::stop::Stop;

/// SQS takes messages of 1 MiB; as JSON in JSON, each byte may take six.
const LONGEST_LINE: usize = 7 * 1024 * 1024;
/// Lines of one poll.
const AT_ONCE: usize = 100;
/// One masks lines while another one reads.
const RECEIVERS: usize = 2;
const WRITERS: usize = 2;
/// Clocks differ.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The clock of the database, which the ledger goes by.
#[derive(Clone, Copy)]
pub(crate) struct LedgerClock {
    began: Timestamp,
    read_at: Instant,
}

impl LedgerClock {
    /// As the database has just said it.
    #[must_use]
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { began: now, read_at: Instant::now() }
    }

    fn now(self) -> Timestamp {
        let passed = SignedDuration::try_from(self.read_at.elapsed()).unwrap_or_default();
        self.began.saturating_add(passed).unwrap_or(self.began)
    }
}

/// An archive that was opened, or standard input.
pub(crate) struct ArchiveSource {
    file: FileSource,
    clock: LedgerClock,
}

impl ArchiveSource {
    /// Opens a file, or standard input for `-`; nothing when the run is stopped first. A
    /// file is read twice, so that none is loaded of which one line would be refused.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is no message that may be loaded.
    pub(crate) async fn open(
        path: &Path,
        clock: LedgerClock,
        stop: &Stop,
    ) -> Result<Option<Self>, Error> {
        // What a line is, the reading of all lines says, with its number.
        let open = |path: &Path| ChunkReader::open_lines(path, Box::new(|_| Ok(())), LONGEST_LINE);
        let Some(file) = FileSource::open_by(path, REPLAY, stop, open).await? else {
            return Ok(None);
        };
        let source = Self { file, clock };
        if source.is_stream() {
            return Ok(Some(source));
        }
        let looked = source.file.read(move |reader| {
            while next_message(reader, clock)?.is_some() {}
            reader.rewind()?;
            Ok(Some(()))
        });
        Ok(looked.await?.map(|_| source))
    }

    fn is_stream(&self) -> bool {
        matches!(self.file.origin(), Origin::Stream(_))
    }
}

impl Source for ArchiveSource {
    /// There is none: an archive gives nothing away.
    type Handle = Infallible;
    type Parcel = Archived;

    fn facts(&self) -> Facts {
        let (receivers, writers) = (RECEIVERS, WRITERS);
        Facts { lease: None, at_once: AT_ONCE, receivers, writers, has_end: true }
    }

    fn origin(&self) -> Origin {
        self.file.origin()
    }

    async fn poll(&self, most: usize, _: Duration) -> Result<Polled<Archived>, SourceError> {
        let clock = self.clock;
        let read = self.file.read(move |reader| {
            let mut messages = Vec::new();
            while messages.len() < most.max(1)
                && let Some(message) = next_message(reader, clock)?
            {
                messages.push(message);
            }
            Ok(Some(messages).filter(|messages| !messages.is_empty()))
        });
        Ok(match read.await? {
            Some(Some(messages)) => Polled::Parcels(messages),
            Some(None) => Polled::End,
            None => Polled::Parcels(Vec::new()),
        })
    }

    async fn acknowledge(&self, none: &[Infallible]) -> Result<Vec<Infallible>, SourceError> {
        Ok(none.to_vec())
    }
}

/// The message of the next line.
fn next_message(
    reader: &mut ChunkReader,
    clock: LedgerClock,
) -> Result<Option<Archived>, ChunkError> {
    let Some((line, text)) = reader.next_line()? else { return Ok(None) };
    let refused = |problem| ChunkError::Line { line, problem };
    let message = read_archived(&text).map_err(refused)?;
    let now = clock.now();
    let latest = now.saturating_add(TOLERANCE).unwrap_or(now);
    message.check_age(crate::db::oldest_day(now), latest).map_err(refused)?;
    Ok(Some(Archived::new(message, now)))
}
