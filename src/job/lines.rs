//! The lines of standard input, in bounded memory, in buffers that are zeroed.
//!
//! Invariant: each line comes once and in order, however long it is; one that is too long
//! to be an event is passed over, and its length is said.

use std::fmt;
use std::io::{self, BufRead as _, Read};

use memchr::memchr;

use crate::content::FileContent;
use crate::crypto::SecretBytes;
use crate::login::form::{Form, foreign_bytes};

/// No event is longer (SQS takes 1 MiB).
pub(super) const LONGEST: usize = 1024 * 1024;

/// Bytes of another form than lines of text. Lines of text that are no events are
/// rejected one by one, for a part of a job may have nothing else.
#[derive(Debug)]
pub(super) struct Unreadable(Form);

impl Unreadable {
    /// The command that makes lines of it.
    #[must_use]
    pub(super) fn remedy(&self) -> String {
        match self.0.filter() {
            Some(filter) => format!("convert it before: {filter}"),
            None => "give it lines: JSON objects, or cells and --columns".to_owned(),
        }
    }
}

impl std::error::Error for Unreadable {}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextLine {
    /// A line.
    Text,
    /// One of so many bytes, which is passed over.
    TooLong(usize),
    /// Nothing more.
    End,
}

/// Reads lines.
pub(super) struct Lines(FileContent);

impl Lines {
    /// Waits for the first bytes. What is packed by gzip or zstd is unpacked.
    ///
    /// # Errors
    /// When they cannot be read or unpacked, or are no lines at all: [`Unreadable`].
    pub(super) fn of(source: Box<dyn Read + Send>) -> io::Result<Self> {
        let content = FileContent::of(source)?;
        let form = foreign_bytes(content.bytes.unread_bytes());
        form.map_or(Ok(Self(content)), |form| Err(io::Error::other(Unreadable(form))))
    }

    /// Puts the next line into `text`, without its end.
    ///
    /// # Errors
    /// When the source cannot be read on.
    pub(super) fn next(&mut self, text: &mut SecretBytes) -> io::Result<NextLine> {
        text.truncate(0);
        let mut length = 0;
        loop {
            let unread = self.0.bytes.fill_buf()?;
            if unread.is_empty() && length == 0 {
                return Ok(NextLine::End);
            }
            let end = memchr(b'\n', unread);
            let part = &unread[..end.unwrap_or(unread.len())];
            length += part.len();
            if length <= LONGEST {
                text.append(part);
            }
            let is_last = end.is_some() || unread.is_empty();
            let taken = part.len() + usize::from(end.is_some());
            self.0.bytes.consume(taken);
            if is_last && length > LONGEST {
                text.truncate(0);
                return Ok(NextLine::TooLong(length));
            } else if is_last {
                return Ok(NextLine::Text);
            }
        }
    }

    /// Whether a whole line has been read ahead, so that the next call does not wait.
    pub(super) fn has_next(&self) -> bool {
        self.0.bytes.unread_bytes().contains(&b'\n')
    }
}
