//! The lines of a file one by one, for a source whose lines have ids of their own.

use std::io::{BufRead as _, Read as _, Seek as _, SeekFrom};

use super::{ChunkError, ChunkReader, ChunkSource, MIB, Running};
use crate::content::FileContent;
use crate::crypto::SecretBytes;
use crate::login::Body;

impl ChunkReader {
    /// The next line that is not blank, with its number from 1; nothing at the end.
    ///
    /// # Errors
    /// When the source cannot be read on, or its content has changed since it was opened.
    pub(in crate::load::file) fn next_line(&mut self) -> Result<Option<(u64, Body)>, ChunkError> {
        let read = self.read_line();
        self.unless_changed(read)
    }

    /// Goes back to the first line of a file; a stream has no way back.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub(in crate::load::file) fn rewind(&mut self) -> Result<(), ChunkError> {
        let Some((file, length)) = &mut self.file else { return Ok(()) };
        file.seek(SeekFrom::Start(0))?;
        let content = FileContent::of(Box::new(file.try_clone()?.take(*length)))?;
        self.source = ChunkSource::Open(content);
        (self.running, self.number, self.line) = (Running::default(), 0, 0);
        Ok(())
    }

    fn read_line(&mut self) -> Result<Option<(u64, Body)>, ChunkError> {
        loop {
            let mut text = SecretBytes::zeroed(0);
            if !self.append_line(&mut text)? {
                return if self.has_changed() { Err(ChunkError::Changed) } else { Ok(None) };
            }
            self.running.content.update(text.expose());
            self.line += 1;
            if !text.expose().trim_ascii().is_empty() {
                return Ok(Some((self.line, Body::from_secret(text))));
            }
        }
    }

    /// Adds the next line with its end; false at the end of the source.
    pub(super) fn append_line(&mut self, text: &mut SecretBytes) -> Result<bool, ChunkError> {
        let (start, line, longest) = (text.len(), self.line + 1, self.longest_line);
        let content = self.open_content()?;
        loop {
            let unread = content.bytes.fill_buf()?;
            if unread.is_empty() {
                return Ok(text.len() > start);
            }
            let end = unread.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(unread.len(), |end| end + 1);
            text.append(&unread[..taken]);
            content.bytes.consume(taken);
            if text.len() - start > longest {
                let most = longest / MIB;
                return Err(ChunkError::LineTooLong { line, most, packing: content.packing });
            }
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}
