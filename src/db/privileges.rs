//! Who this login is, and what others have set for it. Nothing here changes anything.

use super::words::{GROUPS, words};
use super::{DbError, Session};
use crate::audit::Group;

/// Groups that can log in, have attributes, or are members of each other.
const ODD_ROLES: &str = "\
    select rolname || ' can log in or has attributes of a superuser' from pg_roles \
    where rolname = any($1) \
      and (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls \
        or rolreplication) \
    union all \
    select m.rolname || ' is a member of ' || g.rolname from pg_auth_members a \
    join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid \
    where g.rolname like 'loginetl\\_%' and m.rolname like 'loginetl\\_%' and not m.rolcanlogin";

const FOREIGN_SETTINGS: &str = "\
    select 'pg_is_in_recovery: a read-only standby' where pg_is_in_recovery() \
    union all \
    select name || ' = ' || reset_val || \
           case when name = 'default_transaction_read_only' then ' (read-only)' else '' end \
    from pg_settings \
    where (name, reset_val) not in ( \
              ('default_transaction_isolation', 'read committed'), \
              ('default_transaction_read_only', 'off'), \
              ('default_transaction_deferrable', 'off'), ('row_security', 'on'), \
              ('session_replication_role', 'origin'), \
              ('statement_timeout', '0'), ('lock_timeout', '0'), ('transaction_timeout', '0'), \
              ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0')) \
      and name in ('default_transaction_isolation', 'default_transaction_read_only', \
                   'default_transaction_deferrable', 'row_security', \
                   'session_replication_role', 'statement_timeout', 'lock_timeout', \
                   'transaction_timeout', 'idle_in_transaction_session_timeout', \
                   'idle_session_timeout') \
    order by 1";

/// A login, and which groups it is a member of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    /// Its name.
    pub name: String,
    /// It may do everything, whatever groups say.
    pub is_superuser: bool,
    /// Its groups, directly or not.
    pub groups: Vec<Group>,
}

impl Login {
    /// Whether it is in a group; a superuser is in all.
    #[must_use]
    pub(crate) fn is(&self, group: Group) -> bool {
        self.groups.contains(&group)
    }
}

impl Session {
    /// Who this login is.
    pub(crate) async fn login(&self) -> Result<Login, DbError> {
        let statement = "\
            select session_user::text, current_setting('is_superuser') = 'on', \
                   coalesce(array_agg(rolname::text order by rolname) \
                     filter (where pg_has_role(session_user, oid, 'member')), '{}') \
            from pg_roles where rolname = any($1)";
        let row = self.read_one("asking who this login is", statement, &[GROUPS]).await?;
        Ok(Login { name: row.get(0), is_superuser: row.get(1), groups: words(&row, 2)? })
    }

    /// Groups of ours that can log in, have attributes, or are members of each other.
    pub(crate) async fn odd_groups(&self) -> Result<Vec<String>, DbError> {
        let rows = self.read("looking at the groups", ODD_ROLES, &[GROUPS]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Groups of which this login is a member without inheriting their rights.
    pub(crate) async fn groups_not_inherited(&self) -> Result<Vec<Group>, DbError> {
        let statement = "\
            select coalesce(array_agg(g.rolname::text order by g.rolname), '{}') from pg_roles g \
              where g.rolname = any($1) \
            and pg_has_role(current_user, g.oid, 'member') and not pg_has_role(current_user, \
              g.oid, 'usage')";
        words(&self.read_one("looking at the groups", statement, &[GROUPS]).await?, 0)
    }

    /// Settings that somebody has made for this login, database or server and that
    /// matter: they have no say in loginetl's transactions, but in those of triggers'
    /// authors and of other clients. Name and value.
    pub(crate) async fn foreign_settings(&self) -> Result<Vec<String>, DbError> {
        let rows = self.read("reading the settings", FOREIGN_SETTINGS, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
