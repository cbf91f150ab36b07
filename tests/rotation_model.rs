//! The protocol of a rotation as a model, searched exhaustively for small sizes: two loaders, two rotators that may
//! crash at any point, and the database between them. A reader is what is asked of every state.
//!
//! Invariants: in every state that can be reached, and so in every snapshot, all rows of one value carry one key, no
//! row is lost or doubled, and nothing is under a retired key; no batch is refused twice; a way leads to the end, where
//! all rows are under the last key. Each rule is needed: without it, a fault is found (`--nocapture` shows the way).

#![allow(missing_docs, clippy::print_stderr, reason = "a test, whose counts and ways are worth reading")]

use std::array::from_fn;
use std::collections::HashMap;
use std::iter::successors;
use std::mem;
use std::time::Instant;

const VALUES: usize = 3;
/// Where a sweep is through: places in the order of hashes are 1, 2, 3.
const LAST: u8 = 3;
const KEYS: usize = 3;
/// The values that each of the two loaders brings, in one batch.
const BATCH: [usize; 2] = [1, 2];
const SPLIT: &str = "rows of one value carry two keys";
const RETIRED: &str = "a row is under a retired key";

/// The rules of the protocol. A mutation breaks one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    LoadersTakeTheFence,
    /// A batch is inserted only if each key is the one that the plan asks for.
    BatchesAreGuarded,
    /// The guard is a statement after the one that takes the fence, and so sees the plan of then.
    TheGuardReadsUnderTheFence,
    /// While a rotation runs, the guard asks whether the hash that placed a row is the one that orders this rotation.
    TheGuardComparesOrders,
    /// Values beyond the watermark stay under the retiring key until the sweep comes to them.
    TheRetiringKeyServes,
    /// Under the fence, for values that were added since the step was prepared.
    RotatorsLookAgain,
    TheWatermarkMovesWithTheRows,
    /// It rises only from where the step began, and in the rotation for which the step was prepared.
    TheWatermarkIsCompared,
    TheRotationIsCompared,
    /// What ends a rotation asks in the same statement whether its sweep is through.
    TheEndIsCompared,
    /// A key that an unfinished rotation names is not retired, though nothing may be under it.
    KeysInUseAreSpared,
}

/// What there is to do. Keys are 0, 1, 2: a rotation leaves one for the next.
#[derive(Clone, Copy)]
struct World {
    broken: Option<Rule>,
    /// Rows of each value at the start, under key 0.
    rows: [u8; VALUES],
    /// The key that the last rotation leads to.
    goal: u8,
    /// Whether the first rotation changes the hashes too, and so the order of the next.
    is_compromised: bool,
}

const ONE_ROTATION: World = World { broken: None, rows: [1, 0, 1], goal: 1, is_compromised: false };
const TWO_ROTATIONS: World = World { broken: None, rows: [0; VALUES], goal: 2, is_compromised: true };

/// How many rows each value has under each key: value 0 under keys 0, 1 and 2, then value 1.
type Rows = [u8; VALUES * KEYS];

/// Which keys are in force: `to` up to the watermark, `from` beyond it. They are one key while no rotation runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Plan {
    from: u8,
    to: u8,
    watermark: u8,
}

/// Where a process stands: first what loaders do, then what rotators do.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum At {
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
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Process {
    at: At,
    /// The plan as it was read: a loader's batch is masked by it.
    seen: Plan,
    /// The end of a rotator's step.
    next: u8,
    /// Which rows were there when the step was prepared; then, how many it has moved and not committed.
    rows: Rows,
}

/// What is committed, and where everybody stands.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct State {
    rows: Rows,
    plan: Plan,
    has_pending: bool,
    retired: [bool; KEYS],
    loaders: [Process; 2],
    rotators: [Process; 2],
}

