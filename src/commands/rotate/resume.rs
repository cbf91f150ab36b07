//! `rotate-keys --resume`: whether there is a rotation to be finished, and the word when
//! there is none.
//!
//! Invariant: what has not begun is not begun here. A pending key alone is no rotation:
//! nothing is under it, and nobody knows which flags it was made for.

use super::report::{Done, RotateReport};
use crate::cli::Format;
use crate::db::Session;
use crate::error::{Error, Exit};
use crate::output;
use crate::token::{KeyState, Purpose};

/// What `result` says when there was nothing to take up.
const NONE: &str = "none_unfinished";

/// Whether a rotation has begun and not come to its end.
pub(super) async fn is_unfinished(session: &Session) -> Result<bool, Error> {
    let resealing = session.key_in_state(Purpose::Seal, KeyState::Retiring).await?;
    Ok(resealing.is_some() || !session.rotations().await?.is_empty())
}

/// Says that there was none, and which keys wait for one.
pub(super) async fn say_none(session: &Session, format: Format) -> Result<Exit, Error> {
    for purpose in Purpose::ALL {
        if let Some(key) = session.key_in_state(purpose, KeyState::Pending).await? {
            output::note(&format!(
                "{} key {key} is pending: a run ended before its rotation began; the next \
                 rotate-keys without --resume uses it",
                purpose.name()
            ));
        }
    }
    if format == Format::Json {
        RotateReport::of(NONE, &Done::default()).print(format)?;
    } else {
        output::line("no rotation is unfinished, and none was started")?;
    }
    Ok(Exit::Done)
}
