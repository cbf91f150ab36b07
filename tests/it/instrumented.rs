//! An installation whose queue is the instrument, what goes wrong there, and what must be
//! true of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::Signal;

use crate::instrument::{Instrument, Messages, Options, Queue, QueueOptions};
use crate::support::{Running, World, event, text};

/// A database and KMS as in every test, and the instrument in SQS's place.
pub struct Instrumented {
    pub world: World,
    pub sqs: Instrument,
    pub queue: Arc<Queue>,
}

impl Instrumented {
    /// An empty queue that sends nothing to the dead letters before the fiftieth receive.
    pub async fn new() -> Self {
        Self::with("logins", 50).await
    }

    /// An empty queue of this name, and after how many receives a message is dead.
    pub async fn with(name: &str, receives: u32) -> Self {
        let sqs = Instrument::start(Options::default()).expect("a free port");
        let queue = sqs.queue_with(
            name,
            QueueOptions {
                dead_letters: Some(("dead".to_owned(), receives)),
                ..Default::default()
            },
        );
        Self { world: World::new().await, sqs, queue }
    }

    /// Sends so many logins, each by a user of its own.
    pub fn fill(&self, count: u32) {
        self.queue.fill(&Messages::new(count));
    }

    /// Sends so many logins by other users.
    pub fn fill_more(&self, count: u32) {
        self.queue.fill(&Messages { seed: 1 + self.queue.stats().sent, ..Messages::new(count) });
    }

