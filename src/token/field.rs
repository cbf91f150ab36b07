//! The fields whose values can be masked, each with all that is its own, and a value for
//! each field that is masked.
//!
//! Whoever adds a field writes it down here: names, columns, form. What walks over
//! [`Field::ALL`] or a [`PerField`] needs no change.

use serde::{Serialize, Serializer};

/// A field whose values can be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// An IPv4 or IPv6 address.
    Ip,
    /// A device id, byte for byte.
    DeviceId,
    /// A user id, byte for byte; masked where the installation chose so.
    UserId,
}

/// The canonical form of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanonicalForm {
    /// The 16 bytes of an IPv6 address.
    Address,
    /// The bytes of a text, padded to whole blocks.
    Text {
        /// The longest text, in bytes of UTF-8.
        max_bytes: usize,
        /// The longest text, in characters.
        max_chars: usize,
        /// The limit as people are told it.
        limit: &'static str,
    },
}

/// The flags of a field, without their hyphens (fixed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Its hashes; also the word before one in a file of selectors.
    pub hash: &'static str,
    /// A value whose rows are wanted.
    pub find: &'static str,
    /// The column of plain values.
    pub column: &'static str,
    /// Masks the field, where that is a choice.
    pub mask: Option<&'static str>,
    /// What stands for one of its values in the help.
    pub value: &'static str,
}

/// All that differs from field to field. What is fixed can be read off data at rest.
struct FieldFacts {
    name: &'static str,
    prefix: &'static str,
    token_column: &'static str,
    token_width: u16,
    hash_column: &'static str,
    flags: Flags,
    noun: &'static str,
    nouns: &'static str,
    form: CanonicalForm,
}

const IP: FieldFacts = FieldFacts {
    name: "ip",
    prefix: "ip1.",
    token_column: "masked_ip",
    token_width: 256,
    hash_column: "ip_hash",
    flags: Flags {
        hash: "ip-hash",
        find: "find-ip",
        column: "ip-column",
        mask: None,
        value: "ADDRESS",
    },
    noun: "address",
    nouns: "addresses",
    form: CanonicalForm::Address,
};

const DEVICE_ID: FieldFacts = FieldFacts {
    name: "device_id",
    prefix: "dev1.",
    token_column: "masked_device_id",
    token_width: 256,
    hash_column: "device_id_hash",
    flags: Flags {
        hash: "device-id-hash",
        find: "find-device-id",
        column: "device-id-column",
        mask: None,
        value: "ID",
    },
    noun: "device id",
    nouns: "device ids",
    // One more would not fit into 256 characters of a token.
    form: CanonicalForm::Text { max_bytes: 159, max_chars: 159, limit: "159 bytes" },
};

const USER_ID: FieldFacts = FieldFacts {
    name: "user_id",
    prefix: "usr1.",
    token_column: "masked_user_id",
    token_width: 1024,
    hash_column: "user_id_hash",
    flags: Flags {
        hash: "user-id-hash",
        find: "find-user-id",
        column: "user-id-column",
        mask: Some("mask-user-id"),
        value: "ID",
    },
    noun: "user id",
    nouns: "user ids",
    // As wide as the column of clear user ids.
    form: CanonicalForm::Text { max_bytes: 512, max_chars: 128, limit: "128 characters" },
};

impl Field {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// All of them, in the order in which they are swept and shown.
    pub const ALL: [Self; Self::COUNT] = [Self::Ip, Self::DeviceId, Self::UserId];

