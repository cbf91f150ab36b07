//! Ranges over tables that are made up: end to end, no value cut, no row left
//! out or read twice.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;

/// Hashes in order, each with whether it opens; one a row.
struct FakeTable {
    rows: Vec<(u128, bool)>,
    reads: usize,
}

fn row_move(hash: u128) -> Move {
    let hash = Uuid::from_u128(hash);
    Move { hash, token: String::new(), new_token: String::new(), new_hash: hash, place: None }
}

fn snapshot() -> Snapshot {
    Snapshot::parse("10:10:").unwrap()
}

/// As the sweep sees rows: those that open one by one, the others once a value.
fn read_rows(rows: &[(u128, bool)]) -> RangeRows {
    let moves = rows.iter().filter(|(_, opens)| *opens).map(|(hash, _)| row_move(*hash)).collect();
    let mut stuck: Vec<TokenGroup> = Vec::new();
    for (hash, _) in rows.iter().filter(|(_, opens)| !opens) {
        let hash = Uuid::from_u128(*hash);
        match stuck.iter_mut().find(|value| value.hash == hash) {
            Some(value) => value.rows += 1,
            None => stuck.push(TokenGroup { hash, token: None, rows: 1, place: None }),
        }
    }
    RangeRows { seen: snapshot(), rows: rows.len() as u32, moves, stuck }
}

impl RangeReader for FakeTable {
    async fn read(
        &mut self,
        after: Uuid,
        until: Option<Uuid>,
        limit: u32,
    ) -> Result<RangeRows, Error> {
        self.reads += 1;
        assert!(until.is_none_or(|until| until > after), "a range is empty");
        let is_in = |hash: u128| {
            hash > after.as_u128() && until.is_none_or(|until| hash <= until.as_u128())
        };
        let mut rows: Vec<_> = self.rows.iter().copied().filter(|(hash, _)| is_in(*hash)).collect();
        // A bounded range is read in any order.
        if until.is_some() {
            rows.reverse();
        }
        rows.truncate(limit as usize);
        Ok(read_rows(&rows))
    }
}

/// Values anywhere, in a heap, and at the ends of the space, some with many rows.
fn tables() -> impl Strategy<Value = Vec<(u128, bool)>> {
    let hash = prop_oneof![
        4 => any::<u128>(),
        4 => (0_u128..300).prop_map(|n| (7 << 120) + n),
        1 => Just(u128::MAX),
        1 => 1_u128..4,
    ];
    let value = (
        hash,
        prop_oneof![5 => Just(1_usize), 1 => 2_usize..150],
        prop_oneof![4 => Just(None), 1 => Just(Some(false))],
    );
    proptest::collection::vec(value, 0..120).prop_map(|values| {
        let each = values.into_iter().flat_map(|(hash, rows, stuck)| {
            (0..rows).map(move |n| (hash, stuck.unwrap_or(n % 5 != 4)))
        });
        let mut rows: Vec<_> = each.collect();
        rows.sort_unstable();
        rows
    })
}

proptest! {
    #[test]
    fn ranges_lie_end_to_end_and_hold_every_row_once(
        rows in tables(),
        from in prop_oneof![Just(0_u128), any::<u128>()],
        step in 20_u32..100,
    ) {
        let mut table = FakeTable { rows: rows.clone(), reads: 0 };
        let (mut ranges, mut at, mut count) = (Ranges::after(Uuid::from_u128(from), step), from, 0);
        while !ranges.is_through() {
            let prepared = ranges.prepare_next(&mut table).now_or_never().unwrap().unwrap();
            let next = prepared.next.as_u128();
            prop_assert!(next > at, "the watermark goes on");
            prop_assert_eq!(ranges.after, prepared.next);
            let is_inside = |(hash, _): &(u128, bool)| *hash > at && *hash <= next;
            let inside: Vec<_> = rows.iter().copied().filter(is_inside).collect();
            let mut moved: Vec<_> = prepared.moves.iter().map(|m| m.hash.as_u128()).collect();
            moved.sort_unstable();
            let opens: Vec<_> =
                inside.iter().filter(|(_, opens)| *opens).map(|(hash, _)| *hash).collect();
            let stuck: i64 = prepared.stuck.iter().map(|value| value.rows).sum();
            prop_assert!(prepared.moves.len() + stuck as usize <= step as usize,
                "no more than a step takes");
            if prepared.read == Coverage::Part {
                prop_assert!(inside.iter().all(|(hash, _)| *hash == next),
                    "only a value by itself is read in part");
                prop_assert!(!inside.is_empty() && moved.len() <= opens.len());
            } else {
                prop_assert_eq!(&moved, &opens, "all that opens is moved");
                prop_assert_eq!(stuck as usize, inside.len() - opens.len(),
                    "all that does not open is told");
            }
            (at, count) = (next, count + 1);
        }
        prop_assert_eq!(at, u128::MAX);
        // From one value to the next, a range grows from the narrowest to the whole space
        // in 32 steps.
        let mut values: Vec<_> = rows.iter().map(|(hash, _)| *hash).collect();
        values.dedup();
        prop_assert!(count <= 33 * (values.len() + 1), "{} ranges", count);
        prop_assert!(table.reads <= 2 * count, "{} reads of {} ranges", table.reads, count);
    }

    #[test]
    fn a_range_is_as_wide_as_nine_tenths_of_the_rows_but_grows_slowly(
        after in any::<u64>(),
        width in 1_u64..,
        hashes in 0_usize..200,
        rows in 1_u32..10_000,
    ) {
        let next = Uuid::from_u128(u128::from(after) + u128::from(width));
        let moves = vec![row_move(next.as_u128()); hashes];
        let prepared = Prepared { next, moves, stuck: Vec::new(), read: Coverage::Part };
        let wide = width_after(Uuid::from_u128(after.into()), &prepared, rows);
        let width = u128::from(width);
        let found = hashes.max(1) as u128;
        let fitting = width / found * (u128::from(rows) * 9 / 10);
        prop_assert!(wide >= 1, "it goes on");
        prop_assert!(wide <= 16 * width && (wide == 1 || wide <= fitting), "not too wide");
        prop_assert!(wide == fitting.max(1) || wide == 16 * width, "not narrower than need be");
    }
}
