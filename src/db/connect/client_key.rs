//! The private key of a client certificate: PEM (PKCS #8, PKCS #1 or SEC 1), and for
//! nobody else to read.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::pem::unreadable_file;
use super::problem::{UrlProblem, shell_name};

/// No key is longer.
const LONGEST: u64 = 1 << 20;

/// Reads it, if its permissions are as libpq wants them.
pub(super) fn read(path: &Path) -> Result<PrivateKeyDer<'static>, UrlProblem> {
    let cannot = |error: &std::io::Error| unreadable_file("sslkey", error);
    let mut file = std::fs::File::open(path).map_err(|e| cannot(&e))?;
    // Of the open file, so that it cannot be another one meanwhile.
    let facts = file.metadata().map_err(|e| cannot(&e))?;
    let name = shell_name(path);
    if !facts.is_file() {
        return Err(
            UrlProblem::new("names an sslkey that is no file").hint(format!("see what {name} is"))
        );
    }
    check_permissions(facts.uid(), facts.mode(), &name)?;
    let mut text = Zeroizing::new(Vec::with_capacity(
        usize::try_from(facts.len().min(LONGEST)).unwrap_or_default() + 1,
    ));
    file.by_ref().take(LONGEST).read_to_end(&mut text).map_err(|e| cannot(&e))?;
    let is_encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
    PrivateKeyDer::from_pem_slice(&text).ok().filter(|_| !is_encrypted).ok_or_else(|| {
        if is_encrypted {
            return UrlProblem::new(
                "names an sslkey that is encrypted, and loginetl asks for no passphrase",
            )
            .hint(format!(
                "run: openssl pkey -in {name} -out {name}.plain && chmod 0600 {name}.plain; then \
                 name that file"
            ));
        }
        UrlProblem::new("names an sslkey without a PEM private key in it").hint(format!(
            "run: openssl pkey -in {name} -out {name}.pem && chmod 0600 {name}.pem; then name \
             that file"
        ))
    })
}

/// libpq's rule: root's files may be read by a group, anybody else's by
/// their owner alone.
fn check_permissions(owner: u32, mode: u32, name: &str) -> Result<(), UrlProblem> {
    let (forbidden, wanted) = if owner == 0 { (0o037, "0640") } else { (0o077, "0600") };
    if mode & forbidden == 0 {
        return Ok(());
    }
    let problem =
        format!("names an sslkey that others may use (its mode is {:04o})", mode & 0o7777);
    Err(UrlProblem::new(problem).hint(format!("run: chmod {wanted} {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_owner_and_roots_may_be_for_a_group() {
        let is_fine = |owner, mode| check_permissions(owner, mode, "k").is_ok();
        for mode in [0o100_600, 0o100_400, 0o100_700] {
            assert!(is_fine(1000, mode) && is_fine(0, mode), "{mode:o}");
        }
        for mode in [0o100_640, 0o100_440] {
            assert!(!is_fine(1000, mode) && is_fine(0, mode), "{mode:o}");
        }
        for mode in [0o100_644, 0o100_604, 0o100_660, 0o100_777] {
            assert!(!is_fine(1000, mode) && !is_fine(0, mode), "{mode:o}");
        }
    }
}
