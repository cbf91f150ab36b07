//! Who may unwrap a data key: each has two wraps, one for each holder.

/// The wrap under `ingest` serves loading, that under `recovery` serves unmasking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Loader and rotator.
    Ingest,
    /// Unmaskers.
    Recovery,
}

impl Holder {
    /// Both, in the order in which a new key is wrapped.
    pub const ALL: [Self; 2] = [Self::Ingest, Self::Recovery];

    /// The word in SQL and in the encryption context (fixed).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Recovery => "recovery",
        }
    }

    /// The holder of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|holder| holder.name() == name)
    }
}
