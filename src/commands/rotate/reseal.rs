//! Quarantined bodies under a new seal key: opened and sealed anew, a page at a time.

use super::Rotating;
use super::report::Unopened;
use crate::db::SealedBody;
use crate::error::Error;
use crate::token::{KeyState, Purpose};
use crate::vault::SweepKeys;

const PAGE: i64 = 100;

impl Rotating {
    /// Seals every body that is under another key than the active one. Loaders add none:
    /// the guard asks for the active key.
    pub(super) async fn seal_all_anew(&mut self) -> Result<(), Error> {
        if self.session.key_in_state(Purpose::Seal, KeyState::Retiring).await?.is_none() {
            return Ok(());
        }
        let Some(active) = self.session.key_in_state(Purpose::Seal, KeyState::Active).await? else {
            return Ok(());
        };
        let keys = SweepKeys::unwrap_all(&self.session, &self.kms).await?;
        let mut after = 0;
        loop {
            if self.stop.is_asked() {
                return Err(Error::StoppedBySignal);
            }
            let page = self.session.old_seals(active, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            let mut sealed: Vec<(SealedBody, Vec<u8>)> = Vec::new();
            for old in page {
                match keys.seal_anew(&old, active)? {
                    Some(new) => sealed.push((old, new)),
                    None => {
                        let which = old.id.to_string();
                        self.done.not_opened.push(Unopened { what: "quarantine", which, rows: 1 });
                    }
                }
            }
            self.done.bodies_sealed += self.session.replace_seals(active, &sealed).await?;
        }
    }
}
