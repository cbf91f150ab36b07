//! A source of one's own: the lines of a file as a log with offsets. What is acknowledged
//! is kept beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loginetl::load::{Facts, Message, Origin, Polled, Source, SourceError};
use loginetl::login::{Body, SentAt, message_id};

pub struct Log {
    bodies: Vec<String>,
    next: AtomicUsize,
    done: Mutex<BTreeSet<usize>>,
    committed: PathBuf,
}

impl Log {
    /// The log from its committed offset on.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let bodies = std::fs::read_to_string(path)?.lines().map(str::to_owned).collect();
        let committed = path.with_extension("offset");
        let next = AtomicUsize::new(offset_in(&committed));
        Ok(Self { bodies, next, done: Mutex::default(), committed })
    }
}

/// The first offset that is not acknowledged.
pub fn offset_in(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.parse().unwrap_or(0))
}

impl Source for Log {
    type Handle = usize;
    type Parcel = Message<usize>;

    fn facts(&self) -> Facts {
        Facts { lease: None, at_once: 20, receivers: 2, writers: 2, has_end: true }
    }

    fn origin(&self) -> Origin {
        Origin::Stream("a log")
    }

    async fn poll(&self, most: usize, _: Duration) -> Result<Polled<Message<usize>>, SourceError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let first = self.next.fetch_add(most, Ordering::SeqCst);
        let message = |offset: usize| {
            let body = Body::new(self.bodies[offset].clone().into_bytes());
            let id = message_id(&format!("log/0/{offset}"));
            Message::new(id, SentAt::from_attribute(None), body, offset)
        };
        let offsets = first..(first + most).min(self.bodies.len());
        let has_more = !offsets.is_empty();
        let messages = offsets.map(message).collect();
        Ok(if has_more { Polled::Parcels(messages) } else { Polled::End })
    }

    async fn acknowledge(&self, offsets: &[usize]) -> Result<Vec<usize>, SourceError> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.extend(offsets);
        let before = offset_in(&self.committed);
        let until = (before..).find(|offset| !done.contains(offset)).unwrap_or(before);
        std::fs::write(&self.committed, until.to_string())
            .map_err(|e| SourceError::new(e.kind(), false))?;
        Ok(Vec::new())
    }
}
