//! One message of a queue, or one duplicate.
//!
//! Invariant: its texts are shared with its duplicate and its copy
//! among the dead letters.

use uuid::Uuid;

use super::messages::Content;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Visible,
    InFlight,
    Delayed,
    Deleted,
    Dead,
}

#[derive(Clone)]
pub struct Message {
    pub id: Uuid,
    pub content: Content,
    pub group: u32,
    pub deduplication: Option<Box<str>>,
    /// Milliseconds since 1970, like all times here.
    pub sent: u64,
    pub first_received: u64,
    pub receive_count: u32,
    /// The newest.
    pub receipt: u64,
    /// A duplicate: the slot of its message.
    pub twin_of: Option<u32>,
    pub state: State,
    /// When it becomes visible, unless it is.
    pub due: u64,
    /// Its receipt is refused.
    pub stale: bool,
    /// It or its duplicate has been deleted.
    pub id_deleted: bool,
}

impl Message {
    /// A message that waits for its time.
    pub fn new(id: Uuid, content: Content, group: u32, sent: u64, due: u64) -> Self {
        Self {
            id,
            content,
            group,
            deduplication: None,
            sent,
            first_received: 0,
            receive_count: 0,
            receipt: 0,
            twin_of: None,
            state: State::Delayed,
            due,
            stale: false,
            id_deleted: false,
        }
    }

    /// Whether it may still be handed out, now or later.
    pub fn is_here(&self) -> bool {
        !matches!(self.state, State::Deleted | State::Dead)
    }
}
