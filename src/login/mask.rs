//! `LoginEvent ─mask→ MaskedLogin`, and which key masks which value.
//!
//! Invariant: the key of a value depends on the value's order hash and the plan alone, so
//! that all loaders which know the same plan give equal values equal tokens, during a
//! rotation too.

use uuid::Uuid;

use super::{Body, LoginEvent, MaskedField, MaskedLogin};
use crate::token::{
    DataKey, Field, FieldCipher, FieldHasher, Fields, KeyId, PerField, Plaintext, SealError, Sealer,
};

/// The data keys that mask and hash one value. They change together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueKeys {
    /// Makes the token.
    pub mask: KeyId,
    /// Makes the hash.
    pub hash: KeyId,
}

/// Which keys the values of one field are under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPlan {
    /// Of values whose order hash lies above the watermark.
    pub from: ValueKeys,
    /// Of all others. Equal to `from` while no rotation runs.
    pub to: ValueKeys,
    /// How far a running sweep has come, in the order of the hashes under `from`.
    pub watermark: Uuid,
}

impl FieldPlan {
    /// Whether a sweep has passed the value with this order hash: the one place that
    /// decides which key a value is under. `ingest.accepts` decides the same in SQL.
    #[must_use]
    pub fn is_swept(&self, order: Uuid) -> bool {
        order <= self.watermark
    }

    /// The keys of the value with this order hash.
    #[must_use]
    pub fn keys_of(&self, order: Uuid) -> ValueKeys {
        if self.is_swept(order) { self.to } else { self.from }
    }
}

/// Which keys are in force: what a loader must know before it masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of each field that is masked.
    pub fields: PerField<FieldPlan>,
    /// Seals rejected bodies.
    pub seal: KeyId,
}

impl Plan {
    /// The keys under which values of this field are hashed: two while a
    /// rotation changes them.
    #[must_use]
    pub fn hash_keys(&self, field: Field) -> Vec<KeyId> {
        let mut keys: Vec<KeyId> = self
            .fields
            .get(field)
            .into_iter()
            .flat_map(|plan| [plan.to.hash, plan.from.hash])
            .collect();
        keys.dedup();
        keys
    }

    /// Every key it names.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        let of = |(_, plan): (Field, &FieldPlan)| {
            [plan.from.mask, plan.from.hash, plan.to.mask, plan.to.hash]
        };
        self.fields.iter().flat_map(of).chain([self.seal])
    }

    /// Whether a login is masked in the fields of this plan and no others, under the keys
    /// that it asks for.
    #[must_use]
    pub fn allows(&self, login: &MaskedLogin) -> bool {
        let allows = |(field, masked): (Field, &MaskedField)| {
            self.fields.get(field).is_some_and(|plan| {
                let is_ordered = plan.from == plan.to || masked.order_key == plan.from.hash;
                is_ordered && plan.keys_of(masked.order).mask == masked.key_id()
            })
        };
        let is_clear = login.user_id.is_some();
        self.fields.which() == login.masked.which()
            && is_clear != self.fields.contains(Field::UserId)
            && login.masked.iter().all(allows)
    }
}

/// Where a masker finds its data keys.
pub trait KeySource {
    /// The unwrapped data key of that id, if this process has it.
    fn data_key(&self, id: KeyId) -> Option<&DataKey>;
}

/// Masks events, and can do nothing else. Each worker has its own, keyed once.
pub struct EventMasker(PerField<FieldMasker>);

impl EventMasker {
    /// Keys the ciphers of these fields, or names the first key that `keys` lacks.
    ///
    /// # Errors
    /// When a key has not been unwrapped.
    pub fn new(fields: PerField<FieldPlan>, keys: &impl KeySource) -> Result<Self, KeyId> {
        fields.try_map(|field, plan| FieldMasker::new(field, plan, keys)).map(Self)
    }

    /// Which fields it masks.
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.0.which()
    }

    /// Masks an event that was read for the fields of this masker; its values end here.
    pub fn mask(&mut self, event: LoginEvent) -> MaskedLogin {
        debug_assert!(event.values.which() == self.fields());
        MaskedLogin {
            masked: event.values.filter_map(|_, value| self.mask_value(&value)),
            user_id: event.user_id,
            device_type: event.device_type,
            locale: event.locale,
            app_version: event.app_version,
            create_date: event.create_date,
        }
    }

    /// Masks a single value; nothing where its field is not masked.
    pub fn mask_value(&mut self, value: &Plaintext) -> Option<MaskedField> {
        self.0.get_mut(value.field()).map(|masker| masker.mask(value))
    }
}

/// Masks events and seals bodies under one plan. Each worker has its own, keyed once.
pub struct Masker {
    plan: Plan,
    events: EventMasker,
    sealer: Sealer,
}

