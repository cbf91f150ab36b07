//! The search in breadth of all states of a world, and the shortest way to a fault.

use std::collections::HashMap;
use std::iter::successors;
use std::mem;
use std::time::Instant;

use crate::protocol::World;
use crate::state::{KEYS, State};

/// The states of a world, in the order in which a search in breadth finds them.
struct Search {
    /// Each with the one from which it was found, and the step from there.
    found: Vec<(State, usize, &'static str)>,
    edges: Vec<(u32, u32)>,
}

impl Search {
    /// All states; or, up to the first with a fault, what that is.
    fn run(world: &World) -> (Self, Option<(&'static str, usize)>) {
        let begin = world.begin();
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
                search.edges.push((at as u32, to as u32));
            }
            at += 1;
        }
        let stuck = search.first_without_end();
        (search, stuck.map(|at| ("no way leads to the end any more", at)))
    }

    fn first_without_end(&self) -> Option<usize> {
        let mut ends: Vec<bool> = self.found.iter().map(|(state, ..)| state.is_end()).collect();
        // Backwards along the steps, until nothing is new.
        let mut is_news = true;
        while is_news {
            let leads = |(from, to): &&(u32, u32)| {
                ends[*to as usize] && !mem::replace(&mut ends[*from as usize], true)
            };
            is_news = self.edges.iter().rev().filter(leads).count() > 0;
        }
        ends.iter().position(|ends| !ends)
    }

    /// The shortest way to a state.
    fn way(&self, at: usize) -> Vec<String> {
        let back = successors(Some(at), |at| Some(self.found[*at].1)).take_while(|at| *at != 0);
        let line = |(state, _, step): &(State, _, _)| {
            let fields = state.rows.iter().zip(state.plans.masked());
            let shown = fields.map(|(rows, plan)| {
                format!("\n    {:?} {plan:?}", rows.chunks(KEYS).collect::<Vec<_>>())
            });
            format!("{step}{}\n", shown.collect::<String>())
        };
        let mut way: Vec<String> = back.map(|at| line(&self.found[at])).collect();
        way.reverse();
        way
    }
}

/// Finds this fault first, or none in as many states as one would believe.
pub(crate) fn check(world: World, expected: Option<&str>) {
    let begun = Instant::now();
    let (search, fault) = Search::run(&world);
    let way = fault.map_or(Vec::new(), |(_, at)| search.way(at));
    let fault = fault.map(|(fault, _)| fault);
    let told = format!(
        "without {:?}: {fault:?} after {} steps\n{}",
        world.broken,
        way.len(),
        way.concat()
    );
    assert_eq!(fault, expected, "{told}");
    let (states, steps) = (search.found.len(), search.edges.len());
    eprintln!("{states} states, {steps} steps, {:?}, {told}", begun.elapsed());
    assert!(fault.is_some() || states > 20_000, "{states} states");
}
