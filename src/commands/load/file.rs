//! `load --file`: chunks of a file become rows, each chunk in one transaction, on several connections.
//!
//! Invariant: a chunk whose id is in the ledger changes nothing, so that an interrupted file is simply loaded again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::chunk_rows::{insert, refuse};
use super::chunks::{Chunk, ChunkError, ChunkReader, ReadLine};
use super::patience::Backoff;
use super::record::{End, Origin, record_run};
use super::refusal::file_error;
use super::tally::{Tally, log_near_names};
use super::{LoadArgs, flags};
use crate::db::{DbError, Session, SqlKind, Target};
use crate::error::{Error, Exit};
use crate::kms::Kms;
use crate::login::{
    self, Body, Delivery, FIXED_DAY, Masker, NearNames, Reading, SealedRejection, SentAt, Source, Verdict, utc_day,
};
use crate::output::Progress;
use crate::stop::Stop;
use crate::vault::{Fit, KeyCache, Masking};
use crate::{aws, output};

const CONNECTIONS: usize = 3;
/// A try that takes longer is given up: the server or the way to it is gone.
const LONGEST_WRITE: Duration = Duration::from_secs(60);
/// The same for a chunk with refused rows: up to two statements a row.
const LONGEST_ROW_BY_ROW: Duration = Duration::from_secs(600);
/// What long lines add to both.
const SLOWEST_BYTES_A_SECOND: u64 = 1024 * 1024;

/// One run over a file.
pub(super) struct FileRun {
    key_cache: KeyCache,
    target: Target,
    tally: Tally,
    stop: Stop,
    reading: Reading,
    started_at: Timestamp,
    poison_budget: u64,
}

/// Loads a file, or shows what would be loaded.
///
/// # Errors
/// When the file cannot be read, or KMS or database cannot be used.
pub(super) async fn load(path: &Path, args: LoadArgs, target: Target, stop: Stop) -> Result<Exit, Error> {
    if args.max_messages.is_some() && !args.dry_run {
        return Err(flags("--max-messages would cut a chunk of a file in two; it goes with --dry-run or a queue"));
    }
    let (named, reading) = (path.to_owned(), super::reading(&args));
    let read: ReadLine = Box::new(move |line| login::parse(line, FIXED_DAY, reading, &NearNames::default()).map(drop));
    let opened = unless_stopped(&stop, move || ChunkReader::open(&named, read)).await?;
    let Some(opened) = opened else { return Ok(Exit::Temporary) };
    let mut reader = opened.map_err(|e| file_error(path, &e))?;
    let kms = Kms::new(&aws::configuration().await?);
    let opened = stop.unless_asked(async {
        super::is_ready(&target, &args).await?;
        Ok::<_, Error>(KeyCache::open(target.clone(), kms).await?)
    });
    let opened = opened.await;
    let Some(key_cache) = opened.transpose()? else { return Ok(Exit::Temporary) };
    // A stream is not waited for before it is known that it can be loaded.
    let begun = unless_stopped(&stop, move || reader.begin().map(|()| reader)).await?;
    let Some(begun) = begun else { return report_early_stop(&args) };
    let reader = begun.map_err(|e| file_error(path, &e))?;
    if args.dry_run {
        return super::dry_run::file(path, reader, &args, &key_cache, &stop).await;
    }
    let run = Arc::new(FileRun::new(&args, key_cache, target, stop));
    let origin = reader.content().map_or(Origin::Stream("standard input"), |digest| Origin::FileSha256(hex::encode(digest)));
    let (sender, chunks) = mpsc::channel(CONNECTIONS);
    let reading = tokio::task::spawn_blocking(move || read_chunks(reader, &sender));
    let progress = output::stderr_is_terminal().then(Progress::start);
    let written = write_chunks(&run, chunks, progress.as_ref()).await;
    drop(progress);
    // The reader may wait for standard input; nobody waits for it when the run was stopped.
    let read = match &written {
        Ok(true) => reading.await.map_err(|_| Error::Panicked).and_then(|read| read.map_err(|error| file_error(path, &error))),
        _ => Ok(()),
    };
    let end = match (&written, &read) {
        _ if run.is_poisoned() => End::Poisoned,
        (Ok(true), Ok(())) => End::Done,
        (Ok(false), _) => End::Stopped,
        _ => End::Failed,
    };
    let recorded = record_run(&run.target, &run.stop, &origin, end, &run.tally.summary()).await;
    run.tally.summary().report_of_file(args.format)?;
    let all_written = written?;
    read?;
    recorded?;
    if !all_written {
        output::note("the rest was not loaded; load it again: what is there already is recognised");
    }
    Ok(match end {
        End::Poisoned => Exit::Attention,
        End::Done => Exit::Done,
        End::Stopped | End::Failed => Exit::Temporary,
    })
}

