//! A file as chunks of exactly 5,000 lines, each with a stable id: what was loaded once is recognised.
//!
//! Invariants: the id of a chunk depends on the content alone (of the whole file, or of a stream so far), never on
//! batch sizes, connections or time; the lines are plaintext and live in [`Body`].

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use uuid::Uuid;

use crate::crypto::{Digest, SecretBytes};
use crate::login::{Body, chunk_id, line_id};

/// Lines in a chunk (fixed: changing it would make every file another file).
const CHUNK_LINES: u64 = 5_000;
/// No event is that long (SQS takes 1 MiB); a file with such a line is no JSON Lines.
const MAX_LINE: usize = 1024 * 1024 + 1;
const READ_SIZE: usize = 1024 * 1024;

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// The operating system says no.
    #[error("cannot be read ({0})")]
    Io(io::ErrorKind),
    /// A line without an end.
    #[error("line {0} is longer than 1 MiB: this is not one JSON object a line")]
    LineTooLong(u64),
    /// Its content is not what it was when loading began.
    #[error(
        "its content was changed, not only appended to, while it was being loaded; compare it with the table before loading it again"
    )]
    Changed,
}

impl From<io::Error> for ChunkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

/// Up to 5,000 lines.
pub struct Chunk {
    /// Its id in the ledger.
    pub id: Uuid,
    /// The number of its first line, from 0.
    first_line: u64,
    text: Body,
    lines: Vec<(u64, Range<usize>)>,
}

impl Chunk {
    /// How many events it has; blank lines are none.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// The message id and body of each event, made one at a time.
    pub fn events(&self) -> impl Iterator<Item = (Uuid, Body)> + '_ {
        (0..self.len()).map(|place| self.event(place))
    }

    /// The message id and body of the event at one place.
    #[must_use]
    pub fn event(&self, place: usize) -> (Uuid, Body) {
        let (line, range) = &self.lines[place];
        (line_id(self.id, line - self.first_line), Body::new(self.text.expose()[range.clone()].to_vec()))
    }
}

/// Reads chunks in order.
pub struct ChunkReader {
    source: Box<dyn Read + Send>,
    buffer: SecretBytes,
    unread: Range<usize>,
    /// Of the whole file; a stream has none.
    content: Option<[u8; 32]>,
    running: Digest,
    number: u64,
    line: u64,
}

