//! One file a subcommand, one story a file: `run` stands at the top and reads as the
//! story does.

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod backfill;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod health;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod man;
pub(crate) mod mask;
pub(crate) mod quarantine;
pub(crate) mod remask;
pub(crate) mod rotate;
pub(crate) mod status;
pub(crate) mod unmask;

use zeroize::Zeroizing;

use crate::cli::Global;
use crate::db::{Readiness, Session, Target, UrlSource, Work};
use crate::error::Error;
use crate::kms::Kms;
use crate::settings::{DatabaseUrl, Environment, SettingsError};
use crate::{aws, output};

/// Where the database is, under the name by which its activity view shows us.
fn database(global: Global, environment: &Environment, command: &str) -> Result<Target, Error> {
    let source = match environment.database_url(global.database_url)? {
        DatabaseUrl::Text(url) => UrlSource::Text(Zeroizing::new(url)),
        DatabaseUrl::File(path) => UrlSource::File(path),
    };
    let target =
        Target::new(source, &format!("loginetl {command}"), environment.password_file.clone())?;
    if target.is_unverified() {
        tracing::warn!(
            "sslmode=require: the connection is encrypted, but nobody checks that the server is \
             the right one"
        );
    }
    Ok(target)
}

/// KMS, where the settings have it.
async fn kms(environment: &Environment) -> Result<Kms, Error> {
    Ok(Kms::new(&aws::configuration().await?, environment.kms_region.clone()))
}

/// Whether this login can do its work here; what is worth knowing is said.
async fn ready(session: &Session, work: Work) -> Result<(), Error> {
    let Readiness { is_read_only_by_default } = session.ready(work).await?;
    if is_read_only_by_default && work.writes() {
        output::warning(
            "default_transaction_read_only is on for this login or database; loginetl says \
             read-only or read-write in each transaction, and this command writes",
        );
    }
    Ok(())
}

/// Refuses `--columns` that leave out what each line needs.
fn refuse_missing(missing: &[&str]) -> Result<(), SettingsError> {
    match missing {
        [] => Ok(()),
        names => Err(SettingsError::Flags(format!("--columns lacks {}", names.join(", ")))),
    }
}
