//! A source of one's own: the lines of a file as a log with offsets. What is acknowledged
//! is kept beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loginetl::load::{Facts, Message, Origin, Polled, Source, SourceError};
use loginetl::login::{Body, Delivery, SentAt, SourceKind, message_id, utc_day};

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
        let next = std::fs::read_to_string(&committed)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        Ok(Self { bodies, next: AtomicUsize::new(next), done: Mutex::default(), committed })
    }
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
        let now = jiff::Timestamp::now();
        let message = |offset: usize| {
            let (message_id, sent) =
                (message_id(&format!("log/0/{offset}")), SentAt::from_attribute(None));
            let (received_at, receive_count, row_day) = (now, None, utc_day(now));
            let delivery = Delivery {
                message_id,
                sent,
                received_at,
                receive_count,
                row_day,
                source: SourceKind::Queue,
            };
            Message {
                delivery,
                body: Body::new(self.bodies[offset].clone().into_bytes()),
                handle: offset,
            }
        };
        let offsets = first..(first + most).min(self.bodies.len());
        Ok(if offsets.is_empty() {
            Polled::End
        } else {
            Polled::Parcels(offsets.map(message).collect())
        })
    }

    async fn acknowledge(&self, offsets: &[usize]) -> Result<Vec<usize>, SourceError> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.extend(offsets);
        let before = std::fs::read_to_string(&self.committed)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let until = (before..).find(|offset| !done.contains(offset)).unwrap_or(before);
        std::fs::write(&self.committed, until.to_string())
            .map_err(|e| SourceError::new(e.kind(), false))?;
        Ok(Vec::new())
    }
}
