//! The plan of a job: one line of JSON that its driver hands to all executors.
//!
//! ```text
//! {"loginetl_plan":1, "run":…, …, "keys":[…], "digest":"SHA-256 of all before", "mac":"…"}
//! ```
//!
//! Invariant: a plan is used only as it was printed, by whoever can unwrap its keys; the
//! MAC is under a key that is derived from all of them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::JobKeys;
use crate::crypto::Digest;
use crate::db::KeyRow;
use crate::login::{AppVersionEncoding, Envelopes, ValueKeys};
use crate::token::{Field, Fields, KeyId, PerField, Purpose};

const VERSION: u32 = 1;
const BEGIN: &str = "{\"loginetl_plan\":";
const DIGEST: &str = ",\"digest\":\"";
const MAC: &str = "\",\"mac\":\"";
const END: &str = "\"}";
const DIGEST_LEN: usize = 32;
const MAC_LEN: usize = 16;
/// No plan is that long.
const MOST_BYTES: u64 = 1024 * 1024;

/// Why a plan cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanProblem {
    /// The operating system says no.
    #[error("cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    /// Something else.
    #[error("is no plan of a job")]
    NotAPlan,
    /// One of another build.
    #[error("is a plan of version {0}, and this build reads version {VERSION}")]
    Version(u32),
    /// Its digest is another.
    #[error("is not the plan that was printed: it was changed, or cut off")]
    Changed,
    /// It does not authenticate.
    #[error("does not authenticate under its own keys: somebody has changed or made it")]
    Forged,
    /// It is too old.
    #[error("expired at {at}; by the clock of this machine it is {now}")]
    Expired {
        /// When.
        at: Timestamp,
        /// What time it is here.
        now: Timestamp,
    },
    /// It rewrites an archive.
    #[error("is a plan that rewrites an archive")]
    Rewrites,
    /// It does not.
    #[error("is a plan that masks events, and rewrites no archive")]
    Masks,
}

/// What a job masks by.
pub(crate) struct JobPlan {
    /// The run that it is of.
    pub run: Uuid,
    /// The archive that it adds to, or rewrites.
    pub archive: String,
    /// Where that lies.
    pub location: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// After this it is refused.
    pub expires_at: Timestamp,
    /// Whether it is for rewriting.
    pub is_rewrite: bool,
    /// The day of an event that has none.
    pub day: Date,
    /// How versions become integers.
    pub app_version: AppVersionEncoding,
    /// Which envelopes are opened.
    pub envelopes: Envelopes,
    /// The keys that each field comes under.
    pub fields: PerField<ValueKeys>,
    /// All keys that are needed for it, wrapped.
    pub keys: Vec<KeyRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanText {
    loginetl_plan: u32,
    run: String,
    archive: String,
    location: String,
    made_at: String,
    expires_at: String,
    rewrites: bool,
    day: String,
    app_version: String,
    envelope: String,
    fields: Vec<FieldText>,
    keys: Vec<KeyText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    field: String,
    mask: i64,
    hash: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    key_id: i64,
    purpose: String,
    check_value: String,
    kms_key_arn: String,
    wrapped: String,
}

impl JobPlan {
    /// The fields that it masks.
    #[must_use]
    pub(crate) fn field_names(&self) -> Vec<&'static str> {
        self.fields.iter().map(|(field, _)| field.name()).collect()
    }

