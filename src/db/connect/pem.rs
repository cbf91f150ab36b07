//! Files of certificates in PEM.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::problem::{UrlProblem, shell_name};

/// The certificates of the file that `parameter` names: at least one.
pub(super) fn certificates(
    parameter: &str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, UrlProblem> {
    let text = std::fs::read(path).map_err(|error| unreadable_file(parameter, &error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|_| {
        let problem = UrlProblem::new(format!("names an {parameter} file that is no PEM file"));
        problem.hint(format!("see what stands in {}", shell_name(path)))
    })?;
    if certificates.is_empty() {
        let problem =
            UrlProblem::new(format!("names an {parameter} file without a PEM certificate in it"));
        let name = shell_name(path);
        // What DER begins with.
        let hint = if text.first() == Some(&0x30) {
            format!(
                "it looks like DER; run: openssl x509 -inform DER -in {name} -out {name}.pem; \
                 then name that file"
            )
        } else {
            format!("name a file with -----BEGIN CERTIFICATE----- in it; {name} has none")
        };
        return Err(problem.hint(hint));
    }
    Ok(certificates)
}

/// A file that cannot be read: why, and not its name, which may be a piece of a password.
pub(super) fn unreadable_file(parameter: &str, error: &std::io::Error) -> UrlProblem {
    UrlProblem::new(format!("names an {parameter} file that cannot be read ({})", error.kind()))
        .hint(format!("see that {parameter} names a file, and that this user may read it"))
}
