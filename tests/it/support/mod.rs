//! What the tests stand on: a database, a queue and a binary each, and a proxy that makes services misbehave.

mod database;
mod events;
mod proxy;
mod queue;

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub use database::Database;
pub use events::{event, sample};
pub use proxy::{Action, Proxy};
pub use queue::TestQueue;

/// A variable that `make test` sets.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
}

/// An installation: database, queue, and the settings of the binary.
pub struct World {
    pub database: Database,
    pub queue: TestQueue,
    pub endpoint: Option<String>,
}

impl World {
    /// A database that `init` has made ready, and an empty queue.
    pub async fn new() -> Self {
        let world = Self::bare().await;
        let output = world.run(&["init"]);
        assert!(output.status.success(), "{}", text(&output));
        world
    }

    /// An empty database and an empty queue.
    pub async fn bare() -> Self {
        Self { database: Database::create().await, queue: TestQueue::create().await, endpoint: None }
    }

    /// Sends AWS calls through a proxy from now on.
    pub fn through(mut self, proxy: &Proxy) -> Self {
        self.endpoint = Some(proxy.url());
        self
    }

    /// The binary with the settings of this installation.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loginetl"));
        command.args(args);
        command.env("LOGINETL_DATABASE_URL", &self.database.url);
        command.env("LOGINETL_QUEUE_URL", &self.queue.url);
        command.env_remove("RUST_LOG").env_remove("LOG_SENSITIVE_BODIES");
        if let Some(endpoint) = &self.endpoint {
            command.env("AWS_ENDPOINT_URL", endpoint).env("NO_PROXY", "127.0.0.1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    /// Runs the binary to its end with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("the binary runs");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// Runs the binary and leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().expect("the binary runs")
    }

    /// `load --drain --format json`, which must end with this exit code; its summary.
    pub fn drain(&self, exit: i32) -> serde_json::Value {
        let output = self.run(&["load", "--drain", "--format", "json"]);
        assert_eq!(output.status.code(), Some(exit), "{}", text(&output));
        summary(&output)
    }
}

/// The last line of stdout as JSON.
pub fn summary(output: &Output) -> serde_json::Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(stdout.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("no summary in {}", text(output)))
}

/// What a run printed, for a failing assertion.
pub fn text(output: &Output) -> String {
    format!(
        "exit {:?}\nstdout: {}\nstderr: {}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Waits until `condition` holds, at most half a minute.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends a signal to a child and waits for its end.
pub fn signal(child: Child, signal: nix::sys::signal::Signal) -> Output {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    nix::sys::signal::kill(pid, signal).expect("it runs");
    child.wait_with_output().expect("it ends")
}
