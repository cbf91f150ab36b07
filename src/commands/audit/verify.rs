//! `audit verify`: is the log whole and genuine? In the database, or in an export with
//! the public key alone.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::connect::connect;
use super::head_file::HeadFile;
use crate::audit::{Record, Verifier, VerifyReport};
use crate::cli::{Format, Global, VerifyArgs};
use crate::crypto::VerifyingKey;
use crate::db::Target;
use crate::error::{Error, Exit};
use crate::settings::Environment;
use crate::{commands, output};

/// Lines that are verified at once, in bytes.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// A line is a record of at most 128 KiB and its escapes.
const MAX_LINE: u64 = 1024 * 1024;
/// Problems that a person is shown.
const SHOWN: usize = 20;

pub(super) async fn run(
    args: VerifyArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    // Before anything is asked of database or KMS: a wrong file is found at once.
    let head_file = args.head_file.as_deref().map(HeadFile::read).transpose()?;
    let kept = head_file.as_ref().and_then(HeadFile::kept).cloned();
    let keys = match &args.public_key {
        Some(path) => read_keys(path)?,
        None => {
            let kms = commands::kms(environment).await?;
            vec![kms.public_key(&environment.audit_key(args.audit_key)).await?]
        }
    };
    let verifier = Verifier::new(&keys, args.expect_head.or(kept));
    let report = match args.file {
        Some(path) => offline(verifier, &path)?,
        None => online(verifier, &super::super::database(global, environment, "audit")?).await?,
    };
    print(&report, args.format)?;
    match &head_file {
        Some(file) if report.problem_count == 0 => file.renew(&report.head)?,
        Some(file) => file.leave(),
        None => {}
    }
    Ok(match report.problem_count {
        0 => Exit::Done,
        _ if report.is_tampered() => Exit::Integrity,
        _ => Exit::Attention,
    })
}

fn read_keys(path: &Path) -> Result<Vec<VerifyingKey>, Error> {
    let named = || path.display().to_string();
    let pem = std::fs::read(path)
        .map_err(|e| Error::File { path: named(), problem: e.kind().to_string() })?;
    VerifyingKey::all_of_pem(&pem).map_err(|problem| Error::PublicKey { path: named(), problem })
}

async fn online(mut verifier: Verifier<'_>, target: &Target) -> Result<VerifyReport, Error> {
    let session = connect(target).await?;
    let reader = session.audit_reader().await?;
    while let page @ [_, ..] = reader.next().await?.as_slice() {
        verifier.follow(page);
    }
    let stored = reader.read_stored().await?;
    Ok(verifier.finish(Timestamp::now(), Some(stored)))
}

fn offline(mut verifier: Verifier<'_>, path: &Path) -> Result<VerifyReport, Error> {
    let failed = |problem: String| Error::File { path: path.display().to_string(), problem };
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(|e| failed(e.kind().to_string()))?)
    };
    let (mut source, mut page, mut bytes, mut number) = (BufReader::new(source), Vec::new(), 0, 0);
    loop {
        let line = next_line(&mut source).map_err(|e| failed(e.kind().to_string()))?;
        number += 1;
        bytes += line.len();
        let record = serde_json::from_slice::<Record>(&line);
        if record.is_err() || bytes > PAGE_BYTES {
            verifier.follow(&page);
            page.clear();
            bytes = 0;
        }
        match record {
            _ if line.is_empty() => return Ok(verifier.finish(Timestamp::now(), None)),
            Ok(record) => page.push(record),
            Err(_) => verifier.note_unreadable(number),
        }
    }
}

/// The next line with its end, empty at the end of the file. Of one that is too long for
/// a record, only a part.
fn next_line(source: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    source.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.len() as u64 == MAX_LINE {
        source.skip_until(b'\n')?;
    }
    Ok(line)
}

#[derive(Serialize)]
struct VerifyView<'a> {
    result: &'static str,
    records: u64,
    signed: u64,
    head: String,
    after_last_signature: u64,
    open_requests: usize,
    problem_count: u64,
    problems: Vec<ProblemView<'a>>,
}

#[derive(Serialize)]
struct ProblemView<'a> {
    seq: i64,
    kind: &'a str,
    db_user: &'a str,
    problem: String,
}

fn print(report: &VerifyReport, format: Format) -> Result<(), Error> {
    let result = match report.problem_count {
        0 => "intact",
        _ if report.is_tampered() => "tampered",
        _ => "attention",
    };
    if format == Format::Json {
        let problems = report.problems.iter();
        let problems = problems.map(|p| ProblemView {
            seq: p.seq,
            kind: &p.kind,
            db_user: &p.db_user,
            problem: p.trouble.to_string(),
        });
        return output::json(&VerifyView {
            result,
            records: report.records,
            signed: report.signed,
            head: report.head.to_string(),
            after_last_signature: report.after_last_signature,
            open_requests: report.open_requests,
            problem_count: report.problem_count,
            problems: problems.collect(),
        });
    }
    for problem in report.problems.iter().take(SHOWN) {
        let whose = match problem.kind.as_str() {
            "" => String::new(),
            kind => output::printable(&format!(" ({kind} by {})", problem.db_user)).into_owned(),
        };
        output::line(&format!("record {}{whose} {}", problem.seq, problem.trouble))?;
    }
    let more = report.problem_count.saturating_sub(SHOWN as u64);
    if more > 0 {
        output::line(&format!("and {more} more"))?;
    }
    output::line(&format!(
        "{result}: {} records, {} signed, {} after the last signature, {} requests without \
         an outcome",
        report.records, report.signed, report.after_last_signature, report.open_requests
    ))?;
    output::line(&format!("head {}", report.head))
}
