//! Masked line in, the same line under other keys out.
//!
//! Invariant: what does not open, or has another hash than stands beside it, passes as it
//! came, and the line says which fields that are; all other members and cells pass byte
//! for byte.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{Columns, NULL, cells};
use super::filter::{Fate, Filter};
use crate::login::{Body, NearNames};
use crate::token::Field;
use crate::vault::{JobKeys, JobPlan, Remasker, VaultError};

/// The member or column that names what did not open.
const UNOPENED: &str = "unopened";
/// The member or column of a line that was rejected when it was masked.
const REJECTED: &str = "rejected";

/// Rewrites lines under one plan.
pub(crate) struct RewriteFilter {
    remasker: Remasker,
    fields: Vec<Field>,
    columns: Option<Columns>,
}

/// What a line has under a name.
enum NamedPart<'a> {
    Nothing,
    Null,
    Text(Cow<'a, str>),
}

impl<'a> NamedPart<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::Null => None,
        }
    }
}

/// Whether the field was not masked yet when the line was: neither name is there; or both
/// are null, as where newer lines have them, and the value stands there in clear.
fn is_of_before(token: &NamedPart<'_>, hash: &NamedPart<'_>, clear: NamedPart<'_>) -> bool {
    match (token, hash) {
        (NamedPart::Nothing, NamedPart::Nothing) => true,
        (NamedPart::Text(_), _) | (_, NamedPart::Text(_)) => false,
        _ => clear.text().is_some(),
    }
}

/// What becomes of the columns of a line: new texts, and what did not open.
#[derive(Default)]
struct Rewritten {
    texts: Vec<(&'static str, String)>,
    unopened: Vec<&'static str>,
}

impl RewriteFilter {
    /// Keys the ciphers of a plan. Without columns, each line is a JSON object.
    ///
    /// # Errors
    /// When a key of the plan is missing.
    pub(crate) fn new(
        plan: &JobPlan,
        keys: &JobKeys,
        columns: Option<Columns>,
    ) -> Result<Self, VaultError> {
        let remasker = Remasker::new(plan.fields, keys)?;
        let fields = remasker.fields().collect();
        Ok(Self { remasker, fields, columns })
    }

    /// The columns that a plan needs and lines do not have; none where lines are objects.
    #[must_use]
    pub(crate) fn missing_columns(plan: &JobPlan, columns: Option<&Columns>) -> Vec<&'static str> {
        let Some(columns) = columns else { return Vec::new() };
        let has = |name: &str| columns.position(name).is_some();
        let is_needed =
            |f: &Field| !f.is_optional() || has(f.token_column()) || has(f.hash_column());
        let needed = plan.fields.fields().filter(is_needed);
        let names = needed.flat_map(|field| [field.token_column(), field.hash_column()]);
        names.filter(|name| !has(name)).collect()
    }

