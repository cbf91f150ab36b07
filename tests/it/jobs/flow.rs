//! Who writes a line and reads one never waits for ever; a reader that goes away, a
//! signal and a KMS that throttles end or delay a filter, and tear no line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Site, ends, events};
use crate::support::{Action, Proxy, json_lines, text};

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).spawn().expect("the binary runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_answered_before_the_next_is_waited_for() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let mut child = start(&mut site.world.command(&["mask", "--plan", &site.word("plan")]));
    let (mut input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take());
    let mut output = BufReader::new(output.expect("a pipe"));
    // Also one that is shorter than what tells a packed file.
    for event in ["{}".to_owned()].into_iter().chain(events(0..20)) {
        writeln!(input, "{event}").expect("it reads");
        let mut line = String::new();
        output.read_line(&mut line).expect("it answers");
        let user: serde_json::Value = serde_json::from_str(&event).expect("JSON");
        let line: serde_json::Value = serde_json::from_str(&line).expect("a whole line");
        assert_eq!(line["user_id"], user["user_id"]);
    }
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_it() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    std::fs::write(site.path("events"), events(0..50_000).join("\n")).expect("written");
    let mut command = site.world.command(&["mask", "--plan", &site.word("plan")]);
    command.stdin(std::fs::File::open(site.path("events")).expect("a file"));
    let mut child = command.spawn().expect("the binary runs");
    let mut first = [0; 100];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("it writes");
    let output = child.wait_with_output().expect("it ends");
    ends(&output, 4, "the reader of standard output went away");
}

/// Blocked in a read, and blocked in a write.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_between_two_lines() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    for many in [1, 50_000] {
        let mut child = start(&mut site.world.command(&["mask", "--plan", &site.word("plan")]));
        let mut input = child.stdin.take().expect("a pipe");
        let lines = events(0..many).join("\n") + "\n";
        let feeder = std::thread::spawn(move || {
            let _ = input.write_all(lines.as_bytes());
            // It stays open: nothing ends the input.
            std::thread::sleep(Duration::from_secs(3));
        });
        std::thread::sleep(Duration::from_millis(1500));
        let began = Instant::now();
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it is there");
        // Now the reader reads on.
        let output = child.wait_with_output().expect("it ends");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        ends(&output, 4, "stopped before all lines were written");
        let whole = json_lines(&output).len();
        assert!((1..=many as usize).contains(&whole) && output.stdout.ends_with(b"\n"), "{whole}");
        feeder.join().expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kms_that_throttles_is_asked_again_and_nobody_else_is_asked() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let proxy = Proxy::start(move |target| {
        assert_eq!(target, "TrentService.Decrypt", "KMS alone is asked, for keys alone");
        // The SDK tries a call three times by itself.
        match seen.fetch_add(1, Ordering::Relaxed) {
            0..12 => Action::Answer(400, r#"{"__type": "ThrottlingException"}"#),
            _ => Action::Forward,
        }
    });
    let mut command = site.world.command(&["mask", "--plan", &site.word("plan")]);
    command.env("AWS_ENDPOINT_URL", proxy.url()).env_remove("LOGINETL_DATABASE_URL");
    let output = command.output().expect("it runs");
    ends(&output, 0, "0 lines");
    assert!(calls.load(Ordering::Relaxed) >= 14, "throttled, then two keys");

    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let counting = Proxy::start(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        Action::Forward
    });
    let mut command = site.world.command(&["mask", "--plan", &site.word("plan")]);
    let output = command.env("AWS_ENDPOINT_URL", counting.url()).output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(calls.load(Ordering::Relaxed), 2, "a Decrypt a key, whatever is masked");
}