fn report_early_stop(args: &LoadArgs) -> Result<Exit, Error> {
    if !args.dry_run {
        Tally::default().summary().report_of_file(args.format)?;
    }
    Ok(Exit::Temporary)
}

/// Runs blocking work apart; nothing when the run is stopped first. The thread ends with the process.
pub(super) async fn unless_stopped<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Error> {
    let done = stop.unless_asked(tokio::task::spawn_blocking(work)).await;
    done.transpose().map_err(|_| Error::Panicked)
}

/// Reads ahead of the writers, no more than they can take.
fn read_chunks(mut reader: ChunkReader, chunks: &mpsc::Sender<Chunk>) -> Result<(), ChunkError> {
    while let Some(chunk) = reader.next_chunk()? {
        if chunks.blocking_send(chunk).is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes chunks on several connections; true when all that the reader sent was written.
async fn write_chunks(run: &Arc<FileRun>, chunks: mpsc::Receiver<Chunk>, progress: Option<&Progress>) -> Result<bool, Error> {
    let chunks = Arc::new(Mutex::new(chunks));
    let mut writers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let writer = ChunkWriter { run: Arc::clone(run), session: run.target.session(), masking: Masking::default() };
        writers.spawn(writer.write_until_end(Arc::clone(&chunks)));
    }
    let mut result = Ok(true);
    while !writers.is_empty() {
        if let Some(progress) = progress {
            let summary = run.tally.summary();
            progress.show(super::progress_text(&summary, summary.rate(), None));
        }
        let tick = tokio::time::timeout(Duration::from_millis(250), writers.join_next()).await;
        match tick {
            Ok(Some(Ok(Err(error)))) => {
                run.stop.ask();
                result = Err(error);
            }
            Ok(Some(Ok(Ok(to_the_end)))) => result = result.map(|all| all && to_the_end),
            Ok(Some(Err(_))) => {
                run.stop.ask();
                result = Err(Error::Panicked);
            }
            Ok(None) | Err(_) => {}
        }
    }
    result
}

/// One connection's share of the work.
struct ChunkWriter {
    run: Arc<FileRun>,
    session: Session,
    masking: Masking,
}

/// How a chunk is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Copying {
    Whole,
    /// The database has refused one of its rows.
    RowByRow,
}

/// What a try came to.
enum ChunkAttempt {
    Committed,
    Again,
}

/// A line and what became of it.
pub(super) struct Line {
    /// Among the events of its chunk.
    place: usize,
    pub(super) verdict: Verdict,
}

impl ChunkWriter {
    /// Writes chunk after chunk; false when it was stopped before the last.
    async fn write_until_end(mut self, chunks: Arc<Mutex<mpsc::Receiver<Chunk>>>) -> Result<bool, Error> {
        let next = async || chunks.lock().await.recv().await;
        let stop = self.run.stop.clone();
        loop {
            match stop.unless_asked(next()).await {
                Some(Some(chunk)) => {
                    self.run.tally.count_received(chunk.len());
                    self.write(&chunk).await?;
                }
                Some(None) => return Ok(true),
                None => {
                    let left = chunks.lock().await;
                    return Ok(left.is_closed() && left.is_empty());
                }
            }
            if self.run.is_poisoned() {
                tracing::error!("the poison budget is used up: is this a file of login events?");
                stop.ask();
            }
        }
    }

