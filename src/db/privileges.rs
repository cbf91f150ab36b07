//! Who may what in this database, compared with what `init` granted. Nothing here changes a grant.

use std::collections::BTreeSet;

use super::{DbError, Session};

/// What `sql/` grants: grantee, privilege, object. Whatever else anybody but the owner has is excess.
const GRANTED: &[(&str, &[&str])] = &[
    (
        "loginetl_analyst",
        &["SELECT public.user_logins", "USAGE vault", "SELECT vault.schema_version", "EXECUTE vault.request_unmask"],
    ),
    (
        "loginetl_auditor",
        &[
            "SELECT ingest.bodies_by_key",
            "SELECT vault.wrap_holders",
            "SELECT vault.rotation",
            "SELECT vault.fence_holders",
            "USAGE vault",
            "SELECT vault.schema_version",
            "EXECUTE vault.request_unmask",
            "USAGE audit",
            "USAGE ingest",
            "SELECT vault.keys",
            "SELECT vault.census",
            "SELECT ingest.quarantine_summary",
            "SELECT audit.state",
            "SELECT audit.log",
            "SELECT audit.signatures",
            "SELECT audit.head",
        ],
    ),
    (
        "loginetl_loader",
        &[
            "SELECT ingest.bodies_by_key",
            "SELECT vault.wrap_holders",
            "SELECT vault.rotation",
            "SELECT vault.fence_holders",
            "INSERT public.user_logins",
            "USAGE vault",
            "INSERT vault.fence",
            "SELECT vault.plan",
            "SELECT vault.ingest_keys",
            "SELECT vault.schema_version",
            "EXECUTE vault.request_unmask",
            "USAGE audit",
            "USAGE ingest",
            "SELECT vault.keys",
            "SELECT vault.census",
            "SELECT ingest.quarantine_summary",
            "SELECT audit.state",
            "SELECT ingest.ledger",
            "INSERT ingest.ledger",
            "SELECT ingest.quarantine",
            "INSERT ingest.quarantine",
            "DELETE ingest.quarantine",
            "EXECUTE ingest.ensure_day",
            "EXECUTE ingest.drop_old_days",
            "EXECUTE audit.record",
        ],
    ),
    (
        "loginetl_rotator",
        &[
            "SELECT ingest.bodies_by_key",
            "SELECT vault.wrap_holders",
            "SELECT vault.rotation",
            "SELECT vault.fence_holders",
            "SELECT vault.data_keys",
            "SELECT vault.wraps",
            "SELECT vault.plan",
            "SELECT audit.created_keys",
            "INSERT vault.data_keys (key_id)",
            "INSERT vault.data_keys (purpose)",
            "INSERT vault.data_keys (state)",
            "INSERT vault.data_keys (check_value)",
            "INSERT vault.wraps (key_id)",
            "INSERT vault.wraps (holder)",
            "INSERT vault.wraps (kms_key_arn)",
            "INSERT vault.wraps (wrapped)",
            "UPDATE vault.rotation (watermark)",
            "USAGE vault.key_ids",
            "UPDATE vault.fence",
            "SELECT ingest.quarantine (id)",
            "SELECT ingest.quarantine (message_id)",
            "SELECT ingest.quarantine (seal_key_id)",
            "SELECT ingest.quarantine (sealed)",
            "UPDATE ingest.quarantine (seal_key_id)",
            "UPDATE ingest.quarantine (sealed)",
            "EXECUTE vault.start_rotation",
            "EXECUTE vault.finish_rotation",
            "EXECUTE vault.destroy_key",
            "EXECUTE vault.replace_wrap",
            "EXECUTE vault.is_unused",
            "EXECUTE audit.own_unsigned",
            "SELECT public.user_logins (ctid)",
            "SELECT public.user_logins (masked_ip)",
            "UPDATE public.user_logins (masked_ip)",
            "SELECT public.user_logins (masked_device_id)",
            "UPDATE public.user_logins (masked_device_id)",
            "SELECT public.user_logins (ip_hash)",
            "UPDATE public.user_logins (ip_hash)",
            "SELECT public.user_logins (device_id_hash)",
            "UPDATE public.user_logins (device_id_hash)",
            "USAGE vault",
            "SELECT vault.schema_version",
            "EXECUTE vault.request_unmask",
            "USAGE audit",
            "USAGE ingest",
            "SELECT vault.keys",
            "SELECT vault.census",
            "SELECT ingest.quarantine_summary",
            "SELECT audit.state",
            "EXECUTE audit.sign",
            "EXECUTE audit.record",
        ],
    ),
    (
        "loginetl_unmasker",
        &[
            "SELECT ingest.bodies_by_key",
            "SELECT vault.wrap_holders",
            "SELECT vault.rotation",
            "SELECT vault.fence_holders",
            "SELECT public.user_logins (masked_ip)",
            "SELECT public.user_logins (masked_device_id)",
            "SELECT public.user_logins (ip_hash)",
            "SELECT public.user_logins (device_id_hash)",
            "SELECT public.user_logins (create_date)",
            "USAGE vault",
            "SELECT vault.schema_version",
            "SELECT vault.plan",
            "EXECUTE vault.request_unmask",
            "EXECUTE vault.release_key",
            "EXECUTE vault.record_outcome",
            "USAGE audit",
            "USAGE ingest",
            "SELECT vault.keys",
            "SELECT vault.census",
            "SELECT ingest.quarantine_summary",
            "SELECT audit.state",
            "SELECT ingest.quarantine (id)",
            "SELECT ingest.quarantine (message_id)",
            "SELECT ingest.quarantine (sealed)",
            "EXECUTE audit.sign",
        ],
    ),
];

