//! Rows of `user_logins` as arrays, one a column, and the proof that they stand there as
//! they were sent.
//!
//! Invariant: what is called loaded was counted by the statement that inserted it; where
//! triggers of others ran on the insert, it was read again in the same transaction by the
//! owner of our functions, and compared.

use jiff::civil::Date;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::session::{Parameter, Transaction};
use super::sight::{RowChange, row_triggers};
use super::{DbError, Fenced};
use crate::login::MaskedLogin;
use crate::token::{Field, Fields, PerField};

/// The columns that are no field's, with the types of their values.
const CLEAR: [(&str, Type); 5] = [
    ("user_id", Type::TEXT),
    ("device_type", Type::TEXT),
    ("locale", Type::TEXT),
    ("app_version", Type::INT4),
    ("create_date", Type::DATE),
];

/// The columns that a row has where these fields are masked, in the order of
/// [`RowColumns::parameters`], with the types of their values.
pub(super) fn row_columns(fields: Fields) -> Vec<(&'static str, Type)> {
    let masked =
        |field: Field| [(field.token_column(), Type::TEXT), (field.hash_column(), Type::UUID)];
    CLEAR.into_iter().chain(fields.fields().flat_map(masked)).collect()
}

/// Their names.
pub(super) fn row_names(fields: Fields) -> String {
    row_columns(fields).into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// Parameters for them from number `first` on: `$3::text[], $4::text[]`.
pub(super) fn row_arrays(fields: Fields, first: usize) -> String {
    let array =
        |(place, (_, of_type)): (usize, (_, Type))| format!("${place}::{}[]", of_type.name());
    (first..).zip(row_columns(fields)).map(array).collect::<Vec<_>>().join(", ")
}

/// Whether triggers of others run on an insert. The transaction holds the table, so it
/// stays so.
macro_rules! has_insert_triggers {
    () => {
        "exists (select from pg_trigger where tgrelid = 'public.user_logins'::regclass::oid and \
         not tgisinternal and tgenabled in ('O', 'A') and tgtype::int & 4 <> 0)"
    };
}
pub(super) use has_insert_triggers;

const COUNT_WRITTEN: &str = "select ingest.count_written($1, $2, $3, $4, $5, $6, $7, $8)";

const COMPARING: &str = "comparing the rows with what was sent";

/// One array a column. All rows are masked in the same fields.
#[derive(Default)]
pub(super) struct RowColumns<'a> {
    user_id: Vec<Option<&'a str>>,
    device_type: Vec<Option<&'a str>>,
    locale: Vec<Option<&'a str>>,
    app_version: Vec<i32>,
    create_date: Vec<Date>,
    masked: PerField<MaskedColumns<'a>>,
}

/// The two columns of a field.
#[derive(Default)]
struct MaskedColumns<'a> {
    tokens: Vec<&'a str>,
    hashes: Vec<Uuid>,
}

impl<'a> RowColumns<'a> {
    /// No rows yet, masked in these fields.
    pub(super) fn new(fields: Fields) -> Self {
        Self { masked: fields.map(|_, ()| MaskedColumns::default()), ..Self::default() }
    }

    /// # Errors
    /// When they are masked in different fields.
    pub(super) fn of(
        mut logins: impl Iterator<Item = &'a MaskedLogin> + Clone,
    ) -> Result<Self, DbError> {
        let mut columns = Self::new(fields_of(logins.clone()));
        if logins.all(|login| columns.push(login)) {
            Ok(columns)
        } else {
            Err(DbError::Invalid("mixture of rows"))
        }
    }

    /// Adds a row; false if it is masked in other fields.
    pub(super) fn push(&mut self, login: &'a MaskedLogin) -> bool {
        if self.fields() != login.masked.which() {
            return false;
        }
        self.user_id.push(login.user_id.as_deref());
        self.device_type.push(login.device_type.as_deref());
        self.locale.push(login.locale.as_deref());
        self.app_version.push(login.app_version);
        self.create_date.push(login.create_date);
        for (field, masked) in login.masked.iter() {
            if let Some(columns) = self.masked.get_mut(field) {
                columns.tokens.push(masked.token.as_str());
                columns.hashes.push(masked.hash);
            }
        }
        true
    }

