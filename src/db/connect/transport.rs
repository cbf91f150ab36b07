//! What a database URL says about TLS.
//!
//! Invariant: pure; without `sslmode`, the server's certificate is verified, and nothing
//! is downgraded in silence.

use std::path::PathBuf;

use tokio_postgres::config::SslNegotiation;

use super::given::{Given, NEGOTIATIONS, SWITCH, refusal};
use super::problem::UrlProblem;

/// How the connection is protected.
pub(super) struct Transport {
    pub(super) authority: Authority,
    /// Certificate and key of this client.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    pub(super) negotiation: SslNegotiation,
    pub(super) sends_name: bool,
    pub(super) lowest: Version,
    pub(super) highest: Version,
}

/// Who says that the server is the right one.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Authority {
    /// Nobody: there is no TLS.
    Plain,
    /// Nobody: it is encrypted all the same.
    Nobody,
    /// Certificates.
    Verified(Roots),
}

/// Certificates that are believed.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Roots {
    /// Those of the system.
    System,
    /// Those of a file.
    File(PathBuf),
}

/// Versions of TLS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

const LOWEST: [(&str, Version); 4] = [
    ("TLSv1", Version::Tls12),
    ("TLSv1.1", Version::Tls12),
    ("TLSv1.2", Version::Tls12),
    ("TLSv1.3", Version::Tls13),
];
const HIGHEST: [(&str, Version); 2] = [("TLSv1.2", Version::Tls12), ("TLSv1.3", Version::Tls13)];

impl Transport {
    /// Takes what is about TLS out of the parameters.
    pub(super) fn take(given: &mut Given) -> Result<Self, UrlProblem> {
        let root = given.text("sslrootcert").map(PathBuf::from);
        let root_is_given = root.is_some();
        let roots =
            root.filter(|path| path.as_os_str() != "system").map_or(Roots::System, Roots::File);
        let authority = match given.word("sslmode", SslMode::VerifyFull, &MODES)? {
            SslMode::Disable if root_is_given => return Err(contradiction("sslmode=disable")),
            SslMode::Disable => Authority::Plain,
            SslMode::Require if root_is_given => return Err(contradiction("sslmode=require")),
            SslMode::Require => Authority::Nobody,
            SslMode::VerifyFull => Authority::Verified(roots),
            SslMode::Refused(mode, reason) => {
                let hint =
                    "say sslmode=verify-full (the default), sslmode=require or sslmode=disable";
                return Err(
                    UrlProblem::new(format!("asks for sslmode={mode}, {reason}")).hint(hint)
                );
            }
        };
        let lowest = given.word("ssl_min_protocol_version", Version::Tls12, &LOWEST)?;
        let highest = given.word("ssl_max_protocol_version", Version::Tls13, &HIGHEST)?;
        if lowest > highest {
            return Err(UrlProblem::new(
                "has an ssl_min_protocol_version above its ssl_max_protocol_version",
            ));
        }
        Ok(Self {
            authority,
            client: client(given)?,
            negotiation: given.word("sslnegotiation", SslNegotiation::Postgres, &NEGOTIATIONS)?,
            sends_name: given.word("sslsni", true, &SWITCH)?,
            lowest,
            highest,
        })
    }

    /// A parameter that means nothing without TLS.
    pub(super) fn needs_tls(&self) -> Option<&'static str> {
        if self.client.is_some() {
            return Some("sslcert");
        }
        if self.negotiation == SslNegotiation::Direct {
            return Some("sslnegotiation=direct");
        }
        matches!(self.authority, Authority::Verified(Roots::File(_))).then_some("sslrootcert")
    }
}

#[derive(Clone, Copy)]
enum SslMode {
    Disable,
    Require,
    VerifyFull,
    /// The word, and why not.
    Refused(&'static str, &'static str),
}

const MODES: [(&str, SslMode); 6] = [
    ("verify-full", SslMode::VerifyFull),
    ("require", SslMode::Require),
    ("disable", SslMode::Disable),
    (
        "verify-ca",
        SslMode::Refused(
            "verify-ca",
            "which does not compare the server's name; where the name resolves to nothing, give \
             it as host and the address as hostaddr",
        ),
    ),
    (
        "prefer",
        SslMode::Refused("prefer", "which goes on without TLS when somebody on the way says so"),
    ),
    (
        "allow",
        SslMode::Refused("allow", "which goes on without TLS when somebody on the way says so"),
    ),
];

fn contradiction(mode: &str) -> UrlProblem {
    let hint = "leave sslmode out: the server is then verified against sslrootcert";
    UrlProblem::new(format!("gives sslrootcert and {mode}, which verifies nothing")).hint(hint)
}

fn client(given: &mut Given) -> Result<Option<(PathBuf, PathBuf)>, UrlProblem> {
    let files = (given.text("sslcert").map(PathBuf::from), given.text("sslkey").map(PathBuf::from));
    let modes = [("allow", Some(true)), ("disable", Some(false)), ("require", None)];
    let Some(is_sent) = given.word("sslcertmode", Some(true), &modes)? else {
        return Err(refusal(
            "sslcertmode=require",
            "loginetl cannot tell whether the server has looked at the certificate",
        ));
    };
    match files {
        (Some(_), _) | (_, Some(_)) if !is_sent => {
            Err(UrlProblem::new("gives sslcert or sslkey and sslcertmode=disable")
                .hint("leave one of them out"))
        }
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(UrlProblem::new("gives sslcert and no sslkey")
            .hint("name the certificate's private key")),
        (None, Some(_)) => {
            Err(UrlProblem::new("gives sslkey and no sslcert").hint("name the key's certificate"))
        }
    }
}
