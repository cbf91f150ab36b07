//! The attempts of one connection: each host in turn, at each of its addresses, until one
//! is what was asked for.
//!
//! Invariant: as libpq does, the next host is tried where one cannot be reached or does
//! not fit, and not where one refuses the login. No host is named in an error, only its
//! place: it may be a piece of a password.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use super::parameters::{At, Conninfo, Host, SessionAttrs};
use super::passfile::{self, Wanted};
use super::problem::UrlProblem;
use super::tls;
use crate::db::{DbError, SqlKind};

/// To a connection that can be used: TCP, TLS, login, first answer. A server may accept
/// and stay mute.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// What the last of many attempts has at least.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(2);
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// All that it takes to connect once.
pub(super) struct Route {
    conninfo: Conninfo,
    tls: Option<Arc<ClientConfig>>,
    base: Config,
    user: String,
    /// The password file, or why it cannot serve.
    passwords: Result<Option<Zeroizing<Vec<u8>>>, String>,
}

/// One address of one host.
struct Candidate {
    /// Its place among the hosts, from 1.
    place: usize,
    host: Host,
    address: Option<IpAddr>,
}

/// A connection, and what its server is.
struct OpenedClient {
    client: Client,
    version: i32,
    is_standby: bool,
    is_read_only: bool,
}

impl Conninfo {
    pub(super) fn has_tcp(&self) -> bool {
        self.hosts.iter().any(|host| !matches!(host.at, At::Socket(_)))
    }
}

impl Route {
    /// Reads the files that it takes.
    pub(super) fn new(
        conninfo: Conninfo,
        name: &str,
        passfile: Option<&Path>,
    ) -> Result<Self, UrlProblem> {
        let tls = tls::configure(&conninfo.transport)?;
        let user = match &conninfo.user {
            Some(user) => user.clone(),
            None => whoami::username()
                .map_err(|_| UrlProblem::new("names no user, and this process has no name"))?,
        };
        let passfile = conninfo.passfile.as_deref().or(passfile);
        let is_needed = conninfo.password.is_none();
        let passwords = passfile.filter(|_| is_needed).map_or(Ok(None), passfile::read);
        let base = base(&conninfo, &user, name);
        Ok(Self { conninfo, tls, base, user, passwords })
    }

