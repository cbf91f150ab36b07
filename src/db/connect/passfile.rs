//! The password file, as libpq has it: `host:port:database:user:password`, the first line
//! that fits.
//!
//! Invariant: a file that others may read is not used, and whoever lacks the password for
//! it learns why.

use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::problem::shell_name;

/// A longer file is no password file.
const LONGEST: u64 = 1 << 20;
/// The folders of sockets that libpq calls localhost.
const SOCKET_FOLDERS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

/// What a password is looked up for.
pub(super) struct Wanted<'a> {
    /// The name, address or folder of the URL.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Reads the file; or why it cannot serve. `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => return Err(format!("the password file cannot be read ({})", error.kind())),
    };
    let facts = file
        .metadata()
        .map_err(|error| format!("the password file cannot be read ({})", error.kind()))?;
    if !facts.is_file() {
        return Err(format!("{} is no file", shell_name(path)));
    }
    if facts.mode() & 0o077 != 0 {
        let name = shell_name(path);
        return Err(format!(
            "the password file is not used, for others may read it; run: chmod 0600 {name}"
        ));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(
        usize::try_from(facts.len().min(LONGEST)).unwrap_or_default() + 1,
    ));
    file.by_ref()
        .take(LONGEST)
        .read_to_end(&mut text)
        .map_err(|error| format!("the password file cannot be read ({})", error.kind()))?;
    Ok(Some(text))
}

/// The password of the first line that fits.
pub(super) fn find(text: &[u8], wanted: &Wanted<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let is_default = SOCKET_FOLDERS.contains(&wanted.host);
    let host = if is_default { "localhost" } else { wanted.host };
    let port = wanted.port.to_string();
    let fields = [host, &port, wanted.database, wanted.user];
    text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")).find_map(|line| {
        let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
        for field in fields {
            rest = match_field(rest, field.as_bytes())?;
        }
        Some(unescape(rest)).filter(|password| !password.is_empty())
    })
}

/// What follows the field and its colon, if the field is `*` or says this.
fn match_field<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let (mut line, mut wanted) = (line, wanted);
    loop {
        let (is_escaped, byte, rest) = match line {
            [b'\\', byte, rest @ ..] => (true, byte, rest),
            [byte, rest @ ..] => (false, byte, rest),
            [] => return None,
        };
        match wanted {
            [] => return Some(rest).filter(|_| *byte == b':' && !is_escaped),
            [next, others @ ..] if next == byte && (is_escaped || *byte != b':') => {
                (line, wanted) = (rest, others)
            }
            _ => return None,
        }
    }
}

/// The password ends at a colon; `\` stands before one, and before itself.
fn unescape(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut password = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => password.extend(bytes.next()),
            b':' => break,
            byte => password.push(*byte),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find_password(text: &str, host: &str, port: u16) -> Option<String> {
        let wanted = Wanted { host, port, database: "d", user: "u" };
        find(text.as_bytes(), &wanted)
            .map(|password| String::from_utf8(password.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text =
            "# h:1:d:u:comment\n\nother:*:*:*:x\nh:1:d:u:one\r\nh:*:d:u:two\n*:*:*:*:rest:of it\n";
        assert_eq!(find_password(text, "h", 1).as_deref(), Some("one"));
        assert_eq!(find_password(text, "h", 2).as_deref(), Some("two"));
        assert_eq!(find_password(text, "elsewhere", 2).as_deref(), Some("rest"));
        assert_eq!(find_password("h:1:d:u", "h", 1), None);
        assert_eq!(find_password("h:1:d:u:", "h", 1), None);
        assert_eq!(find_password("hh:1:d:u:p", "h", 1), None);
        assert_eq!(find_password("h:1:d:*x:p", "h", 1), None);
        assert_eq!(
            find_password("localhost:*:*:*:p", "/var/run/postgresql", 5432).as_deref(),
            Some("p")
        );
        assert_eq!(find_password("/run/x:*:*:*:p", "/run/x", 5432).as_deref(), Some("p"));
        assert_eq!(find_password(r"\:\:1:*:*:*:a\:b\\c", "::1", 5432).as_deref(), Some(r"a:b\c"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_with_escapes_is_read_back(
            host in "[a-z:\\\\]{1,8}",
            password in "[ -~]{1,12}",
        ) {
            let escape = |text: &str| text.replace('\\', r"\\").replace(':', r"\:");
            let line = format!("{}:5:d:u:{}", escape(&host), escape(&password));
            prop_assert_eq!(find_password(&line, &host, 5), Some(password));
        }

        #[test]
        fn no_file_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = find(&text, &Wanted { host: "h", port: 1, database: "d", user: "u" });
        }
    }
}
