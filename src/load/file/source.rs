//! The file as a source: it is read on by one thread at a time, and has nothing to keep,
//! to end or to give back.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::chunk::Chunk;
use super::reader::{ChunkError, ChunkReader, ReadLine};
use super::refusal::{LOAD, file_error};
use crate::error::Error;
use crate::load::source::{Facts, Origin, Polled, Source, SourceError};
use crate::login::{self, FIXED_DAY, NearNames, Reading};
use crate::stop::Stop;

/// One masks a chunk while another one reads; more would hold more of them.
const RECEIVERS: usize = 2;
/// Connections that chunks are written on.
const WRITERS: usize = 3;

/// A file that was opened, or standard input.
pub(crate) struct FileSource {
    path: PathBuf,
    /// The command that a hint shows.
    load: &'static str,
    /// The SHA-256 of the whole content; a stream has none.
    content: Option<[u8; 32]>,
    state: Mutex<ReadState>,
    stop: Stop,
}

/// How far it was read.
enum ReadState {
    At(Box<ChunkReader>),
    End,
    /// A read was left when the run was stopped: who reads on does not know where.
    Lost,
}

impl FileSource {
    /// Opens a file, or standard input for `-`; nothing when the run is stopped first. A
    /// file is read once, so that none is loaded in part that cannot be read to its end.
    ///
    /// # Errors
    /// When it cannot be read, or has not one event a line.
    pub(crate) async fn open(
        path: &Path,
        reading: Reading,
        stop: &Stop,
    ) -> Result<Option<Self>, Error> {
        let is_event: ReadLine = Box::new(move |line| {
            login::parse(line, FIXED_DAY, reading, &NearNames::default()).map(drop)
        });
        Self::open_by(path, LOAD, stop, move |path| ChunkReader::open(path, is_event)).await
    }

    /// The same, by another reader.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn open_by(
        path: &Path,
        load: &'static str,
        stop: &Stop,
        open: impl FnOnce(&Path) -> Result<ChunkReader, ChunkError> + Send + 'static,
    ) -> Result<Option<Self>, Error> {
        let named = path.to_owned();
        let Some(opened) = unless_stopped(stop, move || open(&named)).await? else {
            return Ok(None);
        };
        // A stream is not touched yet.
        let reader = opened.map_err(|e| file_error(path, load, false, &e))?;
        let (path, content) = (path.to_owned(), reader.content());
        Ok(Some(Self {
            path,
            load,
            content,
            state: Mutex::new(ReadState::At(Box::new(reader))),
            stop: stop.clone(),
        }))
    }

    /// Waits for the first lines and looks at their form; nothing when the run is stopped
    /// first. A stream is not waited for before it is known that it can be loaded.
    ///
    /// # Errors
    /// When they cannot be read, or are not one event a line.
    pub(crate) async fn begin(self) -> Result<Option<Self>, Error> {
        let begun = self.read(|reader| {
            reader.begin()?;
            reader.started_at = Timestamp::now();
            Ok(Some(()))
        });
        Ok(begun.await?.map(|_| self))
    }

    /// Reads on; nothing when the run is stopped first, or a read was left by a stop.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut ChunkReader) -> Result<Option<T>, ChunkError> + Send + 'static,
    ) -> Result<Option<Option<T>>, Error> {
        let mut state = self.state.lock().await;
        let mut reader = match std::mem::replace(&mut *state, ReadState::Lost) {
            ReadState::At(reader) => reader,
            ReadState::End => {
                *state = ReadState::End;
                return Ok(Some(None));
            }
            ReadState::Lost => return Ok(None),
        };
        let work = move || {
            let done = work(&mut reader);
            (reader, done)
        };
        let Some((reader, done)) = unless_stopped(&self.stop, work).await? else { return Ok(None) };
        // After a fault there is nothing more to read.
        *state = if matches!(done, Ok(Some(_))) { ReadState::At(reader) } else { ReadState::End };
        let refused = |e| file_error(&self.path, self.load, self.is_stream(), &e);
        Ok(Some(done.map_err(refused)?))
    }

    /// Whether it can be read but once.
    pub(super) fn is_stream(&self) -> bool {
        self.content.is_none()
    }
}

impl Source for FileSource {
    /// There is none: a file gives nothing away.
    type Handle = Infallible;
    type Parcel = Chunk;

    fn facts(&self) -> Facts {
        Facts { lease: None, at_once: 1, receivers: RECEIVERS, writers: WRITERS, has_end: true }
    }

    fn origin(&self) -> Origin {
        self.content.map_or(Origin::Stream("standard input"), |digest| {
            Origin::FileSha256(hex::encode(digest))
        })
    }

    async fn poll(&self, _: usize, _: Duration) -> Result<Polled<Chunk>, SourceError> {
        Ok(match self.read(ChunkReader::next_chunk).await? {
            Some(Some(chunk)) => Polled::Parcels(vec![chunk]),
            Some(None) => Polled::End,
            None => Polled::Parcels(Vec::new()),
        })
    }

    async fn acknowledge(&self, none: &[Infallible]) -> Result<Vec<Infallible>, SourceError> {
        Ok(none.to_vec())
    }
}

/// Runs blocking work apart; nothing when the run is stopped first. The thread ends with
/// the process.
async fn unless_stopped<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Error> {
    let done = stop.unless_asked(tokio::task::spawn_blocking(work)).await;
    done.transpose().map_err(|_| Error::Panicked)
}
