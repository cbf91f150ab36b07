//! A file as chunks of exactly 5,000 lines, each with a stable id: what was loaded once
//! is recognised.
//!
//! Invariants: the id of a chunk depends on the content alone (of the whole file, or of a
//! stream so far), never on batch sizes, connections or time; the lines are plaintext and
//! live in [`Body`].

mod lines;

use std::fs::File;
use std::io::{self, BufRead as _, Read, Seek as _, SeekFrom};
use std::path::Path;

use jiff::Timestamp;

use super::chunk::Chunk;
use crate::content::{Damage, FileContent};
use crate::crypto::{Digest, SecretBytes};
use crate::login::form::{BOM, Form, HEAD_LINES, Packing, examine};
use crate::login::{Body, LineProblem, Rejection, chunk_id};

/// Lines in a chunk (fixed: changing it would make every file another file).
const CHUNK_LINES: u64 = 5_000;
/// No event is that long (SQS takes 1 MiB); a file with such a line is no JSON Lines.
const MAX_LINE: usize = MIB + 1;
const MIB: usize = 1024 * 1024;

/// Tells whether a line is an event.
pub(super) type ReadLine = Box<dyn Fn(&Body) -> Result<(), Rejection> + Send>;

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChunkError {
    /// The operating system says no.
    #[error("cannot be read ({0})")]
    Io(io::ErrorKind),
    /// It is packed, and cannot be unpacked to its end.
    #[error(transparent)]
    Damaged(Damage),
    /// It has not one event a line.
    #[error("{form}")]
    Refused {
        /// What it has instead.
        form: Form,
        /// How it is packed.
        packing: Packing,
    },
    /// A line without an end.
    #[error("line {line} is longer than {most} MiB, which no event is")]
    LineTooLong {
        /// Its number, from 1.
        line: u64,
        /// How long an event may be.
        most: usize,
        /// How the file is packed.
        packing: Packing,
    },
    /// A line that is no message out of a queue's archive, or none that may be loaded.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// Its content is not what it was when loading began.
    #[error(
        "its content was changed, not only appended to, while it was being loaded; compare it \
         with the table before loading it again"
    )]
    Changed,
}

impl From<io::Error> for ChunkError {
    fn from(error: io::Error) -> Self {
        let damage = error.get_ref().and_then(|inner| inner.downcast_ref::<Damage>());
        damage.map_or(Self::Io(error.kind()), |damage| Self::Damaged(*damage))
    }
}

/// The digests of one content.
#[derive(Clone, Copy)]
struct Digests {
    content: [u8; 32],
    /// With a byte order mark before it, whether it has one or not.
    with_bom: [u8; 32],
}

/// The digests of what has been read so far.
struct Running {
    content: Digest,
    with_bom: Digest,
}

impl Default for Running {
    fn default() -> Self {
        let mut with_bom = Digest::default();
        with_bom.update(&BOM);
        Self { content: Digest::default(), with_bom }
    }
}

impl Running {
    fn update(&mut self, bytes: &[u8]) {
        self.content.update(bytes);
        self.with_bom.update(bytes);
    }

    fn current(&self) -> Digests {
        Digests { content: self.content.current(), with_bom: self.with_bom.current() }
    }
}

/// Reads chunks in order.
pub(super) struct ChunkReader {
    source: ChunkSource,
    read: ReadLine,
    /// Of the whole file; a stream has none.
    known: Option<Digests>,
    /// The file and how much of it is read; a stream has none.
    file: Option<(File, u64)>,
    longest_line: usize,
    /// What is wrong with the next line.
    pub(super) fault: Option<ChunkError>,
    running: Running,
    number: u64,
    line: u64,
    /// When the run began: the day of an event that has none of its own.
    pub(super) started_at: Timestamp,
}

enum ChunkSource {
    /// Nothing has been read of it.
    Untouched(Box<dyn Read + Send>),
    Open(FileContent),
    /// Its beginning could not be read, or was refused.
    Refused,
}

impl ChunkReader {
    /// Opens a file, or standard input for `-`. A file is read once before, for its
    /// digest and to see that every line of it can be read; a stream is not touched.
    ///
    /// # Errors
    /// When it cannot be read, or has not one event a line.
    pub(super) fn open(path: &Path, read: ReadLine) -> Result<Self, ChunkError> {
        Self::open_lines(path, read, MAX_LINE)
    }

