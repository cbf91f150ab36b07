//! A client for the instrument's own tests: raw HTTP, a connection a call.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Instrument, Queue};

/// One request on a connection of its own: status and body, or how the connection ended.
pub fn http(sqs: &Instrument, head: &str, body: &Value) -> Result<(u16, Value), ErrorKind> {
    let mut stream =
        TcpStream::connect(sqs.url().trim_start_matches("http://")).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let body = body.to_string();
    let head = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).map_err(|e| e.kind())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| e.kind())?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    Ok((head[9..12].parse().expect("a status"), serde_json::from_str(body).expect("JSON")))
}

/// One call of SQS: status and body, or how the connection ended.
pub fn call(
    sqs: &Instrument,
    operation: &str,
    mut request: Value,
    queue: &Queue,
) -> Result<(u16, Value), ErrorKind> {
    request["QueueUrl"] = queue.url().into();
    http(sqs, &format!("POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.{operation}"), &request)
}

/// Up to ten messages.
pub fn receive(sqs: &Instrument, queue: &Queue, visibility: u32, wait: u32) -> Vec<Value> {
    let request = json!({
        "MaxNumberOfMessages": 10,
        "VisibilityTimeout": visibility,
        "WaitTimeSeconds": wait,
        "MessageSystemAttributeNames": ["All"]
    });
    let (status, mut answer) = call(sqs, "ReceiveMessage", request, queue).expect("an answer");
    assert_eq!(status, 200, "{answer}");
    answer["Messages"].as_array_mut().map(std::mem::take).unwrap_or_default()
}

/// Deletes one message: the status, and the error.
pub fn delete(sqs: &Instrument, queue: &Queue, message: &Value) -> (u16, Value) {
    let request = json!({ "ReceiptHandle": message["ReceiptHandle"] });
    let (status, answer) = call(sqs, "DeleteMessage", request, queue).expect("an answer");
    (status, answer["__type"].clone())
}
