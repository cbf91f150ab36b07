//! The begin and the end of a rotation, and what is done to single keys. The functions of
//! sql/functions/keys.sql decide.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::fence::EXCLUSIVE_FENCE;
use super::quarantine::{SealedBody, sealed_body};
use super::session::{Mode, Parameter};
use super::words::{head, word, words};
use super::{DbError, Session};
use crate::audit::Head;
use crate::token::{Field, Fields, Holder, KeyId, Purpose};

/// What the end of a rotation came to.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// The record of it, if there was anything to end.
    pub head: Option<Head>,
    /// Keys that nothing is under any more.
    pub retired: Vec<KeyId>,
    /// Keys that something is still under: it does not open.
    pub left_over: Vec<KeyId>,
}

/// One wrap and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct WrapHolder {
    /// The data key.
    pub key_id: KeyId,
    /// Who may unwrap it.
    pub holder: Holder,
    /// The KMS key that it is wrapped under.
    pub kms_key_arn: String,
}

impl Session {
    /// Starts a rotation under the exclusive fence: pending keys become active, active
    /// ones retiring.
    ///
    /// # Errors
    /// [`DbError::is_overtaken`]: a rotation runs, or another process was faster.
    /// [`super::SqlKind::FenceTaken`]: try again.
    pub(crate) async fn start_rotation(
        &mut self,
        active: &[(Purpose, KeyId)],
        details: &str,
    ) -> Result<Head, DbError> {
        const ACTION: &str = "starting the rotation";
        let (purposes, keys): (Vec<Purpose>, Vec<KeyId>) = active.iter().copied().unzip();
        let transaction = self.begin_with_fence(Mode::Write, EXCLUSIVE_FENCE).await?;
        let parameters: [Parameter<'_>; 3] =
            [(&purposes, Type::TEXT_ARRAY), (&keys, Type::INT8_ARRAY), (&details, Type::TEXT)];
        let row = transaction
            .query_typed_one("select seq, hash from vault.start_rotation($1, $2, $3)", &parameters)
            .await;
        let row = row.map_err(|e| DbError::sql(ACTION, &e))?;
        transaction.commit(ACTION).await?;
        Ok(head(&row, 0))
    }

    /// Ends a rotation whose sweeps are through.
    ///
    /// # Errors
    /// [`DbError::is_overtaken`]: they are not.
    pub(crate) async fn finish_rotation(&self, details: &str) -> Result<Finished, DbError> {
        let statement = "select seq, hash, retired, left_over from vault.finish_rotation($1)";
        let row =
            self.write_one("ending the rotation", statement, &[(&details, Type::TEXT)]).await?;
        let has_ended = row.get::<_, Option<i64>>(0).is_some();
        let (retired, left_over) = (words(&row, 2)?, words(&row, 3)?);
        Ok(Finished { head: has_ended.then(|| head(&row, 0)), retired, left_over })
    }

    /// Whether nothing is under a key any more. If so, it has read the whole table, while
    /// everybody else works on.
    ///
    /// # Errors
    /// When the database is gone, or does not let this role, or the owner of the
    /// functions cannot see all rows.
    pub(crate) async fn is_unused(&self, key: KeyId) -> Result<bool, DbError> {
        let row = self
            .read_one(
                "looking for what is under a key",
                "select vault.is_unused($1)",
                &[(&key, Type::INT8)],
            )
            .await?;
        Ok(row.get::<_, Option<bool>>(0).unwrap_or(false))
    }

    /// Destroys a retired key under the fence; `at_least` seconds must have passed since
    /// it was retired, and the look at all rows takes `longest_look` seconds at most.
    ///
    /// # Errors
    /// When it is in use, in another state or retired too short a time ago: the SQLSTATE
    /// tells. [`super::SqlKind::FenceTaken`]: try again. 57014: the look took too long.
    pub(crate) async fn destroy_key(
        &self,
        key: KeyId,
        at_least: i64,
        longest_look: u32,
        details: &str,
    ) -> Result<Head, DbError> {
        const ACTION: &str = "destroying a key";
        let parameters: [Parameter<'_>; 3] =
            [(&key, Type::INT8), (&at_least, Type::INT8), (&details, Type::TEXT)];
        let statement = "select seq, hash from vault.destroy_key($1, $2 * interval '1 second', $3)";
        let limits = format!(
            "{EXCLUSIVE_FENCE}; set local lock_timeout = '10s'; set local statement_timeout = \
             '{longest_look}s'"
        );
        let transaction = self.begin_with_fence(Mode::Write, &limits).await?;
        let row = transaction
            .query_typed_one(statement, &parameters)
            .await
            .map_err(|e| DbError::sql(ACTION, &e))?;
        transaction.commit(ACTION).await?;
        Ok(head(&row, 0))
    }

    /// Puts a wrap in the place of another.
    ///
    /// # Errors
    /// [`DbError::is_overtaken`]: the wrap is another by now.
    pub(crate) async fn replace_wrap(
        &self,
        key: KeyId,
        holder: Holder,
        seen: &[u8],
        wrap: (&str, &[u8]),
        details: &str,
    ) -> Result<Head, DbError> {
        let parameters: [Parameter<'_>; 6] = [
            (&key, Type::INT8),
            (&holder, Type::TEXT),
            (&seen, Type::BYTEA),
            (&wrap.0, Type::TEXT),
            (&wrap.1, Type::BYTEA),
            (&details, Type::TEXT),
        ];
        let row = self
            .write_one(
                "replacing a wrap",
                "select seq, hash from vault.replace_wrap($1, $2, $3, $4, $5, $6)",
                &parameters,
            )
            .await;
        row.map(|row| head(&row, 0))
    }

    /// Rows with a hash, and how many of them the longest value has. Reads the table.
    pub(crate) async fn size_of_rotation(&self, fields: Fields) -> Result<(i64, i64), DbError> {
        let hashes: Vec<&str> = fields.fields().map(Field::hash_column).collect();
        let longest = |hash: &&str| {
            format!(
                "(select count(*) from public.user_logins where {hash} is not null \
                  group by {hash} order by 1 desc limit 1)"
            )
        };
        let statement = format!(
            "select (select count(*) from public.user_logins where num_nonnulls({}) > 0), \
               greatest({})",
            hashes.join(", "),
            hashes.iter().map(longest).collect::<Vec<_>>().join(", ")
        );
        let row = self.read_one("counting rows", &statement, &[]).await?;
        Ok((row.get(0), row.get::<_, Option<i64>>(1).unwrap_or(0)))
    }

    /// Which KMS keys wrap which data keys.
    pub(crate) async fn wrap_holders(&self) -> Result<Vec<WrapHolder>, DbError> {
        let statement = "select key_id, holder, kms_key_arn from vault.wrap_holders order by 1, 2";
        let rows = self.read("listing the wraps", statement, &[]).await?;
        let holder = |row: &Row| {
            Ok(WrapHolder { key_id: word(row, 0)?, holder: word(row, 1)?, kms_key_arn: row.get(2) })
        };
        rows.iter().map(holder).collect()
    }

    /// Sealed bodies after number `after` that are not under this key.
    pub(crate) async fn old_seals(
        &self,
        key: KeyId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<SealedBody>, DbError> {
        let statement = "\
            select id, message_id, sealed from ingest.quarantine where seal_key_id <> $1 \
              and id > $2 order by id limit $3";
        let parameters: [Parameter<'_>; 3] =
            [(&key, Type::INT8), (&after, Type::INT8), (&limit, Type::INT8)];
        let rows = self.read("reading sealed bodies", statement, &parameters).await?;
        Ok(rows.iter().map(sealed_body).collect())
    }

    /// Puts newly sealed bodies in the place of those that were read; one that has left
    /// meanwhile stays away.
    pub(crate) async fn replace_seals(
        &self,
        key: KeyId,
        seals: &[(SealedBody, Vec<u8>)],
    ) -> Result<u64, DbError> {
        let statement = "\
            update ingest.quarantine q set sealed = n.new, seal_key_id = $1 \
            from unnest($2::int8[], $3::bytea[], $4::bytea[]) as n (id, old, new) \
              where q.id = n.id and q.sealed = n.old";
        let ids: Vec<i64> = seals.iter().map(|(old, _)| old.id).collect();
        let old: Vec<&[u8]> = seals.iter().map(|(old, _)| old.sealed.as_slice()).collect();
        let new: Vec<&[u8]> = seals.iter().map(|(_, new)| new.as_slice()).collect();
        let parameters: [Parameter<'_>; 4] = [
            (&key, Type::INT8),
            (&ids, Type::INT8_ARRAY),
            (&old, Type::BYTEA_ARRAY),
            (&new, Type::BYTEA_ARRAY),
        ];
        self.execute("sealing bodies anew", statement, &parameters).await
    }
}
