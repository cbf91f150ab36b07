//! `audit export`: all records in order, one JSON object a line and nothing else, to be
//! verified anywhere.
//!
//! Invariant: the file is there whole or not at all, and one that was there
//! before is not touched.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::connect::connect;
use crate::audit::Record;
use crate::cli::ExportArgs;
use crate::db::{AuditReader, Target};
use crate::error::{Error, Exit};
use crate::output;

pub(super) async fn run(args: &ExportArgs, target: &Target) -> Result<Exit, Error> {
    let session = connect(target).await?;
    let reader = session.audit_reader().await?;
    if args.out.as_os_str() == "-" {
        while let page @ [_, ..] = reader.next().await?.as_slice() {
            page.iter().try_for_each(output::json)?;
        }
        return Ok(Exit::Done);
    }
    let written = to_file(&reader, &args.out).await?;
    output::note(&format!("{written} records written to {}", args.out.display()));
    Ok(Exit::Done)
}

async fn to_file(reader: &AuditReader<'_>, path: &Path) -> Result<u64, Error> {
    let failed = |error: std::io::Error| {
        let problem = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "is there already".to_owned(),
            kind => kind.to_string(),
        };
        Error::Export { path: path.display().to_string(), problem }
    };
    let unfinished = Unfinished::create_beside(path).map_err(failed)?;
    let mut out = BufWriter::new(unfinished.file.try_clone().map_err(failed)?);
    let mut written = 0;
    while let page @ [_, ..] = reader.next().await?.as_slice() {
        page.iter().try_for_each(|record| write_line(&mut out, record)).map_err(failed)?;
        written += page.len() as u64;
    }
    out.flush().and_then(|()| unfinished.finish(path)).map_err(failed)?;
    Ok(written)
}

fn write_line(out: &mut impl Write, record: &Record) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

/// A file under a name of its own until it is whole; only its owner can read it.
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Unfinished {
    fn create_beside(path: &Path) -> std::io::Result<Self> {
        if path.exists() {
            return Err(std::io::ErrorKind::AlreadyExists.into());
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }

    /// Gives it its name, unless that was taken meanwhile.
    fn finish(self, path: &Path) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::hard_link(&self.path, path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nobody is left to tell when it cannot be removed.
        let _ = std::fs::remove_file(&self.path);
    }
}
