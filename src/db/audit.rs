//! The audit log in the database: appended through functions, signed once, read from the
//! first record to the last.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::session::{Mode, Parameter, Transaction};
use super::words::head;
use super::{DbError, Fenced, Session};
use crate::audit::{Head, Record, RecordKind, Stored};

/// Records that are read at once.
const PAGE: usize = 500;

/// What [`record_of`] reads. A time that no record can have had stays visible as such:
/// its hash will not fit.
macro_rules! records {
    () => {
        "select l.seq, \
             case when isfinite(l.at) and l.at between '0001-01-01' and '9999-12-31' \
               then to_char(l.at at time zone interval '0', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
               else 'invalid' end, \
             l.xid::text, l.db_user, l.client::text, l.application_name, l.kind, l.record, \
             l.prev_hash, l.hash, s.key_arn, s.signature, \
             to_char(s.at at time zone interval '0', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
         from audit.log l left join audit.signatures s using (seq) "
    };
}

const CURSOR: &str = concat!("declare records no scroll cursor for ", records!(), "order by l.seq");

/// Whether a record of one of these kinds that was committed a moment ago has no
/// signature yet.
const WAITS_FOR_SIGNATURE: &str = "\
    select exists (select from audit.log l, audit.head h \
                   where l.seq > h.seq - 1000 and l.seq <= h.seq \
                   and l.at > clock_timestamp() - interval '2 minutes' and l.kind = any($1) \
                   and not exists (select from audit.signatures s where s.seq = l.seq))";
const RECORDING: &str = "appending to the audit log";
const READING: &str = "reading the audit log";
const POLLS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

const LIST: &str = concat!(
    records!(),
    "where ($1::text is null or l.db_user = $1) and ($2::timestamptz is null or l.at >= $2) \
         and ($3::timestamptz is null or l.at < $3) \
         and ($4::text is null or l.kind = $4 or starts_with(l.kind, $4 || '.')) \
         and ($5::text is null or strpos(l.record, '\"ticket\": ' || to_jsonb($5)::text) > 0) \
         and ($6::text is null or strpos(l.record, $6) > 0) \
     order by l.seq desc limit $7"
);

/// What [`record_of`] reads of a record `l` without its signature.
pub(super) const PARTS: &str = "\
    l.seq, to_char(l.at at time zone interval '0', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
    l.xid::text, l.db_user, l.client::text, l.application_name, l.kind, l.record, \
    l.prev_hash, l.hash, null::text, null::bytea, null::text";

/// Which records `audit list` shows. Nothing means any.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    /// This login.
    pub db_user: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// This kind, or all kinds of this family: `unmask`.
    pub kind: Option<String>,
    /// With this ticket.
    pub ticket: Option<String>,
    /// That name this hash.
    pub hash: Option<String>,
}

/// The whole log as of one instant, page by page.
pub(crate) struct AuditReader<'a>(Transaction<'a>);

impl Session {
    /// Appends a record of a kind that this role may write.
    pub(crate) async fn record(&self, kind: RecordKind, record: &str) -> Result<Head, DbError> {
        let transaction = self.begin(Mode::Write, "", RECORDING).await?;
        let head = append(&transaction, kind, record).await?;
        transaction.commit(RECORDING).await?;
        Ok(head)
    }

