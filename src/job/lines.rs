//! The lines of standard input, in bounded memory, in buffers that are zeroed.
//!
//! Invariant: each line comes once and in order, however long it is; one that is too long
//! to be an event is passed over, and its length is said.

use std::io::{self, BufRead as _, Read};

use crate::content::FileContent;
use crate::crypto::SecretBytes;

/// No event is longer (SQS takes 1 MiB).
pub(super) const LONGEST: usize = 1024 * 1024;

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
    /// When they cannot be read or unpacked.
    pub(super) fn of(source: Box<dyn Read + Send>) -> io::Result<Self> {
        FileContent::of(source).map(Self)
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
            let end = unread.iter().position(|&byte| byte == b'\n');
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