    const fn facts(self) -> &'static FieldFacts {
        match self {
            Self::Ip => &IP,
            Self::DeviceId => &DEVICE_ID,
            Self::UserId => &USER_ID,
        }
    }

    /// The name in SQL, in associated data and in key derivation, equal to the
    /// JSON name (fixed).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The field of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// What a token of the field starts with, its format version included (fixed).
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        self.facts().prefix
    }

    /// The column of its tokens (fixed).
    #[must_use]
    pub const fn token_column(self) -> &'static str {
        self.facts().token_column
    }

    /// How many characters that column takes (fixed).
    #[must_use]
    pub const fn token_width(self) -> u16 {
        self.facts().token_width
    }

    /// The column of its hashes (fixed).
    #[must_use]
    pub const fn hash_column(self) -> &'static str {
        self.facts().hash_column
    }

    /// Its flags.
    #[must_use]
    pub const fn flags(self) -> &'static Flags {
        &self.facts().flags
    }

    /// What one of its values is called.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        self.facts().noun
    }

    /// What several are called.
    #[must_use]
    pub const fn nouns(self) -> &'static str {
        self.facts().nouns
    }

    /// The canonical form of its values (fixed).
    #[must_use]
    pub const fn form(self) -> CanonicalForm {
        self.facts().form
    }

    /// Whether an installation may leave its values clear.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        self.flags().mask.is_some()
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One `T` for each field that is masked, in the order of [`Field::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerField<T>([Option<T>; Field::COUNT]);

/// Which fields are masked.
pub type Fields = PerField<()>;

impl Fields {
    /// Those that every installation masks.
    #[must_use]
    pub fn always() -> Self {
        Field::ALL.into_iter().filter(|field| !field.is_optional()).collect()
    }

    /// These and another one.
    #[must_use]
    pub fn with(mut self, field: Field) -> Self {
        self.0[field as usize] = Some(());
        self
    }
}

impl<T> PerField<T> {
    /// That of a field, if it is masked.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&T> {
        self.0[field as usize].as_ref()
    }

    /// That of a field, to be changed.
    pub fn get_mut(&mut self, field: Field) -> Option<&mut T> {
        self.0[field as usize].as_mut()
    }

    /// Whether no field is masked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Whether a field is masked.
    #[must_use]
    pub fn contains(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    /// The masked fields.
    pub fn fields(&self) -> impl Iterator<Item = Field> + use<'_, T> {
        self.iter().map(|(field, _)| field)
    }

    /// Which fields these are.
    #[must_use]
    pub fn which(&self) -> Fields {
        self.fields().collect()
    }

    /// Each masked field with its own.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &T)> {
        Field::ALL.into_iter().zip(&self.0).filter_map(|(field, one)| Some((field, one.as_ref()?)))
    }

    /// What `make` makes of each.
    pub fn map<U>(self, mut make: impl FnMut(Field, T) -> U) -> PerField<U> {
        self.filter_map(|field, one| Some(make(field, one)))
    }

    /// The same; a field for which it makes nothing is left out.
    pub fn filter_map<U>(self, mut make: impl FnMut(Field, T) -> Option<U>) -> PerField<U> {
        let mut fields = Field::ALL.into_iter();
        PerField(self.0.map(|one| fields.next().zip(one).and_then(|(field, one)| make(field, one))))
    }

    /// The same, or its first error.
    ///
    /// # Errors
    /// That of `make`.
    pub fn try_map<U, E>(
        self,
        mut make: impl FnMut(Field, T) -> Result<U, E>,
    ) -> Result<PerField<U>, E> {
        let mut failed = None;
        let made = self.filter_map(|field, one| match make(field, one) {
            Ok(made) => Some(made),
            Err(error) => {
                failed.get_or_insert(error);
                None
            }
        });
        failed.map_or(Ok(made), Err)
    }
}

/// An object with a member a field.
impl<T: Serialize> Serialize for PerField<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(field, one)| (field.name(), one)))
    }
}

impl<T> Default for PerField<T> {
    fn default() -> Self {
        Self([const { None }; Field::COUNT])
    }
}

impl<T> FromIterator<(Field, T)> for PerField<T> {
    fn from_iter<I: IntoIterator<Item = (Field, T)>>(of: I) -> Self {
        let mut all = Self::default();
        of.into_iter().for_each(|(field, one)| all.0[field as usize] = Some(one));
        all
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        fields.into_iter().map(|field| (field, ())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own_in_the_order_of_all() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place);
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(field.token_column(), format!("masked_{field}"));
            assert_eq!(field.hash_column(), format!("{field}_hash"));
        }
        assert_eq!(Fields::always().with(Field::UserId).fields().collect::<Vec<_>>(), Field::ALL);
        assert!(!Fields::always().contains(Field::UserId));
    }

    /// `usr1.` and ten digits and a dot, then base64 without padding of
    /// SIV and padded text.
    #[test]
    fn the_longest_token_fits_into_its_column() {
        for field in Field::ALL {
            let text = if let CanonicalForm::Text { max_bytes, .. } = field.form() {
                max_bytes / 16 * 16 + 16
            } else {
                16
            };
            let longest = field.prefix().len() + 11 + ((16 + text) * 4).div_ceil(3);
            assert!(longest <= field.token_width().into(), "{field}: {longest}");
        }
    }
}
