//! Connecting: the database URL, and TLS as libpq names it.
//!
//! Invariant: without `sslmode`, the server's certificate is verified; nothing is downgraded in silence.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{DbError, Session};

/// To a connection that can be used: TCP, TLS, login, first answer. A server may accept and stay mute.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the database is and how to reach it.
#[derive(Clone)]
pub struct Target {
    config: tokio_postgres::Config,
    tls: Tls,
}

#[derive(Clone)]
enum Tls {
    None,
    Unverified(Arc<ClientConfig>),
    Verified(Arc<ClientConfig>),
}

impl Target {
    /// Parses a `postgres://…` URL or a keyword string, with libpq's `sslmode` and `sslrootcert`.
    ///
    /// # Errors
    /// When it cannot be parsed, or asks for a TLS mode that loginetl does not offer. Never quotes it.
    pub fn parse(url: &str, application_name: &str) -> Result<Self, DbError> {
        let (rest, sslmode, sslrootcert) = split_tls_options(url)?;
        let mut config: tokio_postgres::Config = rest
            .parse()
            .map_err(|_| DbError::Url("cannot be parsed; it should read postgres://USER:PASSWORD@HOST:PORT/DATABASE"))?;
        if config.get_hosts().is_empty() {
            return Err(DbError::Url("names no host"));
        }
        let local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let tls = match sslmode.as_deref() {
            Some("disable") => Tls::None,
            _ if local => Tls::None,
            None | Some("verify-full") => Tls::Verified(Arc::new(verifying(sslrootcert)?)),
            Some("require") => Tls::Unverified(Arc::new(unverifying()?)),
            Some(_) => return Err(DbError::Url("asks for an sslmode other than verify-full (the default), require or disable")),
        };
        config.ssl_mode(if matches!(tls, Tls::None) { SslMode::Disable } else { SslMode::Require });
        config.application_name(application_name).tcp_user_timeout(PEER_TIMEOUT);
        Ok(Self { config, tls })
    }

    /// Whether the connection will be encrypted to a server that nobody verifies; the caller warns.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        matches!(self.tls, Tls::Unverified(_))
    }

    /// Opens a session and checks that the server can do our work.
    ///
    /// # Errors
    /// When there is no connection to be had, or the server is too old or not in UTF8.
    pub async fn connect(&self) -> Result<Session, DbError> {
        let (client, version) = self.open().await?;
        Ok(Session::new(self.clone(), client, version))
    }

    /// A connection, and the version of its server.
    pub(super) async fn open(&self) -> Result<(Client, i32), DbError> {
        let mute = |_| DbError::Connect("the server does not answer".to_owned());
        let open = async {
            let client = match &self.tls {
                Tls::None => drive(self.config.connect(NoTls).await)?,
                Tls::Unverified(tls) | Tls::Verified(tls) => {
                    drive(self.config.connect(MakeRustlsConnect::new(tls.as_ref().clone())).await)?
                }
            };
            let version = check_server(&client).await?;
            Ok((client, version))
        };
        tokio::time::timeout(CONNECT_TIMEOUT, open).await.map_err(mute)?
    }
}

/// The server's version, if it is new enough and speaks UTF8.
async fn check_server(client: &Client) -> Result<i32, DbError> {
    let statement = "\
        select pg_catalog.current_setting('server_version_num')::pg_catalog.int4, pg_catalog.current_setting('server_encoding')";
    let row = client.query_typed_one(statement, &[]).await;
    let row = row.map_err(|e| DbError::sql("asking for the server's version", &e))?;
    let (version, encoding): (i32, String) = (row.get(0), row.get(1));
    if version < 140_000 {
        return Err(DbError::Server(format!("is PostgreSQL {}; loginetl needs 14 or newer", version / 10_000)));
    }
    if encoding != "UTF8" {
        return Err(DbError::Server(format!("keeps this database in {encoding}; loginetl needs UTF8")));
    }
    Ok(version)
}

