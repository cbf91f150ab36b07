//! One file a subcommand, one story a file: `run` stands at the top and reads as the story does.

pub(crate) mod audit;
pub(crate) mod backfill;
pub(crate) mod check;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod quarantine;
pub(crate) mod rotate;
pub(crate) mod status;
pub(crate) mod unmask;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::cli::Global;
use crate::db::{Readiness, Session, Target, UrlSource, Work};
use crate::error::{Error, Exit};
use crate::output;
use crate::settings::{DatabaseUrl, Environment};

/// Where the database is, under the name by which its activity view shows us.
fn database(global: Global, environment: &Environment, command: &str) -> Result<Target, Error> {
    let source = match environment.database_url(global.database_url)? {
        DatabaseUrl::Text(url) => UrlSource::Text(Zeroizing::new(url)),
        DatabaseUrl::File(path) => UrlSource::File(path),
    };
    let target = Target::new(source, &format!("loginetl {command}"), environment.password_file.clone())?;
    if target.is_unverified() {
        tracing::warn!("sslmode=require: the connection is encrypted, but nobody checks that the server is the right one");
    }
    Ok(target)
}

/// Whether this login can do its work here; what is worth knowing is said.
async fn ready(session: &Session, work: Work) -> Result<(), Error> {
    let Readiness { is_read_only_by_default } = session.ready(work).await?;
    if is_read_only_by_default && work.writes() {
        output::note(
            "default_transaction_read_only is on for this login or database; loginetl says read-only or read-write in each \
             transaction, and this command writes",
        );
    }
    Ok(())
}

/// After a signal, the process ends within this time, whatever hangs.
const LONGEST_STOP: Duration = Duration::from_secs(24);

/// When the first signal came.
static SIGNALLED: OnceLock<Instant> = OnceLock::new();

/// A limit for the last words of a command: shorter after a signal, so that they are said before the end.
fn at_most(limit: Duration) -> Duration {
    let margin = Duration::from_secs(2);
    let left = |at: &Instant| LONGEST_STOP.saturating_sub(margin + at.elapsed()).max(Duration::from_millis(500));
    SIGNALLED.get().map_or(limit, |at| limit.min(left(at)))
}

/// SIGINT and SIGTERM stop in order, and within [`LONGEST_STOP`]; a second one stops at once. Messages in hand come back
/// by their timeout.
fn stop_on_signal(said: &'static str) -> Result<CancellationToken, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let unusable = |e: std::io::Error| Error::Start(e.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        let _ = SIGNALLED.set(Instant::now());
        output::note(said);
        stopping.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = tokio::time::sleep(LONGEST_STOP) => output::note("something did not answer in time: stopped; nothing is lost"),
        }
        std::process::exit(Exit::Temporary as i32);
    });
    Ok(stop)
}
