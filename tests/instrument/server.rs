//! HTTP: connections on loopback, what is decided about each call, `GET /stats` and `POST
//! /control`.
//!
//! Invariants: faults concern calls of SQS alone, so that the control is always there; a
//! reset is a reset (RST), and what is not answered keeps its connection open until the
//! client leaves.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::Shared;
use super::calls::carry_out;
use super::control::control;
use super::faults::{Counted, Fate, Stage};
use super::messages::message_id;
use super::protocol::{Answer, Operation, Pieces, Refusal};
use super::stats::add;

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("reset on purpose")]
struct Reset;

/// Takes connections for as long as it is polled.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&shared)))),
            // Too many open files, for instance.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Without it answers may be late, but they are right.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Box::pin(answer(Arc::clone(&shared), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if ended.is_err() {
        // Closing then sends RST.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Pieces>, Reset> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match (&head.method, head.uri.path(), target) {
        (&Method::GET, "/stats", _) => {
            let mut answer = Answer::default();
            answer.json(&shared.stats());
            Ok(response(&shared, 200, answer))
        }
        (&Method::POST, "/control", _) => {
            let (status, answer) = control(&shared, &body);
            Ok(response(&shared, status, answer))
        }
        (_, _, target) => match Operation::of_target(target.unwrap_or_default()) {
            Some(operation) => call(&shared, operation, &body).await,
            None => Ok(refusal(
                &shared,
                &Refusal::new(400, "UnknownOperationException", "There is no such operation here."),
            )),
        },
    }
}

async fn call(
    shared: &Shared,
    operation: Operation,
    body: &Bytes,
) -> Result<Response<Pieces>, Reset> {
    let counters = &shared.counters;
    add(&counters.calls[operation as usize], 1);
    add(&counters.bytes_in, body.len());
    let _counted = (operation == Operation::ReceiveMessage).then(|| {
        let counted = Counted::new(&counters.receives);
        counters
            .receives_at_once
            .fetch_max(counters.receives.load(Ordering::SeqCst), Ordering::SeqCst);
        counted
    });
    let decision = shared.decide(operation);
    match decision.fate {
        Fate::Answered => {}
        Fate::Refused(_) | Fate::Reset => add(&counters.refused, 1),
        Fate::Lost => add(&counters.lost, 1),
        Fate::Hangs => add(&counters.hung, 1),
    }
    let gate = &shared.gates[operation as usize];
    let (is_lost, delay) = (matches!(decision.fate, Fate::Lost), decision.delay);
    let done = match decision.fate {
        Fate::Hangs => std::future::pending().await,
        Fate::Reset => return Err(Reset),
        Fate::Refused(refusal) => Err(refusal),
        Fate::Lost | Fate::Answered => {
            gate.pass(Stage::Call).await;
            let done = carry_out(shared, operation, body, decision).await;
            gate.pass(Stage::Answer).await;
            done
        }
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match done {
        _ if is_lost => Err(Reset),
        Ok(answer) => Ok(response(shared, 200, answer)),
        Err(why) => Ok(refusal(shared, &why)),
    }
}

fn refusal(shared: &Shared, refusal: &Refusal) -> Response<Pieces> {
    let fault = if refusal.is_senders() { "Sender" } else { "Receiver" };
    let mut response = response(shared, refusal.status, refusal.answer());
    let code = HeaderValue::try_from(format!("{};{fault}", refusal.query_code()))
        .expect("codes are words");
    response.headers_mut().insert("x-amzn-query-error", code);
    response
}

fn response(shared: &Shared, status: u16, answer: Answer) -> Response<Pieces> {
    let body = answer.into_body();
    add(&shared.counters.bytes_out, body.left() as usize);
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of this file");
    let number = shared.answers.fetch_add(1, Ordering::Relaxed);
    let id = message_id(0, number).to_string();
    let headers = response.headers_mut();
    headers.insert("x-amzn-requestid", HeaderValue::try_from(id).expect("a UUID is ASCII"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}
