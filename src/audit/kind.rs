//! The kinds of records: the word of each, whether KMS signs it, and who may write it.
//!
//! Invariant: this is what the functions in sql/functions/ enforce. A
//! test compares the two.

use super::Group;

/// What a record of the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// A run of `load` or `backfill`, when it has ended.
    LoadRun,
    /// Somebody asks for values by hash, token or message.
    UnmaskRequest,
    /// Somebody asked who may not.
    UnmaskDenied,
    /// A key may be handed out for a request from now on.
    UnmaskRelease,
    /// What came of such a request.
    UnmaskOutcome,
    /// A request is closed for which no key was released.
    UnmaskWithdrawal,
    /// Somebody asks for the rows of a value.
    FindRequest,
    /// What came of that.
    FindOutcome,
    /// A data key was made.
    KeyCreate,
    /// A data key has a wrap under another KMS key.
    KeyRewrap,
    /// A data key was destroyed.
    KeyDestroy,
    /// A rotation begins.
    RotateStart,
    /// A rotation has ended.
    RotateEnd,
    /// One process of a rotation stopped before its end.
    RotateInterrupted,
    /// A further field is masked from now on.
    FieldMask,
    /// A run begins that masks or rewrites events outside of the database.
    MaskRun,
    /// What such a run has made is registered.
    MaskCommit,
    /// An archive, or its open runs, keep no key any more.
    ArchiveDrop,
    /// Messages were moved from the quarantine into the rows.
    QuarantineRetry,
    /// Messages of the quarantine were deleted.
    QuarantinePurge,
}

impl RecordKind {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::LoadRun,
        Self::UnmaskRequest,
        Self::UnmaskDenied,
        Self::UnmaskRelease,
        Self::UnmaskOutcome,
        Self::UnmaskWithdrawal,
        Self::FindRequest,
        Self::FindOutcome,
        Self::KeyCreate,
        Self::KeyRewrap,
        Self::KeyDestroy,
        Self::RotateStart,
        Self::RotateEnd,
        Self::RotateInterrupted,
        Self::FieldMask,
        Self::MaskRun,
        Self::MaskCommit,
        Self::ArchiveDrop,
        Self::QuarantineRetry,
        Self::QuarantinePurge,
    ];

    /// The word in the log (fixed): its family, a dot, what happened.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoadRun => "load.run",
            Self::UnmaskRequest => "unmask.request",
            Self::UnmaskDenied => "unmask.denied",
            Self::UnmaskRelease => "unmask.release",
            Self::UnmaskOutcome => "unmask.outcome",
            Self::UnmaskWithdrawal => "unmask.withdrawal",
            Self::FindRequest => "find.request",
            Self::FindOutcome => "find.outcome",
            Self::KeyCreate => "key.create",
            Self::KeyRewrap => "key.rewrap",
            Self::KeyDestroy => "key.destroy",
            Self::RotateStart => "rotate.start",
            Self::RotateEnd => "rotate.end",
            Self::RotateInterrupted => "rotate.interrupted",
            Self::FieldMask => "field.mask",
            Self::MaskRun => "mask.run",
            Self::MaskCommit => "mask.commit",
            Self::ArchiveDrop => "archive.drop",
            Self::QuarantineRetry => "quarantine.retry",
            Self::QuarantinePurge => "quarantine.purge",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The word before the dot.
    #[must_use]
    pub fn family(self) -> &'static str {
        self.name().split('.').next().unwrap_or_default()
    }

    /// Whether KMS signs each such record.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        match self {
            Self::UnmaskRequest
            | Self::UnmaskOutcome
            | Self::UnmaskWithdrawal
            | Self::FindRequest
            | Self::FindOutcome => true,
            Self::KeyCreate | Self::KeyRewrap | Self::KeyDestroy => true,
            Self::RotateStart | Self::RotateEnd | Self::RotateInterrupted | Self::FieldMask => true,
            Self::ArchiveDrop => true,
            Self::LoadRun
            | Self::MaskRun
            | Self::MaskCommit
            | Self::UnmaskDenied
            | Self::UnmaskRelease
            | Self::QuarantineRetry
            | Self::QuarantinePurge => false,
        }
    }

    /// Whether it asks for values. Such a record may stay without its signature: then no
    /// key was released for it.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, Self::UnmaskRequest | Self::FindRequest)
    }

    /// Whether it tells what came of a request.
    #[must_use]
    pub const fn is_outcome(self) -> bool {
        matches!(self, Self::UnmaskOutcome | Self::FindOutcome)
    }

    /// Whether a log without its signature is incomplete.
    #[must_use]
    pub const fn needs_signature(self) -> bool {
        self.is_signed() && !self.is_request()
    }

    /// Whether a later run signs what a crash left unsigned. An outcome is not: what it
    /// would show is gone.
    #[must_use]
    pub const fn is_signed_later(self) -> bool {
        self.needs_signature() && !self.is_outcome()
    }

    /// Whether only a function of the gate writes it (sql/functions/gate.sql).
    #[must_use]
    pub fn is_of_gate(self) -> bool {
        ["unmask", "find"].contains(&self.family())
    }

    /// Whether a program writes it by `audit.record`. Each other kind has a function of
    /// its own, which alone knows that it is true.
    #[must_use]
    pub fn is_free(self) -> bool {
        let has_its_own = [Self::FieldMask, Self::MaskRun, Self::MaskCommit, Self::ArchiveDrop];
        !self.is_of_gate() && !has_its_own.contains(&self)
    }

    /// Whose members may write it.
    #[must_use]
    pub const fn writers(self) -> &'static [Group] {
        use Group::{Analyst, Auditor, Loader, Owner, Rotator, Unmasker};
        match self {
            Self::LoadRun | Self::QuarantineRetry | Self::QuarantinePurge => &[Loader, Owner],
            Self::UnmaskDenied => &[Owner, Loader, Analyst, Rotator, Auditor],
            Self::UnmaskRequest
            | Self::UnmaskRelease
            | Self::UnmaskOutcome
            | Self::UnmaskWithdrawal => &[Unmasker],
            Self::FindRequest | Self::FindOutcome => &[Unmasker],
            Self::KeyCreate | Self::KeyRewrap | Self::KeyDestroy => &[Rotator, Owner],
            Self::RotateStart | Self::RotateEnd | Self::RotateInterrupted => &[Rotator, Owner],
            Self::FieldMask => &[Owner],
            Self::MaskRun | Self::MaskCommit => &[Loader, Rotator],
            Self::ArchiveDrop => &[Rotator],
        }
    }
}
