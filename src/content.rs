//! The content of a file or of standard input: unpacked, without its byte order mark,
//! through buffers that are zeroed.
//!
//! Invariants: content is read in bounded memory, whatever it is packed in; the same
//! content is the same, packed or not. What we hold of it is zeroed when it is dropped;
//! the last 32 KiB (gzip) or up to 128 MiB (zstd) that an unpacking library refers back
//! to are freed as they are.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::ops::Range;

use flate2::bufread::MultiGzDecoder;

use crate::crypto::SecretBytes;
use crate::login::form::{BOM, Packing};

/// What a buffer holds: a line of the longest kind, but for its end.
const BUFFER: usize = 1024 * 1024;
/// 128 MiB, as much as `zstd -d` takes without being told to.
const LONGEST_ZSTD_WINDOW_LOG: u32 = 27;

/// Bytes that are read through a buffer which is zeroed.
pub(crate) type Bytes = Buffered<Box<dyn Read + Send>>;

/// The content of a file, from its first byte.
pub(crate) struct FileContent {
    /// The bytes that are lines.
    pub bytes: Bytes,
    /// How they are packed.
    pub packing: Packing,
}

impl FileContent {
    /// Begins to read; waits for the first bytes.
    ///
    /// # Errors
    /// When they cannot be read or unpacked.
    pub(crate) fn of(source: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut raw = Buffered::new(source);
        // A first line that is shorter is whole: nobody waits for what is behind it.
        let is_line = |head: &[u8]| head.contains(&b'\n');
        raw.fill_until(|head| head.len() >= Packing::HEAD || is_line(head))?;
        let packing = Packing::of(raw.unread_bytes());
        let mut bytes = match packing {
            Packing::Plain => raw,
            Packing::Gzip => unpack(packing, MultiGzDecoder::new(raw)),
            Packing::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(raw)?;
                decoder.window_log_max(LONGEST_ZSTD_WINDOW_LOG)?;
                unpack(packing, decoder)
            }
        };
        bytes.fill_until(|head| head.len() >= BOM.len() || is_line(head))?;
        if bytes.unread_bytes().starts_with(&BOM) {
            bytes.consume(BOM.len());
        }
        Ok(Self { bytes, packing })
    }
}

/// Packed bytes that cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// How they are packed.
    pub packing: Packing,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with packed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DamageKind {
    /// They end too early.
    Truncated,
    /// They are not what was packed.
    Damaged,
    /// They refer back farther than we keep.
    WindowTooLarge,
}

impl Damage {
    fn of(packing: Packing, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof => DamageKind::Truncated,
            // The library's error has no code that reaches us.
            _ if error.to_string().contains("too much memory") => DamageKind::WindowTooLarge,
            _ => DamageKind::Damaged,
        };
        Self { packing, kind }
    }
}

impl std::error::Error for Damage {}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.packing.name().unwrap_or_default();
        match self.kind {
            DamageKind::Truncated => {
                write!(f, "this {name} file is truncated: it ends before its data does")
            }
            DamageKind::Damaged => {
                write!(f, "this {name} file is damaged: it cannot be decompressed to its end")
            }
            DamageKind::WindowTooLarge => {
                write!(f, "this {name} file was made with a window over 128 MiB (--long)")
            }
        }
    }
}

fn unpack(packing: Packing, decoder: impl Read + Send + 'static) -> Bytes {
    Buffered::new(Box::new(Unpacked { packing, decoder }))
}

/// Tells damage from what the operating system says.
struct Unpacked<R> {
    packing: Packing,
    decoder: R,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(into).map_err(|error| {
            let is_ours = error.raw_os_error().is_some();
            if is_ours { error } else { io::Error::other(Damage::of(self.packing, &error)) }
        })
    }
}

/// A reader with a buffer that is zeroed.
pub(crate) struct Buffered<R> {
    from: R,
    buffer: SecretBytes,
    unread: Range<usize>,
}

impl<R: Read> Buffered<R> {
    fn new(from: R) -> Self {
        Self { from, buffer: SecretBytes::zeroed(BUFFER), unread: 0..0 }
    }

    /// What has been read ahead.
    pub(crate) fn unread_bytes(&self) -> &[u8] {
        &self.buffer.expose()[self.unread.clone()]
    }

    /// Reads ahead until that is enough, the buffer is full, or nothing more comes; true
    /// at the end of the source.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub(crate) fn fill_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
        while !is_enough(self.unread_bytes()) && self.unread.end < self.buffer.len() {
            let read = self.read_at(self.unread.end)?;
            if read == 0 {
                return Ok(true);
            }
            self.unread.end += read;
        }
        Ok(false)
    }

    fn read_at(&mut self, place: usize) -> io::Result<usize> {
        loop {
            match self.from.read(&mut self.buffer.expose_mut()[place..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl<R: Read> BufRead for Buffered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.unread.is_empty() {
            self.unread = 0..self.read_at(0)?;
        }
        Ok(self.unread_bytes())
    }

    fn consume(&mut self, taken: usize) {
        self.unread.start = self.unread.end.min(self.unread.start + taken);
    }
}

impl<R: Read> Read for Buffered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}