    /// The first server that fits.
    pub(super) async fn connect(&self) -> Result<(Client, i32), DbError> {
        let (candidates, mut failures) = self.candidates().await;
        let wanted = self.conninfo.session;
        let rounds: &[SessionAttrs] = match wanted {
            SessionAttrs::PreferStandby => &[SessionAttrs::Standby, SessionAttrs::Any],
            _ => std::slice::from_ref(&wanted),
        };
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let mut left = u32::try_from(candidates.len() * rounds.len()).unwrap_or(u32::MAX);
        for wanted in rounds {
            for candidate in &candidates {
                let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
                let limit = self.conninfo.connect_timeout.unwrap_or(share.max(SHORTEST_ATTEMPT));
                left -= 1;
                let mute = |_| DbError::Connect("the server does not answer".to_owned());
                match timeout(limit, self.attempt(candidate)).await.map_err(mute).flatten() {
                    Ok(opened) if opened.fits(*wanted) => {
                        return Ok((opened.client, opened.version));
                    }
                    Ok(_) => {
                        failures.push((candidate.place, DbError::Connect(describe_unfit(*wanted))))
                    }
                    Err(error) if allows_next_host(&error) => {
                        failures.push((candidate.place, error))
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(self.all_failed(failures))
    }

    /// Every address of every host, and which hosts have none.
    async fn candidates(&self) -> (Vec<Candidate>, Vec<(usize, DbError)>) {
        let (mut candidates, mut failures) = (Vec::new(), Vec::new());
        let limit = self.conninfo.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let lookups = self.conninfo.hosts.iter().map(|host| timeout(limit, addresses(host)));
        let looked_up = futures_util::future::join_all(lookups).await;
        for (index, (host, found)) in self.conninfo.hosts.iter().zip(looked_up).enumerate() {
            let place = index + 1;
            match found {
                Ok(Ok(addresses)) => {
                    let of_host = |address| Candidate { place, host: host.clone(), address };
                    let mut found: Vec<_> = addresses.into_iter().map(of_host).collect();
                    if self.conninfo.is_random {
                        shuffle(&mut found);
                    }
                    candidates.push(found);
                }
                Ok(Err(error)) => failures.push((
                    place,
                    DbError::Connect(format!("its name leads nowhere ({})", error.kind())),
                )),
                Err(_) => failures
                    .push((place, DbError::Connect("its name is not resolved in time".to_owned()))),
            }
        }
        if self.conninfo.is_random {
            shuffle(&mut candidates);
        }
        (candidates.into_iter().flatten().collect(), failures)
    }

    async fn attempt(&self, candidate: &Candidate) -> Result<OpenedClient, DbError> {
        let mut config = self.base.clone();
        let Host { at, port } = &candidate.host;
        config.port(*port);
        let mut tls = self.tls.as_ref();
        let host = match (at, candidate.address) {
            (At::Socket(folder), _) => {
                config.host_path(folder);
                tls = None;
                folder.to_string_lossy().into_owned()
            }
            (At::Name(name) | At::Address(Some(name), _), address) => {
                config.host(name);
                address.map(|address| config.hostaddr(address));
                name.clone()
            }
            // Nothing verifies it, or it would have a name.
            (At::Address(None, address), _) => {
                config.host(address.to_string()).hostaddr(*address);
                address.to_string()
            }
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if let Some(password) = self.password(&host, *port) {
            config.password(&*password);
        }
        let connected = match tls {
            None => config.connect(NoTls).await.map(drive),
            Some(tls) => {
                config.connect(MakeRustlsConnect::new(tls.as_ref().clone())).await.map(drive)
            }
        };
        check_server(connected.map_err(|error| self.connect_error(&error))?).await
    }

    /// The password of the URL, or else of the password file.
    fn password(&self, host: &str, port: u16) -> Option<Zeroizing<Vec<u8>>> {
        if let Some(password) = &self.conninfo.password {
            return Some(Zeroizing::new(password.as_bytes().to_vec()));
        }
        let database = self.conninfo.dbname.as_deref().unwrap_or(&self.user);
        let text = self.passwords.as_ref().ok()?.as_ref()?;
        passfile::find(text, &Wanted { host, port, database, user: &self.user })
    }

    fn connect_error(&self, error: &tokio_postgres::Error) -> DbError {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        match cause.as_str() {
            "password missing" => {
                let why = match &self.passwords {
                    Err(why) => format!(": {why}"),
                    Ok(Some(_)) => ", nor has the password file a line for it".to_owned(),
                    Ok(None) => String::new(),
                };
                let problem =
                    UrlProblem::new(format!("has no password, and the server asks for one{why}"));
                problem
                    .hint(
                        "write it into the URL, or into ~/.pgpass or the file that \
                         PGPASSFILE names",
                    )
                    .into()
            }
            "server did not use channel binding" => {
                let hint = "use SCRAM on the server (password_encryption, pg_hba.conf), or leave \
                            channel_binding out";
                let problem = UrlProblem::new(
                    "asks for channel_binding=require, and the server does not bind to the channel",
                );
                problem.hint(hint).into()
            }
            "unsupported authentication method" | "unsupported SASL mechanism" => {
                let problem = UrlProblem::new(
                    "leads to a server that asks for GSSAPI, SSPI or OAuth, which loginetl does \
                     not speak",
                );
                problem.hint("let pg_hba.conf ask this login for scram-sha-256 or cert").into()
            }
            _ => DbError::connect(error),
        }
    }

    /// One error where there was one host; else what each of them said.
    fn all_failed(&self, mut failures: Vec<(usize, DbError)>) -> DbError {
        if self.conninfo.hosts.len() == 1 {
            return failures.pop().map_or_else(
                || DbError::Connect("its name leads nowhere".to_owned()),
                |(_, error)| error,
            );
        }
        failures.sort_by_key(|(place, _)| *place);
        let mut said: Vec<String> = Vec::new();
        for (place, error) in failures {
            let text = match error {
                DbError::Connect(text) => format!("host {place}: {text}"),
                other => format!("host {place}: {other}"),
            };
            if !said.contains(&text) {
                said.push(text);
            }
        }
        DbError::Connect(said.join("; "))
    }
}

/// What is the same for all hosts.
fn base(conninfo: &Conninfo, user: &str, name: &str) -> Config {
    let mut config = Config::new();
    config.user(user).application_name(conninfo.application_name.as_deref().unwrap_or(name));
    conninfo.dbname.as_ref().map(|dbname| config.dbname(dbname));
    conninfo.options.as_ref().map(|options| config.options(options));
    config
        .channel_binding(conninfo.channel_binding)
        .ssl_negotiation(conninfo.transport.negotiation);
    let peer_timeout = conninfo.tcp_user_timeout.unwrap_or(PEER_TIMEOUT);
    if !peer_timeout.is_zero() {
        config.tcp_user_timeout(peer_timeout);
    }
    config.keepalives(conninfo.keepalives.is_on);
    conninfo.keepalives.idle.map(|idle| config.keepalives_idle(idle));
    conninfo.keepalives.interval.map(|interval| config.keepalives_interval(interval));
    conninfo.keepalives.count.map(|count| config.keepalives_retries(count));
    config
}

impl OpenedClient {
    fn fits(&self, wanted: SessionAttrs) -> bool {
        match wanted {
            SessionAttrs::Any | SessionAttrs::PreferStandby => true,
            SessionAttrs::ReadWrite => !self.is_read_only,
            SessionAttrs::ReadOnly => self.is_read_only,
            SessionAttrs::Primary => !self.is_standby,
            SessionAttrs::Standby => self.is_standby,
        }
    }
}

fn describe_unfit(wanted: SessionAttrs) -> String {
    let wanted = match wanted {
        SessionAttrs::ReadWrite => "read-write",
        SessionAttrs::ReadOnly => "read-only",
        SessionAttrs::Primary => "primary",
        _ => "standby",
    };
    format!("it answers, and is not {wanted}, which target_session_attrs asks for")
}

/// Whether another host may do: this one cannot be reached, or lets nobody in now.
fn allows_next_host(error: &DbError) -> bool {
    matches!(error, DbError::Connect(_) | DbError::Lost { .. })
        || error.sql_kind() == Some(SqlKind::Temporary)
}

/// The addresses of a host; none for a socket.
async fn addresses(host: &Host) -> std::io::Result<Vec<Option<IpAddr>>> {
    match &host.at {
        At::Socket(_) => Ok(vec![None]),
        At::Address(_, address) => Ok(vec![Some(*address)]),
        At::Name(name) => {
            let found = tokio::net::lookup_host((name.as_str(), host.port)).await?;
            Ok(found.map(|address| Some(address.ip())).collect())
        }
    }
}

/// Puts them in a random order. Without randomness they stay as they are.
fn shuffle<T>(list: &mut [T]) {
    for last in (1..list.len()).rev() {
        let random = getrandom::u64()
            .map_or(last, |random| usize::try_from(random % (last as u64 + 1)).unwrap_or(last));
        list.swap(last, random);
    }
}

/// What the server is, if it is new enough and speaks UTF8.
async fn check_server(client: Client) -> Result<OpenedClient, DbError> {
    let statement = "\
        select pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
               pg_catalog.current_setting('server_encoding'), \
               pg_catalog.pg_is_in_recovery(), \
               pg_catalog.current_setting('transaction_read_only')";
    let row = client.query_typed_one(statement, &[]).await;
    let row = row.map_err(|e| DbError::sql("asking for the server's version", &e))?;
    let (version, encoding): (i32, String) = (row.get(0), row.get(1));
    if version < 140_000 {
        return Err(DbError::Server(format!(
            "is PostgreSQL {}; loginetl needs 14 or newer",
            version / 10_000
        )));
    }
    if encoding != "UTF8" {
        return Err(DbError::Server(format!(
            "keeps this database in {encoding}; loginetl needs UTF8"
        )));
    }
    let is_read_only = row.get::<_, String>(3) == "on";
    Ok(OpenedClient { client, version, is_standby: row.get(2), is_read_only })
}

/// Hands the connection to a task of its own; the client notices when it ends.
fn drive<S, T>((client, connection): (Client, tokio_postgres::Connection<S, T>)) -> Client
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        // Its error reaches whoever uses the client next, without the server's text.
        let _ = connection.await;
    });
    client
}
