-- The foundation: the masked rows, the vault, and the ledger that makes loading exactly-once in effect.
-- Frozen once released: later changes are later files.

-- The masked rows --------------------------------------------------------------------------------------------------
-- `init` has compared an existing table column by column before this runs.

create table if not exists public.user_logins (
    user_id          varchar(128),
    device_type      varchar(32),
    masked_ip        varchar(256),
    masked_device_id varchar(256),
    locale           varchar(32),
    app_version      integer,
    create_date      date
);
alter table public.user_logins
    add column if not exists user_id          varchar(128),
    add column if not exists device_type      varchar(32),
    add column if not exists masked_ip        varchar(256),
    add column if not exists masked_device_id varchar(256),
    add column if not exists locale           varchar(32),
    add column if not exists app_version      integer,
    add column if not exists create_date      date,
    add column if not exists ip_hash          uuid,
    add column if not exists device_id_hash   uuid;

-- Room on each page: a rotation rewrites masked_* in place, and without an index on them every update stays on its page.
alter table public.user_logins set (fillfactor = 85);
create index if not exists user_logins_ip_hash on public.user_logins (ip_hash);
create index if not exists user_logins_device_id_hash on public.user_logins (device_id_hash);

grant select on public.user_logins to loginetl_analyst;
grant insert on public.user_logins to loginetl_loader;
alter table vault.schema_version owner to loginetl_owner;

set local role loginetl_owner;

-- The vault --------------------------------------------------------------------------------------------------------

create table vault.data_keys (
    key_id       bigint      primary key check (key_id between 1 and 4294967295),
    purpose      text        not null check (purpose in ('mask', 'hash', 'seal')),
    state        text        not null check (state in ('pending', 'active', 'retiring', 'retired', 'destroyed')),
    check_value  bytea       not null check (octet_length(check_value) = 16),
    created_at   timestamptz not null default clock_timestamp(),
    activated_at timestamptz,
    retired_at   timestamptz,
    destroyed_at timestamptz
);
create unique index one_active_key on vault.data_keys (purpose) where state = 'active';
create unique index one_pending_key on vault.data_keys (purpose) where state = 'pending';
create sequence vault.key_ids as bigint minvalue 1 maxvalue 4294967295;

create table vault.wraps (
    key_id      bigint      not null references vault.data_keys,
    holder      text        not null check (holder in ('ingest', 'recovery')),
    kms_key_arn text        not null,
    wrapped     bytea       not null,
    created_at  timestamptz not null default clock_timestamp(),
    primary key (key_id, holder)
);

create table vault.rotation (
    field         text        not null check (field in ('ip', 'device_id')),
    from_key      bigint      not null references vault.data_keys,
    to_key        bigint      not null references vault.data_keys,
    from_hash_key bigint      not null references vault.data_keys,
    to_hash_key   bigint      not null references vault.data_keys,
    watermark     uuid        not null default '00000000-0000-0000-0000-000000000000',
    started_at    timestamptz not null default clock_timestamp(),
    finished_at   timestamptz
);
create unique index one_rotation on vault.rotation (field) where finished_at is null;

-- Loaders hold it shared (row exclusive), a rotation's step exclusive. Nobody reads it; it has no columns.
create table vault.fence ();

-- Which keys are in force, in one row: no row before the first keys.
create view vault.plan as
    with active as (
        select min(key_id) filter (where purpose = 'mask') as mask,
               min(key_id) filter (where purpose = 'hash') as hash,
               min(key_id) filter (where purpose = 'seal') as seal
        from vault.data_keys
        where state = 'active'
    ), field as (
        select f.name,
               coalesce(r.from_key, a.mask)      as from_mask,
               coalesce(r.from_hash_key, a.hash) as from_hash,
               coalesce(r.to_key, a.mask)        as to_mask,
               coalesce(r.to_hash_key, a.hash)   as to_hash,
               coalesce(r.watermark, '00000000-0000-0000-0000-000000000000') as watermark
        from active a
        cross join (values ('ip'), ('device_id')) as f (name)
        left join vault.rotation r on r.field = f.name and r.finished_at is null
    )
    select i.from_mask as ip_from_mask, i.from_hash as ip_from_hash,
           i.to_mask   as ip_to_mask,   i.to_hash   as ip_to_hash,   i.watermark as ip_watermark,
           d.from_mask as device_id_from_mask, d.from_hash as device_id_from_hash,
           d.to_mask   as device_id_to_mask,   d.to_hash   as device_id_to_hash, d.watermark as device_id_watermark,
           a.seal
    from active a
    join field i on i.name = 'ip'
    join field d on d.name = 'device_id'
    where a.mask is not null and a.hash is not null and a.seal is not null;

