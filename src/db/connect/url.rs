//! A database URL, or a string of keywords, as libpq reads it: names and values, nothing
//! decided yet.
//!
//! Invariant: pure; it panics on no input, and its errors quote nothing.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::problem::UrlProblem;

/// A name and its value. A value may be the password.
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: Zeroizing<String>,
    /// Where it stands, in words.
    pub(super) place: String,
}

const SHAPE: &str = "write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE";
const RESERVED: &str = "\
    percent-encode reserved characters of user and password: @ as %40, / as %2F, : as %3A, \
      % as %25, # as %23, ? as %3F, \
    & as %26, a blank as %20";

/// Splits a URL or keyword string into its settings.
pub(super) fn split(text: &str) -> Result<Vec<Setting>, UrlProblem> {
    let text = text.trim();
    if text.starts_with(['"', '\'']) {
        return Err(
            UrlProblem::new("begins with a quotation mark").hint("take the quotation marks away")
        );
    }
    if let Some(rest) = text.strip_prefix("postgres://").or(text.strip_prefix("postgresql://")) {
        return split_url(rest);
    }
    if text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['=', ' '])) {
        return Err(UrlProblem::new(
            "begins with another scheme than postgres:// or postgresql://",
        )
        .hint(SHAPE));
    }
    if !text.contains('=') {
        return Err(UrlProblem::new("is no URL of a PostgreSQL database").hint(SHAPE));
    }
    split_keywords(text)
}

fn setting(name: &str, value: &str, place: impl Into<String>) -> Result<Setting, UrlProblem> {
    Ok(Setting { name: name.to_owned(), value: decode(value)?, place: place.into() })
}

fn split_url(rest: &str) -> Result<Vec<Setting>, UrlProblem> {
    let mut settings = Vec::new();
    let authority_end = rest.find(['@', '/']).unwrap_or(rest.len());
    let (credentials, rest) = match rest[authority_end..].strip_prefix('@') {
        Some(behind) => (Some(&rest[..authority_end]), behind),
        None => (None, rest),
    };
    let (before_query, query) =
        rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    // No name of a host or database has one. So it is the rest of a password
    // that was not encoded.
    if before_query.contains('@') {
        let problem =
            UrlProblem::new("has an @ or / in user or password that is not percent-encoded");
        return Err(problem.hint(RESERVED));
    }
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        settings.push(setting("user", user, "before the @")?);
        settings.push(setting("password", password, "before the @")?);
    }
    let (hosts, database) = before_query.split_once('/').unwrap_or((before_query, ""));
    if !hosts.is_empty() {
        let (names, ports) = split_hosts(hosts)?;
        settings.push(Setting {
            name: "host".to_owned(),
            value: Zeroizing::new(names),
            place: "as host".to_owned(),
        });
        settings.push(Setting {
            name: "port".to_owned(),
            value: Zeroizing::new(ports),
            place: "as port".to_owned(),
        });
    }
    settings.push(setting("dbname", database, "as database")?);
    for (index, parameter) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        if parameter.is_empty() {
            continue;
        }
        let place = format!("as parameter {} after the ?", index + 1);
        let Some((name, value)) = parameter.split_once('=') else {
            return Err(UrlProblem::new(format!("has something without = {place}")).hint(RESERVED));
        };
        settings.push(setting(&decode(name)?, value, place)?);
    }
    settings.retain(|setting| !setting.value.is_empty() || setting.place.contains('?'));
    Ok(settings)
}

/// Names and ports as two lists with commas, as the parameters host and port have them.
fn split_hosts(text: &str) -> Result<(String, String), UrlProblem> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for part in text.split(',') {
        let (name, port) = match part.strip_prefix('[') {
            Some(address) => {
                let unclosed = || {
                    UrlProblem::new("has a [ without its ]: write an IPv6 address as [2001:db8::1]")
                };
                let (address, rest) = address.split_once(']').ok_or_else(unclosed)?;
                if !rest.is_empty() && !rest.starts_with(':') {
                    return Err(UrlProblem::new(
                        "has something between the ] of an IPv6 address and its port",
                    ));
                }
                (address, rest.strip_prefix(':').unwrap_or(""))
            }
            None => part.split_once(':').unwrap_or((part, "")),
        };
        names.push(decode(name)?.to_string());
        ports.push(decode(port)?.to_string());
    }
    // As libpq: no port at all leaves the default.
    let ports = if ports.iter().all(String::is_empty) { String::new() } else { ports.join(",") };
    Ok((names.join(","), ports))
}