    /// The plan as text without its last two members, and the digest of that.
    #[must_use]
    pub(crate) fn text(&self) -> (String, [u8; DIGEST_LEN]) {
        let fields = self.fields.iter().map(|(field, keys)| FieldText {
            field: field.name().to_owned(),
            mask: keys.mask.to_i64(),
            hash: keys.hash.to_i64(),
        });
        let keys = self.keys.iter().map(|row| KeyText {
            key_id: row.key_id.to_i64(),
            purpose: row.purpose.name().to_owned(),
            check_value: hex::encode(&row.check_value),
            kms_key_arn: row.kms_key_arn.clone(),
            wrapped: BASE64.encode(&row.wrapped),
        });
        let text = PlanText {
            loginetl_plan: VERSION,
            run: self.run.to_string(),
            archive: self.archive.clone(),
            location: self.location.clone(),
            made_at: self.made_at.to_string(),
            expires_at: self.expires_at.to_string(),
            rewrites: self.is_rewrite,
            day: self.day.to_string(),
            app_version: self.app_version.name().to_owned(),
            envelope: self.envelopes.name().to_owned(),
            fields: fields.collect(),
            keys: keys.collect(),
        };
        #[expect(clippy::expect_used, reason = "strings, numbers and lists of them")]
        let mut text = serde_json::to_string(&text).expect("a plan is JSON");
        text.pop();
        let digest = Digest::of(text.as_bytes());
        (text, digest)
    }

    /// The plan as it is printed, proved by its keys.
    #[must_use]
    pub(crate) fn print(&self, keys: &JobKeys) -> String {
        let (text, digest) = self.text();
        let proved = format!("{text}{DIGEST}{}", hex::encode(digest));
        let mac = hex::encode(keys.authenticate(proved.as_bytes()));
        format!("{proved}{MAC}{mac}{END}")
    }
}

/// A plan that is as long and as whole as it says; nobody has proved yet who made it.
pub(crate) struct UnprovenPlan {
    plan: JobPlan,
    digest: [u8; DIGEST_LEN],
    proved: String,
    mac: Vec<u8>,
}

impl UnprovenPlan {
    /// Reads a plan from a file.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is not as it was printed.
    pub(crate) fn read(path: &Path) -> Result<Self, PlanProblem> {
        let unreadable = |error: io::Error| PlanProblem::Unreadable(error.kind());
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let text = String::from_utf8(bytes);
        let text = text.map_err(|error| match error.as_bytes().starts_with(BEGIN.as_bytes()) {
            true => PlanProblem::Changed,
            false => PlanProblem::NotAPlan,
        });
        Self::parse(&text?)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When it is none, or is not as it was printed.
    pub(crate) fn parse(text: &str) -> Result<Self, PlanProblem> {
        if !text.starts_with(BEGIN) {
            return Err(PlanProblem::NotAPlan);
        }
        // Whoever hands it on may have ended its line in another way.
        let line = text.trim_ascii_end();
        let (proved, mac) = split_end(line, MAC, END, MAC_LEN).ok_or(PlanProblem::Changed)?;
        let (body, digest) =
            split_end(proved, DIGEST, "", DIGEST_LEN).ok_or(PlanProblem::Changed)?;
        let digest: [u8; DIGEST_LEN] = digest.try_into().map_err(|_| PlanProblem::Changed)?;
        if Digest::of(body.as_bytes()) != digest {
            return Err(PlanProblem::Changed);
        }
        let plan = read_body(&format!("{body}}}"))?;
        Ok(Self { plan, digest, proved: proved.to_owned(), mac })
    }

    /// The wraps of all of its keys.
    #[must_use]
    pub(crate) fn wraps(&self) -> &[KeyRow] {
        &self.plan.keys
    }

    /// Its run and its digest, by which the database knows it.
    #[must_use]
    pub(crate) fn identity(&self) -> (Uuid, [u8; DIGEST_LEN]) {
        (self.plan.run, self.digest)
    }

    /// What it says. Nobody has proved it.
    #[must_use]
    pub(crate) fn unproven(&self) -> &JobPlan {
        &self.plan
    }

    /// Whether it is for rewriting. Nobody has proved it.
    #[must_use]
    pub(crate) fn is_rewrite(&self) -> bool {
        self.plan.is_rewrite
    }

    /// The archive that it is for. Nobody has proved it.
    #[must_use]
    pub(crate) fn archive(&self) -> &str {
        &self.plan.archive
    }

    /// Refuses a plan that is too old, or is for the other kind of job.
    ///
    /// # Errors
    /// Which of these it is.
    pub(crate) fn check(&self, now: Timestamp, is_rewrite: bool) -> Result<(), PlanProblem> {
        match (self.plan.is_rewrite, is_rewrite) {
            (true, false) => Err(PlanProblem::Rewrites),
            (false, true) => Err(PlanProblem::Masks),
            _ if now > self.plan.expires_at => {
                Err(PlanProblem::Expired { at: self.plan.expires_at, now })
            }
            _ => Ok(()),
        }
    }

    /// The plan, if whoever made it had these keys.
    ///
    /// # Errors
    /// When it does not authenticate.
    pub(crate) fn prove(&self, keys: &JobKeys) -> Result<&JobPlan, PlanProblem> {
        if keys.authenticate(self.proved.as_bytes()).as_slice() == self.mac.as_slice() {
            Ok(&self.plan)
        } else {
            Err(PlanProblem::Forged)
        }
    }
}

/// `text` before `mark`, and the `len` bytes in lower-case hex behind it, before `end`.
fn split_end<'a>(text: &'a str, mark: &str, end: &str, len: usize) -> Option<(&'a str, Vec<u8>)> {
    let text = text.strip_suffix(end)?;
    let (before, encoded) = text.split_at_checked(text.len().checked_sub(2 * len)?)?;
    let bytes = hex::decode(encoded).ok()?;
    (hex::encode(&bytes) == encoded).then_some((before.strip_suffix(mark)?, bytes))
}