    /// Stores the signature of a committed record of one's own.
    pub(crate) async fn store_signature(
        &self,
        seq: i64,
        key_arn: &str,
        signature: &[u8],
    ) -> Result<(), DbError> {
        let parameters: [Parameter<'_>; 3] =
            [(&seq, Type::INT8), (&key_arn, Type::TEXT), (&signature, Type::BYTEA)];
        let stored =
            self.write("storing a signature", "select audit.sign($1, $2, $3)", &parameters).await;
        stored.map(drop)
    }

    /// Whether a record of one's own stands in the log with this signature (or with any),
    /// as of a new transaction.
    pub(crate) async fn is_kept(
        &self,
        record: &Head,
        signature: Option<&[u8]>,
    ) -> Result<bool, DbError> {
        let parameters: [Parameter<'_>; 3] =
            [(&record.seq, Type::INT8), (&record.hash, Type::BYTEA), (&signature, Type::BYTEA)];
        Ok(self
            .read_one("looking for the signature", "select audit.is_kept($1, $2, $3)", &parameters)
            .await?
            .get(0))
    }

    /// This login's records of a kind that are not signed.
    pub(crate) async fn unsigned_records(&self, kind: RecordKind) -> Result<Vec<Record>, DbError> {
        let statement = format!("select {PARTS} from audit.own_unsigned() l where l.kind = $1");
        let rows =
            self.read("looking for unsigned records", &statement, &[(&kind, Type::TEXT)]).await;
        rows?.iter().map(record_of).collect()
    }

    /// Other logins that wrote records of a kind which have no signature yet: only they
    /// can have them signed. Of a member of the owner's group, which reads the log.
    pub(crate) async fn logins_that_must_sign(
        &self,
        kind: RecordKind,
    ) -> Result<Vec<String>, DbError> {
        let statement = "\
            select distinct l.db_user from audit.log l \
            where l.kind = $1 and l.db_user <> session_user \
              and not exists (select from audit.signatures s where s.seq = l.seq)";
        let rows =
            self.read("looking for unsigned records", statement, &[(&kind, Type::TEXT)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The newest `limit` records of the filter, oldest first.
    pub(crate) async fn audit_list(
        &self,
        filter: &AuditFilter,
        limit: i64,
    ) -> Result<Vec<Record>, DbError> {
        let parameters: [Parameter<'_>; 7] = [
            (&filter.db_user, Type::TEXT),
            (&filter.since, Type::TIMESTAMPTZ),
            (&filter.until, Type::TIMESTAMPTZ),
            (&filter.kind, Type::TEXT),
            (&filter.ticket, Type::TEXT),
            (&filter.hash, Type::TEXT),
            (&limit, Type::INT8),
        ];
        let rows = self.read("listing the audit log", LIST, &parameters).await?;
        rows.iter().rev().map(record_of).collect()
    }

    /// Begins to read the whole log, as of an instant at which no record waits for its
    /// signature: a run that has just committed one stores it a moment later. If a
    /// signature does not come, the reader finds that out.
    pub(crate) async fn audit_reader(&self) -> Result<AuditReader<'_>, DbError> {
        let failed = |e| DbError::sql(READING, &e);
        let kinds: Vec<RecordKind> =
            RecordKind::ALL.into_iter().filter(|kind| kind.needs_signature()).collect();
        let mut polls_left = POLLS;
        loop {
            let transaction = self
                .begin(Mode::Snapshot, "set local idle_in_transaction_session_timeout = 0", READING)
                .await?;
            let waits = transaction
                .query_typed_one(WAITS_FOR_SIGNATURE, &[(&kinds, Type::TEXT_ARRAY)])
                .await;
            let waits: bool = waits.map_err(failed)?.get(0);
            if !waits || polls_left == 0 {
                transaction.batch_execute(CURSOR).await.map_err(failed)?;
                return Ok(AuditReader(transaction));
            }
            drop(transaction);
            polls_left -= 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Fenced<'_> {
    /// Appends a record in this transaction, as its last statement: the log's head is
    /// held until the commit.
    pub(crate) async fn record(&self, kind: RecordKind, record: &str) -> Result<(), DbError> {
        append(&self.transaction, kind, record).await.map(drop)
    }
}

impl AuditReader<'_> {
    /// The next records in order; none at the end.
    ///
    /// # Errors
    /// When the database is gone, or holds something that is no record.
    pub(crate) async fn next(&self) -> Result<Vec<Record>, DbError> {
        let rows = self.0.query_typed(&format!("fetch {PAGE} from records"), &[]).await;
        rows.map_err(|e| DbError::sql("reading the audit log", &e))?.iter().map(record_of).collect()
    }

    /// What the database says beside the log.
    ///
    /// # Errors
    /// When the database is gone, or has no head.
    pub(crate) async fn read_stored(&self) -> Result<Stored, DbError> {
        let failed = |e| DbError::sql("reading the head of the audit log", &e);
        let stored = self
            .0
            .query_typed_opt("select seq, hash from audit.head", &[])
            .await
            .map_err(failed)?;
        let stored = stored
            .map(|row| head(&row, 0))
            .ok_or(DbError::Invalid("audit log: its head is missing"))?;
        let orphan = "select min(s.seq) from audit.signatures s \
                        where not exists (select from audit.log l where l.seq = s.seq)";
        let orphan = self.0.query_typed_one(orphan, &[]).await.map_err(failed)?;
        let keys = "select key_id from vault.keys where state <> 'pending' order by 1";
        let keys = self.0.query_typed(keys, &[]).await.map_err(failed)?;
        Ok(Stored {
            head: stored,
            orphan: orphan.get(0),
            keys: keys.iter().map(|row| row.get(0)).collect(),
        })
    }
}

/// Calls the one function that appends.
pub(super) async fn append(
    client: &Client,
    kind: RecordKind,
    record: &str,
) -> Result<Head, DbError> {
    let parameters: [Parameter<'_>; 2] = [(&kind, Type::TEXT), (&record, Type::TEXT)];
    let row =
        client.query_typed_one("select seq, hash from audit.record($1, $2)", &parameters).await;
    row.map(|row| head(&row, 0)).map_err(|e| DbError::sql("writing the audit log", &e))
}

/// One record; whoever rewrote the table may have left something else there.
pub(super) fn record_of(row: &Row) -> Result<Record, DbError> {
    let read = || {
        Ok(Record {
            seq: row.try_get(0)?,
            at: row.try_get(1)?,
            xid: row.try_get(2)?,
            db_user: row.try_get(3)?,
            client: row.try_get(4)?,
            application_name: row.try_get(5)?,
            kind: row.try_get(6)?,
            details: row.try_get(7)?,
            prev_hash: row.try_get(8)?,
            hash: row.try_get(9)?,
            key_arn: row.try_get(10)?,
            signature: row.try_get(11)?,
            signed_at: row.try_get(12)?,
        })
    };
    read().map_err(|_: tokio_postgres::Error| DbError::Invalid("audit record: a part is missing"))
}
