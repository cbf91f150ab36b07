//! The questions to the catalogue by which a database is compared with the list of what must be there.

/// Kind and object of each fact, and what is so.
pub(super) const FACTS: &str = "\
with relations as (
    select c.*, n.nspname, format('%s.%s', n.nspname, c.relname) as name, n.nspname = 'public' as is_logins
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'S')
      and (n.nspname in ('vault', 'ingest', 'audit') or (n.nspname = 'public' and c.relname = 'user_logins'))
      -- Sequences of identity columns come and go with them.
      and not (c.relkind = 'S' and exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'i'))
), tables as (
    select * from relations where relkind in ('r', 'p') and not relispartition
)
select 'relation ' || name,
       case relpersistence when 'u' then 'unlogged ' else '' end
       || case relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' else 'sequence' end
       || case when reloptions::text ~ 'security_barrier=(true|on)' then ', security_barrier' else '' end
       -- A view carries the digest that it had when it was made (sql/functions/views.sql).
       || case when relkind = 'v' and obj_description(oid, 'pg_class') is distinct from 'made by loginetl init, ' || md5(pg_get_viewdef(oid))
               then ' (changed)' else '' end
from relations where not relispartition
union all
select format('column %s.%s', t.name, a.attname),
       format_type(a.atttypid, a.atttypmod)
       || case when a.attstorage = 'e' and a.attstorage <> y.typstorage then ' external' else '' end
       || case when a.attnotnull and (not is_logins or a.attname in ('device_type', 'locale')) then ' not null' else '' end
       || case when a.attidentity <> '' or a.attgenerated <> '' then ' generated' else '' end
from tables t join pg_attribute a on a.attrelid = t.oid join pg_type y on y.oid = a.atttypid
where a.attnum > 0 and not a.attisdropped
  and (not is_logins or a.attname in ('user_id', 'device_type', 'masked_ip', 'masked_device_id', 'locale', 'app_version',
                                      'create_date', 'ip_hash', 'device_id_hash'))
union all
select format('default %s.%s', t.name, a.attname), pg_get_expr(d.adbin, d.adrelid)
from tables t join pg_attrdef d on d.adrelid = t.oid join pg_attribute a on a.attrelid = t.oid and a.attnum = d.adnum
where not is_logins
union all
select format('constraint %s.%s', t.name, c.conname), pg_get_constraintdef(c.oid)
from tables t join pg_constraint c on c.conrelid = t.oid where not is_logins and c.contype in ('p', 'u', 'f', 'c', 'x')
union all
select distinct format('index public.user_logins_%s', a.attname), 'btree'
from tables t join pg_index x on x.indrelid = t.oid join pg_class i on i.oid = x.indexrelid join pg_am m on m.oid = i.relam
join pg_attribute a on a.attrelid = t.oid and a.attnum = x.indkey[0]
where is_logins and x.indisvalid and x.indpred is null and m.amname = 'btree' and a.attname in ('ip_hash', 'device_id_hash')
union all
select format('index %s.%s', t.nspname, i.relname),
       pg_get_indexdef(x.indexrelid) || case when x.indisvalid then '' else ' (invalid)' end
from tables t join pg_index x on x.indrelid = t.oid join pg_class i on i.oid = x.indexrelid
where not is_logins and not exists (select from pg_constraint c where c.conindid = x.indexrelid and c.contype in ('p', 'u', 'x'))
union all
select format('trigger %s.%s', t.name, g.tgname),
       pg_get_triggerdef(g.oid) || case when g.tgenabled in ('O', 'A') then '' else ' (disabled)' end
from tables t join pg_trigger g on g.tgrelid = t.oid where not is_logins and not g.tgisinternal
union all
select format('option %s.%s', t.name, split_part(o, '=', 1)), split_part(o, '=', 2)
from tables t, unnest(t.reloptions) as o where is_logins and o like 'fillfactor=%'
union all
select 'identity ' || name, relreplident::text from tables where not is_logins
union all
select format('function %s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       concat(case when p.prosecdef then 'definer' else 'invoker' end,
              (select string_agg(', ' || s, '' order by s) from unnest(p.proconfig) as s))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('vault', 'ingest', 'audit')
union all
-- Only those that are wrong: all are to be owned by one role.
select format('owner schema %s', nspname), pg_get_userbyid(nspowner)
from pg_namespace where nspname in ('vault', 'ingest', 'audit') and pg_get_userbyid(nspowner) <> 'loginetl_owner'
union all
select format('owner %s %s', case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, name),
       pg_get_userbyid(relowner)
