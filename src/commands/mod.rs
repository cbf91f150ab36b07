//! One file a subcommand, one story a file: `run` stands at the top and reads as the story does.

pub mod audit;
pub mod backfill;
pub mod check;
pub mod init;
pub mod keys;
pub mod load;
pub mod quarantine;
pub mod rotate;
pub mod status;
pub mod unmask;

use tokio_util::sync::CancellationToken;

use crate::cli::Global;
use crate::db::Target;
use crate::error::{Error, Exit};
use crate::output;
use crate::settings::Environment;

/// Where the database is, under the name by which its activity view shows us.
fn database(global: Global, environment: &Environment, command: &str) -> Result<Target, Error> {
    let url = environment.database_url(global.database_url)?;
    let target = Target::parse(&url, &format!("loginetl {command}"))?;
    if target.is_unverified() {
        tracing::warn!("sslmode=require: the connection is encrypted, but nobody checks that the server is the right one");
    }
    Ok(target)
}

/// SIGINT and SIGTERM stop in order; a second one stops at once, and messages in hand come back by their timeout.
fn stop_on_signal(said: &'static str) -> Result<CancellationToken, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let unusable = |e: std::io::Error| Error::Start(e.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        output::note(said);
        stopping.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(Exit::Temporary as i32);
    });
    Ok(stop)
}
