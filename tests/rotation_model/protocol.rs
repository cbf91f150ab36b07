//! The rules of the protocol, and the steps that they allow in each state.

use std::array::from_fn;
use std::mem;

use super::state::{At, FIELDS, KEYS, Plan, Plans, Process, Rows, State, VALUES};

pub(crate) const SPLIT: &str = "rows of one value carry two keys";
pub(crate) const RETIRED: &str = "a row is under a retired key";
pub(crate) const CLEAR: &str = "a row comes with a clear value";
pub(crate) const LEFT: &str = "the end leaves something under an old key";

/// The rules of the protocol. A mutation breaks one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    LoadersTakeTheFence,
    /// A batch is inserted only if each key is the one that the plan asks for.
    BatchesAreGuarded,
    /// The guard is a statement after the one that takes the fence, and so sees the plan
    /// of then.
    TheGuardReadsUnderTheFence,
    /// While a rotation runs, the guard asks whether the hash that placed a row is the
    /// one that orders this rotation.
    TheGuardComparesOrders,
    /// It compares the keys of each field, the last one too.
    TheGuardComparesEveryField,
    /// A batch is refused that was masked when fewer fields were.
    TheGuardAsksForEachField,
    /// Values beyond the watermark stay under the retiring key until the
    /// sweep comes to them.
    TheRetiringKeyServes,
    /// Under the fence, for values that were added since the step was prepared.
    RotatorsLookAgain,
    TheWatermarkMovesWithTheRows,
    /// It rises only from where the step began, and in the rotation for which the step
    /// was prepared.
    TheWatermarkIsCompared,
    TheRotationIsCompared,
    /// A rotation goes through one field after the other, to the last.
    EveryFieldIsSwept,
    /// What ends a rotation asks in the same statement whether its sweep is through.
    TheEndIsCompared,
    /// A key that an unfinished rotation names is not retired, though nothing may be
    /// under it.
    KeysInUseAreSpared,
}

/// What there is to do. Keys are 0, 1, 2: a rotation leaves one for the next.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) broken: Option<Rule>,
    /// The fields that are masked from the start, and those that an `init`
    /// may add at any time.
    pub(crate) fields: usize,
    pub(crate) masked_later: usize,
    /// Where a sweep is through: places in the order of hashes are 1, 2, … There are as
    /// many values.
    pub(crate) last: u8,
    /// Rows of each value at the start, under key 0, in each field that is masked.
    pub(crate) rows: [u8; VALUES],
    /// The logins that each of the two loaders brings, in one batch: a value a field.
    pub(crate) batch: &'static [[usize; FIELDS]],
    /// The key that the last rotation leads to.
    pub(crate) goal: u8,
    /// Whether the first rotation changes the hashes too, and so the order of the next.
    pub(crate) is_compromised: bool,
}