    /// Writes one chunk, whatever it takes: again after faults, row by row where the database refuses one.
    async fn write(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let mut patience = Backoff::default();
        let mut copying = Copying::Whole;
        let stop = self.run.stop.clone();
        loop {
            let limit = if copying == Copying::Whole { LONGEST_WRITE } else { LONGEST_ROW_BY_ROW };
            let limit = limit + Duration::from_secs(chunk.bytes() / SLOWEST_BYTES_A_SECOND);
            let tried = stop.before_deadline(tokio::time::timeout(limit, self.try_write(chunk, copying))).await;
            let tried = tried.ok_or(Error::Stopped)?;
            let tried = tried.map_err(|_| DbError::Lost { action: "writing a chunk" }.into()).flatten();
            match tried {
                Ok(ChunkAttempt::Committed) => return Ok(()),
                Ok(ChunkAttempt::Again) => {}
                Err(Error::Db(error)) if error.sql_kind() == Some(SqlKind::Data) && copying == Copying::Whole => {
                    tracing::warn!(%error, "the database refuses rows; they go to the quarantine");
                    copying = Copying::RowByRow;
                }
                Err(error) => {
                    self.session.disconnect();
                    patience.bear(error, &self.run.stop).await?;
                }
            }
        }
    }

    /// Masks the chunk by the plan as far as it is known, and writes it in one transaction.
    async fn try_write(&mut self, chunk: &Chunk, copying: Copying) -> Result<ChunkAttempt, Error> {
        let masker = self.masking.masker(&self.run.key_cache).await?;
        let near = NearNames::default();
        let mut lines = self.run.mask(chunk, masker, &near)?;
        let fenced = self.session.take_fence().await?;
        let Some(entrance) = fenced.claim_chunk(chunk.id, chunk.id_with_bom).await? else {
            self.run.tally.count_committed(lines.len(), 0, 0);
            return Ok(ChunkAttempt::Committed);
        };
        let plan = fenced.plan().await?;
        let masker = match self.masking.fit(&self.run.key_cache, plan)? {
            Fit::Same(masker) => masker,
            Fit::Anew(masker) => {
                if !lines.iter().all(|line| line.verdict.is_under(&plan)) {
                    lines = self.run.mask(chunk, masker, &NearNames::default())?;
                }
                masker
            }
            Fit::Unknown(known) => {
                // No transaction is open while KMS unwraps the key; the chunk is tried again with it.
                drop(fenced);
                self.run.key_cache.refresh(&known).await?;
                return Ok(ChunkAttempt::Again);
            }
        };
        if copying == Copying::RowByRow {
            refuse(&fenced, chunk, &mut lines, masker, entrance).await?;
        }
        let (loaded, quarantined) = insert(&self.run, &fenced, chunk, &lines, copying, entrance).await?;
        fenced.commit().await?;
        self.run.tally.count_committed(lines.len(), loaded, quarantined);
        self.run.tally.near.add_all(&near);
        log_near_names(&self.run.tally.near);
        Ok(ChunkAttempt::Committed)
    }
}

impl FileRun {
    fn new(args: &LoadArgs, key_cache: KeyCache, target: Target, stop: Stop) -> Self {
        Self {
            key_cache,
            target,
            tally: Tally::default(),
            stop,
            reading: super::reading(args),
            started_at: Timestamp::now(),
            poison_budget: args.poison_budget,
        }
    }

    fn is_poisoned(&self) -> bool {
        self.tally.quarantined_count() > self.poison_budget
    }

    fn mask(&self, chunk: &Chunk, masker: &mut Masker, near: &NearNames) -> Result<Vec<Line>, Error> {
        let row_day = self.row_day();
        let line = |(place, body): (usize, Body)| {
            let verdict = masker.judge(&body, || chunk.message_id(place), row_day, self.reading, near)?;
            Ok(Line { place, verdict })
        };
        chunk.bodies().enumerate().map(line).collect()
    }

    fn row_day(&self) -> Date {
        utc_day(self.started_at)
    }

    pub(super) fn rejection<'a>(&self, chunk: &Chunk, line: &'a Line) -> Option<(Delivery, &'a SealedRejection)> {
        let Verdict::Rejected(rejected) = &line.verdict else { return None };
        let delivery = Delivery {
            message_id: chunk.message_id(line.place),
            sent: SentAt::from_attribute(None),
            received_at: self.started_at,
            receive_count: None,
            row_day: self.row_day(),
            source: Source::File,
        };
        Some((delivery, rejected))
    }
}
