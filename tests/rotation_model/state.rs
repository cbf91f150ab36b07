//! What is committed, and where everybody stands.

use std::ops::Range;

/// At most so many fields, values of a field, and keys: a rotation leaves
/// a key for the next.
pub(crate) const FIELDS: usize = 3;
pub(crate) const VALUES: usize = 3;
pub(crate) const KEYS: usize = 3;

/// How many rows each value of a field has under each key: value 0 under keys 0, 1 and 2,
/// then 1.
pub(crate) type Rows = [u8; VALUES * KEYS];

/// Which keys are in force in a field: `to` up to the watermark, `from` beyond it. They
/// are one key while no rotation runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Plan {
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) watermark: u8,
}

impl Plan {
    pub(crate) fn is_rotating(self) -> bool {
        self.from != self.to
    }
}

/// The plan of each field that is masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Plans {
    pub(crate) fields: u8,
    pub(crate) of: [Plan; FIELDS],
}

impl Plans {
    pub(crate) fn masked(&self) -> &[Plan] {
        &self.of[..usize::from(self.fields)]
    }

    pub(crate) fn is_rotating(&self) -> bool {
        self.masked().iter().any(|plan| plan.is_rotating())
    }

    /// The newest key: it is the same in every field.
    pub(crate) fn newest(&self) -> u8 {
        self.of[0].to
    }
}

/// Where a process stands: first what loaders do, then what rotators do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum At {
    #[default]
    Begin,
    Masked,
    Judged(bool),
    Fenced,
    Refused,
    MaskedAgain,
    RefusedAgain,
    Inserted,
    Wanted,
    Seen,
    Prepared,
    Moved,
    Behind,
    Through,
    Done,
}

/// What nobody else can see of a loader or a rotator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) at: At,
    /// The plans as they were read: a loader's batch is masked by them.
    pub(crate) seen: Plans,
    /// The field of a rotator's step, and the end of the step.
    pub(crate) field: u8,
    pub(crate) next: u8,
    /// Which rows were there when the step was prepared; then, how many it has moved and
    /// not committed.
    pub(crate) rows: Rows,
}

impl Process {
    /// The plan of the step's field as the rotator saw it.
    pub(crate) fn plan(&self) -> Plan {
        self.seen.of[usize::from(self.field)]
    }
}

/// What is committed, and where everybody stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) rows: [Rows; FIELDS],
    pub(crate) plans: Plans,
    pub(crate) has_pending: bool,
    pub(crate) retired: [bool; KEYS],
    /// Rows from before a field was masked, and whether one came afterwards.
    pub(crate) clear: [u8; FIELDS],
    pub(crate) has_clear_row: bool,
    pub(crate) loaders: [Process; 2],
    pub(crate) rotators: [Process; 2],
}

impl State {
    pub(crate) fn is_end(&self) -> bool {
        self.loaders.iter().chain(&self.rotators).all(|process| process.at == At::Done)
    }

    /// Whether anything in any field is under a key.
    pub(crate) fn has_rows_under(&self, key: usize) -> bool {
        let is_under = |rows: &Rows| rows.iter().skip(key).step_by(KEYS).any(|count| *count > 0);
        self.rows.iter().any(is_under)
    }

    /// The fields that are masked.
    pub(crate) fn fields(&self) -> Range<usize> {
        0..usize::from(self.plans.fields)
    }

    /// Makes the pending key active in every field, unless another did.
    pub(crate) fn start(&mut self, rotator: &Process) -> (&'static str, At) {
        let to = self.plans.newest();
        if !self.plans.is_rotating() && to == rotator.seen.newest() && self.has_pending {
            for field in self.fields() {
                self.plans.of[field] = Plan { from: to, to: to + 1, watermark: 0 };
            }
            self.has_pending = false;
        }
        ("a rotator starts under the fence, unless another did", At::Begin)
    }

    /// Writes down what a step has moved.
    pub(crate) fn settle(&mut self, step: &Process) {
        let rows = self.rows[usize::from(step.field)].chunks_mut(KEYS);
        for (keys, moved) in rows.zip(step.rows.chunks(KEYS)) {
            keys.iter_mut().zip(moved).for_each(|(count, moved)| *count -= moved);
            keys[usize::from(step.plan().to)] += moved.iter().sum::<u8>();
        }
    }
}
