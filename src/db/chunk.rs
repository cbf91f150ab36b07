//! A chunk of a file becomes rows: one ledger row for all of it, the rows by COPY, in a transaction that holds the fence.
//!
//! Invariant: a chunk is loaded whole or not at all, and once.

use std::ops::Range;

use jiff::civil::Date;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::batch::RejectionColumns;
use super::{DbError, Fenced, SqlKind};
use crate::login::{Envelope, FIXED_DAY, MaskedLogin, SealedRejection};

const CLAIM: &str = "insert into ingest.ledger (sent_day, message_id) values ($1, $2) on conflict do nothing";

const COPY: &str = "\
    copy public.user_logins (user_id, device_type, masked_ip, masked_device_id, locale, app_version, \
                             create_date, ip_hash, device_id_hash) from stdin (format binary)";

const COPY_TYPES: [Type; 9] =
    [Type::VARCHAR, Type::VARCHAR, Type::VARCHAR, Type::VARCHAR, Type::VARCHAR, Type::INT4, Type::DATE, Type::UUID, Type::UUID];

/// Sealed bodies in one statement, roughly; the protocol takes less than a GiB.
const STATEMENT_BYTES: usize = 8 * 1024 * 1024;

const QUARANTINE: &str = "\
    insert into ingest.quarantine (message_id, source, sent_at, received_at, receive_count, \
                                   row_day, reason, field, length, seal_key_id, sealed) \
    select message_id, source, sent_at, received_at, receive_count, row_day, reason, field, length, seal_key_id, sealed \
    from unnest($1::date[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::int4[], \
                $7::date[], $8::text[], $9::text[], $10::int8[], $11::int8[], $12::bytea[]) \
        as t (sent_day, message_id, source, sent_at, received_at, receive_count, \
              row_day, reason, field, length, seal_key_id, sealed)";

impl Fenced<'_> {
    /// Enters a chunk into the ledger; false when it stands there already.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn claim_chunk(&self, chunk: Uuid) -> Result<bool, DbError> {
        let day: Date = FIXED_DAY;
        let claimed = self.transaction.execute_typed(CLAIM, &[(&day, Type::DATE), (&chunk, Type::UUID)]).await;
        claimed.map(|rows| rows == 1).map_err(|e| DbError::sql("entering a chunk into the ledger", &e))
    }

    /// Copies rows of a claimed chunk.
    ///
    /// # Errors
    /// [`super::SqlKind::Data`]: one of the rows is to blame.
    pub async fn copy_logins<'b>(&self, logins: impl Iterator<Item = &'b MaskedLogin>) -> Result<u64, DbError> {
        let failed = |e| DbError::sql("copying rows", &e);
        let sink = self.transaction.copy_in(COPY).await.map_err(failed)?;
        let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &COPY_TYPES));
        for login in logins {
            let (ip, device_id) = (login.ip.token.as_str(), login.device_id.token.as_str());
            let row: [&(dyn ToSql + Sync); 9] = [
                &login.user_id,
                &login.device_type,
                &ip,
                &device_id,
                &login.locale,
                &login.app_version,
                &login.create_date,
                &login.ip.hash,
                &login.device_id.hash,
            ];
            writer.as_mut().write(&row).await.map_err(failed)?;
        }
        writer.finish().await.map_err(failed)
    }

    /// Copies the rows that the database takes, and returns the places of those that it refuses: found by halving,
    /// each part behind a savepoint, so that rows which conflict with each other are found too.
    ///
    /// # Errors
    /// When the database is gone or refuses for another reason than a row.
    pub async fn copy_logins_one_by_one(&self, logins: &[&MaskedLogin]) -> Result<Vec<usize>, DbError> {
        let step = async |sql| self.transaction.batch_execute(sql).await.map_err(|e| DbError::sql("copying rows", &e));
        // A constraint that waits for the commit would name no row.
        step("set constraints all immediate").await?;
        let mut refused = Vec::new();
        let mut parts: Vec<Range<usize>> = std::iter::once(0..logins.len()).collect();
        while let Some(part) = parts.pop() {
            step("savepoint part").await?;
            match self.copy_logins(logins[part.clone()].iter().copied()).await {
                Ok(_) => step("release savepoint part").await?,
                Err(error) if error.sql_kind() == Some(SqlKind::Data) => {
                    step("rollback to savepoint part; release savepoint part").await?;
                    let middle = part.start + part.len() / 2;
                    if part.len() == 1 { refused.push(part.start) } else { parts.extend([middle..part.end, part.start..middle]) }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// Quarantines lines of a claimed chunk.
    ///
    /// # Errors
    /// When the database is gone or refuses.
    pub async fn quarantine<'b>(
        &self,
        rejections: impl Iterator<Item = (&'b Envelope, &'b SealedRejection)>,
    ) -> Result<u64, DbError> {
        let (mut columns, mut bytes, mut quarantined) = (RejectionColumns::default(), 0, 0);
        for (envelope, rejected) in rejections {
            columns.push(envelope, rejected);
            bytes += rejected.sealed.len();
            if bytes > STATEMENT_BYTES {
                quarantined += self.insert_rejections(&columns).await?;
                (columns, bytes) = (RejectionColumns::default(), 0);
            }
        }
        Ok(quarantined + self.insert_rejections(&columns).await?)
    }

    async fn insert_rejections(&self, columns: &RejectionColumns<'_>) -> Result<u64, DbError> {
        let inserted = self.transaction.execute_typed(QUARANTINE, &columns.parameters()).await;
        inserted.map_err(|e| DbError::sql("quarantining lines", &e))
    }
}
