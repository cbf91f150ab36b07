//! `loginetl check`: can this login do its work on this installation? One line each, a
//! remedy beside each failure.
//!
//! Invariant: it changes nothing; it writes no record, receives no message and releases
//! no key.

mod database;
mod findings;
mod services;

use findings::Findings;

use crate::cli::{CheckArgs, Global};
use crate::error::{Error, Exit};
use crate::settings::Environment;

/// Checks everything that can be checked, and prints what it found.
///
/// # Errors
/// When the settings are wrong; whatever else fails is a line of the result.
pub(crate) async fn run(
    args: CheckArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let target = super::database(global, environment, "check")?;
    let mut findings = Findings::default();
    if let Some((session, login)) = database::check(&target, &mut findings).await {
        let queue_url = args.queue_url.or_else(|| environment.queue_url.clone());
        services::check(&session, &login, queue_url, environment, &mut findings).await;
    }
    findings.print(args.format)?;
    Ok(findings.exit())
}
