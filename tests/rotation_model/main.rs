//! The protocol of a rotation as a model, searched exhaustively for small sizes: two
//! loaders, two rotators that may crash at any point, an `init` that masks a further
//! field, and the database between them. A reader is what is asked of every state.
//!
//! Invariants: in every state that can be reached, and so in every snapshot, all rows of
//! one value carry one key in each field, no row is lost or doubled, and nothing is under
//! a retired key; no row comes with a clear value after its field is masked; no batch is
//! refused twice; a way leads to the end, where all rows are under the last key. Each
//! rule is needed: without it, a fault is found (`--nocapture` shows the way).
//!
//! The number of fields is a parameter. With one field there are three values and batches
//! of two logins; with two and three fields there are two values a field and batches of
//! one login, so that the search stays short. Each number has a world of one rotation,
//! with rows before it, and one of two rotations, of which the first changes the hashes
//! and so the order of the second. A last world masks the second field while a rotation
//! of the first may be under way.
//!
//! `tests/it/model_traces` replays ways through this model against the real SQL.

#![allow(missing_docs, clippy::print_stderr, reason = "a test, whose counts and ways are told")]

mod protocol;
mod search;
mod state;

use protocol::{CLEAR, LEFT, RETIRED, Rule, SPLIT, World};
use search::check;
use state::FIELDS;

/// One field, and two logins in each batch.
const ONE: World = World {
    broken: None,
    fields: 1,
    masked_later: 0,
    last: 3,
    rows: [1, 0, 1],
    batch: &[[1; FIELDS], [2; FIELDS]],
    goal: 1,
    is_compromised: false,
};
const ONE_TWICE: World = World { rows: [0; 3], goal: 2, is_compromised: true, ..ONE };

/// Two fields, and one login in each batch, whose values are in the database.
const TWO: World = World { fields: 2, last: 2, rows: [1, 1, 0], batch: &[[1; FIELDS]], ..ONE };
const TWO_TWICE: World = World { rows: [0; 3], goal: 2, is_compromised: true, ..TWO };

const THREE: World = World { fields: 3, ..TWO };
const THREE_TWICE: World = World { fields: 3, ..TWO_TWICE };

/// The values of the batch are new.
const TWO_NEW: World = World { rows: [1, 0, 0], ..TWO };
const THREE_NEW: World = World { rows: [1, 0, 0], ..THREE };

/// The second field is masked at some time, or never.
const LATER: World = World { fields: 1, masked_later: 1, ..TWO };

/// Each: its name, the world, the rule that is broken, and what comes of it.
macro_rules! tests {
    ($($name:ident: $world:expr, $broken:expr, $fault:expr;)*) => {
        $(#[test] fn $name() { check(World { broken: $broken, ..$world }, $fault); })*
    };
}

tests! {
    the_protocol_keeps_one_key_per_value_in_every_state: ONE, None, None;
    so_it_does_with_two_fields: TWO, None, None;
    so_it_does_with_three_fields: THREE, None, None;
    so_it_does_with_three_fields_and_new_values: THREE_NEW, None, None;
    a_rotation_may_follow_one_that_changes_the_hashes: ONE_TWICE, None, None;
    so_it_may_with_two_fields: TWO_TWICE, None, None;
    so_it_may_with_three_fields: THREE_TWICE, None, None;
    a_field_may_be_masked_while_a_rotation_runs: LATER, None, None;
    a_guard_that_does_not_ask_for_each_field_lets_a_clear_value_in:
        LATER, Some(Rule::TheGuardAsksForEachField), Some(CLEAR);
}

/// The same for each number of fields: the rule, its worlds, and what comes of it.
macro_rules! broken {
    ($($name:ident: $rule:ident, $one:expr, $two:expr, $three:expr, $fault:expr;)*) => {
        $(mod $name {
            use super::*;
            tests! {
                one_field: $one, Some(Rule::$rule), Some($fault);
                two_fields: $two, Some(Rule::$rule), Some($fault);
                three_fields: $three, Some(Rule::$rule), Some($fault);
            }
        })*
    };
}

broken! {
    without_the_fence_a_value_is_split: LoadersTakeTheFence, ONE, TWO, THREE, SPLIT;
    without_the_guard_a_value_is_split: BatchesAreGuarded, ONE, TWO, THREE, SPLIT;
    a_guard_that_reads_before_the_fence_lets_a_stale_batch_in:
        TheGuardReadsUnderTheFence, ONE, TWO, THREE, SPLIT;
    a_guard_that_trusts_an_earlier_order_splits_a_value:
        TheGuardComparesOrders, ONE_TWICE, TWO_TWICE, THREE_TWICE, SPLIT;
    a_guard_that_leaves_a_field_out_splits_a_value:
        TheGuardComparesEveryField, ONE, TWO, THREE, SPLIT;
    a_retiring_key_that_is_dropped_at_once_splits_a_value:
        TheRetiringKeyServes, ONE, TWO, THREE, SPLIT;
    a_rotator_that_does_not_look_again_passes_a_value_by:
        RotatorsLookAgain, ONE, TWO_NEW, THREE_NEW, SPLIT;
    a_watermark_that_follows_its_rows_splits_a_value:
        TheWatermarkMovesWithTheRows, ONE, TWO, THREE, SPLIT;
    rotators_that_do_not_compare_the_watermark_turn_it_back:
        TheWatermarkIsCompared, ONE, TWO, THREE, SPLIT;
    a_step_of_an_earlier_rotation_passes_values_by:
        TheRotationIsCompared, ONE_TWICE, TWO_TWICE, THREE_TWICE, SPLIT;
    a_rotator_that_leaves_a_field_out_leaves_its_rows: EveryFieldIsSwept, ONE, TWO, THREE,
        LEFT;
    an_end_that_is_not_compared_ends_the_next_one:
        TheEndIsCompared, World { goal: 2, ..ONE }, World { goal: 2, ..TWO },
        World { goal: 2, ..THREE }, SPLIT;
    a_key_that_is_retired_while_in_use_gets_rows:
        KeysInUseAreSpared, ONE_TWICE, TWO_TWICE, THREE_TWICE, RETIRED;
}
