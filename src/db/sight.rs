//! Sight: before a command counts, moves or writes rows, it is proved that it sees them
//! all and that nothing swallows what it writes. What cannot be proved is refused, by
//! name, before anything has changed.
//!
//! Invariant: the proof comes from the catalogue (sql/functions/sight.sql), never from a
//! count. Triggers of others on the rows cannot be judged from there: what they have done
//! is looked at in the transaction that they ran in.

use tokio_postgres::types::Type;

use super::session::{Mode, Transaction};
use super::words::{GROUPS, words};
use super::{DbError, Denial, Session, SqlKind};
use crate::audit::Group;

/// What a command is about to do. What can stand in its way depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Shows what stands in loginetl's own tables.
    Show,
    /// Has the owner of our functions count rows.
    Census,
    /// Counts rows itself.
    Count,
    /// Writes into loginetl's own tables alone.
    Write,
    /// Inserts rows.
    Load,
    /// Looks rows up.
    Unmask,
    /// Rewrites rows of an earlier loader.
    Backfill,
    /// Rewrites rows; the owner of our functions counts them at the end.
    Rotate,
    /// Destroys a key, after the owner of our functions has counted.
    Destroy,
}

impl Work {
    /// What this login must be able to do with all rows; `write` is about
    /// loginetl's own tables.
    const fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Show | Self::Census => &[],
            Self::Count => &["select"],
            Self::Write | Self::Destroy => &["write"],
            Self::Load => &["write", "insert"],
            Self::Unmask => &["write", "select"],
            Self::Backfill | Self::Rotate => &["write", "select", "update"],
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub(crate) fn writes(self) -> bool {
        self.commands().contains(&"write")
    }

    const fn needs_census(self) -> bool {
        matches!(self, Self::Census | Self::Rotate | Self::Destroy)
    }

    /// The group whose rights it takes.
    const fn group(self) -> Option<Group> {
        match self {
            Self::Load => Some(Group::Loader),
            Self::Unmask => Some(Group::Unmasker),
            Self::Rotate | Self::Destroy | Self::Count => Some(Group::Rotator),
            _ => None,
        }
    }
}

/// What is worth knowing before the work begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Transactions of this login would only read, if they did not say otherwise.
    pub is_read_only_by_default: bool,
}

const WHO: &str = "\
    select session_user::text, pg_is_in_recovery(), \
           current_setting('default_transaction_read_only') = 'on', \
           array(select g.rolname::text from pg_roles g where g.rolname = any($1) \
                 and pg_has_role(current_user, g.oid, 'member') \
                 and not pg_has_role(current_user, g.oid, 'usage')), \
           coalesce(has_schema_privilege(to_regnamespace('vault')::oid, 'usage'), true)";

const BLIND_SPOTS: &str = "\
    select spot from vault.blind_spots((select oid from pg_roles \
      where rolname = coalesce($1, current_user)), $2) as spot";

/// Triggers of others that run when rows are inserted (4) or updated (16).
const TRIGGERS: &str = "\
    select pg_catalog.format('trigger %I on public.user_logins', tgname) from pg_trigger \
    where tgrelid = to_regclass('public.user_logins')::oid and not tgisinternal \
      and tgenabled in ('O', 'A') \
      and tgtype::int & $1 <> 0 order by 1";

/// What somebody's trigger may hang on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowChange {
    /// New rows.
    Insert,
    /// Changed rows.
    Update,
}

impl RowChange {
    const fn bit(self) -> i32 {
        match self {
            Self::Insert => 4,
            Self::Update => 16,
        }
    }
}

impl Session {
    /// Whether this login can do its work on all rows, in a schema of this program.
    ///
    /// # Errors
    /// [`DbError::NotInherited`], [`DbError::Standby`], [`DbError::SchemaVersion`],
    /// [`DbError::Blind`]: it cannot.
    pub(crate) async fn ready(&self, work: Work) -> Result<Readiness, DbError> {
        let who = self.read_one("asking who this login is", WHO, &[GROUPS]).await?;
        let (login, is_standby): (String, bool) = (who.get(0), who.get(1));
        if work.writes() && is_standby {
            return Err(DbError::Standby);
        }
        let not_inherited: Vec<Group> = words(&who, 3)?;
        // Only `init` needs the rights of the owner, and asks for them itself.
        if let Some(group) = Group::ALL
            .into_iter()
            .find(|group| *group != Group::Owner && not_inherited.contains(group))
            && (work.group() == Some(group) || !who.get::<_, bool>(4))
        {
            return Err(DbError::NotInherited { login, group });
        }
        self.check_schema_version().await?;
        self.require_sight(work).await?;
        Ok(Readiness { is_read_only_by_default: who.get(2) })
    }

