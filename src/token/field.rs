//! The two masked fields, and the names they carry in tokens, associated data and key derivation.

/// A field whose values are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// An IPv4 or IPv6 address.
    Ip,
    /// A device id, byte for byte.
    DeviceId,
}

impl Field {
    /// Both fields, in the order of the table's columns.
    pub const ALL: [Self; 2] = [Self::Ip, Self::DeviceId];

    /// The name in associated data and key derivation, equal to the JSON name (fixed).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::DeviceId => "device_id",
        }
    }

    /// What a token of the field starts with, its format version included (fixed).
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Ip => "ip1.",
            Self::DeviceId => "dev1.",
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
