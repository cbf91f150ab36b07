//! Ways through the model of a rotation (`tests/rotation_model`), each step done by the
//! SQL of the program too: after each, the database is as the model says, and so was what
//! the step came to.
//!
//! The model shows that no order of steps breaks the promises; this shows that the steps
//! of the program are those of the model. The ways are chosen at random, and the same in
//! each run.

mod batch;
mod picture;
mod program_sql;
#[path = "../../rotation_model/protocol.rs"]
#[allow(dead_code, reason = "no rule is broken here")]
mod protocol;
mod replay;
#[path = "../../rotation_model/state.rs"]
#[allow(dead_code, reason = "no rule is broken here")]
mod state;

use std::collections::BTreeMap;

use loginetl::token::{Field, Fields};
use protocol::World;
use replay::{Came, Replay};
use state::{At, FIELDS, Process, State};

use crate::guard::Dice;
use crate::support;

/// No way is followed any longer.
const LONGEST: usize = 400;

/// Two rotations, of which the first changes the hashes; rows before them, and batches of
/// two logins.
const REHASHED: World = World {
    broken: None,
    fields: 2,
    masked_later: 0,
    last: 3,
    rows: [1, 0, 2],
    batch: &[[1; FIELDS], [2, 0, 1]],
    goal: 2,
    is_compromised: true,
};
/// Two rotations whose hashes stay, from nothing.
const PLAIN: World = World { rows: [0; 3], is_compromised: false, ..REHASHED };

/// Steps that may come to nothing.
const JUDGES: &str = "a loader's guard inserts the batch or refuses it";
const STARTS: &str = "a rotator starts under the fence, unless another did";
const MOVES: &str = "a rotator moves the rows that it knows, and what was added";
const ADVANCES: &str = "a rotator advances the watermark and commits, if it may";

/// It comes to nothing at first: the function refuses while a sweep is open, and goes on
/// if it had looked before.
const ENDS: &str = "a rotator ends the rotation";

/// How often each step came to something, and to nothing.
type Counts = BTreeMap<(&'static str, bool), usize>;

/// Who makes a step, and how it stands afterwards.
enum Who {
    Loader(usize, Process),
    Rotator(usize, Process),
}

fn who(before: &State, after: &State) -> Who {
    let moved = |before: &[Process], after: &[Process]| {
        before.iter().zip(after).position(|(before, after)| before != after)
    };
    match (moved(&before.loaders, &after.loaders), moved(&before.rotators, &after.rotators)) {
        (Some(index), None) => Who::Loader(index, after.loaders[index]),
        (None, Some(index)) => Who::Rotator(index, after.rotators[index]),
        _ => panic!("one process makes a step"),
    }
}

/// One of the steps that are possible. What undoes work is chosen less often; and so is
/// what loaders do, who would be through before the first rotation is.
fn choose(dice: &mut Dice, haste: usize, world: &World, state: &State) -> (&'static str, State) {
    let steps = world.steps(state);
    loop {
        let (step, after) = steps[dice.roll(steps.len())];
        let is_undoing = step.contains("crashes") || step.contains("rolled back");
        let is_loaders = step.starts_with("a loader");
        let one_in = match step {
            _ if is_undoing => 12,
            _ if is_loaders => haste,
            // Others may have begun the next rotation by then.
            ENDS => 10,
            _ => 1,
        };
        if dice.roll(one_in) == 0 {
            return (step, after);
        }
    }
}

/// What the model says that a step comes to; none where it leaves that open.
fn expected(world: &World, step: &str, before: &State, after: &State, who: &Who) -> Option<Came> {
    let is_through = match (step, who) {
        (_, Who::Loader(_, then)) => !matches!(then.at, At::Refused | At::RefusedAgain),
        (ENDS, _) => !before
            .plans
            .masked()
            .iter()
            .any(|plan| plan.is_rotating() && plan.watermark < world.last),
        (STARTS | ADVANCES, _) => before.plans != after.plans,
        // In a later rotation than its own, a step may find other rows; it is
        // turned back anyhow.
        (MOVES, Who::Rotator(_, then))
            if before.plans.of[usize::from(then.field)].to != then.plan().to =>
        {
            return None;
        }
        _ => true,
    };
    Some(Came::of(is_through))
}

async fn follow(replay: &mut Replay, world: &World, dice: &mut Dice, counts: &mut Counts) -> bool {
    replay.begin(world).await;
    let (mut state, mut way) = (world.begin(), Vec::new());
    // One time in so many, a loader does something where a rotator might.
    let haste = [2, 6, 50][dice.roll(3)];
    for _ in 0..LONGEST {
        let (is, told) = replay.compare(world, &state).await;
        assert_eq!(told, is, "the database and the model after {way:#?}\n{state:?}");
        assert_eq!(world.fault(&state), None);
        if state.is_end() {
            return true;
        }
        let (step, after) = choose(dice, haste, world, &state);
        way.push(step);
        let who = who(&state, &after);
        let came = match &who {
            Who::Loader(index, _) => replay.loader(world, *index, step).await,
            Who::Rotator(index, then) => replay.rotator(world, *index, step, then).await,
        };
        if let Some(expected) = expected(world, step, &state, &after, &who) {
            assert_eq!(came, expected, "the last step of {way:#?}\n{state:?}");
        }
        *counts.entry((step, came == Came::Through)).or_default() += 1;
        state = after;
    }
    false
}

/// Follows so many ways of each world, and says what they came to.
async fn follow_all(fields: Fields, flags: &[&str], seed: u64, ways: usize) {
    let installation = support::World::bare().await;
    let output = installation.run(&[&["init"], flags].concat());
    assert!(output.status.success(), "{}", support::text(&output));
    let mut replay = Replay::new(&installation.database, fields).await;
    let (mut dice, mut counts, mut ends) = (Dice(seed), Counts::new(), 0);
    for world in [REHASHED, PLAIN] {
        let world = World { fields: fields.fields().count(), ..world };
        for _ in 0..ways {
            ends += usize::from(follow(&mut replay, &world, &mut dice, &mut counts).await);
        }
    }
    assert!(ends > ways, "{ends} ways of {} lead to the end: {counts:#?}", 2 * ways);
    for step in [JUDGES, STARTS, ADVANCES, ENDS] {
        for is_through in [false, true] {
            assert!(
                counts.get(&(step, is_through)).is_some_and(|count| *count > 0),
                "{step}: {is_through}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_the_program_are_those_of_the_model() {
    follow_all(Fields::always(), &[], 1, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_they_are_with_three_fields() {
    follow_all(Fields::always().with(Field::UserId), &["--mask-user-id"], 2, 12).await;
}
