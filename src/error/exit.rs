//! How this program ends.

/// Exit codes (fixed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Done, but a person should look.
    Attention = 1,
    /// Wrong flags or settings.
    Usage = 2,
    /// Refused: role, KMS policy, key state, missing reason.
    Refused = 3,
    /// Temporary: safe to run again.
    Temporary = 4,
    /// A token, key or chain that was tampered with.
    Integrity = 5,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
