//! A masked chunk of a file goes into a transaction: its rows, what the database refuses of them, and its rejections.
//!
//! Invariant: what is counted as loaded was counted by the database, and compared where triggers of others ran.

use super::chunks::Chunk;
use super::file::{Copying, FileRun, Line};
use crate::db::{DbError, Entrance, Fenced};
use crate::error::Error;
use crate::login::{Delivery, MaskedLogin, Masker, SealedRejection, Verdict};

/// Inserts what the database takes, and seals what it refuses.
pub(super) async fn refuse(
    fenced: &Fenced<'_>,
    chunk: &Chunk,
    lines: &mut [Line],
    masker: &mut Masker,
    entrance: Entrance,
) -> Result<(), Error> {
    let places: Vec<usize> = (0..lines.len()).filter(|place| login(&lines[*place]).is_some()).collect();
    let logins: Vec<&MaskedLogin> = lines.iter().filter_map(login).collect();
    for refused in fenced.insert_logins_one_by_one(&logins, entrance).await? {
        let place = places[refused];
        lines[place].verdict = masker.reject_for_database(&chunk.body(place), chunk.message_id(place))?;
    }
    Ok(())
}

/// Rows and quarantine of a chunk; how many of each came to stand there.
pub(super) async fn insert(
    run: &FileRun,
    fenced: &Fenced<'_>,
    chunk: &Chunk,
    lines: &[Line],
    copying: Copying,
    entrance: Entrance,
) -> Result<(u64, u64), DbError> {
    let logins: Vec<&MaskedLogin> = lines.iter().filter_map(login).collect();
    if copying == Copying::Whole {
        fenced.insert_logins(&logins, entrance).await?;
    }
    fenced.compare_logins(&logins, entrance).await?;
    let rejected: Vec<(Delivery, &SealedRejection)> = lines.iter().filter_map(|line| run.rejection(chunk, line)).collect();
    let loaded = logins.len() as u64;
    if rejected.is_empty() {
        return Ok((loaded, 0));
    }
    let quarantined = fenced.quarantine(rejected.iter().map(|(delivery, sealed)| (delivery, *sealed))).await?;
    Ok((loaded, quarantined))
}

fn login(line: &Line) -> Option<&MaskedLogin> {
    if let Verdict::Login(login) = &line.verdict { Some(login) } else { None }
}
