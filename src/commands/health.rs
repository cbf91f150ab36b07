//! `loginetl health`: asks a load with `--listen` how it is, as a probe of a container
//! does.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::cli::HealthArgs;
use crate::error::{Error, Exit};
use crate::output;

/// Of the whole question. A load answers in milliseconds.
const LONGEST: Duration = Duration::from_secs(4);
/// More of an answer is not read: ours is a few words.
const MOST_BYTES: usize = 1024;

/// Asks, and prints the answer.
///
/// # Errors
/// When nobody answers, or the answer is not 200.
pub(crate) async fn run(args: HealthArgs) -> Result<Exit, Error> {
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let failed = |problem: String| Error::Unhealthy {
        url: format!("http://{}{path}", args.address),
        problem,
    };
    let asked = tokio::time::timeout(LONGEST, ask(args.address, path)).await;
    match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(failed)? {
        (StatusCode::OK, words) => output::line(&words).map(|()| Exit::Done),
        (status, words) => Err(failed(format!("{} {words}", status.as_u16()))),
    }
}

/// The status and the words of the answer.
async fn ask(address: SocketAddr, path: &str) -> Result<(StatusCode, String), String> {
    // The library's errors name the step that failed.
    let broken = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|e| e.kind().to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, address.to_string());
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    let body = body.map_err(|_| "an answer that no load gives".to_owned())?.to_bytes();
    Ok((status, output::printable(String::from_utf8_lossy(&body).trim()).into_owned()))
}