    /// The binary with the settings of this installation.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command
            .env("AWS_ENDPOINT_URL_SQS", self.sqs.url())
            .env("LOGINETL_QUEUE_URL", self.queue.url());
        command.env("NO_PROXY", "127.0.0.1");
        command
    }

    /// Runs a loader and leaves it running. Its log goes nowhere: nobody reads the pipe
    /// before the end.
    pub fn load(&self, flags: &[&str]) -> Running {
        let mut command = self.command(&[&["load", "--format", "json"], flags].concat());
        Running::start(command.env("RUST_LOG", "error"))
    }

    /// How many rows there are.
    pub async fn rows(&self) -> i64 {
        self.world.database.count("select from user_logins").await
    }

    /// Waits until there are so many rows, at most half a minute for the next; how long
    /// that took.
    pub async fn wait_for_rows(&self, rows: i64) -> Duration {
        let started = Instant::now();
        let client = self.world.database.client().await;
        let (mut most, mut grown) = (0, Instant::now());
        loop {
            let now: i64 = client
                .query_one("select count(*) from user_logins", &[])
                .await
                .expect("a count")
                .get(0);
            if now >= rows {
                return started.elapsed();
            }
            if now > most {
                (most, grown) = (now, Instant::now());
            }
            assert!(
                grown.elapsed() < Duration::from_secs(30),
                "{now} rows of {rows}; {:?}",
                self.sqs.stats()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the queue is empty. What an answer that was lost or a refused receipt
    /// keeps invisible comes back early: whenever the loaders have had time, the queue's
    /// clock jumps.
    pub async fn wait_until_deleted(&self) {
        let started = Instant::now();
        let mut jumped = Instant::now();
        while !self.queue.still_here().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "{:?}", self.sqs.stats());
            tokio::time::sleep(Duration::from_millis(50)).await;
            if jumped.elapsed() > Duration::from_secs(1) {
                self.queue.skip(Duration::from_secs(121));
                jumped = Instant::now();
            }
        }
    }

    /// SIGTERM to loaders that have nothing in hand. They wait for the end of their
    /// polls, which comes early.
    pub async fn stop_idle(&self, loaders: impl IntoIterator<Item = Running>) -> Vec<Output> {
        let stopped: Vec<_> = loaders
            .into_iter()
            .map(|loader| tokio::task::spawn_blocking(|| stop(loader)))
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.queue.skip(Duration::from_secs(20));
        join_all(stopped).await.into_iter().map(|output| output.expect("it ends")).collect()
    }

    /// Every message exactly once: as one row or one rejection, deleted, none left and
    /// none dead. Who sent rejections says how many.
    pub async fn assert_exactly_once(&self, rejected: usize) {
        let sent = self.users();
        let rows = self.loaded().await;
        let users: BTreeSet<&String> = rows.iter().collect();
        let foreign: Vec<_> = users.iter().filter(|user| !sent.contains_key(**user)).collect();
        assert!(foreign.is_empty(), "nobody sent {foreign:?}");
        assert_eq!(rows.len(), users.len(), "rows, and their users");
        assert_eq!(
            (rows.len(), rejected),
            (self.queue.sent().len() - rejected, self.quarantined().await),
            "rows and rejections"
        );
        assert_eq!(self.ledger().await.len(), rows.len() + rejected, "entries of the ledger");
        let stats = self.queue.stats();
        assert_eq!(
            (stats.visible, stats.in_flight, stats.delayed, stats.dead_lettered),
            (0, 0, 0, 0),
            "{stats:?}"
        );
        assert_eq!(stats.distinct_deleted, self.queue.sent().len() as u64, "{stats:?}");
    }

    /// After a stop: nothing is in flight, and every message is either loaded and deleted
    /// or visible again.
    pub async fn assert_loaded_or_here(&self) {
        let here: BTreeSet<String> = self.queue.still_here().into_iter().collect();
        let stats = self.queue.stats();
        assert_eq!(
            (stats.in_flight, stats.dead_lettered, stats.visible),
            (0, 0, here.len() as u64),
            "{stats:?}"
        );
        let sent = self.users();
        let rows = self.loaded().await;
        let loaded: BTreeSet<String> = rows.iter().map(|user| sent[user].clone()).collect();
        assert_eq!(loaded.len(), rows.len(), "rows, and their messages");
        assert_eq!(loaded.intersection(&here).next(), None, "loaded and still there");
        assert_eq!(loaded.len() + here.len(), sent.len(), "loaded, or still there");
    }

    /// The message of each user.
    fn users(&self) -> BTreeMap<String, String> {
        let user =
            |body: &str| Some(body.split_once(r#""user_id": ""#)?.1.split_once('"')?.0.to_owned());
        self.queue.sent().into_iter().filter_map(|(id, body)| Some((user(&body)?, id))).collect()
    }

    async fn loaded(&self) -> Vec<String> {
        self.world
            .database
            .query("select user_id from user_logins")
            .await
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    /// Ids of the messages that had their effect.
    pub async fn ledger(&self) -> BTreeSet<String> {
        self.world
            .database
            .query("select message_id::text from ingest.ledger")
            .await
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    pub async fn quarantined(&self) -> usize {
        // In one snapshot: a loader may be at work.
        let counts = "select count(distinct message_id), count(*) from ingest.quarantine";
        let counts = &self.world.database.query(counts).await[0];
        assert_eq!(counts.get::<_, i64>(0), counts.get::<_, i64>(1), "each once");
        counts.get::<_, i64>(0).unsigned_abs() as usize
    }

    /// Deadlocks in this database, once the server has counted them.
    pub async fn deadlocks(&self) -> i64 {
        let count = "select deadlocks from pg_stat_database where datname = current_database()";
        self.world.database.query(count).await[0].get(0)
    }
}

/// SIGTERM to a loader, which must end with 0 within 25 s.
pub fn stop(loader: Running) -> Output {
    let stopped = Instant::now();
    let output = loader.signal(Signal::SIGTERM);
    assert!(output.status.success(), "{}", text(&output));
    assert!(stopped.elapsed() < Duration::from_secs(25), "{:?}", stopped.elapsed());
    output
}

/// SIGTERM to a loader that is to wait for something; that comes a second later.
pub async fn stop_and_release(loader: Running, release: impl AsyncFnOnce()) -> Output {
    let stopped = tokio::task::spawn_blocking(move || stop(loader));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!stopped.is_finished(), "it has something to wait for");
    release().await;
    stopped.await.expect("it ends")
}

/// A login of one message group, with its number there in the user's name.
pub fn event_of_group(group: u32, n: u32) -> String {
    event(group * 1_000_000 + n).replacen(
        &format!("u-{}", group * 1_000_000 + n),
        &format!("g{group:02}-{n:06}"),
        1,
    )
}
