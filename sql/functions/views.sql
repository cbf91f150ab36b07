-- What people and programs may see. Each has a barrier: a function of the caller's own is asked
-- after the view's conditions.

-- Which keys are in force, a row a masked field: no row before the first keys.
create or replace view vault.field_plans with (security_barrier) as
    with active as (
        select min(key_id) filter (where purpose = 'mask') as mask,
               min(key_id) filter (where purpose = 'hash') as hash,
               min(key_id) filter (where purpose = 'seal') as seal
        from vault.data_keys
        where state = 'active'
    )
    select f.field, f.position,
           coalesce(r.from_key, a.mask)      as from_mask,
           coalesce(r.from_hash_key, a.hash) as from_hash,
           coalesce(r.to_key, a.mask)        as to_mask,
           coalesce(r.to_hash_key, a.hash)   as to_hash,
           coalesce(r.watermark, '00000000-0000-0000-0000-000000000000') as watermark,
           a.seal
    from vault.fields f
    cross join active a
    left join vault.rotation r on r.field = f.field and r.finished_at is null
    where a.mask is not null and a.hash is not null and a.seal is not null;

-- The same for builds that know two fields, in one row. Where another field is masked there is
-- none: such a build finds no keys in force, and stops.
create or replace view vault.plan with (security_barrier) as
    select i.from_mask as ip_from_mask, i.from_hash as ip_from_hash,
           i.to_mask   as ip_to_mask,   i.to_hash   as ip_to_hash,   i.watermark as ip_watermark,
           d.from_mask as device_id_from_mask, d.from_hash as device_id_from_hash,
           d.to_mask   as device_id_to_mask,   d.to_hash   as device_id_to_hash,
               d.watermark as device_id_watermark,
           i.seal
    from vault.field_plans i
    join vault.field_plans d on d.field = 'device_id'
    where i.field = 'ip' and not exists (select from vault.fields f
        where f.field not in ('ip', 'device_id'));

-- What a loader may unwrap: the keys in force, and retired sealing keys for quarantine retry.
create or replace view vault.ingest_keys with (security_barrier) as
    select k.key_id, k.purpose, k.check_value, w.kms_key_arn, w.wrapped
    from vault.data_keys k
    join vault.wraps w on w.key_id = k.key_id and w.holder = 'ingest'
    where k.state in ('active', 'retiring') or (k.purpose = 'seal' and k.state = 'retired');

-- The data keys without their wraps.
create or replace view vault.keys with (security_barrier) as
    select key_id, purpose, state, created_at, activated_at, retired_at, destroyed_at
        from vault.data_keys;

create or replace view ingest.quarantine_summary with (security_barrier) as
    select reason, count(*) as message_count, min(quarantined_at) as oldest_at
        from ingest.quarantine group by reason;

create or replace view audit.state with (security_barrier) as
    select h.seq, h.hash, (select max(s.seq) from audit.signatures s) as last_signed
        from audit.head h;

create or replace view audit.created_keys with (security_barrier) as
    select record::jsonb ->> 'key_id' as key_id, record::jsonb ->> 'check_value' as check_value
    from audit.log where kind = 'key.create';

-- Keys with the KMS keys of their wraps.
create or replace view vault.wrap_holders with (security_barrier) as
    select key_id, holder, kms_key_arn, created_at from vault.wraps;

-- The runs of archives that are open or committed, without the digests of their plans.
create or replace view vault.archive_runs with (security_barrier) as
    select run, archive, location, keys, replaces, db_user, planned_at, expires_at, state,
           ended_at, row_count, rejected_count, unopened_count
    from vault.mask_runs where state in ('open', 'committed');

create or replace view ingest.bodies_by_key with (security_barrier) as
    select seal_key_id as key_id, count(*) as body_count from ingest.quarantine group by 1;

-- Who holds the fence, or waits for it: loaders hold it for a batch, a rotation for a step.
create or replace view vault.fence_holders with (security_barrier) as
    select l.pid, l.mode, l.granted, a.usename::text as login, a.application_name, a.client_addr,
        a.xact_start
    from pg_locks l join pg_stat_activity a using (pid)
    where l.relation = 'vault.fence'::regclass;

-- Rows per field and key id; no key where a row has no hash. The table is named by the function,
-- when it is called.
create or replace view vault.census with (security_barrier) as
    select field, key_id, row_count from vault.count_rows();

-- Each view carries in its comment, behind what it is, the digest of what it was made as, by which
-- `check` finds one that was replaced. The server's own text of it, which differs from version to
-- version, is good enough for that.
do $$
declare
    made record;
begin
    for made in
        select c.oid, n.nspname, c.relname,
               pg_catalog.regexp_replace(
                   coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), ''),
                   ' ?[(]?made by loginetl init, [0-9a-f]{32}[)]?$', '') as text
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'v' and n.nspname in ('vault', 'ingest', 'audit')
    loop
        execute pg_catalog.format('comment on view %I.%I is %L', made.nspname, made.relname,
            pg_catalog.ltrim(pg_catalog.format('%s (made by loginetl init, %s)', made.text,
                pg_catalog.md5(pg_catalog.pg_get_viewdef(made.oid)))));
    end loop;
end
$$;