pub(crate) type Steps = Vec<(&'static str, State)>;

impl World {
    pub(crate) fn begin(&self) -> State {
        let rows = from_fn(|cell| if cell % KEYS == 0 { self.rows[cell / KEYS] } else { 0 });
        let mut state = State::default();
        state.plans.fields = self.fields as u8;
        state.rows[..self.fields].fill(rows);
        state.clear[self.fields..].fill(self.rows.iter().sum());
        state
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    /// The hash that goes with a key.
    pub(crate) fn hash_of(&self, key: u8) -> u8 {
        if self.is_compromised { key.min(1) } else { 0 }
    }

    /// A value's place in the order of the hash that goes with a key. The second hash
    /// turns the order round.
    pub(crate) fn place(&self, value: usize, key: u8) -> u8 {
        if self.hash_of(key) == 0 { value as u8 + 1 } else { self.last - value as u8 }
    }

    /// The key that a plan asks for, of a value that is placed by the hash of `order`.
    fn key_at(&self, plan: Plan, value: usize, order: u8) -> u8 {
        let is_swept = self.place(value, order) <= plan.watermark;
        if is_swept || !self.keeps(Rule::TheRetiringKeyServes) { plan.to } else { plan.from }
    }

    /// The guard, from the plans in force and those by which a batch was masked.
    fn allows(&self, plans: &Plans, known: &Plans) -> bool {
        if !self.keeps(Rule::BatchesAreGuarded) {
            return true;
        }
        let left_out = usize::from(!self.keeps(Rule::TheGuardComparesEveryField));
        let masked = plans.masked().iter().zip(known.masked()).enumerate();
        let mut compared = masked.take(usize::from(plans.fields) - left_out);
        let has_each = plans.fields == known.fields || !self.keeps(Rule::TheGuardAsksForEachField);
        has_each && compared.all(|(field, (plan, known))| self.allows_field(field, *plan, *known))
    }

    fn allows_field(&self, field: usize, plan: Plan, known: Plan) -> bool {
        let orders_differ =
            plan.is_rotating() && self.hash_of(plan.from) != self.hash_of(known.from);
        let is_right = |login: &[usize; FIELDS]| {
            let value = login[field];
            self.key_at(known, value, known.from) == self.key_at(plan, value, known.from)
        };
        self.batch.iter().all(is_right)
            && !(orders_differ && self.keeps(Rule::TheGuardComparesOrders))
    }

    /// How many loaders hold the fence, and how many rotators.
    pub(crate) fn fence_holders(&self, state: &State) -> (usize, usize) {
        let holds = |process: &&Process| {
            use At::{Fenced, Inserted, MaskedAgain, Moved, Refused};
            matches!(process.at, Fenced | Refused | MaskedAgain | Inserted | Moved)
        };
        let loaders = if self.keeps(Rule::LoadersTakeTheFence) { &state.loaders[..] } else { &[] };
        (loaders.iter().filter(holds).count(), state.rotators.iter().filter(holds).count())
    }

    pub(crate) fn steps(&self, state: &State) -> Steps {
        let mut steps = Vec::new();
        let takes = self.keeps(Rule::LoadersTakeTheFence);
        let (shared, exclusive) = self.fence_holders(state);
        let (shared, exclusive) = (shared > 0, exclusive > 0);
        for index in 0..2 {
            self.loader(state, index, !(takes && exclusive), &mut steps);
            self.rotator(state, index, !(shared || exclusive), &mut steps);
        }
        if !(shared || exclusive) && state.fields().len() < self.fields + self.masked_later {
            steps.push(("init masks a further field under the fence", Self::mask_field(state)));
        }
        steps
    }

    /// A further field begins under the newest key: nothing of it is under another one.
    fn mask_field(state: &State) -> State {
        let mut next = *state;
        let key = next.plans.newest();
        next.plans.of[next.fields().len()] = Plan { from: key, to: key, watermark: 0 };
        next.plans.fields += 1;
        next
    }

    fn loader(&self, state: &State, index: usize, fence_is_free: bool, steps: &mut Steps) {
        let Process { at, seen, .. } = state.loaders[index];
        let judged = |yes, no| if self.allows(&state.plans, &seen) { yes } else { no };
        let mut next = *state;
        let (step, at, seen) = match at {
            At::Begin => {
                ("a loader reads the plan without the fence and masks", At::Masked, state.plans)
            }
            At::Masked if !self.keeps(Rule::TheGuardReadsUnderTheFence) => {
                let at = judged(At::Judged(true), At::Judged(false));
                ("a loader's guard reads the plan, then waits for the fence", at, seen)
            }
            At::Judged(yes) if fence_is_free => {
                ("a loader gets the fence", if yes { At::Inserted } else { At::Refused }, seen)
            }
            At::Masked if fence_is_free => ("a loader takes the fence", At::Fenced, seen),
            At::Fenced => {
                let at = judged(At::Inserted, At::Refused);
                ("a loader's guard inserts the batch or refuses it", at, seen)
            }
            At::Refused => {
                let step = "a loader reads the plan under the fence and masks again";
                (step, At::MaskedAgain, state.plans)
            }
            At::MaskedAgain => {
                ("a loader's guard is asked again", judged(At::Inserted, At::RefusedAgain), seen)
            }
            At::Inserted => {
                next.loaders[index].at = At::Masked;
                steps.push(("a loader is rolled back and keeps its batch", next));
                self.insert(&mut next, &seen);
                ("a loader commits", At::Done, Plans::default())
            }
            _ => return,
        };
        let seen = if at == At::Refused { Plans::default() } else { seen };
        next.loaders[index] = Process { at, seen, ..Process::default() };
        steps.push((step, next));
    }

    /// Adds the rows of a batch that was masked by these plans.
    fn insert(&self, state: &mut State, seen: &Plans) {
        state.has_clear_row |= seen.fields < state.plans.fields;
        for login in self.batch {
            for (field, plan) in seen.masked().iter().enumerate() {
                let key = self.key_at(*plan, login[field], plan.from);
                state.rows[field][login[field] * KEYS + usize::from(key)] += 1;
            }
            state.clear[usize::from(seen.fields)..].iter_mut().for_each(|count| *count += 1);
        }
    }

    /// What a rotator does that reads the plans: it prepares a step of the first field
    /// that is not through.
    fn begin_step(&self, state: &mut State, rotator: &mut Process) -> (&'static str, At) {
        let plans = state.plans;
        let masked = plans.masked();
        let left_out = usize::from(!self.keeps(Rule::EveryFieldIsSwept));
        let swept = &masked[..masked.len() - left_out];
        let is_open = |plan: &Plan| plan.is_rotating() && plan.watermark < self.last;
        if let Some(field) = swept.iter().position(is_open) {
            // What it will not use again is no part of a state: there are fewer of them.
            rotator.field = field as u8;
            rotator.seen.of[field] = masked[field];
            ("a rotator reads the watermark", At::Seen)
        } else if swept.iter().any(|plan| plan.is_rotating()) {
            ("a rotator sees that the sweep is through", At::Through)
        } else if state.plans.newest() < self.goal {
            state.has_pending = true;
            rotator.seen.of[0].to = state.plans.newest();
            ("a rotator sees no rotation and makes sure of a pending key", At::Wanted)
        } else {
            ("a rotator is done", At::Done)
        }
    }

    fn rotator(&self, state: &State, index: usize, fence_is_free: bool, steps: &mut Steps) {
        let (mut rotator, mut next) = (state.rotators[index], *state);
        next.rotators[index] = Process::default();
        if !matches!(rotator.at, At::Begin | At::Done) {
            steps.push(("a rotator crashes and is run again", next));
        }
        let (step, at) = match rotator.at {
            At::Begin => self.begin_step(&mut next, &mut rotator),
            At::Wanted if fence_is_free => next.start(&rotator),
            At::Seen => {
                for end in rotator.plan().watermark + 1..=self.last {
                    let step = Process { at: At::Prepared, next: end, ..rotator };
                    let rows = self.range(state, &step).map(|count| count.min(1));
                    next.rotators[index] = Process { rows, ..step };
                    steps.push(("a rotator prepares a step without the fence", next));
                }
                return;
            }
            At::Prepared if fence_is_free => ("a rotator takes the fence for its step", At::Fenced),
            At::Fenced => {
                let rows = self.range(state, &rotator);
                let known = mem::replace(&mut rotator.rows, rows);
                if !self.keeps(Rule::RotatorsLookAgain) {
                    rotator.rows.iter_mut().zip(known).for_each(|(count, known)| *count *= known);
                }
                ("a rotator moves the rows that it knows, and what was added", At::Moved)
            }
            At::Moved if !self.keeps(Rule::TheWatermarkMovesWithTheRows) => {
                next.settle(&rotator);
                rotator.rows = Rows::default();
                ("a rotator commits its rows", At::Behind)
            }
            At::Moved | At::Behind => self.advance(&mut next, &rotator),
            At::Through => self.finish(&mut next),
            _ => return,
        };
        let is_over = matches!(at, At::Begin | At::Done);
        let process = if is_over { Process::default() } else { rotator };
        next.rotators[index] = Process { at, ..process };
        steps.push((step, next));
    }

    /// The rows in a step's range that are not under the new key, and have the hash that
    /// orders the rotation.
    fn range(&self, state: &State, step: &Process) -> Rows {
        let (Plan { from, to, watermark }, rows) =
            (step.plan(), &state.rows[usize::from(step.field)]);
        let is_old = |key: u8| key != to && self.hash_of(key) == self.hash_of(from);
        let is_here = |value, key| (watermark + 1..=step.next).contains(&self.place(value, key));
        let is_in =
            |value, key| value < usize::from(self.last) && is_old(key) && is_here(value, key);
        let is_cell_in = |cell: usize| is_in(cell / KEYS, (cell % KEYS) as u8);
        from_fn(|cell| if is_cell_in(cell) { rows[cell] } else { 0 })
    }

    /// Advances the watermark to the end of a step, together with its rows; nothing, if
    /// there is nothing to update.
    fn advance(&self, state: &mut State, step: &Process) -> (&'static str, At) {
        let (plan, seen) = (&mut state.plans.of[usize::from(step.field)], step.plan());
        let is_there =
            plan.watermark == seen.watermark || !self.keeps(Rule::TheWatermarkIsCompared);
        let is_this = plan.to == seen.to || !self.keeps(Rule::TheRotationIsCompared);
        if plan.is_rotating() && is_there && is_this {
            plan.watermark = step.next;
            state.settle(step);
        }
        ("a rotator advances the watermark and commits, if it may", At::Begin)
    }

    /// Ends the rotation of each field that is through, and retires the keys that nothing
    /// in any field is under.
    fn finish(&self, state: &mut State) -> (&'static str, At) {
        for field in state.fields() {
            let plan = &mut state.plans.of[field];
            if plan.watermark == self.last || !self.keeps(Rule::TheEndIsCompared) {
                *plan = Plan { from: plan.to, to: plan.to, watermark: 0 };
            }
        }
        for key in 0..state.plans.newest() {
            let is_in_use = state.plans.masked().iter().any(|plan| plan.from == key);
            let is_spared = is_in_use && self.keeps(Rule::KeysInUseAreSpared);
            let is_unused = !state.has_rows_under(usize::from(key));
            state.retired[usize::from(key)] |= !is_spared && is_unused;
        }
        ("a rotator ends the rotation", At::Begin)
    }

    /// What a reader finds wrong, or somebody who waits for the end.
    pub(crate) fn fault(&self, state: &State) -> Option<&'static str> {
        let is_split = |keys: &[u8]| keys.iter().filter(|count| **count > 0).count() > 1;
        let is_done = |loader: &&Process| loader.at == At::Done;
        let loaded = state.loaders.iter().filter(is_done).count() * self.batch.len();
        let expected = self.rows.iter().sum::<u8>() + loaded as u8;
        let is_whole =
            |field: usize| state.rows[field].iter().sum::<u8>() + state.clear[field] == expected;
        let is_retired = |key: usize| state.retired[key] && state.has_rows_under(key);
        let is_left = |key: usize| !state.retired[key] || state.has_rows_under(key);
        let is_refused = |loader: &Process| loader.at == At::RefusedAgain;
        match state {
            _ if state.rows.as_flattened().chunks(KEYS).any(is_split) => Some(SPLIT),
            _ if state.has_clear_row => Some(CLEAR),
            _ if !state.fields().all(is_whole) => Some("a row is lost or doubled"),
            _ if (0..KEYS).any(is_retired) => Some(RETIRED),
            _ if state.loaders.iter().any(is_refused) => Some("a batch is refused twice"),
            _ if state.is_end() && (0..usize::from(self.goal)).any(is_left) => Some(LEFT),
            _ => None,
        }
    }
}