from relations where not is_logins and pg_get_userbyid(relowner) <> 'loginetl_owner'
union all
select format('owner function %s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       pg_get_userbyid(p.proowner)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('vault', 'ingest', 'audit') and pg_get_userbyid(p.proowner) <> 'loginetl_owner'";

/// Whether row-level security is on for the rows.
pub(super) const RLS_IS_ON: &str = "\
    select coalesce((select relrowsecurity from pg_class where oid = to_regclass('public.user_logins')), false)";

/// Policies on the rows, each in one line.
pub(super) const POLICIES: &str = "\
    select polname::text, format('%s %s %s %s', case when polpermissive then polcmd::text else 'restrictive' end, \
               array(select r.rolname::text from pg_roles r where r.oid = any(polroles) order by 1), \
               coalesce(pg_get_expr(polqual, polrelid), '-'), coalesce(pg_get_expr(polwithcheck, polrelid), '-')) \
    from pg_policy where polrelid = to_regclass('public.user_logins')";

/// Publications that would refuse the updates of a rotation: the server wants to tell rows apart.
pub(super) const IN_PUBLICATION: &str = "\
    select p.pubname::text from pg_publication p join pg_class c on c.oid = to_regclass('public.user_logins') \
    where (p.pubupdate or p.pubdelete) \
      and exists (select from pg_publication_tables t where t.pubname = p.pubname and t.schemaname = 'public' and t.tablename = 'user_logins') \
      and c.relreplident <> 'f' \
      and not exists (select from pg_index x where x.indrelid = c.oid and x.indisvalid \
                      and case c.relreplident when 'd' then x.indisprimary when 'i' then x.indisreplident else false end)";

/// Sequences behind defaults of the rows: whoever inserts needs USAGE. Those of identity columns need none.
pub(super) const SEQUENCES: &str = "\
    select distinct format('%s.%s', n.nspname, s.relname) from pg_attrdef d \
    join pg_depend e on e.classid = 'pg_attrdef'::regclass and e.objid = d.oid and e.refclassid = 'pg_class'::regclass \
    join pg_class s on s.oid = e.refobjid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace \
    where d.adrelid = to_regclass('public.user_logins')";

/// Every privilege that somebody has on our schemas, but the owner of the object; and on the rows, those of our groups and
/// of everybody.
pub(super) const GRANTS: &str = "\
with behind_defaults as (
    select e.refobjid as oid from pg_attrdef d
    join pg_depend e on e.classid = 'pg_attrdef'::regclass and e.objid = d.oid and e.refclassid = 'pg_class'::regclass
    join pg_class s on s.oid = e.refobjid and s.relkind = 'S'
    where d.adrelid = to_regclass('public.user_logins')
), acl as (
    select n.nspname::text as object, a.grantee, a.privilege_type, n.nspowner as owner, true as is_own
    from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
    where n.nspname in ('vault', 'ingest', 'audit')
    union all
    select n.nspname || '.' || c.relname, a.grantee, a.privilege_type, c.relowner, n.nspname <> 'public' and c.oid not in (select oid from behind_defaults)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace,
         aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::\"char\", c.relowner))) a
    where c.relkind in ('r', 'p', 'v', 'm', 'S')
      and (n.nspname in ('vault', 'ingest', 'audit') or c.oid = to_regclass('public.user_logins')
           or (c.oid in (select oid from behind_defaults) and a.privilege_type = 'USAGE'))
    union all
    select n.nspname || '.' || c.relname || ' (' || t.attname || ')', a.grantee, a.privilege_type, c.relowner, n.nspname <> 'public'
    from pg_attribute t join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace, aclexplode(t.attacl) a
    where not t.attisdropped and (n.nspname in ('vault', 'ingest', 'audit') or c.oid = to_regclass('public.user_logins'))
    union all
    select n.nspname || '.' || p.proname, a.grantee, a.privilege_type, p.proowner, true
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    where n.nspname in ('vault', 'ingest', 'audit')
)
select distinct format('%s %s %s', coalesce(r.rolname::text, 'PUBLIC'), privilege_type, object)
from acl left join pg_roles r on r.oid = grantee
where (grantee <> owner or (object like 'public.%' and r.rolname = 'loginetl_owner'))
  and (is_own or grantee = 0 or r.rolname in ('loginetl_owner', 'loginetl_loader', 'loginetl_analyst', 'loginetl_unmasker',
                                              'loginetl_rotator', 'loginetl_auditor'))";

/// What the owner of our objects may not do with them any more: it was revoked from itself.
pub(super) const LOST_BY_OWNER: &str = "\
with objects as (
    select format('%s.%s', n.nspname, c.relname) as object, c.relacl as acl, c.relowner as owner,
           acldefault(case c.relkind when 'S' then 's' else 'r' end::\"char\", c.relowner) as default_acl
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('vault', 'ingest', 'audit') and c.relkind in ('r', 'p', 'v', 'S') and c.relacl is not null
    union all
    select format('%s.%s', n.nspname, p.proname), p.proacl, p.proowner, acldefault('f', p.proowner)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('vault', 'ingest', 'audit') and p.proacl is not null
    union all
    select n.nspname::text, n.nspacl, n.nspowner, acldefault('n', n.nspowner)
    from pg_namespace n where n.nspname in ('vault', 'ingest', 'audit') and n.nspacl is not null
)
select format('%s %s %s', pg_get_userbyid(o.owner), d.privilege_type, o.object)
from objects o, aclexplode(o.default_acl) d
where d.grantee = o.owner and pg_get_userbyid(o.owner) = 'loginetl_owner'
  and d.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'EXECUTE', 'USAGE', 'CREATE')
  and not exists (select from aclexplode(o.acl) a where a.grantee = o.owner and a.privilege_type = d.privilege_type)";

/// Groups whose work is on the rows, and whom nobody lets into the schema of the table.
pub(super) const SHUT_OUT_OF_PUBLIC: &str = "\
    select rolname::text from pg_roles \
    where rolname in ('loginetl_owner', 'loginetl_loader', 'loginetl_analyst', 'loginetl_unmasker', 'loginetl_rotator') \
      and to_regnamespace('public') is not null and not has_schema_privilege(oid, to_regnamespace('public')::oid, 'usage')";

/// What the owner of our functions may not do in the database: it makes days of the ledger, and remembers rows for a step.
pub(super) const LOST_IN_DATABASE: &str = "\
    select p.name from (values ('CREATE'), ('TEMPORARY')) as p (name) \
    where not has_database_privilege('loginetl_owner', current_database(), p.name)";
