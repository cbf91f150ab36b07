//! What is to be recovered: hashes, tokens, quarantined messages; or a value whose rows are wanted.
//!
//! Invariant: what cannot be read as a selector is never quoted, for it may be a value.

use std::fmt;
use std::path::Path;

use tokio::io::AsyncReadExt as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cli::UnmaskArgs;
use crate::error::Error;
use crate::settings::SettingsError;
use crate::token::{Field, Plaintext, Token};

/// The largest file of selectors, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// One thing that is asked for.
pub(super) enum Selector {
    /// The value with this hash; in every masked column, where no field is named.
    Hash(Option<Field>, Uuid),
    /// The value in this token.
    Token(Token),
    /// The body of this quarantined message.
    Quarantine(i64),
    /// The rows of this value.
    Find(Plaintext),
    /// A line of the file that is none of these.
    Unreadable(usize),
}

impl Selector {
    /// The one field that it is about, if it names one.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Hash(field, _) => *field,
            Self::Token(token) => Some(token.field()),
            Self::Find(value) => Some(value.field()),
            Self::Quarantine(_) | Self::Unreadable(_) => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(None, hash) => write!(f, "{hash}"),
            Self::Hash(Some(field), hash) => write!(f, "{} {hash}", field.flags().hash),
            Self::Token(token) => write!(f, "{token}"),
            Self::Quarantine(id) => write!(f, "quarantine {id}"),
            Self::Find(value) => f.write_str(value.field().flags().find),
            Self::Unreadable(line) => write!(f, "line {line}"),
        }
    }
}

/// What a call asks for, and the value that its reason must not hold.
pub(super) struct Query {
    /// Everything, in order.
    pub selectors: Vec<Selector>,
    /// The argument of `--find-…`.
    pub value: Option<Zeroizing<String>>,
}

impl Query {
    /// Reads the selectors of the flags, then those of the file.
    ///
    /// # Errors
    /// When a flag holds none, there are too many, or the file cannot be read.
    pub(super) async fn of(args: &UnmaskArgs) -> Result<Self, Error> {
        if let Some((field, value)) = &args.find.0 {
            let value = if value == "-" { first_line().await? } else { Zeroizing::new(value.clone()) };
            let plaintext = Plaintext::of(*field, &value);
            let plaintext = plaintext.map_err(|problem| refuse_flag(field.flags().find, &problem.to_string()))?;
            return Ok(Self { selectors: vec![Selector::Find(plaintext)], value: Some(value) });
        }
        let mut selectors = of_flags(args)?;
        if let Some(path) = &args.from {
            selectors.extend(lines(&read(path).await?));
        }
        let many = selectors.len();
        match many {
            0 => Err(SettingsError::Flags("--from: the file names nothing".to_owned()).into()),
            _ if many > args.max_values as usize => {
                let limit = args.max_values;
                Err(SettingsError::Flags(format!("{many} values are asked for, and --max-values allows {limit}")).into())
            }
            _ => Ok(Self { selectors, value: None }),
        }
    }
}

fn of_flags(args: &UnmaskArgs) -> Result<Vec<Selector>, Error> {
    let mut selectors = Vec::new();
    for (field, hashes) in args.hashes.0.iter() {
        for text in hashes {
            let problem = "is no hash: 32 hex digits, with or without hyphens";
            let hash = hash(text).ok_or_else(|| refuse_flag(field.flags().hash, problem))?;
            selectors.push(Selector::Hash(Some(field), hash));
        }
    }
    for text in &args.token {
        selectors.push(Selector::Token(Token::parse(text.trim()).map_err(|problem| refuse_flag("token", &problem.to_string()))?));
    }
    selectors.extend(args.quarantine.iter().map(|id| Selector::Quarantine(*id)));
    Ok(selectors)
}

/// A line of `--from`.
fn of_line(line: &str) -> Option<Selector> {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(word), Some(text), None) => {
            let field = Field::ALL.into_iter().find(|field| field.flags().hash == word)?;
            Some(Selector::Hash(Some(field), hash(text)?))
        }
        (Some(text), None, None) => {
            hash(text).map(|hash| Selector::Hash(None, hash)).or_else(|| Token::parse(text).ok().map(Selector::Token))
        }
        _ => None,
    }
}

/// A hash as people copy it: with hyphens or without, and in no other spelling of a UUID.
fn hash(text: &str) -> Option<Uuid> {
    let text = text.trim();
    if matches!(text.len(), 32 | 36) { Uuid::try_parse(text).ok() } else { None }
}

fn refuse_flag(flag: &str, problem: &str) -> Error {
    SettingsError::Flags(format!("a value of --{flag} {problem}")).into()
}

/// The whole file. Its name is not repeated: it may be a value that was meant for another flag.
async fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |problem: &str| SettingsError::Flags(format!("the file of --from cannot be read: {problem}"));
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path.as_os_str() == "-" {
        tokio::io::stdin().take(MAX_FILE).read_to_end(&mut bytes).await
    } else {
        let file = tokio::fs::File::open(path).await.map_err(|e| failed(&e.kind().to_string()))?;
        file.take(MAX_FILE).read_to_end(&mut bytes).await
    };
    match read {
        Ok(read) if read as u64 == MAX_FILE => Err(failed("it is larger than 64 MiB").into()),
        Ok(_) => Ok(bytes),
        Err(error) => Err(failed(&error.kind().to_string()).into()),
    }
}

/// The lines of a file with their numbers, without blank ones; what is not UTF-8 is a line that cannot be read.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Selector> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate().filter(|(_, line)| !line.is_empty());
    let selector = |(number, line): (usize, &[u8])| {
        std::str::from_utf8(line).ok().and_then(of_line).unwrap_or(Selector::Unreadable(number + 1))
    };
    lines.map(selector)
}

async fn first_line() -> Result<Zeroizing<String>, Error> {
    let bytes = read(Path::new("-")).await?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let text =
        std::str::from_utf8(line).map_err(|_| SettingsError::Flags("the value on standard input is not UTF-8".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(line: &str) -> Option<String> {
        of_line(line).map(|selector| selector.to_string())
    }

    #[test]
    fn a_line_is_a_token_or_a_hash() {
        let (plain, hyphens) = ("4b7f91e68e1181e3af7f0c2cba866887", "4b7f91e6-8e11-81e3-af7f-0c2cba866887");
        let token = "ip1.7.nz-bGZ5zC97cedwFR7GA8eoGNEbLPuxIPj1JyzBGT9g";
        assert_eq!(describe(plain).as_deref(), Some(hyphens));
        assert_eq!(describe(&hyphens.to_uppercase()).as_deref(), Some(hyphens));
        assert_eq!(describe(&format!("ip-hash {plain}")), Some(format!("ip-hash {hyphens}")));
        assert_eq!(describe(&format!("device-id-hash\t{hyphens}")), Some(format!("device-id-hash {hyphens}")));
        assert_eq!(describe(token).as_deref(), Some(token));
        let read: Vec<String> =
            lines(&[format!("\u{feff}{plain}\r\n\n").as_bytes(), b"\xff\n"].concat()).map(|s| s.to_string()).collect();
        assert_eq!(read, [hyphens, "line 3"], "a mark at the start and blank lines are nothing");
        let braces = format!("{{{hyphens}}}");
        let urn = format!("urn:uuid:{hyphens}");
        for line in ["192.0.2.7", "ip-hash", "ip-hash x", "ip2.7.abc", &braces, &urn, &token[..30], "a b c", "quarantine 17"] {
            assert_eq!(describe(line), None, "{line}");
        }
    }
}
