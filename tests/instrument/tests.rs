//! The instrument itself, spoken to over raw HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{call, delete, http, receive};
use super::messages::md5_hex;
use super::{Instrument, Messages, Operation, Options, Queue, QueueOptions};

fn start() -> (Instrument, Arc<Queue>) {
    let sqs = Instrument::start(Options::default()).expect("a free port");
    let queue = sqs.queue("queue");
    (sqs, queue)
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_message_comes_back_when_its_time_is_over_and_its_old_receipt_deletes_nothing() {
    let (sqs, queue) = start();
    queue.send(&["{\"quoted\": \"ä\\n\"}"]);
    let first = receive(&sqs, &queue, 1, 0).remove(0);
    assert_eq!((queue.stats().in_flight, receive(&sqs, &queue, 1, 0).len()), (1, 0));
    let second = receive(&sqs, &queue, 30, 2).remove(0);
    assert_eq!(
        BTreeMap::from([(
            second["MessageId"].as_str().unwrap().to_owned(),
            first["Body"].as_str().unwrap().to_owned()
        )]),
        queue.sent()
    );
    assert_eq!(second["MD5OfBody"], md5_hex(first["Body"].as_str().unwrap()));
    assert_eq!(second["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(delete(&sqs, &queue, &first), (200, Value::Null));
    assert_eq!((queue.stats().stale_deletes, queue.still_here().len()), (1, 1));
    assert_eq!(delete(&sqs, &queue, &json!({ "ReceiptHandle": "nonsense" })).0, 400);
    sqs.faults(|f| f.stale_receipts = 1.0);
    assert_eq!(
        delete(&sqs, &queue, &second),
        (400, "com.amazonaws.sqs#ReceiptHandleIsInvalid".into())
    );
    sqs.faults(|f| f.stale_receipts = 0.0);
    assert_eq!(delete(&sqs, &queue, &second).0, 400, "once stale, always stale");
}

#[test]
fn what_is_received_too_often_goes_to_the_dead_letters_once() {
    let (sqs, _) = start();
    let options =
        QueueOptions { dead_letters: Some(("dead".to_owned(), 2)), ..QueueOptions::default() };
    let queue = sqs.queue_with("queue", options);
    let ids = queue.send(&["poison"]);
    for _ in 0..2 {
        let message = receive(&sqs, &queue, 30, 0).remove(0);
        let handle = &message["ReceiptHandle"];
        let entries = json!([{ "Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 0 }]);
        let (_, answer) =
            call(&sqs, "ChangeMessageVisibilityBatch", json!({ "Entries": entries }), &queue)
                .expect("an answer");
        assert_eq!(answer["Successful"][0]["Id"], "a");
    }
    assert!(receive(&sqs, &queue, 30, 0).is_empty());
    assert_eq!(
        (queue.stats().dead_lettered, queue.stats().max_receive_count, queue.still_here().len()),
        (1, 2, 0)
    );
    assert_eq!(sqs.queue("dead").still_here(), ids);
    let (_, answer) =
        call(&sqs, "GetQueueAttributes", json!({ "AttributeNames": ["RedrivePolicy"] }), &queue)
            .expect("an answer");
    assert!(
        answer["Attributes"]["RedrivePolicy"].as_str().unwrap().contains(r#""maxReceiveCount":2"#)
    );
}

#[test]
fn a_group_stays_in_order_and_is_locked_while_a_message_of_it_is_in_flight() {
    let (sqs, _) = start();
    let queue = sqs.queue("queue.fifo");
    queue.send_to_group("a", &["a1", "a2", "a3"]);
    let bodies = |messages: &[Value]| {
        messages.iter().map(|m| m["Body"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = receive(&sqs, &queue, 1, 0);
    assert_eq!(bodies(&first), ["a1", "a2", "a3"]);
    queue.send_to_group("a", &["a4"]);
    queue.send_to_group("b", &["b1"]);
    assert_eq!(delete(&sqs, &queue, &first[0]).0, 200);
    let others = receive(&sqs, &queue, 30, 0);
    assert_eq!(bodies(&others), ["b1"], "the rest of a is locked");
    let again = receive(&sqs, &queue, 30, 2);
    assert_eq!(bodies(&again), ["a2", "a3", "a4"]);
    assert_eq!(delete(&sqs, &queue, &first[1]).1, "com.amazonaws.sqs#InvalidParameterValue");
    for message in again.iter().chain(&others) {
        assert_eq!(delete(&sqs, &queue, message).0, 200);
    }
    let order: Vec<_> = queue
        .deletion_order()
        .into_iter()
        .filter(|(group, _)| group == "a")
        .map(|(_, n)| n)
        .collect();
    assert!(order.is_sorted() && order.len() == 4 && queue.still_here().is_empty(), "{order:?}");
}

#[test]
fn each_duplicate_comes_once_and_all_is_gone_only_with_the_last() {
    let (sqs, queue) = start();
    sqs.faults(|f| f.duplicates = 0.5);
    queue.fill(&Messages::new(200));
    let mut handed_out = BTreeMap::<String, u32>::new();
    while !queue.still_here().is_empty() {
        for message in receive(&sqs, &queue, 30, 3) {
            *handed_out.entry(message["MessageId"].as_str().unwrap().to_owned()).or_default() += 1;
            assert_eq!(delete(&sqs, &queue, &message).0, 200);
        }
    }
    let (stats, twice) = (queue.stats(), handed_out.values().filter(|n| **n == 2).count() as u64);
    assert!((60..140).contains(&twice) && handed_out.values().all(|n| *n <= 2));
    assert_eq!(
        (stats.duplicated, stats.distinct_deleted, stats.deleted),
        (twice, 200, 200 + twice)
    );
    assert_eq!((stats.visible, stats.in_flight), (0, 0));
}

#[test]
fn calls_and_entries_fail_as_told() {
    let (sqs, queue) = start();
    queue.send(&["x"; 10]);
    let entries: Vec<_> = receive(&sqs, &queue, 30, 0)
        .iter()
        .zip(0..)
        .map(|(m, i)| json!({ "Id": i.to_string(), "ReceiptHandle": m["ReceiptHandle"] }))
        .collect();
    let control = json!({ "partial": 0.5, "operations": ["DeleteMessageBatch"] });
    assert_eq!(
        http(&sqs, "POST /control HTTP/1.1", &control).expect("an answer").1["partial"],
        0.5
    );
    assert_eq!(
        http(&sqs, "POST /control HTTP/1.1", &json!({ "partail": 1.0 })).expect("an answer").0,
        400
    );
    let (_, answer) =
        call(&sqs, "DeleteMessageBatch", json!({ "Entries": entries }), &queue).expect("an answer");
    let failed = answer["Failed"].as_array().expect("some fail");
    assert_eq!(
        (failed[0]["Code"].as_str(), failed[0]["SenderFault"].as_bool()),
        (Some("InternalError"), Some(false))
    );
    let done: BTreeSet<_> = answer["Successful"]
        .as_array()
        .expect("some do not")
        .iter()
        .map(|e| e["Id"].to_string())
        .collect();
    assert_eq!((done.len() + failed.len(), queue.still_here().len()), (10, failed.len()));

    sqs.faults(|f| (f.refused, f.operations) = (1.0, vec![Operation::ReceiveMessage]));
    let statuses =
        [(); 4].map(|()| call(&sqs, "ReceiveMessage", json!({}), &queue).map(|(status, _)| status));
    assert_eq!(statuses, [Ok(400), Ok(500), Ok(503), Err(ErrorKind::ConnectionReset)]);
    sqs.faults(|f| (f.refused, f.lost, f.operations) = (0.0, 1.0, vec![]));
    queue.send(&["lost"]);
    assert_eq!(call(&sqs, "ReceiveMessage", json!({}), &queue), Err(ErrorKind::ConnectionReset));
    assert_eq!((queue.stats().received, sqs.stats().refused, sqs.stats().lost), (11, 4, 1));
    sqs.faults(|f| (f.lost, f.hang_next) = (0.0, 1));
    assert_eq!(call(&sqs, "ReceiveMessage", json!({}), &queue), Err(ErrorKind::WouldBlock));
    let (_, stats) = http(&sqs, "GET /stats HTTP/1.1", &Value::Null).expect("an answer");
    assert_eq!(stats["queues"]["queue"]["received"], 11);
}

#[test]
fn a_gate_holds_before_the_call_or_before_the_answer() {
    let (sqs, queue) = start();
    queue.send(&["x"]);
    std::thread::scope(|threads| {
        for (received, hold) in [(0, Instrument::hold_calls as fn(&_, _)), (1, Instrument::hold)] {
            hold(&sqs, Operation::ReceiveMessage);
            let answer = threads.spawn(|| receive(&sqs, &queue, 0, 0).len());
            eventually("one waits", || sqs.waiting(Operation::ReceiveMessage) == 1);
            assert_eq!(queue.stats().received - received, received);
            sqs.release(Operation::ReceiveMessage);
            assert_eq!(
                (answer.join().expect("no panic"), sqs.waiting(Operation::ReceiveMessage)),
                (1, 0)
            );
        }
    });
}

#[test]
fn a_long_poll_ends_with_the_first_message_or_with_its_time() {
    let (sqs, queue) = start();
    let begun = Instant::now();
    assert!(receive(&sqs, &queue, 30, 1).is_empty() && begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(sqs.stats().empty_receives, 1);
    std::thread::scope(|threads| {
        let begun = Instant::now();
        let answer = threads.spawn(|| receive(&sqs, &queue, 30, 2).len());
        eventually("one waits", || sqs.stats().receives_waiting == 1);
        queue.send(&["x"]);
        assert_eq!(answer.join().expect("no panic"), 1);
        assert!(begun.elapsed() < Duration::from_secs(1));
    });
    let waits = json!({ "WaitTimeSeconds": 20 });
    assert_eq!(
        call(&sqs, "ReceiveMessage", waits, &queue),
        Err(ErrorKind::WouldBlock),
        "the client gives up"
    );
    eventually("it has left", || sqs.stats().receives_waiting == 0);
    queue.send(&["y"]);
    assert_eq!(queue.stats().visible, 1);
}

#[test]
fn large_messages_are_as_long_as_asked_and_distinct() {
    let (sqs, queue) = start();
    queue.fill(&Messages { bytes: Some(256_000), ..Messages::new(10) });
    let (sent, messages) = (queue.sent(), receive(&sqs, &queue, 30, 0));
    assert_eq!((messages.len(), sent.values().collect::<BTreeSet<_>>().len()), (10, 10));
    for message in messages {
        let body = &sent[message["MessageId"].as_str().unwrap()];
        assert_eq!((message["Body"].as_str(), body.len()), (Some(body.as_str()), 256_000));
        assert_eq!(message["MD5OfBody"], md5_hex(body));
        assert!(serde_json::from_str::<Value>(body).expect("JSON")["user_id"].is_string());
    }
}
