//! `LoginEvent ─mask→ MaskedLogin`, and which key masks which value.
//!
//! Invariant: the key of a value depends on the value's order hash and the plan alone, so that all loaders which
//! know the same plan give equal values equal tokens, during a rotation too.

use uuid::Uuid;

use super::{Body, LoginEvent, MaskedField, MaskedLogin};
use crate::token::{DataKey, Field, FieldCipher, FieldHasher, KeyId, Plaintext, SealError, Sealer};

/// The data keys that mask and hash one value. They change together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Makes the token.
    pub mask: KeyId,
    /// Makes the hash.
    pub hash: KeyId,
}

/// Which keys the values of one field are under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPlan {
    /// Of values whose order hash lies above the watermark.
    pub from: KeyPair,
    /// Of all others. Equal to `from` while no rotation runs.
    pub to: KeyPair,
    /// How far a running sweep has come, in the order of the hashes under `from`.
    pub watermark: Uuid,
}

impl FieldPlan {
    /// The keys of the value with this order hash.
    #[must_use]
    pub fn keys_of(&self, order: Uuid) -> KeyPair {
        if order <= self.watermark { self.to } else { self.from }
    }
}

/// Which keys are in force: what a loader must know before it masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of addresses.
    pub ip: FieldPlan,
    /// Of device ids.
    pub device_id: FieldPlan,
    /// Seals rejected bodies.
    pub seal: KeyId,
}

impl Plan {
    /// The keys under which values of this field are hashed: two while a rotation changes them.
    #[must_use]
    pub fn hash_keys(&self, field: Field) -> Vec<KeyId> {
        let plan = match field {
            Field::Ip => self.ip,
            Field::DeviceId => self.device_id,
        };
        let mut keys = vec![plan.to.hash, plan.from.hash];
        keys.dedup();
        keys
    }

    /// Every key it names.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        [self.ip, self.device_id]
            .into_iter()
            .flat_map(|field| [field.from.mask, field.from.hash, field.to.mask, field.to.hash])
            .chain([self.seal])
    }

    /// Whether a masked login is under the keys that this plan asks for.
    #[must_use]
    pub fn allows(&self, login: &MaskedLogin) -> bool {
        let allows = |plan: &FieldPlan, masked: &MaskedField| {
            let is_ordered = plan.from == plan.to || masked.order_key == plan.from.hash;
            is_ordered && plan.keys_of(masked.order).mask == masked.key_id()
        };
        allows(&self.ip, &login.ip) && allows(&self.device_id, &login.device_id)
    }
}

/// Where a masker finds its data keys.
pub trait KeySource {
    /// The unwrapped data key of that id, if this process has it.
    fn data_key(&self, id: KeyId) -> Option<&DataKey>;
}

/// Masks events and seals bodies under one plan. Each worker has its own, keyed once.
pub struct Masker {
    plan: Plan,
    ip: FieldMasker,
    device_id: FieldMasker,
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
            ip: FieldMasker::new(Field::Ip, plan.ip, keys)?,
            device_id: FieldMasker::new(Field::DeviceId, plan.device_id, keys)?,
            sealer: Sealer::new(keys.data_key(plan.seal).ok_or(plan.seal)?, plan.seal),
        })
    }

    /// The plan it masks by.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Masks an event; its values end here.
    pub fn mask(&mut self, event: LoginEvent) -> MaskedLogin {
        MaskedLogin {
            ip: self.ip.mask(&event.ip),
            device_id: self.device_id.mask(&event.device_id),
            user_id: event.user_id,
            device_type: event.device_type,
            locale: event.locale,
            app_version: event.app_version,
            create_date: event.create_date,
        }
    }

    /// Masks a single value.
    pub fn mask_value(&mut self, value: &Plaintext) -> MaskedField {
        match value.field() {
            Field::Ip => self.ip.mask(value),
            Field::DeviceId => self.device_id.mask(value),
        }
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
        let side = |pair: KeyPair| {
            let cipher = FieldCipher::new(key(pair.mask)?, field, pair.mask);
            let hasher = if pair.hash == plan.from.hash { None } else { Some(FieldHasher::new(key(pair.hash)?, field)) };
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
            Some(to) if order <= self.plan.watermark => to,
            _ => &mut self.from,
        };
        let hash = side.hasher.as_ref().map_or(order, |hasher| hasher.hash(plaintext));
        MaskedField { token: side.cipher.seal(plaintext), hash, order, order_key: self.plan.from.hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    fn key(id: u32) -> KeyId {
        KeyId::new(id).unwrap_or_else(|| panic!("a key id"))
    }

    fn pair(mask: u32, hash: u32) -> KeyPair {
        KeyPair { mask: key(mask), hash: key(hash) }
    }

    /// Masked late in a rotation that changed hashes, allowed by a plan of the next: only if its order is of that one.
    #[test]
    fn an_order_of_an_earlier_rotation_tells_nothing_of_a_later_watermark() {
        let token = Token::parse("ip1.7.nz-bGZ5zC97cedwFR7GA8eoGNEbLPuxIPj1JyzBGT9g").unwrap_or_else(|e| panic!("{e}"));
        let field =
            |order_key| MaskedField { token: token.clone(), hash: Uuid::nil(), order: Uuid::max(), order_key: key(order_key) };
        let login = |order_key| MaskedLogin {
            user_id: String::new(),
            device_type: None,
            ip: field(order_key),
            device_id: field(order_key),
            locale: None,
            app_version: 0,
            create_date: jiff::civil::Date::MIN,
        };
        let plan = |from, to, watermark| {
            let field = FieldPlan { from, to, watermark };
            Plan { ip: field, device_id: field, seal: key(3) }
        };
        let running = plan(pair(7, 5), pair(9, 5), Uuid::from_u128(u128::MAX / 2));
        assert!(running.allows(&login(5)), "above the watermark, still under the old key");
        assert!(!running.allows(&login(2)), "the same by another order");
        let quiet = plan(pair(7, 5), pair(7, 5), Uuid::nil());
        assert!(quiet.allows(&login(2)), "without a rotation there is no order");
    }
}
