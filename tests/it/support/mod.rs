//! What the tests stand on: a database, a queue and a binary each, and a proxy that makes
//! services misbehave.

mod database;
mod events;
mod logged;
mod pg_proxy;
pub mod proxy;
mod queue;

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub use database::{Database, Login};
pub use events::{event, sample};
pub use logged::Logged;
pub use pg_proxy::PgProxy;
pub use proxy::{Action, Proxy};
pub use queue::TestQueue;

/// A variable that `make test` sets.
pub fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
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
        Self {
            database: Database::create().await,
            queue: TestQueue::create().await,
            endpoint: None,
        }
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

    /// Runs the binary to its end as another database login.
    pub fn run_as(&self, login: &Login, args: &[&str]) -> Output {
        self.command(args)
            .env("LOGINETL_DATABASE_URL", &login.url)
            .output()
            .expect("the binary runs")
    }

    /// Loads events from standard input.
    pub fn load(&self, events: &[String]) {
        let output = self.run_with_input(&["load", "--file", "-"], events.join("\n").as_bytes());
        assert!(output.status.success(), "{}", text(&output));
    }

    /// Runs the binary to its end with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("the binary runs");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// Runs the binary and leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Running {
        Running::start(&mut self.command(args))
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
    serde_json::from_str(stdout.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("no summary in {}", text(output)))
}

/// Each line of stdout as JSON.
pub fn json_lines(output: &Output) -> Vec<serde_json::Value> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
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

/// The binary, running. Killed if the test ends first, so that a failing test leaves
/// nothing behind.
pub struct Running(Option<Child>);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().expect("the binary runs")))
    }

    pub fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it runs")
    }

    /// Sends a signal and waits for the end.
    pub fn signal(mut self, signal: nix::sys::signal::Signal) -> Output {
        let pid =
            nix::unistd::Pid::from_raw(i32::try_from(self.child().id()).expect("a process id"));
        nix::sys::signal::kill(pid, signal).expect("it runs");
        self.finish()
    }

    /// Waits for the end, at most a minute.
    pub fn finish(mut self) -> Output {
        let mut child = self.0.take().expect("it runs");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let (sender, ended) = std::sync::mpsc::channel();
        drop(child.stdin.take());
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        match ended.recv_timeout(Duration::from_secs(60)) {
            Ok(output) => output.expect("it ends"),
            Err(_) => {
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
                panic!("the binary did not end within a minute");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