impl Masker {
    /// Keys the ciphers of a plan, or names the first key that `keys` lacks.
    ///
    /// # Errors
    /// When a key of the plan has not been unwrapped.
    pub fn new(plan: Plan, keys: &impl KeySource) -> Result<Self, KeyId> {
        Ok(Self {
            plan,
            events: EventMasker::new(plan.fields, keys)?,
            sealer: Sealer::new(keys.data_key(plan.seal).ok_or(plan.seal)?, plan.seal),
        })
    }

    /// The plan it masks by.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which fields it masks.
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.plan.fields.which()
    }

    /// Masks an event that was read for the fields of this masker; its values end here.
    pub fn mask(&mut self, event: LoginEvent) -> MaskedLogin {
        self.events.mask(event)
    }

    /// Masks a single value; nothing where its field is not masked.
    pub fn mask_value(&mut self, value: &Plaintext) -> Option<MaskedField> {
        self.events.mask_value(value)
    }

    /// Seals the body of a message for quarantine.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn seal(&mut self, message_id: Uuid, body: &Body) -> Result<Vec<u8>, SealError> {
        self.sealer.seal(message_id, body.expose())
    }
}

struct FieldMasker {
    plan: FieldPlan,
    order: FieldHasher,
    from: Side,
    to: Option<Side>,
}

/// One side of the watermark. Without a hasher of its own, the order hash is the hash.
struct Side {
    cipher: FieldCipher,
    hasher: Option<FieldHasher>,
}

impl FieldMasker {
    fn new(field: Field, plan: FieldPlan, keys: &impl KeySource) -> Result<Self, KeyId> {
        let key = |id: KeyId| keys.data_key(id).ok_or(id);
        let side = |pair: ValueKeys| {
            let cipher = FieldCipher::new(key(pair.mask)?, field, pair.mask);
            let hasher = if pair.hash == plan.from.hash {
                None
            } else {
                Some(FieldHasher::new(key(pair.hash)?, field))
            };
            Ok(Side { cipher, hasher })
        };
        Ok(Self {
            plan,
            order: FieldHasher::new(key(plan.from.hash)?, field),
            from: side(plan.from)?,
            to: if plan.to == plan.from { None } else { Some(side(plan.to)?) },
        })
    }

    fn mask(&mut self, plaintext: &Plaintext) -> MaskedField {
        let order = self.order.hash(plaintext);
        let side = match &mut self.to {
            Some(to) if self.plan.is_swept(order) => to,
            _ => &mut self.from,
        };
        let hash = side.hasher.as_ref().map_or(order, |hasher| hasher.hash(plaintext));
        MaskedField {
            token: side.cipher.seal(plaintext),
            hash,
            order,
            order_key: self.plan.from.hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    fn key(id: u32) -> KeyId {
        KeyId::new(id).unwrap_or_else(|| panic!("a key id"))
    }

    fn pair(mask: u32, hash: u32) -> ValueKeys {
        ValueKeys { mask: key(mask), hash: key(hash) }
    }

    /// Masked late in a rotation that changed hashes, allowed by a plan of the next: only
    /// if its order is of that one.
    #[test]
    fn an_order_of_an_earlier_rotation_tells_nothing_of_a_later_watermark() {
        let token = Token::parse("ip1.7.nz-bGZ5zC97cedwFR7GA8eoGNEbLPuxIPj1JyzBGT9g")
            .unwrap_or_else(|e| panic!("{e}"));
        let field = |order_key| MaskedField {
            token: token.clone(),
            hash: Uuid::nil(),
            order: Uuid::max(),
            order_key: key(order_key),
        };
        let login = |order_key| MaskedLogin {
            masked: Fields::always().map(|_, ()| field(order_key)),
            user_id: Some(String::new()),
            device_type: None,
            locale: None,
            app_version: 0,
            create_date: jiff::civil::Date::MIN,
        };
        let plan = |from, to, watermark| {
            let field = FieldPlan { from, to, watermark };
            Plan { fields: Fields::always().map(|_, ()| field), seal: key(3) }
        };
        let running = plan(pair(7, 5), pair(9, 5), Uuid::from_u128(u128::MAX / 2));
        assert!(running.allows(&login(5)), "above the watermark, still under the old key");
        assert!(!running.allows(&login(2)), "the same by another order");
        let quiet = plan(pair(7, 5), pair(7, 5), Uuid::nil());
        assert!(quiet.allows(&login(2)), "without a rotation there is no order");
        let all = Fields::always().with(Field::UserId);
        let more =
            Plan { fields: all.filter_map(|_, ()| quiet.fields.get(Field::Ip).copied()), ..quiet };
        assert!(!more.allows(&login(2)), "a field is clear that the plan masks");
    }
}
