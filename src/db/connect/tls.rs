//! TLS as a database URL asks for it.
//!
//! Invariant: what verifies nothing is asked for by name.

use std::sync::{Arc, OnceLock};

use rustls::client::{ClientConfig, WebPkiServerVerifier, danger::ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ConfigBuilder, RootCertStore, SupportedProtocolVersion, WantsVerifier, version};
use tokio_postgres::config::SslNegotiation;

use super::problem::UrlProblem;
use super::transport::{Authority, Roots, Transport, Version};
use super::verify::{AcceptAny, AcceptListed};
use super::{client_key, pem};

/// None for a connection without TLS. Reads the files anew, so that they can be renewed
/// under a running loader.
pub(super) fn configure(transport: &Transport) -> Result<Option<Arc<ClientConfig>>, UrlProblem> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = match &transport.authority {
        Authority::Plain => return Ok(None),
        Authority::Nobody => Arc::new(AcceptAny(provider)),
        Authority::Verified(roots) => verifier(roots, provider)?,
    };
    let builder = builder(transport)?.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &transport.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = pem::certificates("sslcert", certificate)?;
            let key = client_key::read(key)?;
            builder.with_client_auth_cert(chain, key).map_err(|_| {
                let problem = UrlProblem::new(
                    "names an sslkey that is not the key of its sslcert, or is of an unknown kind",
                );
                problem.hint(
                    "give the key that the certificate was made for: RSA, ECDSA (P-256, P-384, \
                     P-521) or Ed25519",
                )
            })?
        }
    };
    config.enable_sni = transport.sends_name;
    if transport.negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Some(Arc::new(config)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn builder(
    transport: &Transport,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, UrlProblem> {
    const VERSIONS: [(Version, &SupportedProtocolVersion); 2] =
        [(Version::Tls12, &version::TLS12), (Version::Tls13, &version::TLS13)];
    let allowed = transport.lowest..=transport.highest;
    let versions: Vec<_> =
        VERSIONS.iter().filter(|(version, _)| allowed.contains(version)).map(|(_, v)| *v).collect();
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&versions);
    builder.map_err(|_| UrlProblem::new("asks for TLS, which this build cannot do"))
}

fn verifier(
    roots: &Roots,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, UrlProblem> {
    match roots {
        Roots::System => {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(system_roots(), provider).build();
            let none = || {
                UrlProblem::new(
                    "leaves the server to the certificates of this system, and it has none",
                )
            };
            Ok(verifier
                .map_err(|_| none().hint("install ca-certificates, or give sslrootcert=FILE"))?)
        }
        Roots::File(path) => {
            let listed = pem::certificates("sslrootcert", path)?;
            let mut roots = RootCertStore::empty();
            for certificate in &listed {
                let unreadable = |_| {
                    UrlProblem::new("names an sslrootcert with a certificate that cannot be read")
                };
                roots.add(certificate.clone()).map_err(unreadable)?;
            }
            let by_authority =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let by_authority = by_authority
                .map_err(|_| UrlProblem::new("names an sslrootcert that cannot be used"))?;
            Ok(Arc::new(AcceptListed { listed, by_authority }))
        }
    }
}

/// Read once: there are over a hundred.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(read))
}
