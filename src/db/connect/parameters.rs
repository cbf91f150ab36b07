//! What a database URL says: each parameter of libpq is taken, or refused by its name
//! with the reason.
//!
//! Invariant: pure; nothing is ignored in silence, and no value is quoted.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;
use zeroize::Zeroizing;

use super::given::{Given, SWITCH};
use super::problem::UrlProblem;
use super::transport::{Authority, Transport};
use super::url;

/// What a database URL says.
pub struct Conninfo {
    pub(super) hosts: Vec<Host>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) dbname: Option<String>,
    pub(super) passfile: Option<PathBuf>,
    pub(super) options: Option<String>,
    pub(super) application_name: Option<String>,
    /// Of one attempt.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalives: Keepalives,
    /// None where the URL is silent, zero for the system's own.
    pub(super) tcp_user_timeout: Option<Duration>,
    pub(super) channel_binding: ChannelBinding,
    pub(super) session: SessionAttrs,
    pub(super) is_random: bool,
    pub(super) transport: Transport,
}

/// One of the places to try.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) at: At,
    pub(super) port: u16,
}

/// How a server is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum At {
    /// By name, or an address that stands for one.
    Name(String),
    /// At an address; the certificate is of the name, where there is one.
    Address(Option<String>, IpAddr),
    /// By the socket in a folder.
    Socket(PathBuf),
}

/// Keepalive of TCP.
pub(super) struct Keepalives {
    pub(super) is_on: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
}

/// Which server of several is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SessionAttrs {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Conninfo {
    /// Reads a `postgres://…` URL or a string of keywords.
    ///
    /// # Errors
    /// When it cannot be read, or asks for what loginetl does not do. Never quotes it.
    pub fn parse(text: &str) -> Result<Self, UrlProblem> {
        let mut given = Given::collect(url::split(text)?)?;
        let hosts = hosts(&mut given)?;
        given.check_fixed()?;
        let transport = Transport::take(&mut given)?;
        let channel_binding =
            given.word("channel_binding", ChannelBinding::Prefer, &CHANNEL_BINDINGS)?;
        let conninfo = Self {
            hosts,
            user: given.text("user"),
            password: given.password(),
            dbname: given.text("dbname"),
            passfile: given.text("passfile").map(PathBuf::from),
            options: given.text("options"),
            application_name: given.application_name(),
            connect_timeout: given.number("connect_timeout", 1..=3600)?.map(Duration::from_secs),
            keepalives: Keepalives {
                is_on: given.word("keepalives", true, &SWITCH)?,
                idle: given
                    .number("keepalives_idle", 0..=86_400)?
                    .filter(|n| *n > 0)
                    .map(Duration::from_secs),
                interval: given
                    .number("keepalives_interval", 0..=86_400)?
                    .filter(|n| *n > 0)
                    .map(Duration::from_secs),
                count: given
                    .number("keepalives_count", 0..=127)?
                    .filter(|n| *n > 0)
                    .and_then(|n| n.try_into().ok()),
            },
            tcp_user_timeout: given
                .number("tcp_user_timeout", 0..=86_400_000)?
                .map(Duration::from_millis),
            channel_binding,
            session: given.word("target_session_attrs", SessionAttrs::Any, &SESSION_ATTRS)?,
            is_random: given.word(
                "load_balance_hosts",
                false,
                &[("disable", false), ("random", true)],
            )?,
            transport,
        };
        conninfo.check_together()?;
        Ok(conninfo)
    }

    fn check_together(&self) -> Result<(), UrlProblem> {
        let has_tcp = self.hosts.iter().any(|host| !matches!(host.at, At::Socket(_)));
        if let (Authority::Verified(_), Some(_)) = (
            &self.transport.authority,
            self.hosts.iter().find(|host| matches!(host.at, At::Address(None, _))),
        ) {
            let hint = "give host too: the server's certificate is compared with that name";
            return Err(UrlProblem::new("names a hostaddr and no host").hint(hint));
        }
        let is_plain = !has_tcp || self.transport.authority == Authority::Plain;
        let why = if has_tcp { "sslmode=disable" } else { "no host that is reached by TLS" };
        if is_plain && self.channel_binding == ChannelBinding::Require {
            let problem = format!("asks for channel_binding=require and has {why}");
            return Err(
                UrlProblem::new(problem).hint("channel binding needs TLS: say sslmode=verify-full")
            );
        }
        if let (true, Some(name)) = (is_plain, self.transport.needs_tls()) {
            return Err(UrlProblem::new(format!("gives {name} and has {why}"))
                .hint("leave one of them out"));
        }
        Ok(())
    }
}

const CHANNEL_BINDINGS: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

const SESSION_ATTRS: [(&str, SessionAttrs); 6] = [
    ("any", SessionAttrs::Any),
    ("read-write", SessionAttrs::ReadWrite),
    ("read-only", SessionAttrs::ReadOnly),
    ("primary", SessionAttrs::Primary),
    ("standby", SessionAttrs::Standby),
    ("prefer-standby", SessionAttrs::PreferStandby),
];

/// The hosts in their order: names, addresses and ports are lists of one length, or a
/// port stands for all.
fn hosts(given: &mut Given) -> Result<Vec<Host>, UrlProblem> {
    let list = |text: Option<String>| {
        text.map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>())
    };
    let (names, addresses) = (list(given.text("host")), list(given.text("hostaddr")));
    let count = names.as_ref().or(addresses.as_ref()).map_or(0, Vec::len);
    if count == 0 {
        return Err(UrlProblem::new("names no host"));
    }
    if addresses.as_ref().is_some_and(|addresses| addresses.len() != count) {
        return Err(UrlProblem::new("has lists in host and hostaddr that are not of one length"));
    }
    let ports = list(given.text("port")).unwrap_or_else(|| vec![String::new()]);
    if ports.len() != 1 && ports.len() != count {
        return Err(UrlProblem::new("has another number of ports than of hosts"));
    }
    let port_of = |index: usize| {
        let text = if ports.len() == 1 { &ports[0] } else { &ports[index] };
        let port = if text.is_empty() {
            Some(5432)
        } else {
            text.trim().parse().ok().filter(|port| *port != 0)
        };
        port.ok_or_else(|| UrlProblem::new("has a port that is no number from 1 to 65535"))
    };
    let nth = |list: &Option<Vec<String>>, index: usize| {
        list.as_ref().and_then(|list| list.get(index)).cloned().unwrap_or_default()
    };
    (0..count)
        .map(|index| {
            Ok(Host {
                at: locate(nth(&names, index), &nth(&addresses, index))?,
                port: port_of(index)?,
            })
        })
        .collect()
}

fn locate(name: String, address: &str) -> Result<At, UrlProblem> {
    if !address.is_empty() {
        let address = address
            .trim()
            .parse()
            .map_err(|_| UrlProblem::new("has a hostaddr that is no IP address"))?;
        return Ok(At::Address(Some(name).filter(|name| !name.is_empty()), address));
    }
    match name.trim() {
        "" => Err(UrlProblem::new("has an empty name among its hosts")),
        folder if folder.starts_with('/') => Ok(At::Socket(PathBuf::from(folder))),
        abstract_socket if abstract_socket.starts_with('@') => {
            Err(UrlProblem::new("names an abstract socket, which loginetl does not reach")
                .hint("name the folder of a socket"))
        }
        name => Ok(At::Name(name.to_owned())),
    }
}