    /// Which fields are masked.
    pub(super) fn fields(&self) -> Fields {
        self.masked.which()
    }

    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        let mut parameters = self.clear_parameters();
        for (_, columns) in self.masked.iter() {
            parameters.push((&columns.tokens, Type::TEXT_ARRAY));
            parameters.push((&columns.hashes, Type::UUID_ARRAY));
        }
        parameters
    }

    fn clear_parameters(&self) -> Vec<Parameter<'_>> {
        vec![
            (&self.user_id, Type::TEXT_ARRAY),
            (&self.device_type, Type::TEXT_ARRAY),
            (&self.locale, Type::TEXT_ARRAY),
            (&self.app_version, Type::INT4_ARRAY),
            (&self.create_date, Type::DATE_ARRAY),
        ]
    }
}

/// The fields in which the first of these rows is masked.
pub(super) fn fields_of<'a>(mut logins: impl Iterator<Item = &'a MaskedLogin>) -> Fields {
    logins.next().map_or_else(Fields::always, |login| login.masked.which())
}

impl Fenced<'_> {
    /// Whether so many of these rows were written by this transaction and stand there as
    /// they were sent, after all triggers have run, deferred ones too.
    ///
    /// # Errors
    /// [`DbError::Swallowed`]: they do not.
    /// [`super::SqlKind::Data`]: a deferred trigger refuses one of them.
    pub(super) async fn compare(
        &self,
        rows: &RowColumns<'_>,
        inserted: u64,
    ) -> Result<(), DbError> {
        let failed = |e| DbError::sql(COMPARING, &e);
        self.transaction.batch_execute("set constraints all immediate").await.map_err(failed)?;
        let fields: Vec<&str> = rows.masked.fields().map(Field::name).collect();
        let tokens: Vec<&str> =
            rows.masked.iter().flat_map(|(_, columns)| &columns.tokens).copied().collect();
        let hashes: Vec<Uuid> =
            rows.masked.iter().flat_map(|(_, columns)| &columns.hashes).copied().collect();
        let mut parameters = rows.clear_parameters();
        parameters.extend::<[Parameter<'_>; 3]>([
            (&fields, Type::TEXT_ARRAY),
            (&tokens, Type::TEXT_ARRAY),
            (&hashes, Type::UUID_ARRAY),
        ]);
        let there =
            self.transaction.query_typed_one(COUNT_WRITTEN, &parameters).await.map_err(failed)?;
        self.require_count(inserted, there.get::<_, i64>(0).unsigned_abs()).await
    }

    /// Whether as many rows were inserted as should have been.
    ///
    /// # Errors
    /// [`DbError::Swallowed`]: they were not.
    pub(super) async fn require_count(&self, wanted: u64, found: u64) -> Result<(), DbError> {
        if wanted == found {
            return Ok(());
        }
        let mut suspects = row_triggers(&self.transaction, RowChange::Insert).await?;
        suspects.insert(0, format!("{found} of {wanted} rows stand there"));
        Err(DbError::Swallowed { action: "inserting rows", suspects })
    }
}

/// How many rows carry one of these tokens of a field with its hash.
pub(super) async fn count_pairs(
    transaction: &Transaction<'_>,
    field: Field,
    hashes: &[Uuid],
    tokens: &[&str],
) -> Result<u64, DbError> {
    let (masked, hash) = (field.token_column(), field.hash_column());
    let statement = format!(
        "select pg_catalog.count(*) from public.user_logins u join \
         (select distinct hash, token from unnest($1::uuid[], $2::text[]) as n (hash, token)) as n \
         on u.{hash} = n.hash and u.{masked}::text = n.token"
    );
    let parameters: [Parameter<'_>; 2] = [(&hashes, Type::UUID_ARRAY), (&tokens, Type::TEXT_ARRAY)];
    let row = transaction.query_typed_one(&statement, &parameters).await;
    row.map(|row| row.get::<_, i64>(0).unsigned_abs())
        .map_err(|e| DbError::sql("counting rows under the new key", &e))
}
