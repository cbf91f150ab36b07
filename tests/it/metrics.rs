//! `--listen`: what it tells during a load, an outage and a shutdown agrees with what was
//! sent, and tells nothing of a value.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::signal::Signal;

use crate::instrument::{Instrument, Operation, Options};
use crate::support::{Running, World, event, eventually, text};

/// Status and body.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
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
        assert!(["le", "reason", "state", "purpose", "key_id"].contains(&name), "{label}");
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
    assert_eq!(samples(address)["loginetl_messages_in_hand"], 1.0);
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