/// Every privilege on our schemas that somebody but the owner has, and ours and PUBLIC's on the table of rows.
const ACTUAL: &str = "\
with acl as (
    select n.nspname::text as object, a.grantee, a.privilege_type, n.nspowner as owner
    from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
    where n.nspname in ('vault', 'ingest', 'audit')
    union all
    select n.nspname || '.' || c.relname, a.grantee, a.privilege_type, c.relowner
    from pg_class c join pg_namespace n on n.oid = c.relnamespace,
         aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::\"char\", c.relowner))) a
    where c.relkind in ('r', 'p', 'v', 'm', 'S') and (n.nspname in ('vault', 'ingest', 'audit') or c.oid = to_regclass('public.user_logins'))
    union all
    select n.nspname || '.' || c.relname || ' (' || t.attname || ')', a.grantee, a.privilege_type, c.relowner
    from pg_attribute t join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace, aclexplode(t.attacl) a
    where not t.attisdropped
      and (n.nspname in ('vault', 'ingest', 'audit') or c.oid = to_regclass('public.user_logins'))
    union all
    select n.nspname || '.' || p.proname, a.grantee, a.privilege_type, p.proowner
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    where n.nspname in ('vault', 'ingest', 'audit')
)
select coalesce(r.rolname::text, 'PUBLIC'), privilege_type || ' ' || object
from acl left join pg_roles r on r.oid = grantee
where grantee <> owner
  and (object not like 'public.%' or grantee = 0 or (r.rolname like 'loginetl\\_%' and r.rolname <> 'loginetl_owner'))";

/// Groups that can log in, have attributes, or are members of each other.
const ODD_ROLES: &str = "\
    select rolname || ' can log in or has attributes of a superuser' from pg_roles \
    where rolname like 'loginetl\\_%' and rolname in ('loginetl_owner', 'loginetl_loader', 'loginetl_analyst', 'loginetl_unmasker', \
          'loginetl_rotator', 'loginetl_auditor') \
      and (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication) \
    union all \
    select m.rolname || ' is a member of ' || g.rolname from pg_auth_members a \
    join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid \
    where g.rolname like 'loginetl\\_%' and m.rolname like 'loginetl\\_%' and not m.rolcanlogin";

const IDLE_TRIGGERS: &str = "\
    select format('trigger %s on %s is disabled', tgname, tgrelid::regclass) from pg_trigger \
    where tgrelid in (to_regclass('audit.log'), to_regclass('audit.signatures'), to_regclass('audit.head')) \
      and not tgisinternal and tgenabled not in ('O', 'A')";

/// A login, and which groups it is a member of.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Its name.
    pub name: String,
    /// It may do everything, whatever groups say.
    pub is_superuser: bool,
    /// Its groups, directly or not.
    pub groups: Vec<String>,
}

impl Login {
    /// Whether it is in a group; a superuser is in all.
    #[must_use]
    pub fn is(&self, group: &str) -> bool {
        self.groups.iter().any(|of| of == group)
    }
}

impl Session {
    /// Who this login is.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn login(&self) -> Result<Login, DbError> {
        let statement = "\
            select session_user::text, current_setting('is_superuser') = 'on', \
                   coalesce(array_agg(rolname::text order by rolname) filter (where pg_has_role(session_user, oid, 'member')), '{}') \
            from pg_roles where rolname in ('loginetl_owner', 'loginetl_loader', 'loginetl_analyst', 'loginetl_unmasker', \
                                            'loginetl_rotator', 'loginetl_auditor')";
        let row = self.client.query_typed_one(statement, &[]).await.map_err(|e| DbError::sql("asking who this login is", &e))?;
        Ok(Login { name: row.get(0), is_superuser: row.get(1), groups: row.get(2) })
    }

    /// Privileges that are granted beyond what `init` grants, then those that are missing.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn privileges(&self) -> Result<(Vec<String>, Vec<String>), DbError> {
        let failed = |e| DbError::sql("reading the privileges", &e);
        let rows = self.client.query_typed(ACTUAL, &[]).await.map_err(failed)?;
        let actual: BTreeSet<String> =
            rows.iter().map(|row| format!("{} {}", row.get::<_, &str>(0), row.get::<_, &str>(1))).collect();
        let granted = |(grantee, what): &(&str, &[&str])| what.iter().map(|what| format!("{grantee} {what}")).collect::<Vec<_>>();
        let granted: BTreeSet<String> = GRANTED.iter().flat_map(granted).collect();
        let mut excess: Vec<String> = actual.difference(&granted).cloned().collect();
        for row in self.client.query_typed(ODD_ROLES, &[]).await.map_err(failed)? {
            excess.push(row.get(0));
        }
        Ok((excess, granted.difference(&actual).cloned().collect()))
    }

    /// Triggers that keep the audit log append-only, and are switched off.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn idle_triggers(&self) -> Result<Vec<String>, DbError> {
        let rows = self.client.query_typed(IDLE_TRIGGERS, &[]).await;
        Ok(rows.map_err(|e| DbError::sql("looking at triggers", &e))?.iter().map(|row| row.get(0)).collect())
    }
}
