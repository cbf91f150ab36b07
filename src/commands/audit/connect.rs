//! A session that may see the audit log.

use crate::db::{Session, Target, Work};
use crate::error::Error;

pub(super) async fn connect(target: &Target) -> Result<Session, Error> {
    let session = target.connect().await?;
    super::super::ready(&session, Work::Show).await?;
    Ok(session)
}
