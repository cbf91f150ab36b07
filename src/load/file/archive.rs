//! An archive of queue messages as a source: each line has the id and the time by which
//! the ledger knows its message, so that a replay counts nothing twice.
//!
//! Invariants: of a file, every line is looked at before the first is handed out; what
//! stands before a line that is refused is handed out. A message that the ledger may have
//! forgotten is refused, here or by the transaction that would write it.

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::reader::{ChunkError, ChunkReader};
use super::refusal::REPLAY;
use super::source::FileSource;
use crate::error::Error;
use crate::load::archived::Archived;
use crate::load::parcel::Parcel as _;
use crate::load::source::{Facts, Origin, Polled, Source, SourceError};
use crate::login::read_archived;
use crate::stop::Stop;

/// SQS takes messages of 1 MiB; as JSON in JSON, each byte may take six.
const LONGEST_LINE: usize = 7 * 1024 * 1024;
/// Lines of one poll.
const AT_ONCE: usize = 100;
/// A poll that has brought so much ends: what it reserves before is not much more.
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;
/// One masks lines while another one reads.
const RECEIVERS: usize = 2;
const WRITERS: usize = 2;
/// Clocks differ.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The clock of the database, which the ledger goes by.
#[derive(Clone, Copy)]
pub(crate) struct LedgerClock {
    began: Timestamp,
    /// None of a clock that stands.
    read_at: Option<Instant>,
}

impl LedgerClock {
    /// As the database has just said it.
    #[must_use]
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { began: now, read_at: Some(Instant::now()) }
    }

    fn stand(self) -> Self {
        Self { began: self.now(), read_at: None }
    }

    fn now(self) -> Timestamp {
        let passed = self.read_at.map(|at| at.elapsed()).unwrap_or_default();
        let passed = SignedDuration::try_from(passed).unwrap_or_default();
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
        if file.is_stream() {
            return Ok(Some(Self { file, clock }));
        }
        // A line that was young enough stays so, here; the transaction asks anew.
        let clock = clock.stand();
        let source = Self { file, clock };
        let looked = source.file.read(move |reader| {
            while next_message(reader, clock)?.is_some() {}
            reader.rewind()?;
            Ok(Some(()))
        });
        Ok(looked.await?.map(|_| source))
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
        let (clock, is_stream) = (self.clock, self.file.is_stream());
        let read = self.file.read(move |reader| {
            next_messages(reader, most, clock).map_err(|error| match error {
                // This line was another one when it was looked at.
                ChunkError::Line { .. } if !is_stream => ChunkError::Changed,
                error => error,
            })
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

/// The messages of the next lines; nothing at the end. What is wrong is said when all
/// that stands before it was handed out.
fn next_messages(
    reader: &mut ChunkReader,
    most: usize,
    clock: LedgerClock,
) -> Result<Option<Vec<Archived>>, ChunkError> {
    if let Some(fault) = reader.fault.take() {
        return Err(fault);
    }
    let (mut messages, mut bytes) = (Vec::new(), 0);
    while messages.len() < most.max(1) && bytes < BYTES_AT_ONCE {
        match next_message(reader, clock) {
            Ok(Some(message)) => {
                bytes += message.bytes();
                messages.push(message);
            }
            Ok(None) => break,
            Err(fault) if messages.is_empty() => return Err(fault),
            Err(fault) => {
                reader.fault = Some(fault);
                break;
            }
        }
    }
    Ok(Some(messages).filter(|messages| !messages.is_empty()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn opened(lines: &[String], now: Timestamp) -> (ArchiveSource, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, lines.join("\n")).expect("written");
        let clock = LedgerClock::new(now);
        let source = ArchiveSource::open(file.path(), clock, &Stop::default()).await;
        (source.unwrap_or_else(|e| panic!("{e}")).expect("not stopped"), file)
    }

    async fn poll(source: &ArchiveSource) -> usize {
        match source.poll(AT_ONCE, Duration::ZERO).await.map_err(Error::from) {
            Ok(Polled::Parcels(parcels)) => parcels.len(),
            Ok(Polled::End) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    fn line(sent: &str, body: &str) -> String {
        let id = "0193b1c2-0000-4000-8000-000000000001";
        json!({"message_id": id, "sent_at": sent, "body": body}).to_string()
    }

    #[tokio::test]
    async fn a_poll_ends_by_bytes_too() {
        let now = "2026-07-20T12:00:00Z".parse().expect("a time");
        let large = vec![line("2026-07-20T10:00:00Z", &"x".repeat(1024 * 1024)); 10];
        let (source, _file) = opened(&large, now).await;
        assert_eq!([poll(&source).await, poll(&source).await, poll(&source).await], [4, 4, 2]);
        assert_eq!(poll(&source).await, 0);
    }

    #[tokio::test]
    async fn a_file_that_was_looked_at_is_handed_out_after_midnight_as_well() {
        let now = "2026-07-20T23:59:59.700Z".parse().expect("a time");
        let (source, _file) = opened(&[line("2026-07-04T10:00:00Z", "{}")], now).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(poll(&source).await, 1);
    }
}
