//! How far a data key has come in its life.

/// `pending → active → retiring → retired → destroyed`, and no other way
/// (sql/functions/keys.sql, `vault.check_key_move`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Written with both wraps, and not yet in force: its creation may not be on record.
    /// One a purpose at most.
    Pending,
    /// What is written now is under it. One a purpose at most.
    Active,
    /// A rotation moves what is under it to its successor; until that is through, both
    /// are in force.
    Retiring,
    /// Nothing is under it any more. Its wraps stay, for copies that are elsewhere.
    Retired,
    /// Its wraps are gone, and with them the key; the row stays as a tombstone.
    Destroyed,
}

impl KeyState {
    /// All states, in the order in which a key passes them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Active, Self::Retiring, Self::Retired, Self::Destroyed];

    /// The word in SQL (fixed).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl std::fmt::Display for KeyState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
