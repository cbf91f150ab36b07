//! Who the server is: by an authority, by a certificate that is listed
//! itself, or not at all.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::{rfc4519::COMMON_NAME, rfc5280};
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};

/// Accepts a certificate that is listed itself, as self-signed ones are, or is signed by
/// one that is listed. webpki alone takes no authority's certificate (as `openssl req
/// -x509` makes them) for a server's.
#[derive(Debug)]
pub(super) struct AcceptListed {
    pub(super) listed: Vec<CertificateDer<'static>>,
    pub(super) by_authority: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AcceptListed {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.listed.iter().any(|listed| listed.as_ref() == shown.as_ref()) {
            return self.by_authority.verify_server_cert(shown, intermediates, name, stapled, now);
        }
        check_listed(shown, name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls12_signature(message, shown, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls13_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}

/// Validity, purpose and name: that it is believed is known.
fn check_listed(
    shown: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let certificate = Certificate::from_der(shown).map_err(|_| CertificateError::BadEncoding)?;
    let certificate = &certificate.tbs_certificate;
    let (from, to) = (certificate.validity.not_before, certificate.validity.not_after);
    if now.as_secs() < from.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > to.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    let purposes =
        certificate.get::<ExtendedKeyUsage>().map_err(|_| CertificateError::BadEncoding)?;
    const SERVES: [ObjectIdentifier; 2] =
        [rfc5280::ID_KP_SERVER_AUTH, rfc5280::ANY_EXTENDED_KEY_USAGE];
    if purposes
        .is_some_and(|(_, purposes)| !purposes.0.iter().any(|purpose| SERVES.contains(purpose)))
    {
        return Err(CertificateError::InvalidPurpose.into());
    }
    let names = certificate.get::<SubjectAltName>().map_err(|_| CertificateError::BadEncoding)?;
    if names.is_some() {
        return verify_server_name(&ParsedCertificate::try_from(shown)?, name);
    }
    // PostgreSQL's manual makes certificates with a common name alone,
    // and libpq takes them.
    let ServerName::DnsName(wanted) = name else {
        return Err(CertificateError::NotValidForName.into());
    };
    let attributes = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let mut common_names = attributes
        .filter(|a| a.oid == COMMON_NAME)
        .filter_map(|a| std::str::from_utf8(a.value.value()).ok());
    if common_names.any(|common_name| is_name_of(common_name, wanted.as_ref())) {
        return Ok(());
    }
    Err(CertificateError::NotValidForName.into())
}

/// Whether a certificate's common name covers a host: the same, or `*.`
/// before the same parent.
fn is_name_of(common_name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if common_name.eq_ignore_ascii_case(host) {
        return common_name.parse::<IpAddr>().is_err();
    }
    let parent =
        host.split_once('.').filter(|(first, parent)| !first.is_empty() && parent.contains('.'));
    let (Some(named), Some((_, parent))) = (common_name.strip_prefix("*."), parent) else {
        return false;
    };
    named.eq_ignore_ascii_case(parent)
}

/// Accepts any certificate, and still checks that the server holds its key:
/// `sslmode=require`, as libpq has it.
#[derive(Debug)]
pub(super) struct AcceptAny(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    };

    fn is_accepted(
        host: &str,
        at: u64,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<(), Error> {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        change(&mut params);
        let made = params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
        check_listed(made.der(), &ServerName::try_from(host).expect("a name"), now)
    }

    const IN_2025: u64 = 1_735_700_000;

    #[test]
    fn a_listed_certificate_is_accepted_for_its_names_its_time_and_its_purpose_alone() {
        let san = |name: &str| vec![rcgen::SanType::DnsName(name.try_into().expect("a name"))];
        let named = |params: &mut CertificateParams| params.subject_alt_names = san("db.example");
        assert!(is_accepted("db.example", IN_2025, named).is_ok());
        assert!(is_accepted("other.example", IN_2025, named).is_err());
        assert!(is_accepted("db.example", 1_500_000_000, named).is_err());
        assert!(is_accepted("db.example", 1_999_999_999, named).is_err());
        let for_clients = |params: &mut CertificateParams| {
            params.subject_alt_names = san("db.example");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        };
        assert!(is_accepted("db.example", IN_2025, for_clients).is_err());
    }

    #[test]
    fn a_common_name_counts_where_there_is_no_other_name() {
        let common = |params: &mut CertificateParams| {
            params.distinguished_name.push(DnType::CommonName, "db.example")
        };
        assert!(is_accepted("db.example", IN_2025, common).is_ok());
        assert!(is_accepted("x.example", IN_2025, common).is_err());
        assert!(is_accepted("192.0.2.1", IN_2025, common).is_err());
        let both = |params: &mut CertificateParams| {
            params.distinguished_name.push(DnType::CommonName, "db.example");
            params.subject_alt_names =
                vec![rcgen::SanType::DnsName("other.example".try_into().expect("a name"))];
        };
        assert!(is_accepted("db.example", IN_2025, both).is_err());
        for (common_name, host, fits) in [
            ("*.example.org", "a.example.org", true),
            ("*.example.org", "a.b.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.org", "example.org", false),
            ("*", "example", false),
            ("DB.example", "db.EXAMPLE.", true),
        ] {
            assert_eq!(is_name_of(common_name, host), fits, "{common_name} {host}");
        }
    }
}
