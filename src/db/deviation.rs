//! What is not as it must be in the database, and what ends it.

pub(super) const COMPARING: &str = "comparing the database with what must be there";

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deviation {
    /// What is wrong with which object.
    pub what: String,
    /// Whether it is about who may do what.
    pub is_privilege: bool,
    /// What ends it.
    pub remedy: Remedy,
}

/// What ends a deviation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// A statement that `init` runs.
    Statement(String),
    /// `init` runs the files of functions again.
    Functions,
    /// Only a person can decide: what to do.
    Person(&'static str),
}
