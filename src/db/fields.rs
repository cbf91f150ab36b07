//! Which fields this installation masks, and how one more comes to be masked.

use tokio_postgres::types::Type;

use super::session::{Mode, Parameter, Transaction};
use super::words::word;
use super::{DbError, Session};
use crate::audit::Group;
use crate::token::{Field, Fields};

const READING: &str = "reading which fields are masked";
const MASKING: &str = "masking one more field";

/// Loaders finish what they have in hand, and others wait. So no clear value is written
/// after this.
const FENCE: &str = "\
    do $$ begin \
        if to_regclass('vault.fence') is not null then lock table vault.fence in exclusive mode; \
          end if; \
    end $$";

impl Session {
    /// The masked fields.
    pub(crate) async fn fields(&self) -> Result<Fields, DbError> {
        read_fields(&self.begin(Mode::Read, "", READING).await?).await
    }
}

/// The masked fields; those that always are, where the schema is older or not there.
pub(super) async fn read_fields(transaction: &Transaction<'_>) -> Result<Fields, DbError> {
    let failed = |e| DbError::sql(READING, &e);
    let is_there =
        transaction.query_typed_one("select to_regclass('vault.fields') is not null", &[]).await;
    if !is_there.map_err(failed)?.get::<_, bool>(0) {
        return Ok(Fields::always());
    }
    let rows =
        transaction.query_typed("select field from vault.fields", &[]).await.map_err(failed)?;
    rows.iter().map(|row| word::<Field>(row, 0)).collect()
}

/// Takes the fence before the table is touched, in the order of loaders.
pub(super) async fn take_fence(transaction: &Transaction<'_>) -> Result<(), DbError> {
    transaction.batch_execute(FENCE).await.map_err(|e| DbError::schema(MASKING, &e))
}

/// Masks a field from this commit on, and records it. The fence is held, and the columns
/// are there.
pub(super) async fn mask_field(transaction: &Transaction<'_>, field: Field) -> Result<(), DbError> {
    let hash = field.hash_column();
    let index =
        format!("create index if not exists user_logins_{hash} on public.user_logins ({hash})");
    let details = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }).to_string();
    let parameters: [Parameter<'_>; 3] =
        [(&field, Type::TEXT), (&field.prefix(), Type::TEXT), (&details, Type::TEXT)];
    let failed = |e| DbError::schema(MASKING, &e);
    transaction.batch_execute(&index).await.map_err(failed)?;
    transaction.batch_execute(&format!("set local role {}", Group::Owner)).await.map_err(failed)?;
    let statement = "select seq from vault.mask_field($1, $2, $3)";
    let row = transaction.query_typed_one(statement, &parameters).await.map_err(failed)?;
    // The field was not masked before. If there is no record now, something kept it out
    // of the table of fields.
    if row.get::<_, Option<i64>>(0).is_none() {
        return Err(DbError::Swallowed {
            action: MASKING,
            suspects: vec!["vault.fields".to_owned()],
        });
    }
    transaction.batch_execute("reset role").await.map_err(failed)
}