fn decode(text: &str) -> Result<Zeroizing<String>, UrlProblem> {
    let is_code = |at: usize| {
        text.as_bytes()[at + 1..].get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.match_indices('%').all(|(at, _)| is_code(at)) {
        return Err(UrlProblem::new("has a % that no two hexadecimal digits follow").hint(RESERVED));
    }
    let bytes = Zeroizing::new(percent_decode_str(text).collect::<Vec<u8>>());
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| UrlProblem::new("is not UTF-8 once its %-codes are read"))?;
    if text.contains('\0') {
        return Err(UrlProblem::new("has the code %00, which PostgreSQL takes nowhere"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// `keyword=value` pairs between white space; blanks may stand around `=`, a value in
/// quotes, `\` before any character.
fn split_keywords(text: &str) -> Result<Vec<Setting>, UrlProblem> {
    let mut settings = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let place = format!("as keyword {}", settings.len() + 1);
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let Some(behind) = behind.trim_start().strip_prefix('=') else {
            let hint = "write keyword=value pairs; put a value with blanks into single quotes";
            return Err(UrlProblem::new(format!("has something without = {place}")).hint(hint));
        };
        let (value, behind) = take_value(behind.trim_start())?;
        settings.push(Setting { name: name.to_owned(), value, place });
        rest = behind.trim_start();
    }
    Ok(settings)
}

/// A value, and what stands behind it.
fn take_value(text: &str) -> Result<(Zeroizing<String>, &str), UrlProblem> {
    let is_quoted = text.starts_with('\'');
    // As large as the value can get: a buffer that it outgrows would stay in memory.
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut characters = text.char_indices().skip(usize::from(is_quoted));
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if is_quoted => return Ok((value, &text[at + 1..])),
            c if c.is_whitespace() && !is_quoted => return Ok((value, &text[at..])),
            '\0' => return Err(UrlProblem::new("has a zero byte, which PostgreSQL takes nowhere")),
            c => value.push(c),
        }
    }
    if is_quoted {
        return Err(UrlProblem::new("has a single quote that is not closed")
            .hint("write \\' for a quote in a value"));
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let settings = split(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        settings.into_iter().map(|s| (s.name, s.value.to_string())).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_url_is_read_as_libpq_reads_it() {
        for (url, expected) in [
            ("postgres://h", vec![("host", "h")]),
            ("postgresql://h/", vec![("host", "h")]),
            (
                "postgres://u@h:7/d",
                vec![("user", "u"), ("host", "h"), ("port", "7"), ("dbname", "d")],
            ),
            ("postgres://u:p%40s%2Fs@h", vec![("user", "u"), ("password", "p@s/s"), ("host", "h")]),
            ("postgres://u:p:q?r#s@h", vec![("user", "u"), ("password", "p:q?r#s"), ("host", "h")]),
            (
                "postgres://a,b:2,[::1]:3/d",
                vec![("host", "a,b,::1"), ("port", ",2,3"), ("dbname", "d")],
            ),
            ("postgres://%2Frun%2Fx/d", vec![("host", "/run/x"), ("dbname", "d")]),
            (
                "postgres:///d?host=/run&user=u",
                vec![("dbname", "d"), ("host", "/run"), ("user", "u")],
            ),
            ("postgres://h?sslmode=", vec![("host", "h"), ("sslmode", "")]),
            (
                " postgres://h/d?options=-c%20a=b&\n",
                vec![("host", "h"), ("dbname", "d"), ("options", "-c a=b")],
            ),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(name, value)| pair(name, value)).collect();
            assert_eq!(pairs(url), expected, "{url}");
        }
    }

    #[test]
    fn keywords_are_read_as_libpq_reads_them() {
        let text = r"host = h user=a\ b password='it\'s a \\' options= dbname=d";
        let expected =
            [("host", "h"), ("user", "a b"), ("password", r"it's a \"), ("options", "dbname=d")];
        assert_eq!(pairs(text), expected.map(|(name, value)| pair(name, value)));
        assert!(split("host=h password='open").is_err());
        assert!(split("host=h password").is_err());
    }

    #[test]
    fn a_reserved_character_in_a_password_is_named_and_the_hint_says_how_to_write_it() {
        for url in [
            "postgres://u:S3cret@S3cret@h/d",
            "postgres://u:S3cret/S3cret@h/d",
            "postgres://u:S3cret%zz@h/d",
            "postgres://u:S3cret%@h/d",
            "postgres://h/d?password=S3cret&S3cret",
        ] {
            let problem = split(url).map(drop).expect_err(url);
            assert!(problem.remedy().contains("%40"), "{url}: {problem}");
            assert!(!format!("{problem}{}", problem.remedy()).contains("S3cret"), "{problem}");
        }
    }
}