    /// Rewrites what `find` finds of each field.
    fn rewrite<'a>(&mut self, find: impl Fn(&str) -> NamedPart<'a>) -> Rewritten {
        let mut rewritten = Rewritten::default();
        // Whoever writes an empty text for null, or `false`, has not rejected the line.
        let has_any = |field: &Field| {
            let names = [field.token_column(), field.hash_column()];
            names.iter().any(|name| find(name).text().is_some_and(|text| !text.is_empty()))
        };
        if find(REJECTED).text().is_some() && !self.fields.iter().any(has_any) {
            return rewritten;
        }
        for &field in &self.fields {
            let (token, hash) = (find(field.token_column()), find(field.hash_column()));
            if field.is_optional() && is_of_before(&token, &hash, find(field.name())) {
                continue;
            }
            let made = match (token.text(), hash.text()) {
                (Some(token), Some(hash)) => self.remasker.remask(field, &token, &hash),
                _ => None,
            };
            match made {
                Some((token, hash)) => rewritten.texts.extend([
                    (field.token_column(), token.into_string()),
                    (field.hash_column(), hash.to_string()),
                ]),
                None => rewritten.unopened.push(field.name()),
            }
        }
        rewritten
    }

    fn rewrite_object(&mut self, line: &[u8], into: &mut Vec<u8>) -> Option<Fate> {
        let members = MaskedMembers::read(line)?;
        let is_ours = |(name, _): &(Cow<'_, str>, _)| {
            name == REJECTED || self.fields.iter().any(|field| name == field.token_column())
        };
        members.0.iter().any(is_ours).then_some(())?;
        let rewritten = self.rewrite(|name| members.find(name));
        let mut before = b'{';
        let mut put = |name: &str, value: &str| {
            into.push(before);
            before = b',';
            append_string(name, into);
            into.push(b':');
            into.extend_from_slice(value.as_bytes());
        };
        for (name, value) in members.0.iter().filter(|(name, _)| name != UNOPENED) {
            match rewritten.text(name) {
                // Tokens and hashes have nothing that JSON escapes.
                Some(text) => put(name, &format!("\"{text}\"")),
                None => put(name, value.get()),
            }
        }
        if !rewritten.unopened.is_empty() {
            put(UNOPENED, &format!("[\"{}\"]", rewritten.unopened.join("\",\"")));
        }
        into.extend_from_slice(b"}\n");
        Some(rewritten.fate())
    }

    fn rewrite_cells(
        &mut self,
        columns: &Columns,
        line: &[u8],
        into: &mut Vec<u8>,
    ) -> Option<Fate> {
        let cells: Vec<&[u8]> = cells(line).collect();
        if cells.len() != columns.len() {
            return None;
        }
        let rewritten = self.rewrite(|name| match columns.position(name).map(|at| cells[at]) {
            None => NamedPart::Nothing,
            Some(NULL) => NamedPart::Null,
            Some(cell) => NamedPart::Text(String::from_utf8_lossy(cell)),
        });
        let mark = rewritten.unopened.join(",");
        let mark: &[u8] = if mark.is_empty() { NULL } else { mark.as_bytes() };
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                into.push(b'\t');
            }
            let new = columns.name(at).and_then(|name| match name {
                UNOPENED => Some(mark),
                name => rewritten.text(name).map(str::as_bytes),
            });
            into.extend_from_slice(new.unwrap_or(cell));
        }
        if columns.position(UNOPENED).is_none() {
            into.push(b'\t');
            into.extend_from_slice(mark);
        }
        into.extend_from_slice(if line.ends_with(b"\r") { b"\r\n" } else { b"\n" });
        Some(rewritten.fate())
    }
}

impl Rewritten {
    fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(column, _)| *column == name).map(|(_, text)| text.as_str())
    }

    fn fate(&self) -> Fate {
        if self.unopened.is_empty() { Fate::Through } else { Fate::Aside }
    }
}

impl Filter for RewriteFilter {
    fn turn(&mut self, line: Body, into: &mut Vec<u8>) -> (Fate, Body) {
        let columns = self.columns.take();
        let fate = match &columns {
            Some(columns) => self.rewrite_cells(columns, line.expose(), into),
            None => self.rewrite_object(line.expose(), into),
        };
        self.columns = columns;
        (fate.unwrap_or(Fate::Foreign), line)
    }

    /// No masked line is that long.
    fn pass_over(&mut self, _: usize, _: &mut Vec<u8>) -> Option<Fate> {
        None
    }

    fn gather(&mut self, _: bool, _: &mut Vec<u8>) {}

    fn renew(&mut self, newer: Self) {
        self.remasker = newer.remasker;
    }

    fn near_names(&self) -> Option<&NearNames> {
        None
    }
}

/// The members of an object in their order, each name once.
struct MaskedMembers<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> MaskedMembers<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(line);
        let members = reader.deserialize_map(MaskedMembersVisitor).ok()?;
        reader.end().ok()?;
        let mut names = HashSet::new();
        let is_new = |(name, _): &(Cow<'a, str>, _)| names.insert(name.clone());
        members.iter().all(is_new).then_some(Self(members))
    }

    fn find(&self, name: &str) -> NamedPart<'a> {
        let member = self.0.iter().find(|(member, _)| member == name);
        let Some((_, raw)) = member else { return NamedPart::Nothing };
        match serde_json::from_str::<Option<Text<'a>>>(raw.get()) {
            Ok(None) => NamedPart::Null,
            Ok(Some(Text(text))) => NamedPart::Text(text),
            // No token and no hash; it does not open.
            Err(_) => NamedPart::Text(Cow::Borrowed("")),
        }
    }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct MaskedMembersVisitor;

impl<'de> Visitor<'de> for MaskedMembersVisitor {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Text(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(members)
    }
}

fn append_string(text: &str, into: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "a text, into memory")]
    serde_json::to_writer(into, text).expect("a text is JSON");
}
