//! The parameters that a database URL gives, taken out one by one; each name is known, or
//! refused with the reason.

use std::collections::HashMap;

use tokio_postgres::config::SslNegotiation;
use zeroize::Zeroizing;

use super::problem::UrlProblem;
use super::{refused, url};

/// What is taken. The rest is refused.
const TAKEN: [&str; 35] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "passfile",
    "password",
    "port",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
    "replication",
    "gssdelegation",
];

/// The parameters that a URL gives, each once.
pub(super) struct Given(HashMap<&'static str, Zeroizing<String>>);

pub(super) const SWITCH: [(&str, bool); 2] = [("0", false), ("1", true)];
pub(super) const NEGOTIATIONS: [(&str, SslNegotiation); 2] =
    [("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)];

impl Given {
    /// Knows every name, and each once.
    pub(super) fn collect(settings: Vec<url::Setting>) -> Result<Self, UrlProblem> {
        let mut given = HashMap::new();
        for url::Setting { name, value, place } in settings {
            let Some(known) = TAKEN.iter().find(|taken| **taken == name) else {
                return Err(refuse_unknown(&name, &place));
            };
            if given.insert(*known, value).is_some() {
                return Err(
                    UrlProblem::new(format!("gives {known} twice")).hint("leave one of them out")
                );
            }
        }
        Ok(Self(given))
    }

    /// A text, where there is one that is not empty.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name).map(|text| text.to_string()).filter(|text| !text.is_empty())
    }

    pub(super) fn password(&mut self) -> Option<Zeroizing<String>> {
        self.0.remove("password").filter(|password| !password.is_empty())
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        default: T,
        words: &[(&str, T)],
    ) -> Result<T, UrlProblem> {
        let Some(value) = self.0.remove(name) else { return Ok(default) };
        let found = words.iter().find(|(word, _)| *word == value.as_str());
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            UrlProblem::new(format!("has a {name} that is none of: {}", words.join(", ")))
        })
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, UrlProblem> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        let number = value.trim().parse().ok().filter(|number| range.contains(number));
        let (from, to) = (range.start(), range.end());
        number.map(Some).ok_or_else(|| {
            UrlProblem::new(format!("has a {name} that is no whole number from {from} to {to}"))
        })
    }

    pub(super) fn application_name(&mut self) -> Option<String> {
        let fallback = self.text("fallback_application_name");
        self.text("application_name").or(fallback)
    }

    /// Parameters of which loginetl can do one thing alone: saying that is no harm.
    pub(super) fn check_fixed(&mut self) -> Result<(), UrlProblem> {
        const FIXED: [(&str, &[&str], &str); 7] = [
            (
                "client_encoding",
                &["UTF8", "utf8", "UTF-8", "utf-8"],
                "loginetl speaks UTF8 and nothing else",
            ),
            (
                "gssencmode",
                &["disable", "prefer"],
                "loginetl does not speak GSSAPI; say gssencmode=disable",
            ),
            ("gssdelegation", &["0"], "loginetl does not speak GSSAPI"),
            (
                "replication",
                &["0", "no", "off", "false"],
                "loginetl runs SQL and does not replicate",
            ),
            ("sslcompression", &["0"], "compression under TLS gives secrets away"),
            ("min_protocol_version", &["3.0"], "loginetl speaks version 3.0 of the protocol"),
            (
                "max_protocol_version",
                &["3.0", "3.2", "latest"],
                "loginetl speaks version 3.0 of the protocol",
            ),
        ];
        for (name, fine, reason) in FIXED {
            if self.0.remove(name).is_some_and(|value| !fine.contains(&value.as_str())) {
                return Err(refusal(name, reason));
            }
        }
        Ok(())
    }
}

pub(super) fn refusal(name: &str, reason: &str) -> UrlProblem {
    UrlProblem::new(format!("has the parameter {name}, which is refused: {reason}"))
}

/// A name that nobody knows may be a piece of a password, so its place is told.
fn refuse_unknown(name: &str, place: &str) -> UrlProblem {
    if let Some((name, reason)) = refused::reason(name) {
        return refusal(name, reason);
    }
    let hint = "see its spelling (PostgreSQL's manual, Parameter Key Words), and write & in a \
                value as %26";
    UrlProblem::new(format!("has a name that is no parameter of PostgreSQL {place}")).hint(hint)
}