-- What a loader may unwrap: the keys in force, and retired sealing keys for quarantine retry.
create view vault.ingest_keys as
    select k.key_id, k.purpose, k.check_value, w.kms_key_arn, w.wrapped
    from vault.data_keys k
    join vault.wraps w on w.key_id = k.key_id and w.holder = 'ingest'
    where k.state in ('active', 'retiring') or (k.purpose = 'seal' and k.state = 'retired');

grant usage on schema vault to loginetl_loader;
grant insert on vault.fence to loginetl_loader;
grant select on vault.plan, vault.ingest_keys, vault.schema_version to loginetl_loader;

-- Ingest -----------------------------------------------------------------------------------------------------------

-- One row a message or file chunk whose effect is committed. Days older than SQS keeps messages are dropped whole.
create table ingest.ledger (
    sent_day   date not null,
    message_id uuid not null,
    primary key (sent_day, message_id)
) partition by list (sent_day);

-- Messages without a credible SentTimestamp, and file chunks. Never dropped.
create table ingest.ledger_19700101 partition of ingest.ledger for values in ('1970-01-01');

create table ingest.days (
    day     date        primary key,
    made_at timestamptz not null default clock_timestamp()
);
insert into ingest.days values ('1970-01-01');

create table ingest.quarantine (
    id             bigint      generated always as identity primary key,
    message_id     uuid        not null,
    source         text        not null check (source in ('queue', 'file')),
    sent_at        timestamptz,
    received_at    timestamptz not null,
    receive_count  integer,
    row_day        date        not null,
    reason         text        not null,
    field          text,
    length         bigint,
    seal_key_id    bigint      not null,
    sealed         bytea       not null,
    quarantined_at timestamptz not null default clock_timestamp()
);
alter table ingest.quarantine alter column sealed set storage external;

-- Makes the partition of a day. `create table … partition of` would lock out inserts and collide with itself;
-- a table made apart and attached does neither, and one session at a time makes days.
create function ingest.ensure_day(wanted date) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    part text := 'ledger_' || to_char(wanted, 'YYYYMMDD');
begin
    if to_regclass('ingest.' || part) is not null and exists (select from ingest.days where day = wanted) then
        return;
    end if;
    lock table ingest.days in exclusive mode;
    if to_regclass('ingest.' || part) is not null and exists (select from ingest.days where day = wanted) then
        return;
    end if;
    execute format('create table ingest.%I (like ingest.ledger including all)', part);
    execute format('alter table ingest.ledger attach partition ingest.%I for values in (%L)', part, wanted);
    insert into ingest.days (day) values (wanted) on conflict (day) do update set made_at = clock_timestamp();
end
$$;

-- Drops days whose messages SQS can no longer deliver (it keeps them 14 days), and that were not made lately.
-- Gives way when it would have to wait: the next run tries again.
create function ingest.drop_old_days() returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
declare
    old date;
    dropped integer := 0;
begin
    lock table ingest.days in exclusive mode;
    for old in
        select day from ingest.days
        where day <> '1970-01-01' and day < (clock_timestamp() at time zone 'utc')::date - 16
          and made_at < clock_timestamp() - interval '16 days'
        order by day
    loop
        execute format('drop table if exists ingest.%I', 'ledger_' || to_char(old, 'YYYYMMDD'));
        delete from ingest.days where day = old;
        dropped := dropped + 1;
    end loop;
    return dropped;
exception when lock_not_available then
    return 0;
end
$$;

revoke execute on all functions in schema ingest from public;
grant usage on schema ingest to loginetl_loader;
grant select, insert on ingest.ledger to loginetl_loader;
grant select, insert, delete on ingest.quarantine to loginetl_loader;
grant execute on function ingest.ensure_day(date), ingest.drop_old_days() to loginetl_loader;

reset role;
