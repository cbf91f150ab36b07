//! `--listen`: what it tells during a load, an outage and a shutdown agrees with what was
//! sent, and tells nothing of a value.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use crate::instrument::{Instrument, Operation, Options};
use crate::support::{Action, Proxy, Running, TestQueue, World, event, eventually, text};

/// Status and body.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let (head, body) = get_with(address, path, "")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

/// Head and body of the answer to a request with these header lines.
fn get_with(address: SocketAddr, path: &str, lines: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(head, body)| (head.to_owned(), body.to_owned()))
}

/// Every sample by its name with labels.
pub fn samples(address: SocketAddr) -> BTreeMap<String, f64> {
    let (status, body) = get(address, "/metrics").expect("metrics");
    assert_eq!(status, 200);
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').expect("a sample"))
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_tell_how_it_goes_and_no_value() {
    let world = World::new().await;
    let sqs = Instrument::start(Options::default()).expect("a port");
    let queue = sqs.queue("metrics");
    sqs.faults(|f| f.duplicates = 0.1);
    let sent: Vec<String> =
        (0..2_000).map(event).chain((0..7).map(|n| format!("nonsense {n}"))).collect();
    queue.send(&sent);
    let address = free_address();
    let mut command =
        world.command(&["load", "--listen", &address.to_string(), "--visibility-timeout", "10"]);
    let loader = Running::start(
        command.env("AWS_ENDPOINT_URL_SQS", sqs.url()).env("LOGINETL_QUEUE_URL", queue.url()),
    );
    eventually("everything is deleted", async || {
        queue.stats().distinct_deleted == 2_007 && queue.stats().in_flight == 0
    })
    .await;
    eventually("it has counted that", async || {
        samples(address).get("loginetl_messages_in_hand").is_some_and(|n| *n == 0.0)
    })
    .await;

    let told = samples(address);
    let of =
        |name: &str| told.get(name).copied().unwrap_or_else(|| panic!("no {name} in {told:?}"));
    let received = queue.stats().received as f64;
    assert!(received > 2_100.0, "a tenth comes twice");
    assert_eq!(of("loginetl_messages_received_total"), received);
    assert_eq!(of("loginetl_messages_deleted_total"), received);
    assert_eq!(
        (of("loginetl_messages_loaded_total"), of("loginetl_messages_quarantined_total")),
        (2_000.0, 7.0)
    );
    assert_eq!(of("loginetl_messages_duplicate_total"), received - 2_007.0);
    assert!(of("loginetl_messages_rejected_total{reason=\"not_json\"}") >= 7.0);
    assert_eq!(
        (of("loginetl_lag_seconds_count"), of("loginetl_batch_messages_sum")),
        (received, received)
    );
    assert_eq!(of("loginetl_write_seconds_count"), of("loginetl_batch_messages_count"));
    assert_eq!(of("loginetl_queue_messages{state=\"in_flight\"}").fract(), 0.0);
    assert!((1.0..=64.0).contains(&of("loginetl_receivers")));
    for (purpose, key) in [("mask", 1), ("hash", 2), ("seal", 3)] {
        assert_eq!(
            of(&format!("loginetl_key_in_use{{purpose=\"{purpose}\",key_id=\"{key}\"}}")),
            1.0
        );
    }
    let labels = told
        .keys()
        .filter_map(|name| name.split_once('{'))
        .flat_map(|(_, labels)| labels.trim_end_matches('}').split(','));
    for label in labels {
        let name = label.split('=').next().expect("a name");
        let build = ["version", "commit"];
        let known = ["le", "reason", "state", "purpose", "key_id", "service", "kind"];
        assert!(known.contains(&name) || build.contains(&name), "{label}");
    }
    let (_, all) = get(address, "/metrics").expect("metrics");
    assert!(
        !all.contains("10.0.")
            && !all.contains("device-")
            && !all.contains("u-")
            && !all.contains("nonsense"),
        "{all}"
    );
    assert!(all.ends_with("# EOF\n"));

    assert_eq!(get(address, "/healthz"), Some((200, "ok\n".to_owned())));
    assert_eq!(get(address, "/readyz"), Some((200, "ready\n".to_owned())));
    assert_eq!(get(address, "/other").expect("an answer").0, 404);

    // A disk that is full is a database that is away.
    world
        .database
        .execute(
            "create function public.full_disk() returns trigger language plpgsql as
                 $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$;
             create trigger full_disk before insert on user_logins for each row execute function
               public.full_disk()",
        )
        .await;
    queue.send(&[event(9_000)]);
    let waiting = Some((503, "waiting for the database\n".to_owned()));
    eventually("it is not ready", async || get(address, "/readyz") == waiting).await;
    assert_eq!(get(address, "/healthz").expect("an answer").0, 200);
    let told = samples(address);
    assert_eq!((told["loginetl_messages_in_hand"], told["loginetl_ready"]), (1.0, 0.0));
    assert!(told["loginetl_retries_total{service=\"database\",kind=\"temporary\"}"] >= 1.0);
    world.database.execute("drop trigger full_disk on user_logins").await;
    eventually("it is ready again", async || {
        get(address, "/readyz") == Some((200, "ready\n".to_owned()))
    })
    .await;

    sqs.faults(|f| f.down = true);
    // Polls that have been sent end with it, and the next ones are refused.
    queue.send(&(9_100..9_300).map(event).collect::<Vec<_>>());
    let waiting = Some((503, "waiting for the queue\n".to_owned()));
    eventually("it is not ready", async || get(address, "/readyz") == waiting).await;
    let of_queue = |name: &String| name.starts_with("loginetl_retries_total{service=\"queue\"");
    assert!(samples(address).keys().any(of_queue), "{:?}", samples(address));
    sqs.faults(|f| f.down = false);
    eventually("it is ready again", async || {
        get(address, "/readyz") == Some((200, "ready\n".to_owned()))
    })
    .await;
    eventually("all are loaded", async || {
        queue.stats().visible == 0 && queue.stats().in_flight == 0
    })
    .await;

    sqs.hold_calls(Operation::DeleteMessageBatch);
    queue.send(&[event(9_001)]);
    eventually("a delete is held", async || sqs.waiting(Operation::DeleteMessageBatch) == 1).await;
    let stopped = std::thread::spawn(move || loader.signal(Signal::SIGTERM));
    eventually("it is stopping", async || {
        get(address, "/readyz") == Some((503, "stopping\n".to_owned()))
    })
    .await;
    assert_eq!(get(address, "/healthz").expect("an answer").0, 200);
    assert_eq!(samples(address)["loginetl_messages_loaded_total"], 2_202.0);
    sqs.release(Operation::DeleteMessageBatch);
    let output = stopped.join().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(get(address, "/healthz"), None, "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_listened_on_is_a_wrong_setting() {
    let world = World::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = world.run(&["load", "--drain", "--listen", &address]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains(&format!("--listen {address}")));
    assert_eq!(world.run(&["load", "--drain", "--listen", "nonsense"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_loader_stands_on_is_told_in_both_forms() {
    let world = World::new().await;
    world.queue.send(&["nonsense 1".to_owned(), "nonsense 2".to_owned()]).await;
    world.drain(0);
    let dead = TestQueue::create().await;
    dead.send(&(0..3).map(event).collect::<Vec<_>>()).await;
    world.queue.redrive_to(&dead, 5).await;
    let before = jiff::Timestamp::now().as_second() as f64;
    let address = free_address();
    let listen = ["load", "--listen", &address.to_string(), "--log-format", "json"];
    let loader = world.spawn(&listen);
    eventually("it has looked", async || {
        get(address, "/metrics").is_some_and(|(_, body)| body.contains("quarantine_messages 2"))
    })
    .await;

    let told = samples(address);
    let version = world.database.query("select max(version) from vault.schema_version").await;
    assert_eq!(told["loginetl_schema_version"], f64::from(version[0].get::<_, i32>(0)));
    assert_eq!(
        (told["loginetl_dead_letter_messages"], told["loginetl_quarantine_messages"]),
        (3.0, 2.0)
    );
    let build = told.iter().find(|(name, _)| name.starts_with("loginetl_build_info{"));
    let (build, one) = build.expect("a build");
    assert!(build.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))), "{build}");
    assert!(build.contains("commit=\"") && *one == 1.0, "{build}");
    assert!((before - 1.0..before + 60.0).contains(&told["loginetl_start_time_seconds"]));
    assert_eq!(told["loginetl_ready"], 1.0);
    assert!(!told.contains_key("loginetl_last_commit_timestamp_seconds"), "nothing yet");
    for (purpose, id) in [("mask", 1), ("hash", 2), ("seal", 3)] {
        let age =
            told[&format!("loginetl_key_age_seconds{{purpose=\"{purpose}\",key_id=\"{id}\"}}")];
        let made = "select extract(epoch from clock_timestamp() - created_at)::float8 \
                      from vault.data_keys where key_id = ";
        let expected: f64 = world.database.query(&format!("{made}{id}")).await[0].get(0);
        assert!((expected - 20.0..expected + 2.0).contains(&age), "{age} s, not {expected} s");
    }

    world.queue.send(&[event(1)]).await;
    eventually("a commit is told", async || {
        samples(address)
            .get("loginetl_last_commit_timestamp_seconds")
            .is_some_and(|at| (before..before + 60.0).contains(at))
    })
    .await;
    two_forms(address);
    let health = |args: &[&str]| world.run(&[&["health", &address.to_string()], args].concat());
    for (args, said) in [(&[][..], "ok\n"), (&["--ready"], "ready\n")] {
        let output = health(args);
        assert_eq!((output.status.code(), output.stdout), (Some(0), said.as_bytes().to_vec()));
    }
    assert_eq!(loader.signal(Signal::SIGTERM).status.code(), Some(0));
    assert_eq!(health(&[]).status.code(), Some(4), "it is gone");

    // Without the queue, as without the right to ask it, the metric is absent, and one
    // line says so.
    dead.delete().await;
    let address = free_address();
    let loader = world.spawn(&["load", "--listen", &address.to_string()]);
    eventually("it has looked", async || {
        get(address, "/metrics").is_some_and(|(_, body)| body.contains("quarantine_messages 2"))
    })
    .await;
    assert!(!samples(address).contains_key("loginetl_dead_letter_messages"));
    let output = loader.signal(Signal::SIGTERM);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("the dead-letter queue cannot be asked").count(), 1, "{said}");
}

/// What `Accept` asks for is what comes, and both tell the same names.
fn two_forms(address: SocketAddr) {
    let of = |accept: &str| get_with(address, "/metrics", accept).expect("metrics");
    let names = |body: &str| -> BTreeSet<String> {
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').expect("a sample").0.to_owned()).collect()
    };
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n";
    let mut told = BTreeSet::new();
    for accept in ["", "Accept: */*\r\n", prometheus] {
        let (head, body) = of(accept);
        assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
        assert!(body.ends_with("\n# EOF\n") && body.contains("# TYPE loginetl_messages_loaded c"));
        told = names(&body);
    }
    for accept in ["Accept: text/plain\r\n", "Accept: */*;q=0.1\r\nAccept: text/plain;q=0.2\r\n"] {
        let (head, body) = of(accept);
        assert!(head.contains("text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert!(!body.contains("# EOF") && !body.contains("# UNIT"), "{body}");
        assert_eq!(names(&body), told);
        // Each sample is of a family that has a type: of a histogram by its parts.
        let kinds: BTreeMap<&str, &str> =
            body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        for name in &told {
            let name = name.split('{').next().expect("a name");
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            let kind = kinds.get(name).or(kinds.get(whole)).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_queue_and_retries_of_kms_are_counted() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let proxy = Proxy::start(move |target| match target {
        _ if !failing.load(Ordering::SeqCst) => Action::Forward,
        "AmazonSQS.GetQueueAttributes" => {
            Action::Answer(400, r#"{"__type": "AccessDeniedException", "message": "no"}"#)
        }
        "TrentService.Decrypt" => {
            Action::Answer(500, r#"{"__type": "KMSInternalException", "message": "no"}"#)
        }
        _ => Action::Forward,
    });
    let mut world = World::new().await.through(&proxy);
    let address = free_address();
    let loader = world.spawn(&["load", "--listen", &address.to_string()]);
    eventually("it is ready", async || {
        get(address, "/readyz") == Some((200, "ready\n".to_owned()))
    })
    .await;
    fails.store(true, Ordering::SeqCst);
    world.endpoint = None;
    // The key is new to the loader, which cannot unwrap it now.
    let rotated = world.run(&["rotate-keys", "--duty", "100%"]);
    assert!(rotated.status.success(), "{}", text(&rotated));
    world.queue.send(&[event(1)]).await;
    let counted = |name: &str| samples(address).get(name).is_some_and(|count| *count >= 1.0);
    eventually("both are counted", async || {
        counted("loginetl_refusals_total{service=\"queue\",kind=\"denied\"}")
            && counted("loginetl_retries_total{service=\"kms\",kind=\"busy\"}")
    })
    .await;
    fails.store(false, Ordering::SeqCst);
    eventually("it goes on", async || samples(address)["loginetl_messages_loaded_total"] == 1.0)
        .await;
    assert_eq!(loader.signal(Signal::SIGTERM).status.code(), Some(0));
}
