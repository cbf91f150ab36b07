//! A chunk of a file becomes rows: one ledger row for all of it, the rows by COPY, in a
//! transaction that holds the fence.
//!
//! Invariant: a chunk is loaded whole or not at all, and once.

use std::ops::Range;

use jiff::civil::Date;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::batch::RejectionColumns;
use super::rows::{RowColumns, fields_of, has_insert_triggers, row_arrays, row_columns, row_names};
use super::session::Parameter;
use super::sight::{Work, require_sight};
use super::{DbError, Fenced, SqlKind};
use crate::login::{Delivery, FIXED_DAY, MaskedLogin, SealedRejection};
use crate::token::PerField;

const CLAIM: &str = concat!(
    "with claimed as ( \
         insert into ingest.ledger (sent_day, message_id) \
         select $1, $2 \
         where not exists (select from ingest.ledger where sent_day = $1 and message_id = $3) \
         on conflict (sent_day, message_id) do nothing returning 1 \
     ) \
     select exists (select from claimed), pg_catalog.row_security_active('public.user_logins'), ",
    has_insert_triggers!()
);

const CLAIMED: &str =
    "select exists (select from ingest.ledger where sent_day = $1 and message_id in ($2, $3))";

/// Sealed bodies in one statement, roughly; the protocol takes less than a GiB.
const STATEMENT_BYTES: usize = 8 * 1024 * 1024;

const QUARANTINE: &str = "\
    insert into ingest.quarantine (message_id, source, sent_at, received_at, receive_count, \
                                   row_day, reason, field, length, seal_key_id, sealed) \
    select message_id, source, sent_at, received_at, receive_count, \
           row_day, reason, field, length, seal_key_id, sealed \
    from unnest($1::date[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], \
                $6::int4[], $7::date[], $8::text[], $9::text[], $10::int8[], $11::int8[], \
                $12::bytea[]) \
        as t (sent_day, message_id, source, sent_at, received_at, receive_count, \
              row_day, reason, field, length, seal_key_id, sealed)";

/// How rows get in, as the table is now; the transaction holds it, so it stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entrance {
    /// Row-level security applies to this login: then COPY is refused,
    /// whatever the policies.
    is_bound: bool,
    /// Triggers of others run on an insert.
    has_triggers: bool,
}

