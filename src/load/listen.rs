//! `--listen`: metrics and health over HTTP, for whoever watches the run.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | text of OpenMetrics or Prometheus, as `Accept` prefers |
//! | `/healthz` | 200 while the process works |
//! | `/readyz` | 200 while it loads, or could; else 503, and what it waits for |
//!
//! Invariant: whatever is asked, at most [`CONNECTIONS`] at once and a few seconds each;
//! the run does not wait for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::exposition::Exposition;
use super::run::Run;
use super::source::Source;
use crate::error::Error;
use crate::settings::SettingsError;

const CONNECTIONS: usize = 16;
const LONGEST_CONNECTION: Duration = Duration::from_secs(10);
const LONGEST_HEADER: Duration = Duration::from_secs(5);

/// A run, of whatever source.
trait Watched: Send + Sync {
    /// All metrics.
    fn metrics_text(&self) -> String;

    /// Why it does not load now.
    fn waits_for(&self) -> Option<&'static str>;
}

impl<S: Source> Watched for Run<S> {
    fn metrics_text(&self) -> String {
        self.watch.metrics_text(self.key_cache.current().plan(), self.waits_for().is_none())
    }

    fn waits_for(&self) -> Option<&'static str> {
        if self.ending.stop.is_asked() { Some("stopping") } else { self.watch.health.waits_for() }
    }
}

/// The run, once it has begun.
type OnceBegun = Arc<OnceLock<Arc<dyn Watched>>>;

/// The server; it ends when dropped.
pub(crate) struct Listener {
    watched: OnceBegun,
    task: JoinHandle<()>,
}

impl Listener {
    /// Begins to answer; nothing is ready before [`Listener::watch`].
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(crate) async fn start(address: SocketAddr) -> Result<Self, Error> {
        let unusable = |e: std::io::Error| SettingsError::Flags(format!("--listen {address}: {e}"));
        let listener = TcpListener::bind(address).await.map_err(unusable)?;
        tracing::info!(address = %listener.local_addr().map_err(unusable)?,
            "listening: /metrics, /healthz, /readyz");
        let watched = OnceBegun::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&watched)));
        Ok(Self { watched, task })
    }

    /// Answers for this run from now on.
    pub(crate) fn watch<S: Source>(&self, run: &Arc<Run<S>>) {
        let run: Arc<dyn Watched> = Arc::<Run<S>>::clone(run);
        let _ = self.watched.set(run);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, watched: OnceBegun) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let watched = Arc::clone(&watched);
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(LONGEST_CONNECTION, serve(stream, watched)).await;
                    drop(permit);
                });
            }
            // Out of files, most likely.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn serve(stream: TcpStream, watched: OnceBegun) {
    let service = service_fn(|request| {
        std::future::ready(Ok::<_, Infallible>(answer(&request, watched.get())))
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(LONGEST_HEADER).keep_alive(false);
    // A client that leaves early is no fault.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(request: &Request<Incoming>, run: Option<&Arc<dyn Watched>>) -> Response<Full<Bytes>> {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Exposition::asked_by(&accept.collect::<Vec<_>>());
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (
            StatusCode::OK,
            form.content_type(),
            form.render(run.map_or("# EOF\n".to_owned(), |run| run.metrics_text())),
        ),
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, PLAIN, "ok\n".to_owned()),
        (&Method::GET | &Method::HEAD, "/readyz") => match waits_for(run) {
            None => (StatusCode::OK, PLAIN, "ready\n".to_owned()),
            Some(what) => (StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{what}\n")),
        },
        (&Method::GET | &Method::HEAD, _) => {
            (StatusCode::NOT_FOUND, PLAIN, "try /metrics, /healthz or /readyz\n".to_owned())
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// Why it does not load now.
fn waits_for(run: Option<&Arc<dyn Watched>>) -> Option<&'static str> {
    run.map_or(Some("starting"), |run| run.waits_for())
}