fn read_body(text: &str) -> Result<JobPlan, PlanProblem> {
    // What is so far is what this program printed: a form that it does not know is that
    // of another build.
    let version = text.strip_prefix(BEGIN).and_then(|rest| rest.split(',').next()?.parse().ok());
    match version {
        Some(VERSION) => {}
        Some(other) => return Err(PlanProblem::Version(other)),
        None => return Err(PlanProblem::NotAPlan),
    }
    let body: PlanText = serde_json::from_str(text).map_err(|_| PlanProblem::NotAPlan)?;
    typed(body).ok_or(PlanProblem::NotAPlan)
}

fn typed(body: PlanText) -> Option<JobPlan> {
    let key = |id: i64| KeyId::try_from(id).ok();
    let field = |text: &FieldText| {
        let keys = ValueKeys { mask: key(text.mask)?, hash: key(text.hash)? };
        Some((Field::from_name(&text.field)?, keys))
    };
    let row = |text: KeyText| {
        Some(KeyRow {
            key_id: key(text.key_id)?,
            purpose: Purpose::from_name(&text.purpose)?,
            check_value: hex::decode(text.check_value).ok()?,
            kms_key_arn: text.kms_key_arn,
            wrapped: BASE64.decode(text.wrapped).ok()?,
        })
    };
    let keys: Vec<KeyRow> = body.keys.into_iter().map(row).collect::<Option<_>>()?;
    let fields: PerField<ValueKeys> = body.fields.iter().map(field).collect::<Option<_>>()?;
    // Without a key there would be nothing to prove it by, and nothing masked.
    let has = |id: KeyId, purpose| keys.iter().any(|k| k.key_id == id && k.purpose == purpose);
    let is_whole = Fields::always().fields().all(|field| fields.contains(field))
        && fields.iter().all(|(_, to)| has(to.mask, Purpose::Mask) && has(to.hash, Purpose::Hash));
    is_whole.then_some(())?;
    Some(JobPlan {
        run: body.run.parse().ok()?,
        archive: body.archive,
        location: body.location,
        made_at: body.made_at.parse().ok()?,
        expires_at: body.expires_at.parse().ok()?,
        is_rewrite: body.rewrites,
        day: body.day.parse().ok()?,
        app_version: AppVersionEncoding::from_name(&body.app_version)?,
        envelopes: Envelopes::from_name(&body.envelope)?,
        fields,
        keys,
    })
}

#[cfg(test)]
mod tests;