/// Hands the connection to a task of its own; the client notices when it ends.
fn drive<S, T>(connected: Result<(Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>) -> Result<Client, DbError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = connected.map_err(|e| DbError::connect(&e))?;
    tokio::spawn(async move {
        // Its error reaches whoever uses the client next, without the server's text.
        let _ = connection.await;
    });
    Ok(client)
}

/// Takes `sslmode` and `sslrootcert` out of a URL or keyword string: tokio-postgres knows neither as libpq means them.
fn split_tls_options(url: &str) -> Result<(String, Option<String>, Option<PathBuf>), DbError> {
    let (mut sslmode, mut sslrootcert) = (None, None);
    let mut keep = |parameter: &&str| match parameter.split_once('=') {
        Some(("sslmode", value)) => {
            sslmode = Some(value.to_owned());
            false
        }
        Some(("sslrootcert", value)) => {
            sslrootcert = Some(value.to_owned());
            false
        }
        _ => true,
    };
    let rest = if url.contains("://") {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let query = query.split('&').filter(&mut keep).collect::<Vec<_>>().join("&");
        if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") }
    } else {
        keywords(url).into_iter().filter(&mut keep).collect::<Vec<_>>().join(" ")
    };
    let decode = |text: String| {
        let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
        decoded.map(|path| PathBuf::from(path.as_ref())).map_err(|_| DbError::Url("names an sslrootcert that is not UTF-8"))
    };
    Ok((rest, sslmode, sslrootcert.map(decode).transpose()?))
}

/// Splits `keyword=value` pairs at white space outside of quotes.
fn keywords(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let split = move |c: char| {
        let at_space = c.is_whitespace() && !quoted && !escaped;
        quoted ^= c == '\'' && !escaped;
        escaped = c == '\\' && !escaped;
        at_space
    };
    text.split(split).filter(|part| !part.is_empty()).collect()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// TLS that verifies certificate and host name against `root` or the system's roots.
fn verifying(root: Option<PathBuf>) -> Result<ClientConfig, DbError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = root.filter(|path| path.as_os_str() != "system") {
        let unreadable = |_| DbError::Url("names an sslrootcert that cannot be read as PEM certificates");
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            roots
                .add(certificate.map_err(unreadable)?)
                .map_err(|_| DbError::Url("names an sslrootcert with an invalid certificate"))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Ok(builder.map_err(tls_unusable)?.with_root_certificates(roots).with_no_client_auth())
}

/// TLS that encrypts and verifies nothing: `sslmode=require`, as libpq has it.
fn unverifying() -> Result<ClientConfig, DbError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let verifier = Arc::new(AcceptAny(provider()));
    Ok(builder.map_err(tls_unusable)?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn tls_unusable(_: rustls::Error) -> DbError {
    DbError::Connect("this build has no usable TLS".to_owned())
}

/// Accepts any certificate, and still checks that the server holds its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> bool {
        Target::parse(url, "test").is_err()
    }

    #[test]
    fn no_spelling_of_a_url_switches_tls_off_in_silence() {
        let verified = |url: &str| Target::parse(url, "test").is_ok_and(|t| matches!(t.tls, Tls::Verified(_)));
        for url in [
            "postgres://u:p@h/d",
            "postgres://u:p@h/d?sslmode=verify-full",
            "postgres://u:p@h/d?application_name=x&sslmode=verify-full",
            "host=h user=u sslmode=verify-full",
            "host=h user=u password='a sslmode=disable b'",
            "host=h hostaddr=127.0.0.1 user=u",
        ] {
            assert!(verified(url), "{url}");
        }
        for url in [
            "postgres://h/d?sslmode=prefer",
            "postgres://h/d?sslmode=allow",
            "postgres://h/d?sslmode=",
            "hostaddr=127.0.0.1 user=u",
            "user=u",
        ] {
            assert!(refused(url), "{url}");
        }
        assert!(Target::parse("host=/run/postgresql user=u", "test").is_ok_and(|t| matches!(t.tls, Tls::None)));
    }
}