    /// Whether everything is seen that this work is about.
    ///
    /// # Errors
    /// [`DbError::Blind`]: what hides rows, or swallows what is written.
    pub(crate) async fn require_sight(&self, work: Work) -> Result<(), DbError> {
        let transaction = self.begin(Mode::Read, "", LOOKING).await?;
        require_sight(&transaction, work).await?;
        if work.needs_census() {
            let spots = blind_spots(&transaction, Some(Group::Owner), &["select"]).await?;
            refuse("loginetl_owner, whose functions count,", spots)?;
        }
        transaction.commit(LOOKING).await
    }

    /// What hides rows from a group, for `check`.
    pub(crate) async fn blind_spots(
        &self,
        who: Option<Group>,
        work: Work,
    ) -> Result<Vec<String>, DbError> {
        let transaction = self.begin(Mode::Read, "", LOOKING).await?;
        blind_spots(&transaction, who, work.commands()).await
    }

    /// Triggers of others on the rows, for `check` and for a message.
    pub(crate) async fn row_triggers(&self, change: RowChange) -> Result<Vec<String>, DbError> {
        let transaction = self.begin(Mode::Read, "", LOOKING).await?;
        row_triggers(&transaction, change).await
    }

    /// An error of a statement that changed rows, with the triggers that
    /// may have raised it.
    pub(crate) async fn with_suspects(&self, error: DbError, change: RowChange) -> DbError {
        let DbError::Sql { action, kind, code, object, message } = error else { return error };
        let unchanged = |object| DbError::Sql {
            action,
            kind,
            code: code.clone(),
            object,
            message: message.clone(),
        };
        let suspects = match self.row_triggers(change).await {
            Ok(suspects) if !suspects.is_empty() => suspects,
            _ => return unchanged(object),
        };
        match kind {
            SqlKind::Data | SqlKind::ForeignCode => {
                let raised =
                    |trigger| format!("{trigger}, or a constraint, raised SQLSTATE {code}{object}");
                DbError::Swallowed { action, suspects: suspects.into_iter().map(raised).collect() }
            }
            SqlKind::Denied(Denial::ForeignCode) => {
                unchanged(format!("{object} ({})", suspects.join("; ")))
            }
            _ => unchanged(object),
        }
    }
}

const LOOKING: &str = "looking for what hides rows";

/// The same within a transaction that has touched the rows: until its end nobody can
/// change what hides them.
pub(super) async fn require_sight(
    transaction: &Transaction<'_>,
    work: Work,
) -> Result<(), DbError> {
    refuse("this login", blind_spots(transaction, None, work.commands()).await?)
}

fn refuse(who: &'static str, spots: Vec<String>) -> Result<(), DbError> {
    if spots.is_empty() { Ok(()) } else { Err(DbError::Blind { who, spots }) }
}

async fn blind_spots(
    transaction: &Transaction<'_>,
    who: Option<Group>,
    commands: &[&str],
) -> Result<Vec<String>, DbError> {
    let found = transaction
        .query_typed(BLIND_SPOTS, &[(&who, Type::TEXT), (&commands, Type::TEXT_ARRAY)])
        .await;
    Ok(found.map_err(|e| DbError::sql(LOOKING, &e))?.iter().map(|row| row.get(0)).collect())
}

/// Triggers of others that run on a change of rows.
pub(super) async fn row_triggers(
    transaction: &Transaction<'_>,
    change: RowChange,
) -> Result<Vec<String>, DbError> {
    let found = transaction.query_typed(TRIGGERS, &[(&change.bit(), Type::INT4)]).await;
    Ok(found.map_err(|e| DbError::sql(LOOKING, &e))?.iter().map(|row| row.get(0)).collect())
}