impl Fenced<'_> {
    /// Enters a chunk into the ledger; nothing when it stands there already, under this
    /// id or under the one that an earlier build gave it.
    pub(crate) async fn claim_chunk(
        &self,
        chunk: Uuid,
        earlier: Uuid,
    ) -> Result<Option<Entrance>, DbError> {
        let failed = |e| DbError::sql("entering a chunk into the ledger", &e);
        let day: Date = FIXED_DAY;
        let id: [Parameter<'_>; 3] =
            [(&day, Type::DATE), (&chunk, Type::UUID), (&earlier, Type::UUID)];
        let answer = self.transaction.query_typed_one(CLAIM, &id).await.map_err(failed)?;
        if answer.get::<_, bool>(0) {
            return Ok(Some(Entrance { is_bound: answer.get(1), has_triggers: answer.get(2) }));
        }
        // Loaded before is what the ledger has, and not what somebody's trigger kept out
        // of it.
        let is_there: bool =
            self.transaction.query_typed_one(CLAIMED, &id).await.map_err(failed)?.get(0);
        if is_there {
            return Ok(None);
        }
        require_sight(&self.transaction, Work::Load).await?;
        Err(DbError::Swallowed {
            action: "entering a chunk into the ledger",
            suspects: vec!["ingest.ledger".to_owned()],
        })
    }

    /// Inserts rows of a claimed chunk, and counts them.
    ///
    /// # Errors
    /// [`super::SqlKind::Data`]: one of the rows is to blame.
    /// [`DbError::Swallowed`]: fewer rows stand there than were written.
    pub(crate) async fn insert_logins(
        &self,
        logins: &[&MaskedLogin],
        entrance: Entrance,
    ) -> Result<(), DbError> {
        let inserted = if entrance.is_bound {
            let columns = RowColumns::of(logins.iter().copied())?;
            let (names, arrays) = (row_names(columns.fields()), row_arrays(columns.fields(), 1));
            let insert =
                format!("insert into public.user_logins ({names}) select * from unnest({arrays})");
            let inserted = self.transaction.execute_typed(&insert, &columns.parameters()).await;
            inserted.map_err(|e| DbError::sql("inserting rows", &e))?
        } else {
            self.copy_logins(logins).await?
        };
        self.require_count(logins.len() as u64, inserted).await
    }

    /// Compares what stands there now with what was sent, where somebody's
    /// triggers have run.
    ///
    /// # Errors
    /// [`DbError::Swallowed`]: it differs.
    /// [`super::SqlKind::Data`]: a deferred trigger refuses one of the rows.
    pub(crate) async fn compare_logins(
        &self,
        logins: &[&MaskedLogin],
        entrance: Entrance,
    ) -> Result<(), DbError> {
        if !entrance.has_triggers || logins.is_empty() {
            return Ok(());
        }
        self.compare(&RowColumns::of(logins.iter().copied())?, logins.len() as u64).await
    }

    async fn copy_logins(&self, logins: &[&MaskedLogin]) -> Result<u64, DbError> {
        let failed = |e| DbError::sql("copying rows", &e);
        let fields = fields_of(logins.iter().copied());
        let copy =
            format!("copy public.user_logins ({}) from stdin (format binary)", row_names(fields));
        let types: Vec<Type> =
            row_columns(fields).into_iter().map(|(_, of_type)| of_type).collect();
        let sink = self.transaction.copy_in(&copy).await.map_err(failed)?;
        let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &types));
        for login in logins {
            if login.masked.which() != fields {
                return Err(DbError::Invalid("mixture of rows"));
            }
            // As `row_columns` has them.
            let mut row: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(types.len());
            row.extend::<[&(dyn ToSql + Sync); 5]>([
                &login.user_id,
                &login.device_type,
                &login.locale,
                &login.app_version,
                &login.create_date,
            ]);
            let tokens: PerField<&str> =
                login.masked.iter().map(|(of, one)| (of, one.token.as_str())).collect();
            for ((_, token), (_, masked)) in tokens.iter().zip(login.masked.iter()) {
                row.extend::<[&(dyn ToSql + Sync); 2]>([token, &masked.hash]);
            }
            writer.as_mut().write(&row).await.map_err(failed)?;
        }
        writer.finish().await.map_err(failed)
    }

    /// Inserts the rows that the database takes, and returns the places of those that it
    /// refuses: found by halving, each part behind a savepoint, so that rows which
    /// conflict with each other are found too.
    ///
    /// # Errors
    /// When the database is gone or refuses for another reason than a row.
    pub(crate) async fn insert_logins_one_by_one(
        &self,
        logins: &[&MaskedLogin],
        entrance: Entrance,
    ) -> Result<Vec<usize>, DbError> {
        let step = async |sql| {
            self.transaction.batch_execute(sql).await.map_err(|e| DbError::sql("copying rows", &e))
        };
        // A constraint that waits for the commit would name no row.
        step("set constraints all immediate").await?;
        let mut refused = Vec::new();
        let mut parts: Vec<Range<usize>> = std::iter::once(0..logins.len()).collect();
        while let Some(part) = parts.pop() {
            step("savepoint part").await?;
            match self.insert_logins(&logins[part.clone()], entrance).await {
                Ok(()) => step("release savepoint part").await?,
                Err(error) if error.sql_kind() == Some(SqlKind::Data) => {
                    step("rollback to savepoint part; release savepoint part").await?;
                    let middle = part.start + part.len() / 2;
                    if part.len() == 1 {
                        refused.push(part.start)
                    } else {
                        parts.extend([middle..part.end, part.start..middle])
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// Quarantines lines of a claimed chunk.
    pub(crate) async fn quarantine<'b>(
        &self,
        rejections: impl Iterator<Item = (&'b Delivery, &'b SealedRejection)>,
    ) -> Result<u64, DbError> {
        let (mut columns, mut bytes, mut quarantined) = (RejectionColumns::default(), 0, 0);
        for (delivery, rejected) in rejections {
            columns.push(delivery, rejected);
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
        let inserted = inserted.map_err(|e| DbError::sql("quarantining lines", &e))?;
        if inserted == columns.len() as u64 {
            return Ok(inserted);
        }
        Err(DbError::Swallowed {
            action: "quarantining lines",
            suspects: vec!["ingest.quarantine".to_owned()],
        })
    }
}
