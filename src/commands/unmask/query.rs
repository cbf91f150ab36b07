//! From the flags of `unmask` to its query: the flags, a file, standard input.
//!
//! Invariant: what cannot be read is never quoted, for it may be a value.

use std::path::Path;

use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use crate::cli::UnmaskArgs;
use crate::error::Error;
use crate::recovery::{Query, QueryError, Selector, parse_lines};
use crate::settings::SettingsError;

/// The largest file of selectors, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Reads the selectors of the flags, then those of the file; or the value of `--find-…`.
///
/// # Errors
/// When a flag holds none, there are too many, or the file cannot be read.
pub(super) async fn read_query(args: &UnmaskArgs) -> Result<Query, Error> {
    if let Some((field, value)) = &args.find.0 {
        let value =
            if value == "-" { read_first_line().await? } else { Zeroizing::new(value.clone()) };
        return Ok(Query::find(*field, value)?);
    }
    let mut selectors = of_flags(args)?;
    if let Some(path) = &args.from {
        selectors.extend(parse_lines(&read(path).await?));
    }
    Ok(Query::list(selectors, args.max_values)?)
}

fn of_flags(args: &UnmaskArgs) -> Result<Vec<Selector>, QueryError> {
    let mut selectors = Vec::new();
    for (field, hashes) in args.hashes.0.iter() {
        for text in hashes {
            selectors.push(Selector::of_hash(field, text)?);
        }
    }
    for text in &args.token {
        selectors.push(Selector::of_token(text)?);
    }
    selectors.extend(args.quarantine.iter().map(|id| Selector::Quarantine(*id)));
    Ok(selectors)
}

/// The whole file. Its name is not repeated: it may be a value that was
/// meant for another flag.
async fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |problem: &str| {
        SettingsError::Flags(format!("the file of --from cannot be read: {problem}"))
    };
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

async fn read_first_line() -> Result<Zeroizing<String>, Error> {
    let bytes = read(Path::new("-")).await?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let text = std::str::from_utf8(line)
        .map_err(|_| SettingsError::Flags("the value on standard input is not UTF-8".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}