impl ChunkReader {
    /// Opens a file, or standard input for `-`. A file is read once before, for the digest of its content.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ChunkError> {
        if path.as_os_str() == "-" {
            return Ok(Self::new(Box::new(io::stdin()), None));
        }
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(Self::new(Box::new(file), None));
        }
        let (content, length) = digest_of(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        // Lines that are appended from now on belong to another file.
        Ok(Self::new(Box::new(file.take(length)), Some(content)))
    }

    fn new(source: Box<dyn Read + Send>, content: Option<[u8; 32]>) -> Self {
        let buffer = SecretBytes::zeroed(READ_SIZE);
        Self { source, buffer, unread: 0..0, content, running: Digest::default(), number: 0, line: 0 }
    }

    /// The SHA-256 of the whole file; a stream has none.
    #[must_use]
    pub fn content(&self) -> Option<[u8; 32]> {
        self.content
    }

    /// The next chunk, or nothing at the end.
    ///
    /// # Errors
    /// When the source cannot be read on, or its content has changed since it was opened.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, ChunkError> {
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
        self.running.update(text.expose());
        if self.line == first_line {
            let changed = self.content.is_some_and(|known| known != self.running.current());
            return if changed { Err(ChunkError::Changed) } else { Ok(None) };
        }
        let id = chunk_id(&self.content.unwrap_or_else(|| self.running.current()), self.number);
        self.number += 1;
        Ok(Some(Chunk { id, first_line, text: Body::from_secret(text), lines }))
    }

    fn read_some(&mut self) -> io::Result<usize> {
        loop {
            match self.source.read(self.buffer.expose_mut()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Adds the next line with its end; false at the end of the source.
    fn append_line(&mut self, text: &mut SecretBytes) -> Result<bool, ChunkError> {
        let start = text.len();
        loop {
            let unread = &self.buffer.expose()[self.unread.clone()];
            let end = unread.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(unread.len(), |end| end + 1);
            text.append(&unread[..taken]);
            self.unread.start += taken;
            if text.len() - start > MAX_LINE {
                return Err(ChunkError::LineTooLong(self.line + 1));
            }
            if end.is_some() {
                return Ok(true);
            }
            self.unread = 0..self.read_some()?;
            if self.unread.is_empty() {
                return Ok(text.len() > start);
            }
        }
    }
}

/// The digest of a file, and how many bytes it covers.
fn digest_of(file: &mut File) -> io::Result<([u8; 32], u64)> {
    let (mut digest, mut length) = (Digest::default(), 0);
    let mut buffer = SecretBytes::zeroed(READ_SIZE);
    loop {
        match file.read(buffer.expose_mut()) {
            Ok(0) => return Ok((digest.current(), length)),
            Ok(read) => {
                digest.update(&buffer.expose()[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn chunks(text: &str, content: Option<[u8; 32]>) -> Vec<Chunk> {
        let mut reader = ChunkReader::new(Box::new(Cursor::new(text.to_owned())), content);
        std::iter::from_fn(|| reader.next_chunk().expect("readable")).collect()
    }

    #[test]
    fn chunks_have_exactly_5000_lines_and_blank_lines_are_no_events() {
        let text = "{}\n".repeat(5_000) + "\n  \r\n{}\n{}";
        let lens: Vec<_> = chunks(&text, None).iter().map(Chunk::len).collect();
        assert_eq!(lens, [5_000, 2]);
    }

    #[test]
    fn the_first_chunks_of_a_grown_stream_are_recognised_and_of_a_grown_file_are_not() {
        let text = "{}\n".repeat(6_000);
        let grown = text.clone() + "{}\n";
        let ids = |text: &str, content| chunks(text, content).iter().map(|c| c.id).collect::<Vec<_>>();
        assert_eq!(ids(&text, None)[0], ids(&grown, None)[0]);
        assert_ne!(ids(&text, None)[1], ids(&grown, None)[1]);
        let digest = |text: &str| {
            let mut digest = Digest::default();
            digest.update(text.as_bytes());
            digest.current()
        };
        assert_eq!(ids(&text, Some(digest(&text))), ids(&text, Some(digest(&text))));
        assert_ne!(ids(&text, Some(digest(&text)))[0], ids(&grown, Some(digest(&grown)))[0]);
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_noticed() {
        let mut reader = ChunkReader::new(Box::new(Cursor::new("{}\n")), Some([0; 32]));
        assert!(reader.next_chunk().is_ok_and(|chunk| chunk.is_some()));
        assert!(matches!(reader.next_chunk(), Err(ChunkError::Changed)));
    }

    #[test]
    fn lines_that_are_appended_after_opening_belong_to_another_file() {
        let path = std::env::temp_dir().join(format!("loginetl-chunks-{}", std::process::id()));
        std::fs::write(&path, "{}\n{}\n").expect("written");
        let mut reader = ChunkReader::open(&path).expect("opened");
        std::fs::write(&path, "{}\n{}\n{}\n").expect("written");
        assert_eq!(reader.next_chunk().expect("readable").map(|chunk| chunk.len()), Some(2));
        assert!(reader.next_chunk().is_ok_and(|end| end.is_none()));
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_line_without_an_end_is_an_error_and_not_all_memory() {
        let mut reader = ChunkReader::new(Box::new(io::repeat(b'x')), None);
        assert!(matches!(reader.next_chunk(), Err(ChunkError::LineTooLong(1))));
    }
}
