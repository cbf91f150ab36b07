//! Connecting: where the database is, and the way from there to a
//! connection that can be used.
//!
//! Invariants: the URL, the files it names and the password file are read anew for each
//! connection, so that they can change under a running program; without `sslmode`, the
//! server's certificate is verified.

mod attempt;
mod client_key;
mod given;
mod parameters;
mod passfile;
mod pem;
mod problem;
mod refused;
mod tls;
mod transport;
mod url;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::Client;
use zeroize::Zeroizing;

pub use parameters::Conninfo;
pub(crate) use problem::UrlProblem;

use super::{DbError, SqlKind};
use attempt::Route;
use transport::Authority;

/// No URL is longer.
const LONGEST_URL: u64 = 64 * 1024;

/// Where the database URL comes from.
#[derive(Clone)]
pub(crate) enum UrlSource {
    /// It is this.
    Text(Zeroizing<String>),
    /// It stands in a file, and may change.
    File(PathBuf),
}

/// Where the database is and how to reach it.
#[derive(Clone)]
pub(crate) struct Target {
    source: UrlSource,
    /// What its activity view calls us, where the URL says nothing.
    name: Arc<str>,
    /// Where passwords stand that the URL lacks.
    passfile: Option<PathBuf>,
    is_unverified: bool,
    /// Whether there has been a connection: what fails after that may be in the midst of
    /// a change.
    has_connected: Arc<AtomicBool>,
}

impl Target {
    /// A database by its `postgres://…` URL or keyword string.
    ///
    /// # Errors
    /// When the URL, or a file that it names, cannot be used. Never quotes it.
    pub(crate) fn new(
        source: UrlSource,
        name: &str,
        passfile: Option<PathBuf>,
    ) -> Result<Self, DbError> {
        let has_connected = Arc::default();
        let mut target =
            Self { source, name: Arc::from(name), passfile, is_unverified: false, has_connected };
        let conninfo = target.read()?;
        tls::configure(&conninfo.transport)?;
        target.is_unverified =
            conninfo.transport.authority == Authority::Nobody && conninfo.has_tcp();
        Ok(target)
    }

    /// Whether the connection will be encrypted to a server that nobody verifies; the
    /// caller warns.
    #[must_use]
    pub(crate) fn is_unverified(&self) -> bool {
        self.is_unverified
    }

    /// A connection, and the version of its server.
    pub(super) async fn open(&self) -> Result<(Client, i32), DbError> {
        let opened = self.open_now().await;
        match opened {
            Ok(_) => self.has_connected.store(true, Ordering::Relaxed),
            Err(error) if self.may_pass(&error) => return Err(DbError::Stale(Box::new(error))),
            Err(_) => {}
        }
        opened
    }

    async fn open_now(&self) -> Result<(Client, i32), DbError> {
        let conninfo = self.read()?;
        let route = Route::new(conninfo, &self.name, self.passfile.as_deref())?;
        route.connect().await
    }

    /// Whether somebody may be changing a password or a file, and is half way through: it
    /// worked before.
    fn may_pass(&self, error: &DbError) -> bool {
        let is_of_files = match error {
            DbError::Url(_) => true,
            _ => error.sql_kind() == Some(SqlKind::Login) && self.has_changeable_password(),
        };
        is_of_files && self.has_connected.load(Ordering::Relaxed)
    }

    fn has_changeable_password(&self) -> bool {
        match &self.source {
            UrlSource::File(_) => true,
            UrlSource::Text(_) => self.read().is_ok_and(|conninfo| conninfo.password.is_none()),
        }
    }

    fn read(&self) -> Result<Conninfo, UrlProblem> {
        match &self.source {
            UrlSource::Text(text) => Conninfo::parse(text),
            UrlSource::File(path) => {
                let text = read_url(path)?;
                Conninfo::parse(&text).map_err(UrlProblem::in_file)
            }
        }
    }
}

/// The URL that a file holds.
fn read_url(path: &std::path::Path) -> Result<Zeroizing<String>, UrlProblem> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| {
        UrlProblem::outside(format!(
            "LOGINETL_DATABASE_URL_FILE names a file that cannot be read ({})",
            error.kind()
        ))
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len().min(LONGEST_URL);
    let mut text =
        Zeroizing::new(String::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    file.take(LONGEST_URL).read_to_string(&mut text).map_err(unreadable)?;
    if text.trim().is_empty() {
        return Err(UrlProblem::outside(
            "the file that LOGINETL_DATABASE_URL_FILE names is empty".to_owned(),
        )
        .hint("write the database URL into it"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
