//! Which message comes next: any in a standard queue, in a FIFO queue the first of a
//! group that nobody has a message of.
//!
//! Invariants: a slot that was taken comes again only after `add`; while messages
//! of a group are in flight, none of it is taken; within a group slots are taken
//! in ascending order.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// The visible messages by their slots.
pub enum Order {
    Standard(VecDeque<u32>),
    Fifo(Groups),
}

/// The message groups of a FIFO queue.
#[derive(Default)]
pub struct Groups {
    numbers: HashMap<Box<str>, u32>,
    groups: Vec<Group>,
    /// Groups that a message can be taken of.
    free: VecDeque<u32>,
}

#[derive(Default)]
struct Group {
    name: Box<str>,
    waiting: BTreeSet<u32>,
    in_flight: u32,
    is_free: bool,
}

impl Order {
    pub fn new(fifo: bool) -> Self {
        if fifo { Self::Fifo(Groups::default()) } else { Self::Standard(VecDeque::new()) }
    }

    /// The number of a group; standard queues have but one.
    pub fn group(&mut self, name: &str) -> u32 {
        let Self::Fifo(Groups { numbers, groups, .. }) = self else { return 0 };
        if let Some(number) = numbers.get(name) {
            return *number;
        }
        let number = groups.len() as u32;
        groups.push(Group { name: name.into(), ..Group::default() });
        numbers.insert(name.into(), number);
        number
    }

    pub fn group_name(&self, number: u32) -> Option<&str> {
        let Self::Fifo(Groups { groups, .. }) = self else { return None };
        Some(&groups[number as usize].name)
    }

    /// Makes a message visible: in its place in FIFO queues, else behind all others or
    /// before them.
    pub fn add(&mut self, slot: u32, group: u32, first: bool) {
        match self {
            Self::Standard(slots) if first => slots.push_front(slot),
            Self::Standard(slots) => slots.push_back(slot),
            Self::Fifo(groups) => {
                groups.groups[group as usize].waiting.insert(slot);
                groups.free_if(group);
            }
        }
    }

    /// Removes the next messages, up to `max`, which are in flight from now on.
    pub fn take(&mut self, max: usize) -> Vec<u32> {
        match self {
            Self::Standard(slots) => slots.drain(..max.min(slots.len())).collect(),
            Self::Fifo(groups) => groups.take(max),
        }
    }

    /// A message is in flight no longer.
    pub fn landed(&mut self, group: u32) {
        if let Self::Fifo(groups) = self {
            groups.groups[group as usize].in_flight -= 1;
            groups.free_if(group);
        }
    }

    /// A visible message is gone. Standard queues keep its slot until it is taken.
    pub fn remove(&mut self, slot: u32, group: u32) {
        if let Self::Fifo(groups) = self {
            groups.groups[group as usize].waiting.remove(&slot);
        }
    }
}

impl Groups {
    fn free_if(&mut self, number: u32) {
        let group = &mut self.groups[number as usize];
        if group.in_flight == 0 && !group.waiting.is_empty() && !group.is_free {
            group.is_free = true;
            self.free.push_back(number);
        }
    }

    fn take(&mut self, max: usize) -> Vec<u32> {
        let mut taken = Vec::with_capacity(max);
        while taken.len() < max
            && let Some(number) = self.free.pop_front()
        {
            let group = &mut self.groups[number as usize];
            group.is_free = false;
            while taken.len() < max
                && let Some(slot) = group.waiting.pop_first()
            {
                group.in_flight += 1;
                taken.push(slot);
            }
        }
        taken
    }
}
