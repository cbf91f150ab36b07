-- The ledger's days, and what stands in the table after an insert.

-- Makes the partition of a day. `create table … partition of` would lock out inserts and collide
-- with itself; a table made apart and attached does neither, and one session at a time makes days.
create or replace function ingest.ensure_day(wanted date) returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set default_tablespace = '' as $$
declare
    part text := 'ledger_' || to_char(wanted, 'YYYYMMDD');
begin
    if to_regclass('ingest.' || part) is not null
        and exists (select from ingest.days where day = wanted) then
        return;
    end if;
    lock table ingest.days in exclusive mode;
    if to_regclass('ingest.' || part) is not null
        and exists (select from ingest.days where day = wanted) then
        return;
    end if;
    execute format('create table ingest.%I (like ingest.ledger including all)', part);
    execute format('alter table ingest.ledger attach partition ingest.%I for values in (%L)', part,
        wanted);
    insert into ingest.days (day) values (wanted) on conflict (day) do update
        set made_at = clock_timestamp();
end
$$;

-- Drops days whose messages SQS can no longer deliver (it keeps them 14 days), and that were not
-- made lately. Gives way when it would have to wait: the next run tries again.
create or replace function ingest.drop_old_days() returns integer
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '200ms' as $$
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

-- How many of these rows stand in the table as they were sent, and were written by the caller's own
-- transaction. Asked where somebody's triggers run on an insert. Nobody learns of a row that
-- another transaction has written. Tokens and hashes stand field
-- by field: all those of the first, then all those of the next.
create or replace function ingest.count_written(user_ids text[], device_types text[],
    locales text[], app_versions int4[], create_dates date[], fields text[], tokens text[],
    hashes uuid[]) returns bigint
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    many integer := cardinality(create_dates);
    -- Rows of a savepoint carry a later number than the transaction itself; both are in progress.
    own bigint := pg_current_xact_id()::text::bigint;
    columns text := 'user_id, device_type, locale, app_version, create_date';
    sent text := '$1, $2, $3, $4, $5';
    has_hashes text := 'true';
    part text;
    there bigint;
begin
    if exists (select from unnest(fields) as f where f not in (select field from vault.fields)) then
        raise exception 'no such field is masked' using errcode = 'invalid_parameter_value';
    end if;
    for place in 1 .. cardinality(fields) loop
        part := format('[%s:%s]', (place - 1) * many + 1, place * many);
        columns := columns || format(', %I, %I', 'masked_' || fields[place], fields[place]
            || '_hash');
        sent := sent || format(', $6%s, $7%s', part, part);
        has_hashes := has_hashes || format(' and %I = any ($7%s)', fields[place] || '_hash', part);
    end loop;
    -- Of a row that is older than two thousand million transactions the age is negative too.
    execute format($statement$
        select coalesce(sum(least(sent, written)), 0)
        from (
            select count(*) filter (where is_sent) as sent,
                count(*) filter (where not is_sent) as written
            from (
                select true as is_sent, t.* from unnest(%2$s) as t (%1$s)
                union all
                select false, %1$s from public.user_logins
                where %3$s
                  and case when age(xmin) between -1048576 and 0
                           then pg_xact_status(($8 - age(xmin))::text::xid8) = 'in progress'
                               else false end
            ) as r (is_sent, %1$s)
            group by %1$s
        ) as rows $statement$, columns, sent, has_hashes)
    into there using user_ids, device_types, locales, app_versions, create_dates, tokens, hashes,
        own;
    perform vault.require_sight();
    return there;
end
$$;
