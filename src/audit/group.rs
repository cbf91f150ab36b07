//! The groups of logins, each with one task. Postgres knows them as roles; no other place
//! in Rust lists them.

use std::fmt;

/// A role of the database that cannot log in; logins are its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Owns everything but the rows, and runs `init`.
    Owner,
    /// Writes rows and the quarantine.
    Loader,
    /// Reads masked rows.
    Analyst,
    /// Recovers values, each on record.
    Unmasker,
    /// Makes, replaces and destroys keys.
    Rotator,
    /// Reads the audit log and the counts, and no rows.
    Auditor,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Owner, Self::Loader, Self::Analyst, Self::Unmasker, Self::Rotator, Self::Auditor];

    /// The name of the role (fixed).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "loginetl_owner",
            Self::Loader => "loginetl_loader",
            Self::Analyst => "loginetl_analyst",
            Self::Unmasker => "loginetl_unmasker",
            Self::Rotator => "loginetl_rotator",
            Self::Auditor => "loginetl_auditor",
        }
    }

    /// The group of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }

    /// Whether its work is on the rows. Auditors see none.
    #[must_use]
    pub const fn works_on_rows(self) -> bool {
        !matches!(self, Self::Auditor)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
