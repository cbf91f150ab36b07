//! The instrument: an SQS endpoint on loopback for measurements of speed and for faults.
//!
//! It speaks AWS JSON 1.0 and does what the loader and its tests need of SQS; there is no
//! authentication, no message attributes of the sender, and queues are made here and not
//! by a call. One thread serves everything.
//!
//! Invariants: nothing but 127.0.0.1 is listened on; the same seeds make the same
//! messages and duplicates; the thread ends when its [`Instrument`] is dropped, and all
//! connections with it.

#![allow(
    dead_code,
    missing_docs,
    unused_imports,
    clippy::expect_used,
    reason = "several tests include it and each uses a part; test equipment stops at the first \
              surprise"
)]

mod calls;
#[cfg(test)]
mod client;
mod control;
mod faults;
mod message;
mod messages;
mod order;
mod protocol;
mod queue;
mod receipt;
mod server;
mod shelf;
mod shown;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use faults::{Decision, FaultState, Gate, Stage};
pub use faults::{Faults, duration};
pub use messages::{Envelope, Messages};
pub use protocol::Operation;
pub use queue::{Queue, QueueOptions};
pub use stats::{QueueStats, Stats};

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// 0: any.
    pub port: u16,
    /// Chooses what the faults hit.
    pub seed: u64,
    pub faults: Faults,
}

/// What connections and tests share.
pub(crate) struct Shared {
    endpoint: String,
    queues: Mutex<BTreeMap<String, Arc<Queue>>>,
    faults: Mutex<FaultState>,
    gates: [Gate; Operation::ALL.len()],
    counters: stats::Counters,
    answers: AtomicU32,
}

/// A running instrument.
pub struct Instrument {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Instrument {
    /// Starts it on a thread of its own; it serves when this returns.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            endpoint: format!("http://{}", listener.local_addr()?),
            queues: Mutex::default(),
            faults: Mutex::new(FaultState::new(options.faults, options.seed)),
            gates: Default::default(),
            counters: stats::Counters::default(),
            answers: AtomicU32::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("instrument".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener)
                        .expect("a listener, and a runtime");
                    tokio::select! {
                        never = server::serve(listener, shared) => match never {},
                        _ = stopped => {}
                    }
                });
            }
        })?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_SQS`.
    pub fn url(&self) -> &str {
        &self.shared.endpoint
    }

    /// A queue by its name, made when it is asked for first.
    pub fn queue(&self, name: &str) -> Arc<Queue> {
        self.shared.find(name).unwrap_or_else(|| self.queue_with(name, QueueOptions::default()))
    }

    /// Makes a queue, in place of another of that name. The dead-letter queue is made if
    /// there is none.
    pub fn queue_with(&self, name: &str, options: QueueOptions) -> Arc<Queue> {
        let dead = options.dead_letters.as_ref().map(|(name, _)| self.queue(name));
        let url = format!("{}/000000000000/{name}", self.url());
        let queue = Arc::new(Queue::new(name, url, options, dead));
        lock(&self.shared.queues).insert(name.to_owned(), Arc::clone(&queue));
        queue
    }

    /// Changes what goes wrong from now on.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        self.shared.faults(change)
    }

    /// Holds the answers of an operation: what was asked for is done, but
    /// nobody hears of it.
    pub fn hold(&self, operation: Operation) {
        self.shared.gates[operation as usize].hold(Stage::Answer);
    }

    /// Holds the calls of an operation: nothing is done yet.
    pub fn hold_calls(&self, operation: Operation) {
        self.shared.gates[operation as usize].hold(Stage::Call);
    }

    /// Lets go what is held of an operation, and holds it no longer.
    pub fn release(&self, operation: Operation) {
        self.shared.gates[operation as usize].release();
    }

    /// How many calls of an operation are held now.
    pub fn waiting(&self, operation: Operation) -> usize {
        self.shared.gates[operation as usize].waiting()
    }

    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl Drop for Instrument {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic there has shown in the test already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn find(&self, name: &str) -> Option<Arc<Queue>> {
        lock(&self.queues).get(name).cloned()
    }

    fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut lock(&self.faults).faults)
    }

    fn decide(&self, operation: Operation) -> Decision {
        lock(&self.faults).decide(operation)
    }

    fn stats(&self) -> Stats {
        let queues: Vec<_> = lock(&self.queues)
            .iter()
            .map(|(name, queue)| (name.clone(), Arc::clone(queue)))
            .collect();
        self.counters.stats(queues.into_iter().map(|(name, queue)| (name, queue.stats())).collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