    /// The same, of lines that may be so long.
    ///
    /// # Errors
    /// As [`ChunkReader::open`].
    pub(super) fn open_lines(
        path: &Path,
        read: ReadLine,
        longest_line: usize,
    ) -> Result<Self, ChunkError> {
        let new =
            |source: Box<dyn Read + Send>, read| Self { longest_line, ..Self::new(source, read) };
        if path.as_os_str() == "-" {
            return Ok(new(Box::new(io::stdin()), read));
        }
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(new(Box::new(file), read));
        }
        let mut reader = new(Box::new(file.try_clone()?), read);
        let known = reader.digests_of_all()?;
        // Lines that are appended from now on belong to another file.
        let length = file.stream_position()?;
        file.seek(SeekFrom::Start(0))?;
        let content = FileContent::of(Box::new(file.try_clone()?.take(length)))?;
        let (source, running) = (ChunkSource::Open(content), Running::default());
        let file = Some((file, length));
        Ok(Self { source, known: Some(known), file, running, line: 0, ..reader })
    }

    fn new(source: Box<dyn Read + Send>, read: ReadLine) -> Self {
        let source = ChunkSource::Untouched(source);
        Self {
            source,
            read,
            known: None,
            file: None,
            longest_line: MAX_LINE,
            fault: None,
            running: Running::default(),
            number: 0,
            line: 0,
            started_at: Timestamp::now(),
        }
    }

    /// Waits for the first lines, and looks at their form.
    ///
    /// # Errors
    /// When they cannot be read, or are not one event a line.
    pub(super) fn begin(&mut self) -> Result<(), ChunkError> {
        self.open_content().map(drop)
    }

    fn open_content(&mut self) -> Result<&mut FileContent, ChunkError> {
        if let ChunkSource::Untouched(stream) = &mut self.source {
            let stream = std::mem::replace(stream, Box::new(io::empty()));
            self.source = ChunkSource::Refused;
            let mut content = FileContent::of(stream)?;
            let has_enough =
                |head: &[u8]| head.iter().filter(|byte| **byte == b'\n').count() > HEAD_LINES;
            let is_whole = content.bytes.fill_until(has_enough)?;
            let packing = content.packing;
            examine(content.bytes.unread_bytes(), is_whole, &self.read)
                .map_err(|form| ChunkError::Refused { form, packing })?;
            self.source = ChunkSource::Open(content);
        }
        match &mut self.source {
            ChunkSource::Open(content) => Ok(content),
            ChunkSource::Untouched(_) | ChunkSource::Refused => {
                Err(ChunkError::Io(io::ErrorKind::Other))
            }
        }
    }

    /// The SHA-256 of the whole content; a stream has none.
    #[must_use]
    pub(super) fn content(&self) -> Option<[u8; 32]> {
        self.known.map(|known| known.content)
    }

    /// The next chunk, or nothing at the end.
    ///
    /// # Errors
    /// When the source cannot be read on, or its content has changed since it was opened.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>, ChunkError> {
        let read = self.read_chunk();
        self.unless_changed(read)
    }

    /// All of a file could be read when it was opened; else it has changed since.
    fn unless_changed<T>(&self, read: Result<T, ChunkError>) -> Result<T, ChunkError> {
        match read {
            Err(ChunkError::Damaged(_) | ChunkError::LineTooLong { .. })
                if self.known.is_some() =>
            {
                Err(ChunkError::Changed)
            }
            read => read,
        }
    }

    fn has_changed(&self) -> bool {
        self.known.is_some_and(|known| known.content != self.running.content.current())
    }

    fn read_chunk(&mut self) -> Result<Option<Chunk>, ChunkError> {
        let first_line = self.line;
        let (mut text, mut lines) = (SecretBytes::zeroed(0), Vec::new());
        while self.line - first_line < CHUNK_LINES {
            let start = text.len();
            if !self.append_line(&mut text)? {
                break;
            }
            if !text.expose()[start..].trim_ascii().is_empty() {
                lines.push((self.line, start..text.len()));
            }
            self.line += 1;
        }
        match self.known {
            // The chunk has its ids already. One digest tells whether it is
            // still what it was.
            Some(_) => self.running.content.update(text.expose()),
            None => self.running.update(text.expose()),
        }
        if self.line == first_line {
            return if self.has_changed() { Err(ChunkError::Changed) } else { Ok(None) };
        }
        let Digests { content, with_bom } = self.known.unwrap_or_else(|| self.running.current());
        let [id, id_with_bom] = [content, with_bom].map(|digest| chunk_id(&digest, self.number));
        self.number += 1;
        Ok(Some(Chunk {
            id,
            id_with_bom,
            first_line,
            text: Body::from_secret(text),
            lines,
            read_at: self.started_at,
        }))
    }

    /// The digests of all that comes, without making chunks of it.
    fn digests_of_all(&mut self) -> Result<Digests, ChunkError> {
        let (mut running, longest) = (Running::default(), self.longest_line);
        let content = self.open_content()?;
        let (mut line, mut length) = (1, 0);
        loop {
            let unread = content.bytes.fill_buf()?;
            if unread.is_empty() {
                return Ok(running.current());
            }
            for part in unread.split_inclusive(|&byte| byte == b'\n') {
                length += part.len();
                if length > longest {
                    let most = longest / MIB;
                    return Err(ChunkError::LineTooLong { line, most, packing: content.packing });
                }
                if part.ends_with(b"\n") {
                    (line, length) = (line + 1, 0);
                }
            }
            running.update(unread);
            let taken = unread.len();
            content.bytes.consume(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::parcel::Parcel as _;
    use std::io::Cursor;

    fn reader(source: impl Read + Send + 'static, known: Option<Digests>) -> ChunkReader {
        ChunkReader { known, ..ChunkReader::new(Box::new(source), Box::new(|_| Ok(()))) }
    }

    fn chunks(text: &str, known: Option<Digests>) -> Vec<Chunk> {
        let mut reader = reader(Cursor::new(text.to_owned()), known);
        std::iter::from_fn(|| reader.next_chunk().expect("readable")).collect()
    }

    #[test]
    fn chunks_have_exactly_5000_lines_and_blank_lines_are_no_events() {
        let text = "{}\n".repeat(5_000) + "\n  \r\n{}\n{}";
        let lens: Vec<_> = chunks(&text, None).iter().map(Chunk::events).collect();
        assert_eq!(lens, [5_000, 2]);
    }

    #[test]
    fn the_first_chunks_of_a_grown_stream_are_recognised_and_of_a_grown_file_are_not() {
        let text = "{}\n".repeat(6_000);
        let grown = text.clone() + "{}\n";
        let ids =
            |text: &str, content| chunks(text, content).iter().map(|c| c.id).collect::<Vec<_>>();
        assert_eq!(ids(&text, None)[0], ids(&grown, None)[0]);
        assert_ne!(ids(&text, None)[1], ids(&grown, None)[1]);
        let digest = |text: &str| {
            let mut running = Running::default();
            running.update(text.as_bytes());
            running.current()
        };
        assert_eq!(ids(&text, Some(digest(&text))), ids(&text, Some(digest(&text))));
        assert_ne!(ids(&text, Some(digest(&text)))[0], ids(&grown, Some(digest(&grown)))[0]);
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_noticed() {
        let other = Digests { content: [0; 32], with_bom: [0; 32] };
        let mut reader = reader(Cursor::new("{}\n"), Some(other));
        assert!(reader.next_chunk().is_ok_and(|chunk| chunk.is_some()));
        assert!(matches!(reader.next_chunk(), Err(ChunkError::Changed)));
    }

    #[test]
    fn lines_that_are_appended_after_opening_belong_to_another_file() {
        let path = std::env::temp_dir().join(format!("loginetl-chunks-{}", std::process::id()));
        std::fs::write(&path, "{}\n{}\n").expect("written");
        let mut reader = ChunkReader::open(&path, Box::new(|_| Ok(()))).expect("opened");
        std::fs::write(&path, "{}\n{}\n{}\n").expect("written");
        assert_eq!(reader.next_chunk().expect("readable").map(|chunk| chunk.events()), Some(2));
        assert!(reader.next_chunk().is_ok_and(|end| end.is_none()));
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_line_without_an_end_is_an_error_and_not_all_memory() {
        let mut reader = reader(io::repeat(b'x'), None);
        assert!(matches!(reader.next_chunk(), Err(ChunkError::LineTooLong { line: 1, .. })));
    }
}
