//! From selectors to masked rows and sealed bodies, and to the keys that a request has to
//! name. No plaintext yet.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::refusal::{QueryError, RecoveryError};
use super::selector::{Query, Selector, SelectorProblem};
use crate::db::{FoundRows, SealedBody, Session, Work};
use crate::login::Plan;
use crate::token::{Field, KeyId, Plaintext, Purpose, Sealer, Token};
use crate::vault::VaultError;

/// One selector, and what the database has for it.
pub(super) struct SearchHit {
    /// The selector, as it was asked.
    pub selector: String,
    /// What there is.
    pub what: HitKind,
}

/// What the database has for a selector.
pub(super) enum HitKind {
    /// Rows of a hash, with their tokens: one, unless somebody changed a row.
    Rows(FoundRows, Vec<Token>),
    /// A token; its rows are found once it is open.
    Token(Token),
    /// A quarantined message.
    Body(SealedBody),
    /// A value; its rows are found once it is hashed.
    Value(Plaintext),
    /// Nothing that could be opened.
    Nothing(SelectorProblem),
}

/// Everything that was found, and the keys that opening it takes.
pub(super) struct Search {
    /// In the order of the selectors.
    pub found: Vec<SearchHit>,
    /// The keys to ask for.
    pub keys: Vec<KeyId>,
    /// Which keys hash values, now.
    pub plan: Plan,
}

type Keys = HashMap<KeyId, (Purpose, bool)>;

impl Search {
    /// Looks everything up, a field at a time.
    ///
    /// # Errors
    /// When the database is gone, or does not let this login.
    pub(super) async fn of(session: &Session, query: Query) -> Result<Self, RecoveryError> {
        session.ready(Work::Unmask).await?;
        let selectors = query.into_selectors();
        let plan = session.plan().await?.ok_or(VaultError::NoKeys)?;
        if let Some(field) =
            selectors.iter().filter_map(Selector::field).find(|field| !plan.fields.contains(*field))
        {
            return Err(QueryError::NotMasked(field).into());
        }
        let known = session.known_keys().await?;
        let mut rows = HashMap::new();
        for field in plan.fields.fields() {
            let hashes: Vec<Uuid> = selectors.iter().filter_map(|s| hash_in(s, field)).collect();
            if !hashes.is_empty() {
                rows.insert(field, session.rows_of(field, &hashes).await?);
            }
        }
        let ids: Vec<i64> = selectors
            .iter()
            .filter_map(|s| if let Selector::Quarantine(id) = s { Some(*id) } else { None })
            .collect();
        let bodies =
            if ids.is_empty() { HashMap::new() } else { session.sealed_bodies(&ids).await? };
        let mut found = Vec::with_capacity(selectors.len());
        for selector in selectors {
            let name = selector.to_string();
            let whats = match selector {
                Selector::Hash(field, hash) => rows_of_hash(field, hash, &rows),
                Selector::Token(token) => vec![HitKind::Token(token)],
                Selector::Quarantine(id) => {
                    vec![
                        bodies
                            .get(&id)
                            .cloned()
                            .map_or(HitKind::Nothing(SelectorProblem::NotFound), HitKind::Body),
                    ]
                }
                Selector::Find(value) => vec![HitKind::Value(value)],
                Selector::Unreadable(_) => vec![HitKind::Nothing(SelectorProblem::Unreadable)],
            };
            found.extend(whats.into_iter().map(|what| SearchHit {
                selector: name.clone(),
                what: check_openable(what, &known),
            }));
        }
        let keys = keys_of(&found, &plan);
        Ok(Self { found, keys, plan })
    }
}

fn hash_in(selector: &Selector, field: Field) -> Option<Uuid> {
    match selector {
        Selector::Hash(wanted, hash) if wanted.is_none_or(|wanted| wanted == field) => Some(*hash),
        _ => None,
    }
}

fn rows_of_hash(
    field: Option<Field>,
    hash: Uuid,
    rows: &HashMap<Field, HashMap<Uuid, FoundRows>>,
) -> Vec<HitKind> {
    let fields = Field::ALL.into_iter().filter(|of| field.is_none_or(|field| field == *of));
    let found = fields.filter_map(|of| rows.get(&of)?.get(&hash).map(|found| (of, found.clone())));
    let whats: Vec<HitKind> = found.map(|(of, found)| with_tokens(of, found)).collect();
    if whats.is_empty() { vec![HitKind::Nothing(SelectorProblem::NotFound)] } else { whats }
}

/// Reads the tokens of the rows; rows that carry something else were changed.
fn with_tokens(field: Field, found: FoundRows) -> HitKind {
    let parse = |text: &Option<String>| {
        Token::parse(text.as_deref()?).ok().filter(|token| token.field() == field)
    };
    let (Some(least), Some(greatest)) = (parse(&found.tokens.0), parse(&found.tokens.1)) else {
        return HitKind::Nothing(SelectorProblem::DoesNotOpen);
    };
    let mut tokens = vec![least, greatest];
    tokens.dedup();
    HitKind::Rows(found, tokens)
}

/// Drops what names a key that cannot open it, so that the request does not ask for one.
fn check_openable(what: HitKind, known: &Keys) -> HitKind {
    let usable = |id: KeyId, purpose: Purpose| match known.get(&id) {
        Some((of, usable)) if *of == purpose => {
            if *usable {
                None
            } else {
                Some(SelectorProblem::DestroyedKey)
            }
        }
        _ => Some(SelectorProblem::UnknownKey),
    };
    let problem = match &what {
        HitKind::Rows(_, tokens) => {
            tokens.iter().find_map(|token| usable(token.key_id(), Purpose::Mask))
        }
        HitKind::Token(token) => usable(token.key_id(), Purpose::Mask),
        HitKind::Body(body) => match Sealer::key_id_of(&body.sealed) {
            Ok(id) => usable(id, Purpose::Seal),
            Err(_) => Some(SelectorProblem::DoesNotOpen),
        },
        HitKind::Value(_) | HitKind::Nothing(_) => None,
    };
    problem.map_or(what, HitKind::Nothing)
}

/// The keys that the request names, and no others.
fn keys_of(found: &[SearchHit], plan: &Plan) -> Vec<KeyId> {
    let mut keys = BTreeSet::new();
    for found in found {
        match &found.what {
            HitKind::Rows(_, tokens) => {
                keys.extend(tokens.iter().map(Token::key_id));
                keys.extend(tokens.iter().flat_map(|token| plan.hash_keys(token.field())));
            }
            HitKind::Token(token) => {
                keys.insert(token.key_id());
                keys.extend(plan.hash_keys(token.field()));
            }
            HitKind::Body(body) => keys.extend(Sealer::key_id_of(&body.sealed)),
            HitKind::Value(value) => keys.extend(plan.hash_keys(value.field())),
            HitKind::Nothing(_) => {}
        }
    }
    keys.into_iter().collect()
}