type Steps = Vec<(&'static str, State)>;

impl State {
    fn is_end(&self) -> bool {
        self.loaders.iter().chain(&self.rotators).all(|process| process.at == At::Done)
    }

    fn has_rows_under(&self, key: usize) -> bool {
        self.rows.iter().skip(key).step_by(KEYS).any(|count| *count > 0)
    }

    /// Makes the pending key active, unless the plan is another than the rotator saw.
    fn start(&mut self, rotator: &Process) -> (&'static str, At) {
        if self.plan == rotator.seen && self.has_pending {
            self.plan = Plan { from: self.plan.to, to: self.plan.to + 1, watermark: 0 };
            self.has_pending = false;
        }
        ("a rotator starts under the fence, unless another did", At::Begin)
    }

    /// Writes down what a step has moved.
    fn settle(&mut self, step: &Process) {
        for (keys, moved) in self.rows.chunks_mut(KEYS).zip(step.rows.chunks(KEYS)) {
            keys.iter_mut().zip(moved).for_each(|(count, moved)| *count -= moved);
            keys[usize::from(step.seen.to)] += moved.iter().sum::<u8>();
        }
    }
}

impl World {
    fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    /// The hash that goes with a key.
    fn hash_of(&self, key: u8) -> u8 {
        if self.is_compromised { key.min(1) } else { 0 }
    }

    /// A value's place in the order of the hash that goes with a key. The second hash turns the order round.
    fn place(&self, value: usize, key: u8) -> u8 {
        if self.hash_of(key) == 0 { value as u8 + 1 } else { LAST - value as u8 }
    }

    /// The key that a plan asks for, of a value that is placed by the hash of `order`.
    fn key_at(&self, plan: Plan, value: usize, order: u8) -> u8 {
        let is_swept = self.place(value, order) <= plan.watermark;
        if is_swept || !self.keeps(Rule::TheRetiringKeyServes) { plan.to } else { plan.from }
    }

    /// The guard, from the plan in force and the one by which a batch was masked.
    fn allows(&self, plan: Plan, known: Plan) -> bool {
        let orders_differ = plan.from != plan.to && self.hash_of(plan.from) != self.hash_of(known.from);
        let is_right = |value: &usize| self.key_at(known, *value, known.from) == self.key_at(plan, *value, known.from);
        !self.keeps(Rule::BatchesAreGuarded)
            || BATCH.iter().all(is_right) && !(orders_differ && self.keeps(Rule::TheGuardComparesOrders))
    }

    fn steps(&self, state: &State) -> Steps {
        let mut steps = Vec::new();
        let holds = |at| matches!(at, At::Fenced | At::Refused | At::MaskedAgain | At::Inserted | At::Moved);
        let takes = self.keeps(Rule::LoadersTakeTheFence);
        let shared = takes && state.loaders.iter().any(|loader| holds(loader.at));
        let exclusive = state.rotators.iter().any(|rotator| holds(rotator.at));
        for index in 0..2 {
            self.loader(state, index, !(takes && exclusive), &mut steps);
            self.rotator(state, index, !(shared || exclusive), &mut steps);
        }
        steps
    }

    fn loader(&self, state: &State, index: usize, fence_is_free: bool, steps: &mut Steps) {
        let Process { at, seen, .. } = state.loaders[index];
        let judged = |yes, no| if self.allows(state.plan, seen) { yes } else { no };
        let mut next = *state;
        let (step, at, seen) = match at {
            At::Begin => ("a loader reads the plan without the fence and masks", At::Masked, state.plan),
            At::Masked if !self.keeps(Rule::TheGuardReadsUnderTheFence) => {
                ("a loader's guard reads the plan, then waits for the fence", judged(At::Judged(true), At::Judged(false)), seen)
            }
            At::Judged(yes) if fence_is_free => ("a loader gets the fence", if yes { At::Inserted } else { At::Refused }, seen),
            At::Masked if fence_is_free => ("a loader takes the fence", At::Fenced, seen),
            At::Fenced => ("a loader's guard inserts the batch or refuses it", judged(At::Inserted, At::Refused), seen),
            At::Refused => ("a loader reads the plan under the fence and masks again", At::MaskedAgain, state.plan),
            At::MaskedAgain => ("a loader's guard is asked again", judged(At::Inserted, At::RefusedAgain), seen),
            At::Inserted => {
                next.loaders[index].at = At::Masked;
                steps.push(("a loader is rolled back and keeps its batch", next));
                BATCH.iter().for_each(|value| next.rows[value * KEYS + usize::from(self.key_at(seen, *value, seen.from))] += 1);
                ("a loader commits", At::Done, Plan::default())
            }
            _ => return,
        };
        next.loaders[index] = Process { at, seen, ..Process::default() };
        steps.push((step, next));
    }

    fn rotator(&self, state: &State, index: usize, fence_is_free: bool, steps: &mut Steps) {
        let (mut rotator, mut next) = (state.rotators[index], *state);
        next.rotators[index] = Process::default();
        if !matches!(rotator.at, At::Begin | At::Done) {
            steps.push(("a rotator crashes and is run again", next));
        }
        let (step, at) = match rotator.at {
            At::Begin => {
                rotator.seen = state.plan;
                match (state.plan.from != state.plan.to, state.plan.watermark == LAST) {
                    (true, false) => ("a rotator reads the watermark", At::Seen),
                    (true, true) => ("a rotator sees that the sweep is through", At::Through),
                    (false, _) if state.plan.to < self.goal => {
                        next.has_pending = true;
                        ("a rotator sees no rotation and makes sure of a pending key", At::Wanted)
                    }
                    (false, _) => ("a rotator is done", At::Done),
                }
            }
            At::Wanted if fence_is_free => next.start(&rotator),
            At::Seen => {
                for end in rotator.seen.watermark + 1..=LAST {
                    let step = Process { at: At::Prepared, next: end, ..rotator };
                    let rows = self.range(&state.rows, &step).map(|count| count.min(1));
                    next.rotators[index] = Process { rows, ..step };
                    steps.push(("a rotator prepares a step without the fence", next));
                }
                return;
            }
            At::Prepared if fence_is_free => ("a rotator takes the fence for its step", At::Fenced),
            At::Fenced => {
                let known = mem::replace(&mut rotator.rows, self.range(&state.rows, &state.rotators[index]));
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
        next.rotators[index] = if at == At::Begin { Process::default() } else { Process { at, ..rotator } };
        steps.push((step, next));
    }

    /// The rows in a step's range that are not under the new key, and have the hash that orders the rotation.
    fn range(&self, rows: &Rows, step: &Process) -> Rows {
        let Plan { from, to, watermark } = step.seen;
        let is_old = |key: u8| key != to && self.hash_of(key) == self.hash_of(from);
        let is_here = |value, key| (watermark + 1..=step.next).contains(&self.place(value, key));
        let is_in = |value, key| is_old(key) && is_here(value, key);
        from_fn(|cell| if is_in(cell / KEYS, (cell % KEYS) as u8) { rows[cell] } else { 0 })
    }

    /// Advances the watermark to the end of a step, together with its rows; nothing, if there is nothing to update.
    fn advance(&self, state: &mut State, step: &Process) -> (&'static str, At) {
        let is_there = state.plan.watermark == step.seen.watermark || !self.keeps(Rule::TheWatermarkIsCompared);
        let is_this = state.plan.to == step.seen.to || !self.keeps(Rule::TheRotationIsCompared);
        if state.plan.from != state.plan.to && is_there && is_this {
            state.plan.watermark = step.next;
            state.settle(step);
        }
        ("a rotator advances the watermark and commits, if it may", At::Begin)
    }

    /// Ends the rotation, and retires the keys that nothing is under.
    fn finish(&self, state: &mut State) -> (&'static str, At) {
        if state.plan.watermark == LAST || !self.keeps(Rule::TheEndIsCompared) {
            state.plan = Plan { from: state.plan.to, to: state.plan.to, watermark: 0 };
        }
        for key in 0..state.plan.to {
            let is_spared = key == state.plan.from && self.keeps(Rule::KeysInUseAreSpared);
            state.retired[usize::from(key)] |= !is_spared && !state.has_rows_under(usize::from(key));
        }
        ("a rotator ends the rotation", At::Begin)
    }

    /// What a reader finds wrong, or somebody who waits for the end.
    fn fault(&self, state: &State) -> Option<&'static str> {
        let is_split = |keys: &[u8]| keys.iter().filter(|count| **count > 0).count() > 1;
        let loaded = state.loaders.iter().filter(|loader| loader.at == At::Done).count() * BATCH.len();
        let expected = self.rows.iter().sum::<u8>() + loaded as u8;
        let is_left = |key: usize| !state.retired[key] || state.has_rows_under(key);
        match state {
            _ if state.rows.chunks(KEYS).any(is_split) => Some(SPLIT),
            _ if state.rows.iter().sum::<u8>() != expected => Some("a row is lost or doubled"),
            _ if (0..KEYS).any(|key| state.retired[key] && state.has_rows_under(key)) => Some(RETIRED),
            _ if state.loaders.iter().any(|loader| loader.at == At::RefusedAgain) => Some("a batch is refused twice"),
            _ if state.is_end() && (0..usize::from(self.goal)).any(is_left) => Some("the end leaves something under an old key"),
            _ => None,
        }
    }
}

/// The states of a world, in the order in which a search in breadth finds them.
struct Search {
    /// Each with the one from which it was found, and the step from there.
    found: Vec<(State, usize, &'static str)>,
    edges: Vec<(usize, usize)>,
}

impl Search {
    /// All states; or, up to the first with a fault, what that is.
    fn run(world: &World) -> (Self, Option<(&'static str, usize)>) {
        let rows = from_fn(|cell| if cell % KEYS == 0 { world.rows[cell / KEYS] } else { 0 });
        let begin = State { rows, ..State::default() };
        let mut search = Self { found: vec![(begin, 0, "")], edges: Vec::new() };
        let mut known = HashMap::from([(begin, 0)]);
        let mut at = 0;
        while let Some((state, ..)) = search.found.get(at).copied() {
            if let Some(fault) = world.fault(&state) {
                return (search, Some((fault, at)));
            }
            for (step, mut next) in world.steps(&state) {
                // Which of two does a thing makes no difference.
                next.loaders.sort_unstable();
                next.rotators.sort_unstable();
                let to = *known.entry(next).or_insert(search.found.len());
                if to == search.found.len() {
                    search.found.push((next, at, step));
                }
                search.edges.push((at, to));
            }
            at += 1;
        }
        let stuck = search.first_without_end();
        (search, stuck.map(|at| ("no way leads to the end any more", at)))
    }

    fn first_without_end(&self) -> Option<usize> {
        let mut ends: Vec<bool> = self.found.iter().map(|(state, ..)| state.is_end()).collect();
        // Backwards along the steps, until nothing is new.
        while self.edges.iter().rev().filter(|(from, to)| ends[*to] && !mem::replace(&mut ends[*from], true)).count() > 0 {}
        ends.iter().position(|ends| !ends)
    }

    /// The shortest way to a state.
    fn way(&self, at: usize) -> Vec<String> {
        let back = successors(Some(at), |at| Some(self.found[*at].1)).take_while(|at| *at != 0);
        let shown = |rows: &Rows| format!("{:?}", rows.chunks(KEYS).collect::<Vec<_>>());
        let line = |(state, _, step): &(State, _, _)| format!("{step:60} {} {:?}\n", shown(&state.rows), state.plan);
        let mut way: Vec<String> = back.map(|at| line(&self.found[at])).collect();
        way.reverse();
        way
    }
}

/// Finds this fault first, or none in as many states as one would believe.
fn check(world: World, expected: Option<&str>) {
    let begun = Instant::now();
    let (search, fault) = Search::run(&world);
    let (fault, way) = fault.map_or((None, Vec::new()), |(fault, at)| (Some(fault), search.way(at)));
    let told = format!("without {:?}: {fault:?} after {} steps\n{}", world.broken, way.len(), way.concat());
    assert_eq!(fault, expected, "{told}");
    eprintln!("{} states, {} steps, {:?}, {told}", search.found.len(), search.edges.len(), begun.elapsed());
    assert!(fault.is_some() || search.found.len() > 20_000, "{} states", search.found.len());
}

/// Each: its name, the world, the rule that is broken, and what comes of it.
macro_rules! tests {
    ($($name:ident: $world:expr, $broken:expr, $fault:expr;)*) => {
        $(#[test] fn $name() { check(World { broken: $broken, ..$world }, $fault); })*
    };
}

tests! {
    the_protocol_keeps_one_key_per_value_in_every_state: ONE_ROTATION, None, None;
    a_rotation_may_follow_one_that_changes_the_hashes: TWO_ROTATIONS, None, None;
    without_the_fence_a_value_is_split: ONE_ROTATION, Some(Rule::LoadersTakeTheFence), Some(SPLIT);
    without_the_guard_a_value_is_split: ONE_ROTATION, Some(Rule::BatchesAreGuarded), Some(SPLIT);
    a_guard_that_reads_before_the_fence_lets_a_stale_batch_in: ONE_ROTATION, Some(Rule::TheGuardReadsUnderTheFence), Some(SPLIT);
    a_guard_that_trusts_an_earlier_order_splits_a_value: TWO_ROTATIONS, Some(Rule::TheGuardComparesOrders), Some(SPLIT);
    a_retiring_key_that_is_dropped_at_once_splits_a_value: ONE_ROTATION, Some(Rule::TheRetiringKeyServes), Some(SPLIT);
    a_rotator_that_does_not_look_again_passes_a_value_by: ONE_ROTATION, Some(Rule::RotatorsLookAgain), Some(SPLIT);
    a_watermark_that_follows_its_rows_splits_a_value: ONE_ROTATION, Some(Rule::TheWatermarkMovesWithTheRows), Some(SPLIT);
    rotators_that_do_not_compare_the_watermark_turn_it_back: ONE_ROTATION, Some(Rule::TheWatermarkIsCompared), Some(SPLIT);
    a_step_of_an_earlier_rotation_passes_values_by: TWO_ROTATIONS, Some(Rule::TheRotationIsCompared), Some(SPLIT);
    an_end_that_is_not_compared_ends_the_next_one: World { goal: 2, ..ONE_ROTATION }, Some(Rule::TheEndIsCompared), Some(SPLIT);
    a_key_that_is_retired_while_in_use_gets_rows: TWO_ROTATIONS, Some(Rule::KeysInUseAreSpared), Some(RETIRED);
}
