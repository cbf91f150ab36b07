
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA audit;

ALTER SCHEMA audit OWNER TO loginetl_owner;

CREATE SCHEMA ingest;

ALTER SCHEMA ingest OWNER TO loginetl_owner;

CREATE SCHEMA vault;

ALTER SCHEMA vault OWNER TO loginetl_owner;

CREATE FUNCTION audit.append(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    previous bytea;
    moment   timestamptz;
    part     bytea;
    chained  bytea := decode('', 'hex');
begin
    if octet_length(new_record) > 131072 then
        raise exception 'a record has at most 131072 bytes' using errcode = 'invalid_parameter_value';
    end if;
    -- Until the commit of this transaction: a record is on disk before anything follows from it.
    perform set_config('synchronous_commit', 'on', true);
    select h.seq + 1, h.hash into strict seq, previous from audit.head h for update;
    moment := clock_timestamp();
    foreach part in array array[
        convert_to('loginetl/audit/v1', 'UTF8'),
        convert_to(seq::text, 'UTF8'),
        convert_to(to_char(moment at time zone interval '0', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8'),
        convert_to(pg_current_xact_id()::text, 'UTF8'),
        convert_to(session_user::text, 'UTF8'),
        convert_to(inet_client_addr()::text, 'UTF8'),
        convert_to(current_setting('application_name'), 'UTF8'),
        convert_to(new_kind, 'UTF8'),
        convert_to(new_record, 'UTF8'),
        previous
    ] loop
        chained := chained || coalesce(decode('01', 'hex') || int4send(octet_length(part)) || part, decode('00', 'hex'));
    end loop;
    hash := sha256(chained);
    insert into audit.log values (seq, moment, pg_current_xact_id(), session_user, inet_client_addr(),
        current_setting('application_name'), new_kind, new_record, previous, hash);
    -- Nobody is told of a record that something has swallowed.
    if not found then
        raise exception 'the record was not written' using errcode = 'LG008';
    end if;
    update audit.head h set seq = append.seq, hash = append.hash;
    if not found then
        raise exception 'the head of the log was not moved' using errcode = 'LG008';
    end if;
end
$$;

ALTER FUNCTION audit.append(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE FUNCTION audit.is_kept(wanted bigint, of_hash bytea, by_signature bytea) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
    select exists (
        select from audit.log l join audit.signatures s using (seq)
        where l.seq = wanted and l.hash = of_hash and l.db_user = session_user and s.signature = coalesce(by_signature, s.signature)
          and l.xid is distinct from pg_current_xact_id_if_assigned() and s.xid is distinct from pg_current_xact_id_if_assigned())
$$;

ALTER FUNCTION audit.is_kept(wanted bigint, of_hash bytea, by_signature bytea) OWNER TO loginetl_owner;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE audit.log (
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    xid xid8 NOT NULL,
    db_user text NOT NULL,
    client inet,
    application_name text NOT NULL,
    kind text NOT NULL,
    record text NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL
);

ALTER TABLE audit.log OWNER TO loginetl_owner;

CREATE FUNCTION audit.own_unsigned() RETURNS SETOF audit.log
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
    select l.* from audit.log l
    where l.db_user = session_user and (l.kind ~ '^(key|rotate)[.]' or l.kind = 'unmask.withdrawal')
      and not exists (select from audit.signatures s where s.seq = l.seq)
    order by l.seq
$$;

ALTER FUNCTION audit.own_unsigned() OWNER TO loginetl_owner;

CREATE FUNCTION audit.record(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
declare
    may boolean := case
        when new_kind in ('load.run', 'quarantine.retry', 'quarantine.purge') then
            pg_has_role(session_user, 'loginetl_loader', 'member') or pg_has_role(session_user, 'loginetl_owner', 'member')
        when new_kind in ('key.create', 'key.rewrap', 'key.destroy', 'rotate.start', 'rotate.end', 'rotate.interrupted') then
            pg_has_role(session_user, 'loginetl_rotator', 'member') or pg_has_role(session_user, 'loginetl_owner', 'member')
        end;
begin
    if may is not true then
        raise exception 'this login may not write records of this kind' using errcode = 'insufficient_privilege';
    end if;
    if octet_length(new_record) > 100000 or jsonb_typeof(new_record::jsonb) is distinct from 'object' then
        raise exception 'a record is a JSON object of at most 100000 bytes' using errcode = 'invalid_parameter_value';
    end if;
    select a.seq, a.hash into seq, hash from audit.append(new_kind, new_record::jsonb::text) a;
end
$$;

ALTER FUNCTION audit.record(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE FUNCTION audit.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    raise exception 'the audit log is append-only' using errcode = 'LG002';
end
$$;

ALTER FUNCTION audit.refuse_change() OWNER TO loginetl_owner;

CREATE FUNCTION audit.sign(signed bigint, key_arn text, signature bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
declare
    due audit.log%rowtype;
begin
    select l.* into due from audit.log l where l.seq = signed and l.db_user = session_user;
    if due.seq is null or due.xid = pg_current_xact_id() or due.kind not in
        ('unmask.request', 'unmask.outcome', 'find.request', 'find.outcome', 'key.create', 'key.rewrap', 'key.destroy',
         'rotate.start', 'rotate.end', 'rotate.interrupted', 'unmask.withdrawal') then
        raise exception 'no committed record of this login that is to be signed' using errcode = 'LG001';
    elsif coalesce(octet_length(sign.signature) not between 1 and 256 or octet_length(sign.key_arn) > 2048, true) then
        raise exception 'a signature has 1 to 256 bytes, the name of its key at most 2048' using errcode = 'invalid_parameter_value';
    end if;
    insert into audit.signatures (seq, key_arn, signature) values (signed, sign.key_arn, sign.signature);
    if not found then
        raise exception 'the signature was not stored' using errcode = 'LG008';
    end if;
end
$$;

ALTER FUNCTION audit.sign(signed bigint, key_arn text, signature bytea) OWNER TO loginetl_owner;

CREATE FUNCTION ingest.count_written(user_ids text[], device_types text[], masked_ips text[], masked_device_ids text[], locales text[], app_versions integer[], create_dates date[], ip_hashes uuid[], device_id_hashes uuid[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
declare
    -- Rows of a savepoint carry a later number than the transaction itself; both are in progress.
    own bigint := pg_current_xact_id()::text::bigint;
    there bigint;
begin
    select coalesce(sum(least(sent, written)), 0) into there
    from (
        select count(*) filter (where is_sent) as sent, count(*) filter (where not is_sent) as written
        from (
            select true, t.* from unnest(user_ids, device_types, masked_ips, masked_device_ids, locales, app_versions,
                                         create_dates, ip_hashes, device_id_hashes) as t
            union all
            select false, l.user_id, l.device_type, l.masked_ip, l.masked_device_id, l.locale, l.app_version,
                   l.create_date, l.ip_hash, l.device_id_hash
            from public.user_logins l
            where l.ip_hash = any(ip_hashes) and l.device_id_hash = any(device_id_hashes)
              -- Of a row that is older than two thousand million transactions the age is negative too.
              and case when age(l.xmin) between -1048576 and 0
                       then pg_xact_status((own - age(l.xmin))::text::xid8) = 'in progress' else false end
        ) as r (is_sent, user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash)
        group by user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash
    ) as rows;
    perform vault.require_sight();
    return there;
end
$$;

ALTER FUNCTION ingest.count_written(user_ids text[], device_types text[], masked_ips text[], masked_device_ids text[], locales text[], app_versions integer[], create_dates date[], ip_hashes uuid[], device_id_hashes uuid[]) OWNER TO loginetl_owner;

CREATE FUNCTION ingest.drop_old_days() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '200ms'
    AS $$
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

ALTER FUNCTION ingest.drop_old_days() OWNER TO loginetl_owner;

CREATE FUNCTION ingest.ensure_day(wanted date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET default_tablespace TO ''
    AS $$
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

ALTER FUNCTION ingest.ensure_day(wanted date) OWNER TO loginetl_owner;

CREATE FUNCTION vault.are_rows_as_remembered(of_field text, hashes uuid[], tokens text[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    -- Of the same rows: comparing one value's with another's would tell of columns that a rotator may not read.
    return not exists (
        select md5(concat(of_field, hashes, tokens)), s.* from vault.summarise_rows(of_field, hashes, tokens) s
        except all select * from pg_temp.loginetl_remembered);
end
$$;

ALTER FUNCTION vault.are_rows_as_remembered(of_field text, hashes uuid[], tokens text[]) OWNER TO loginetl_owner;

CREATE FUNCTION vault.blind_spots(who oid, commands text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
    with own as (
        select c.oid, c.relrowsecurity, format('%I.%I', n.nspname, c.relname) as name, c.relkind
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('vault', 'ingest', 'audit') and c.relkind in ('r', 'p')
    ), logins as (
        select c.oid, c.relkind, c.relispartition, c.relpersistence, c.relowner, c.relrowsecurity
                   and not exists (select from pg_roles r where r.oid = who and (r.rolsuper or r.rolbypassrls))
                   and (c.relforcerowsecurity or not pg_has_role(who, c.relowner, 'usage')) as is_bound
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relname = 'user_logins'
    ), policies as (
        select p.polname, p.polcmd, p.polpermissive,
               coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true' as shows_all,
               coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid), 'true') = 'true' as takes_all
        from pg_policy p join logins l on l.oid = p.polrelid and l.is_bound
        where exists (select from unnest(p.polroles) as r (oid) where r.oid = 0 or pg_has_role(who, r.oid, 'usage'))
    ), needed as (
        select c.name, c.kind, c.sees, c.writes
        from (values ('select', 'r', true, false), ('insert', 'a', false, true), ('update', 'w', true, true)) as c (name, kind, sees, writes)
        where c.name = any(commands)
    ), rules as (
        select r.rulename, r.ev_class, case r.ev_type when '2' then 'update' when '3' then 'insert' when '4' then 'delete' end as command
        from pg_rewrite r where r.ev_type in ('2', '3', '4') and r.ev_enabled <> 'D'
    )
    select 'there is no table public.user_logins'
    where not exists (select from logins) and commands && array['select', 'insert', 'update']
    union all
    select format('public.user_logins is no ordinary table, but %s',
                  case relkind when 'v' then 'a view' when 'm' then 'a materialized view' when 'p' then 'a partitioned table'
                               when 'f' then 'a foreign table' else 'something else' end)
    from logins where relkind <> 'r' and commands && array['select', 'insert', 'update']
    union all
    select 'public.user_logins is a partition of another table' from logins
    where relispartition and commands && array['insert', 'update']
    union all
    select 'public.user_logins is unlogged, and a crash of the server would empty it' from logins
    where relpersistence = 'u' and commands && array['insert', 'update']
    union all
    select format('%I has no right to %s rows of public.user_logins', pg_get_userbyid(who), n.name)
    from needed n join logins l on l.relkind = 'r'
    -- Of other logins the server says so itself, and before anything has changed.
    where pg_get_userbyid(who) = 'loginetl_owner' and not has_any_column_privilege(who, l.oid, n.name)
    union all
    select format('publication %s: the server refuses updates of public.user_logins, which has no replica identity that fits', p)
    from vault.refusing_publications() p where 'update' = any(commands)
    union all
    select format('child table %s of public.user_logins', i.inhrelid::regclass)
    from pg_inherits i join logins l on l.oid = i.inhparent and l.relkind = 'r' where commands && array['insert', 'update']
    union all
    select format('rule %I on %s of public.user_logins', r.rulename, r.command)
    from rules r join logins l on l.oid = r.ev_class and l.relkind = 'r' where r.command = any(commands)
    union all
    select format('row-level security on public.user_logins%s, without a policy that lets %I %s all rows',
                  case when pg_has_role(who, l.relowner, 'usage') then ', forced on its owner (NO FORCE lets it through)' end,
                  pg_get_userbyid(who), n.name)
    from needed n join logins l on l.is_bound
    where not exists (select from policies p where p.polpermissive and p.polcmd in (n.kind, '*')
                      and (p.shows_all or not n.sees) and (p.takes_all or not n.writes))
    union all
    select format('restrictive policy %I on public.user_logins, which binds %I', p.polname, pg_get_userbyid(who))
    from policies p
    where not p.polpermissive and exists (
        select from needed n where p.polcmd in (n.kind, '*') and ((n.sees and not p.shows_all) or (n.writes and not p.takes_all)))
    union all
    select format('row-level security on %s', name) from own where relrowsecurity
    union all
    select format('rule %I on %s of %s', r.rulename, r.command, o.name) from rules r join own o on o.oid = r.ev_class
    union all
    select format('child table %s of %s', i.inhrelid::regclass, o.name)
    from pg_inherits i join own o on o.oid = i.inhparent and o.relkind = 'r'
    union all
    select format('trigger %I on %s', t.tgname, o.name)
    from pg_trigger t join own o on o.oid = t.tgrelid
    where 'write' = any(commands) and not t.tgisinternal and t.tgenabled <> 'D' and (o.name, t.tgname) not in (
        ('audit.log', 'append_only'), ('audit.signatures', 'append_only'), ('audit.head', 'stays'),
        ('vault.data_keys', 'legal_moves'), ('vault.rotation', 'only_on'))
    union all
    select format('trigger %I on %s, which is switched off', t.tgname, o.name)
    from pg_trigger t join own o on o.oid = t.tgrelid 
    where 'write' = any(commands) and not t.tgisinternal and t.tgenabled not in ('O', 'A')
    union all
    select format('session_replication_role is %s, so that no trigger and no foreign key works', current_setting('session_replication_role'))
    where current_setting('session_replication_role') <> 'origin' and 'write' = any(commands)
$$;

ALTER FUNCTION vault.blind_spots(who oid, commands text[]) OWNER TO loginetl_owner;

CREATE FUNCTION vault.check_key_move() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    if tg_op = 'DELETE' then
        raise exception 'a data key is never deleted, only destroyed' using errcode = 'LG003';
    elsif tg_op = 'INSERT' then
        if new.state <> 'pending' then
            raise exception 'a new data key is pending' using errcode = 'LG003';
        end if;
        return new;
    end if;
    if (new.key_id, new.purpose, new.check_value, new.created_at)
        is distinct from (old.key_id, old.purpose, old.check_value, old.created_at) then
        raise exception 'what identifies a data key never changes' using errcode = 'LG003';
    end if;
    case old.state || ' ' || new.state
        when 'pending active' then new.activated_at := clock_timestamp();
        when 'active retiring' then null;
        when 'retiring retired' then new.retired_at := clock_timestamp();
        when 'retired destroyed' then new.destroyed_at := clock_timestamp();
        else
            if new.state <> old.state then
                raise exception 'a data key cannot go from % to %', old.state, new.state using errcode = 'LG003';
            end if;
    end case;
    return new;
end
$$;

ALTER FUNCTION vault.check_key_move() OWNER TO loginetl_owner;

CREATE FUNCTION vault.check_release(request bigint, wanted bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
declare
    asked record;
begin
    select r.* into asked from vault.open_request(request) r;
    if not coalesce(asked.record -> 'key_ids' @> to_jsonb(wanted), false) then
        raise exception 'the request does not name this key' using errcode = 'LG001';
    elsif coalesce(asked.at < clock_timestamp() - interval '5 minutes', true) then
        raise exception 'the request is older than five minutes' using errcode = 'LG001';
    elsif not exists (select from vault.data_keys where key_id = wanted and state in ('active', 'retiring', 'retired')) then
        raise exception 'this key is not there, or destroyed' using errcode = 'LG001';
    end if;
end
$$;

ALTER FUNCTION vault.check_release(request bigint, wanted bigint) OWNER TO loginetl_owner;

CREATE FUNCTION vault.check_watermark() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    if new.watermark < old.watermark or old.finished_at is not null
        or (new.finished_at is not null and new.watermark < 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        or (new.field, new.from_key, new.to_key, new.from_hash_key, new.to_hash_key)
           is distinct from (old.field, old.from_key, old.to_key, old.from_hash_key, old.to_hash_key) then
        raise exception 'a sweep only goes on' using errcode = 'LG003';
    end if;
    return new;
end
$$;

ALTER FUNCTION vault.check_watermark() OWNER TO loginetl_owner;

CREATE FUNCTION vault.count_rows() RETURNS TABLE(field text, key_id text, row_count bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    return query
        select 'ip', case when ip_hash is not null then split_part(masked_ip, '.', 2) end, count(*)
        from public.user_logins group by 2
        union all
        select 'device_id', case when device_id_hash is not null then split_part(masked_device_id, '.', 2) end, count(*)
        from public.user_logins group by 2;
    -- After the rows: until the end of this transaction nobody can change what hides them.
    perform vault.require_sight();
end
$$;

ALTER FUNCTION vault.count_rows() OWNER TO loginetl_owner;

CREATE FUNCTION vault.destroy_key(wanted bigint, at_least interval, details text, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    old vault.data_keys%rowtype;
begin
    select k.* into old from vault.data_keys k where k.key_id = wanted for update;
    if old.state is distinct from 'retired' then
        raise exception 'only a retired key can be destroyed' using errcode = 'LG004';
    elsif old.retired_at > clock_timestamp() - at_least then
        raise exception 'the key was retired too lately' using errcode = 'LG005';
    elsif not vault.is_unused(wanted) then
        raise exception 'something is still under the key' using errcode = 'LG006';
    end if;
    delete from vault.wraps where key_id = wanted;
    update vault.data_keys set state = 'destroyed' where key_id = wanted;
    select a.seq, a.hash into seq, hash from audit.append('key.destroy',
        (details::jsonb || jsonb_build_object('key_id', wanted, 'purpose', old.purpose, 'retired_at', old.retired_at))::text) a;
end
$$;

ALTER FUNCTION vault.destroy_key(wanted bigint, at_least interval, details text, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE FUNCTION vault.finish_rotation(details text, OUT seq bigint, OUT hash bytea, OUT retired bigint[], OUT left_over bigint[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    retiring bigint;
    ended    boolean := false;
begin
    if exists (select from vault.rotation where finished_at is null and watermark < 'ffffffff-ffff-ffff-ffff-ffffffffffff') then
        raise exception 'the sweep is not through' using errcode = 'LG004';
    end if;
    retired := '{}';
    left_over := '{}';
    -- Only what is through: since the check above, another may have ended that rotation and a third begun the next.
    update vault.rotation set finished_at = clock_timestamp()
    where finished_at is null and watermark = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    ended := found;
    -- mask before hash: the hash key goes when no mask key of its rotation is left.
    for retiring in select key_id from vault.data_keys where state = 'retiring' order by purpose = 'hash', key_id loop
        if vault.is_unused(retiring) then
            update vault.data_keys set state = 'retired'
            where key_id = retiring and state = 'retiring' and not exists (
                select from vault.rotation r
                where r.finished_at is null and retiring in (r.from_key, r.to_key, r.from_hash_key, r.to_hash_key));
            if found then
                retired := retired || retiring;
            end if;
        else
            left_over := left_over || retiring;
        end if;
    end loop;
    if ended or cardinality(retired) > 0 then
        select a.seq, a.hash into seq, hash from audit.append('rotate.end',
            (details::jsonb || jsonb_build_object('retired', retired, 'left_over', left_over))::text) a;
    end if;
end
$$;

ALTER FUNCTION vault.finish_rotation(details text, OUT seq bigint, OUT hash bytea, OUT retired bigint[], OUT left_over bigint[]) OWNER TO loginetl_owner;

CREATE FUNCTION vault.is_closed(request bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
    select exists (
        select from audit.log o
        where o.seq > request and o.kind in ('unmask.outcome', 'find.outcome', 'unmask.withdrawal')
          and case when o.db_user = session_user then (o.record::jsonb ->> 'request')::bigint = request end)
$$;

ALTER FUNCTION vault.is_closed(request bigint) OWNER TO loginetl_owner;

CREATE FUNCTION vault.is_unused(wanted bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
<<tokens>>
declare
    what text := (select purpose from vault.data_keys where key_id = wanted);
    under_ip text := 'ip1.' || wanted || '.%';
    under_device_id text := 'dev1.' || wanted || '.%';
    is_unused boolean;
begin
    is_unused := case what
        -- By LIKE, which leaves a text at the first character that differs; starts_with does not.
        when 'mask' then not exists (
            select from public.user_logins l
            where l.masked_ip like tokens.under_ip or l.masked_device_id like tokens.under_device_id)
        when 'seal' then not exists (select from ingest.quarantine where seal_key_id = wanted)
        -- Hashes do not name their key; they change with the tokens of the same rotation.
        when 'hash' then not exists (
            select from vault.rotation r join vault.data_keys k on k.key_id = r.from_key
            where r.from_hash_key = wanted and r.to_hash_key <> wanted and k.state in ('active', 'retiring'))
        end;
    perform vault.require_sight();
    return is_unused;
end
$$;

ALTER FUNCTION vault.is_unused(wanted bigint) OWNER TO loginetl_owner;

CREATE FUNCTION vault.open_request(request bigint, OUT kind text, OUT record jsonb, OUT at timestamp with time zone, OUT signature bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
declare
    own   audit.log%rowtype;
    proof audit.signatures%rowtype;
begin
    select l.* into own from audit.log l
    where l.seq = request and l.db_user = session_user and l.kind in ('unmask.request', 'find.request');
    if own.seq is null then
        raise exception 'no such request of this login' using errcode = 'LG001';
    elsif own.xid = pg_current_xact_id() then
        raise exception 'the request is not committed' using errcode = 'LG001';
    elsif not pg_has_role(session_user, 'loginetl_unmasker', 'member') then
        raise exception 'this login is no unmasker any more' using errcode = 'LG001';
    end if;
    select s.* into proof from audit.signatures s where s.seq = request and s.xid <> pg_current_xact_id();
    if proof.seq is null then
        raise exception 'the request has no committed signature' using errcode = 'LG001';
    end if;
    if vault.is_closed(request) then
        raise exception 'the request has its outcome, or was withdrawn' using errcode = 'LG001';
    end if;
    kind := own.kind;
    record := own.record::jsonb;
    at := own.at;
    signature := proof.signature;
end
$$;

ALTER FUNCTION vault.open_request(request bigint, OUT kind text, OUT record jsonb, OUT at timestamp with time zone, OUT signature bytea) OWNER TO loginetl_owner;

CREATE FUNCTION vault.record_outcome(request bigint, details text, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    asked record;
begin
    if octet_length(details) > 100000 or jsonb_typeof(details::jsonb) is distinct from 'object' then
        raise exception 'an outcome is a JSON object of at most 100000 bytes' using errcode = 'invalid_parameter_value';
    end if;
    perform from audit.head for update;
    select r.* into asked from vault.open_request(request) r;
    select a.seq, a.hash into seq, hash from audit.append(
        replace(asked.kind, '.request', '.outcome'),
        (details::jsonb || jsonb_build_object('request', request,
                                              'request_signature', encode(sha256(asked.signature), 'hex')))::text) a;
end
$$;

ALTER FUNCTION vault.record_outcome(request bigint, details text, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE FUNCTION vault.refusing_publications() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
    select format('%I', p.pubname)
    from pg_publication p
    join pg_class c join pg_namespace n on n.oid = c.relnamespace on n.nspname = 'public' and c.relname = 'user_logins'
    left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
    where (p.pubupdate or p.pubdelete)
      and exists (select from pg_publication_tables t
                  where t.pubname = p.pubname and t.schemaname = 'public' and t.tablename = 'user_logins')
      and case c.relreplident
          -- A list of columns (from PostgreSQL 15 on) leaves some out.
          when 'f' then to_jsonb(r) ->> 'prattrs' is not null
          else not exists (select from pg_index x where x.indrelid = c.oid and x.indisvalid
                           and case c.relreplident when 'd' then x.indisprimary when 'i' then x.indisreplident else false end)
          end
$$;

ALTER FUNCTION vault.refusing_publications() OWNER TO loginetl_owner;

CREATE FUNCTION vault.release_key(request bigint, wanted bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a key is released in read committed only' using errcode = 'LG001';
    end if;
    perform from audit.head for update;
    perform vault.check_release(request, wanted);
    perform audit.append('unmask.release', jsonb_build_object('request', request, 'key_id', wanted)::text);
end
$$;

ALTER FUNCTION vault.release_key(request bigint, wanted bigint) OWNER TO loginetl_owner;

CREATE FUNCTION vault.released_wrap(request bigint, wanted bigint, OUT purpose text, OUT check_value bytea, OUT kms_key_arn text, OUT wrapped bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    -- Before this transaction writes anything itself.
    written pg_lsn := pg_current_wal_insert_lsn();
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a key is released in read committed only' using errcode = 'LG001';
    end if;
    perform from audit.head for update;
    perform vault.check_release(request, wanted);
    -- Committed is not yet on disk: whoever released it may have set synchronous_commit back, and a crash would take the
    -- record with it. From PostgreSQL 17 on it can be asked to write; before, it does within wal_writer_delay.
    if pg_current_wal_flush_lsn() < written and current_setting('server_version_num')::int >= 170000 then
        perform pg_logical_emit_message(false, 'loginetl', '', true);
    end if;
    for i in 1 .. 300 loop
        exit when pg_current_wal_flush_lsn() >= written;
        perform pg_sleep(0.02);
    end loop;
    if pg_current_wal_flush_lsn() < written then
        raise exception 'the release is not on disk yet' using errcode = 'LG001';
    end if;
    if not exists (
        select from audit.log l
        where l.seq > request and l.kind = 'unmask.release' and l.db_user = session_user and l.xid <> pg_current_xact_id()
          and case when l.db_user = session_user
                   then l.record::jsonb @> jsonb_build_object('request', request, 'key_id', wanted) end
    ) then
        raise exception 'the release is not committed' using errcode = 'LG001';
    end if;
    select k.purpose, k.check_value, w.kms_key_arn, w.wrapped into purpose, check_value, kms_key_arn, wrapped
    from vault.data_keys k join vault.wraps w on w.key_id = k.key_id and w.holder = 'recovery'
    where k.key_id = wanted;
    if wrapped is null then
        raise exception 'this key has no recovery wrap' using errcode = 'LG001';
    end if;
end
$$;

ALTER FUNCTION vault.released_wrap(request bigint, wanted bigint, OUT purpose text, OUT check_value bytea, OUT kms_key_arn text, OUT wrapped bytea) OWNER TO loginetl_owner;

CREATE FUNCTION vault.remember_rows(of_field text, hashes uuid[], tokens text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    drop table if exists pg_temp.loginetl_remembered;
    create temporary table loginetl_remembered on commit drop as
        select md5(concat(of_field, hashes, tokens)) as about, s.* from vault.summarise_rows(of_field, hashes, tokens) s;
end
$$;

ALTER FUNCTION vault.remember_rows(of_field text, hashes uuid[], tokens text[]) OWNER TO loginetl_owner;

CREATE FUNCTION vault.replace_active(of_purpose text, expected bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
declare
    successor bigint;
begin
    update vault.data_keys set state = 'retiring' where purpose = of_purpose and state = 'active' and key_id = expected;
    if not found then
        raise exception 'key % is not the active % key any more', expected, of_purpose using errcode = 'LG004';
    end if;
    update vault.data_keys set state = 'active' where purpose = of_purpose and state = 'pending' returning key_id into successor;
    if successor is null then
        raise exception 'there is no pending % key', of_purpose using errcode = 'LG004';
    end if;
    return successor;
end
$$;

ALTER FUNCTION vault.replace_active(of_purpose text, expected bigint) OWNER TO loginetl_owner;

CREATE FUNCTION vault.replace_wrap(wanted bigint, of_holder text, seen bytea, new_arn text, new_wrapped bytea, details text, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    old_arn text;
begin
    select w.kms_key_arn into old_arn from vault.wraps w where w.key_id = wanted and w.holder = of_holder and w.wrapped = seen for update;
    if old_arn is null then
        raise exception 'the wrap is another by now' using errcode = 'LG004';
    end if;
    update vault.wraps w set kms_key_arn = new_arn, wrapped = new_wrapped, created_at = clock_timestamp()
    where w.key_id = wanted and w.holder = of_holder;
    select a.seq, a.hash into seq, hash from audit.append('key.rewrap',
        (details::jsonb || jsonb_build_object('key_id', wanted, 'holder', of_holder, 'from', old_arn, 'to', new_arn))::text) a;
end
$$;

ALTER FUNCTION vault.replace_wrap(wanted bigint, of_holder text, seen bytea, new_arn text, new_wrapped bytea, details text, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
declare
    reason text;
begin
    if coalesce(asked not in ('unmask', 'find') or octet_length(details) > 100000 or cardinality(key_ids) > 10000, true)
        or jsonb_typeof(details::jsonb) is distinct from 'object' then
        raise exception 'a request has a kind, details and key ids' using errcode = 'invalid_parameter_value';
    end if;
    -- The program refuses more than this; here is what SQL clients must keep to.
    reason := case when jsonb_typeof(details::jsonb -> 'reason') = 'string' then details::jsonb ->> 'reason' end;
    if coalesce(reason !~ '[^[:space:]]' or length(reason) > 500 or reason ~ '[0-9]{1,3}([.][0-9]{1,3}){3}', true) then
        raise exception 'a request has a reason of 1 to 500 characters, without an address' using errcode = 'invalid_parameter_value';
    end if;
    granted := pg_has_role(session_user, 'loginetl_unmasker', 'member');
    select a.seq, a.hash into seq, hash from audit.append(
        case when granted then asked || '.request' else 'unmask.denied' end,
        (details::jsonb || jsonb_build_object('key_ids', to_jsonb(key_ids)))::text) a;
end
$$;

ALTER FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE FUNCTION vault.require_sight() RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    if exists (select from vault.blind_spots((select oid from pg_roles where rolname = current_user), array['select'])) then
        raise exception 'rows may be hidden' using errcode = 'LG007';
    end if;
end
$$;

ALTER FUNCTION vault.require_sight() OWNER TO loginetl_owner;

CREATE FUNCTION vault.start_rotation(purposes text[], expected bigint[], details text, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    replaced jsonb := '{}';
    hash_key bigint;
    successor bigint;
begin
    if exists (select from vault.rotation where finished_at is null) then
        raise exception 'a rotation runs' using errcode = 'LG004';
    end if;
    select key_id into hash_key from vault.data_keys where purpose = 'hash' and state = 'active';
    for i in 1 .. cardinality(purposes) loop
        successor := vault.replace_active(purposes[i], expected[i]);
        replaced := replaced || jsonb_build_object(purposes[i], jsonb_build_object('from', expected[i], 'to', successor));
    end loop;
    if replaced ? 'mask' then
        insert into vault.rotation (field, from_key, to_key, from_hash_key, to_hash_key)
        select field, (replaced #>> '{mask,from}')::bigint, (replaced #>> '{mask,to}')::bigint,
               coalesce((replaced #>> '{hash,from}')::bigint, hash_key), coalesce((replaced #>> '{hash,to}')::bigint, hash_key)
        from unnest(array['ip', 'device_id']) as f (field);
    end if;
    select a.seq, a.hash into seq, hash from audit.append('rotate.start',
        (details::jsonb || jsonb_build_object('keys', replaced))::text) a;
end
$$;

ALTER FUNCTION vault.start_rotation(purposes text[], expected bigint[], details text, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE FUNCTION vault.summarise_rows(of_field text, hashes uuid[], tokens text[], OUT row_count bigint, OUT digest numeric) RETURNS record
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    AS $$
    select count(*), sum(hashtextextended(concat_ws(chr(31), user_id, device_type is null, device_type, locale is null, locale,
               app_version, create_date, case when of_field = 'ip' then masked_device_id else masked_ip end,
               case when of_field = 'ip' then device_id_hash else ip_hash end), 0)::numeric)
    from (
        select u.* from (select distinct * from unnest(hashes, tokens)) as n (hash, token)
        join public.user_logins u on of_field = 'ip' and u.ip_hash = n.hash and u.masked_ip = n.token
        union all
        select u.* from (select distinct * from unnest(hashes, tokens)) as n (hash, token)
        join public.user_logins u on of_field = 'device_id' and u.device_id_hash = n.hash and u.masked_device_id = n.token
    ) as rows
$$;

ALTER FUNCTION vault.summarise_rows(of_field text, hashes uuid[], tokens text[], OUT row_count bigint, OUT digest numeric) OWNER TO loginetl_owner;

CREATE FUNCTION vault.withdraw_request(request bigint, details text, OUT seq bigint, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET row_security TO 'on'
    SET quote_all_identifiers TO 'off'
    SET lock_timeout TO '10s'
    AS $$
declare
    own audit.log%rowtype;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a request is withdrawn in read committed only' using errcode = 'LG001';
    elsif coalesce(octet_length(details) > 100000 or jsonb_typeof(details::jsonb) is distinct from 'object', true) then
        raise exception 'a withdrawal is a JSON object of at most 100000 bytes' using errcode = 'invalid_parameter_value';
    end if;
    perform from audit.head for update;
    select l.* into own from audit.log l
    where l.seq = request and l.db_user = session_user and l.kind in ('unmask.request', 'find.request');
    if own.seq is null or own.xid = pg_current_xact_id() then
        raise exception 'no such request of this login' using errcode = 'LG001';
    elsif vault.is_closed(request) then
        raise exception 'the request has its outcome, or was withdrawn' using errcode = 'LG001';
    elsif exists (
        select from audit.log l
        where l.seq > request and l.kind = 'unmask.release'
          and case when l.db_user = session_user then (l.record::jsonb ->> 'request')::bigint = request end
    ) then
        raise exception 'a key was released for the request' using errcode = 'LG001';
    end if;
    select a.seq, a.hash into seq, hash from audit.append(
        'unmask.withdrawal', (details::jsonb || jsonb_build_object('request', request))::text) a;
end
$$;

ALTER FUNCTION vault.withdraw_request(request bigint, details text, OUT seq bigint, OUT hash bytea) OWNER TO loginetl_owner;

CREATE VIEW audit.created_keys WITH (security_barrier='true') AS
 SELECT ((record)::jsonb ->> 'key_id'::text) AS key_id,
    ((record)::jsonb ->> 'check_value'::text) AS check_value
   FROM audit.log
  WHERE (kind = 'key.create'::text);

ALTER VIEW audit.created_keys OWNER TO loginetl_owner;

COMMENT ON VIEW audit.created_keys IS 'made by loginetl init, acdb592ef8fb730e5b9a8f3e3e5a4de9';

CREATE TABLE audit.head (
    one boolean DEFAULT true NOT NULL,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT head_one_check CHECK (one)
);

ALTER TABLE audit.head OWNER TO loginetl_owner;

CREATE TABLE audit.signatures (
    seq bigint NOT NULL,
    key_arn text NOT NULL,
    signature bytea NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL
);

ALTER TABLE audit.signatures OWNER TO loginetl_owner;

CREATE VIEW audit.state WITH (security_barrier='true') AS
 SELECT seq,
    hash,
    ( SELECT max(s.seq) AS max
           FROM audit.signatures s) AS last_signed
   FROM audit.head h;

ALTER VIEW audit.state OWNER TO loginetl_owner;

COMMENT ON VIEW audit.state IS 'made by loginetl init, c4fa24d785245271fb9a83fdb82b19ff';

CREATE TABLE ingest.quarantine (
    id bigint NOT NULL,
    message_id uuid NOT NULL,
    source text NOT NULL,
    sent_at timestamp with time zone,
    received_at timestamp with time zone NOT NULL,
    receive_count integer,
    row_day date NOT NULL,
    reason text NOT NULL,
    field text,
    length bigint,
    seal_key_id bigint NOT NULL,
    sealed bytea NOT NULL,
    quarantined_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT quarantine_source_check CHECK ((source = ANY (ARRAY['queue'::text, 'file'::text])))
);
ALTER TABLE ONLY ingest.quarantine ALTER COLUMN sealed SET STORAGE EXTERNAL;

ALTER TABLE ingest.quarantine OWNER TO loginetl_owner;

CREATE VIEW ingest.bodies_by_key WITH (security_barrier='true') AS
 SELECT seal_key_id AS key_id,
    count(*) AS body_count
   FROM ingest.quarantine
  GROUP BY seal_key_id;

ALTER VIEW ingest.bodies_by_key OWNER TO loginetl_owner;

COMMENT ON VIEW ingest.bodies_by_key IS 'made by loginetl init, 5760cd434ca35a4227ad8ff0e533c7f9';

CREATE TABLE ingest.days (
    day date NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ingest.days OWNER TO loginetl_owner;

CREATE TABLE ingest.ledger (
    sent_day date NOT NULL,
    message_id uuid NOT NULL
)
PARTITION BY LIST (sent_day);

ALTER TABLE ingest.ledger OWNER TO loginetl_owner;

CREATE TABLE ingest.ledger_19700101 (
    sent_day date CONSTRAINT ledger_sent_day_not_null NOT NULL,
    message_id uuid CONSTRAINT ledger_message_id_not_null NOT NULL
);

ALTER TABLE ingest.ledger_19700101 OWNER TO loginetl_owner;

ALTER TABLE ingest.quarantine ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ingest.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW ingest.quarantine_summary WITH (security_barrier='true') AS
 SELECT reason,
    count(*) AS message_count,
    min(quarantined_at) AS oldest_at
   FROM ingest.quarantine
  GROUP BY reason;

ALTER VIEW ingest.quarantine_summary OWNER TO loginetl_owner;

COMMENT ON VIEW ingest.quarantine_summary IS 'made by loginetl init, d212f9fe5f22507a5f4db9013dee7752';

CREATE TABLE public.user_logins (
    user_id character varying(128),
    device_type character varying(32),
    masked_ip character varying(256),
    masked_device_id character varying(256),
    locale character varying(32),
    app_version integer,
    create_date date,
    ip_hash uuid,
    device_id_hash uuid
)
WITH (fillfactor='85');

ALTER TABLE public.user_logins OWNER TO postgres;

CREATE VIEW vault.census WITH (security_barrier='true') AS
 SELECT field,
    key_id,
    row_count
   FROM vault.count_rows() count_rows(field, key_id, row_count);

ALTER VIEW vault.census OWNER TO loginetl_owner;

COMMENT ON VIEW vault.census IS 'made by loginetl init, 55bdfd98e29151e47fa48d1e101a6034';

CREATE TABLE vault.data_keys (
    key_id bigint NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL,
    check_value bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    activated_at timestamp with time zone,
    retired_at timestamp with time zone,
    destroyed_at timestamp with time zone,
    CONSTRAINT data_keys_check_value_check CHECK ((octet_length(check_value) = 16)),
    CONSTRAINT data_keys_key_id_check CHECK (((key_id >= 1) AND (key_id <= '4294967295'::bigint))),
    CONSTRAINT data_keys_purpose_check CHECK ((purpose = ANY (ARRAY['mask'::text, 'hash'::text, 'seal'::text]))),
    CONSTRAINT data_keys_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'active'::text, 'retiring'::text, 'retired'::text, 'destroyed'::text])))
);

ALTER TABLE vault.data_keys OWNER TO loginetl_owner;

CREATE TABLE vault.fence (
);

ALTER TABLE vault.fence OWNER TO loginetl_owner;

CREATE VIEW vault.fence_holders WITH (security_barrier='true') AS
 SELECT l.pid,
    l.mode,
    l.granted,
    (a.usename)::text AS login,
    a.application_name,
    a.client_addr,
    a.xact_start
   FROM (pg_locks l
     JOIN pg_stat_activity a USING (pid))
  WHERE (l.relation = ('vault.fence'::regclass)::oid);

ALTER VIEW vault.fence_holders OWNER TO loginetl_owner;

COMMENT ON VIEW vault.fence_holders IS 'made by loginetl init, 65af7a9ea605875e2b8e80e6f116f64c';

CREATE TABLE vault.wraps (
    key_id bigint NOT NULL,
    holder text NOT NULL,
    kms_key_arn text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT wraps_holder_check CHECK ((holder = ANY (ARRAY['ingest'::text, 'recovery'::text])))
);

ALTER TABLE vault.wraps OWNER TO loginetl_owner;

CREATE VIEW vault.ingest_keys WITH (security_barrier='true') AS
 SELECT k.key_id,
    k.purpose,
    k.check_value,
    w.kms_key_arn,
    w.wrapped
   FROM (vault.data_keys k
     JOIN vault.wraps w ON (((w.key_id = k.key_id) AND (w.holder = 'ingest'::text))))
  WHERE ((k.state = ANY (ARRAY['active'::text, 'retiring'::text])) OR ((k.purpose = 'seal'::text) AND (k.state = 'retired'::text)));

ALTER VIEW vault.ingest_keys OWNER TO loginetl_owner;

COMMENT ON VIEW vault.ingest_keys IS 'made by loginetl init, 1182d90cb3b25a3664819a9272718213';

CREATE SEQUENCE vault.key_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    MAXVALUE 4294967295
    CACHE 1;

ALTER SEQUENCE vault.key_ids OWNER TO loginetl_owner;

CREATE VIEW vault.keys WITH (security_barrier='true') AS
 SELECT key_id,
    purpose,
    state,
    created_at,
    activated_at,
    retired_at,
    destroyed_at
   FROM vault.data_keys;

ALTER VIEW vault.keys OWNER TO loginetl_owner;

COMMENT ON VIEW vault.keys IS 'made by loginetl init, d9e22e0e65957813b596d2910c83d56e';

CREATE TABLE vault.rotation (
    field text NOT NULL,
    from_key bigint NOT NULL,
    to_key bigint NOT NULL,
    from_hash_key bigint NOT NULL,
    to_hash_key bigint NOT NULL,
    watermark uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT rotation_field_check CHECK ((field = ANY (ARRAY['ip'::text, 'device_id'::text])))
);

ALTER TABLE vault.rotation OWNER TO loginetl_owner;

CREATE VIEW vault.plan WITH (security_barrier='true') AS
 WITH active AS (
         SELECT min(data_keys.key_id) FILTER (WHERE (data_keys.purpose = 'mask'::text)) AS mask,
            min(data_keys.key_id) FILTER (WHERE (data_keys.purpose = 'hash'::text)) AS hash,
            min(data_keys.key_id) FILTER (WHERE (data_keys.purpose = 'seal'::text)) AS seal
           FROM vault.data_keys
          WHERE (data_keys.state = 'active'::text)
        ), field AS (
         SELECT f.name,
            COALESCE(r.from_key, a_1.mask) AS from_mask,
            COALESCE(r.from_hash_key, a_1.hash) AS from_hash,
            COALESCE(r.to_key, a_1.mask) AS to_mask,
            COALESCE(r.to_hash_key, a_1.hash) AS to_hash,
            COALESCE(r.watermark, '00000000-0000-0000-0000-000000000000'::uuid) AS watermark
           FROM ((active a_1
             CROSS JOIN ( VALUES ('ip'::text), ('device_id'::text)) f(name))
             LEFT JOIN vault.rotation r ON (((r.field = f.name) AND (r.finished_at IS NULL))))
        )
 SELECT i.from_mask AS ip_from_mask,
    i.from_hash AS ip_from_hash,
    i.to_mask AS ip_to_mask,
    i.to_hash AS ip_to_hash,
    i.watermark AS ip_watermark,
    d.from_mask AS device_id_from_mask,
    d.from_hash AS device_id_from_hash,
    d.to_mask AS device_id_to_mask,
    d.to_hash AS device_id_to_hash,
    d.watermark AS device_id_watermark,
    a.seal
   FROM ((active a
     JOIN field i ON ((i.name = 'ip'::text)))
     JOIN field d ON ((d.name = 'device_id'::text)))
  WHERE ((a.mask IS NOT NULL) AND (a.hash IS NOT NULL) AND (a.seal IS NOT NULL));

ALTER VIEW vault.plan OWNER TO loginetl_owner;

COMMENT ON VIEW vault.plan IS 'made by loginetl init, 75f03146006aaadc457b927e75a4dc6d';

CREATE TABLE vault.schema_version (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

ALTER TABLE vault.schema_version OWNER TO loginetl_owner;

CREATE VIEW vault.wrap_holders WITH (security_barrier='true') AS
 SELECT key_id,
    holder,
    kms_key_arn,
    created_at
   FROM vault.wraps;

ALTER VIEW vault.wrap_holders OWNER TO loginetl_owner;

COMMENT ON VIEW vault.wrap_holders IS 'made by loginetl init, d66d86b8b9a5dca6f1960e4b78937bea';

ALTER TABLE ONLY ingest.ledger ATTACH PARTITION ingest.ledger_19700101 FOR VALUES IN ('1970-01-01');

COPY audit.head (one, seq, hash) FROM stdin;
t	18	\\xa1e56a58c5aa025284027e4fb0916f25c3671ed8ba3606003a6cb1a561e3e182
\.

COPY audit.log (seq, at, xid, db_user, client, application_name, kind, record, prev_hash, hash) FROM stdin;
1	2026-11-28 10:36:08.55443+00	8132	postgres	127.0.0.1	loginetl init	key.create	{"wraps": [{"holder": "ingest", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1"}, {"holder": "recovery", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2"}], "key_id": 1, "purpose": "mask", "version": "0.1.0", "check_value": "b04dbc4249b7a2e1393e969fb49c91a1"}	\\x0000000000000000000000000000000000000000000000000000000000000000	\\xbf80b9fbd70f1e11b5ba20d6e76fb964e2423305a4d408cc23dd65a83e498777
2	2026-11-28 10:36:08.555172+00	8133	postgres	127.0.0.1	loginetl init	key.create	{"wraps": [{"holder": "ingest", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1"}, {"holder": "recovery", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2"}], "key_id": 2, "purpose": "hash", "version": "0.1.0", "check_value": "d8fdb78e137c908290e833896845b61e"}	\\xbf80b9fbd70f1e11b5ba20d6e76fb964e2423305a4d408cc23dd65a83e498777	\\x65ea7b0438d01eb98b76d92f874e73c2c657d75bd027ba69532ee88c047c7916
3	2026-11-28 10:36:08.555422+00	8134	postgres	127.0.0.1	loginetl init	key.create	{"wraps": [{"holder": "ingest", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1"}, {"holder": "recovery", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2"}], "key_id": 3, "purpose": "seal", "version": "0.1.0", "check_value": "72d9c8a38fc57aaec53bc9f2aeb55217"}	\\x65ea7b0438d01eb98b76d92f874e73c2c657d75bd027ba69532ee88c047c7916	\\xcde5e78ce17a40d685ab1322e9df21b37b6755a226ac770918d832586705931a
4	2026-11-28 10:36:08.625456+00	8142	postgres	127.0.0.1	loginetl load	load.run	{"end": "done", "from": {"stream": "standard input"}, "loaded": 160, "deleted": 0, "seconds": 0.009, "version": "0.1.0", "received": 160, "duplicates": 0, "given_back": 0, "quarantined": 0}	\\xcde5e78ce17a40d685ab1322e9df21b37b6755a226ac770918d832586705931a	\\x7bb0db1abc08b83ad217fa49c3bfc19c1b81d1debc6cc5d4d22789031adb604a
5	2026-11-28 10:36:08.690612+00	8144	postgres	127.0.0.1	loginetl load	load.run	{"end": "done", "from": {"stream": "standard input"}, "loaded": 1, "deleted": 0, "seconds": 0.009, "version": "0.1.0", "received": 5, "duplicates": 0, "given_back": 0, "quarantined": 4}	\\x7bb0db1abc08b83ad217fa49c3bfc19c1b81d1debc6cc5d4d22789031adb604a	\\x7a9c8a1d8422de500c2de47044e7003d79944289081af16f8ad3471c6f785483
6	2026-11-28 10:36:08.759181+00	8148	postgres	127.0.0.1	loginetl rotate-keys	key.create	{"wraps": [{"holder": "ingest", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1"}, {"holder": "recovery", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2"}], "key_id": 4, "purpose": "mask", "version": "0.1.0", "check_value": "11fc5ac683ce6ea0bd95817c23a475e0"}	\\x7a9c8a1d8422de500c2de47044e7003d79944289081af16f8ad3471c6f785483	\\x4627ade6c71079583bb4f27dc9ca8f8575c52a48c861c355f7968ad1a10e4126
7	2026-11-28 10:36:08.760091+00	8149	postgres	127.0.0.1	loginetl rotate-keys	key.create	{"wraps": [{"holder": "ingest", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1"}, {"holder": "recovery", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2"}], "key_id": 5, "purpose": "hash", "version": "0.1.0", "check_value": "383e4a4a872fd5d7e4d2a8b4ad8e7d73"}	\\x4627ade6c71079583bb4f27dc9ca8f8575c52a48c861c355f7968ad1a10e4126	\\x46b61f8909188d30eda385f1cd351cc47141e1ee476733226aad9e2ce678d26a
8	2026-11-28 10:36:08.760632+00	8150	postgres	127.0.0.1	loginetl rotate-keys	key.create	{"wraps": [{"holder": "ingest", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1"}, {"holder": "recovery", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2"}], "key_id": 6, "purpose": "seal", "version": "0.1.0", "check_value": "ccd37306292e08b217aba617de4b1b62"}	\\x46b61f8909188d30eda385f1cd351cc47141e1ee476733226aad9e2ce678d26a	\\xb143722b8141a073a9ef1bc97cafff9e15a3d4b8887776103de91a1345b85db0
9	2026-11-28 10:36:08.776666+00	8154	postgres	127.0.0.1	loginetl rotate-keys	rotate.start	{"keys": {"hash": {"to": 5, "from": 2}, "mask": {"to": 4, "from": 1}, "seal": {"to": 6, "from": 3}}, "version": "0.1.0", "compromised": true}	\\xb143722b8141a073a9ef1bc97cafff9e15a3d4b8887776103de91a1345b85db0	\\x33fcb35ceb431d62093c84a7f8251eb55f80399ece1d7785621ce12660f7d8d6
10	2026-11-28 10:36:08.874297+00	8159	postgres	127.0.0.1	loginetl rotate-keys	rotate.end	{"retired": [1, 3, 2], "version": "0.1.0", "left_over": [], "not_opened": 0, "rows_moved": 322, "bodies_sealed": 4}	\\x33fcb35ceb431d62093c84a7f8251eb55f80399ece1d7785621ce12660f7d8d6	\\x1e251cf5f7feea057aef5d88751ad09a8694e0a06648952c9595009c650be13f
11	2026-11-28 10:36:08.999264+00	8162	postgres	127.0.0.1	loginetl load	load.run	{"end": "done", "from": {"stream": "standard input"}, "loaded": 160, "deleted": 0, "seconds": 0.019, "version": "0.1.0", "received": 160, "duplicates": 0, "given_back": 0, "quarantined": 0}	\\x1e251cf5f7feea057aef5d88751ad09a8694e0a06648952c9595009c650be13f	\\xf43294f276171d654afb0b247517281b3adef4d7592c805b19830f26f3a6ddd7
12	2026-11-28 10:36:09.050716+00	8164	postgres	127.0.0.1	loginetl load	load.run	{"end": "done", "from": {"stream": "standard input"}, "loaded": 1, "deleted": 0, "seconds": 0.013, "version": "0.1.0", "received": 3, "duplicates": 0, "given_back": 0, "quarantined": 2}	\\xf43294f276171d654afb0b247517281b3adef4d7592c805b19830f26f3a6ddd7	\\x93af8011783d4122205d2aa387b6425177fba5348f597e0b126d657e678375b1
13	2026-11-28 10:36:09.085745+00	8165	postgres	127.0.0.1	loginetl unmask	unmask.request	{"reason": "a ticket of long ago", "ticket": null, "key_ids": [4, 5], "version": "0.1.0", "declared": {"os_user": null}, "selectors": ["ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20"], "max_values": 1000, "unreadable_lines": 0}	\\x93af8011783d4122205d2aa387b6425177fba5348f597e0b126d657e678375b1	\\x160323487cca8a0b57af9b5ece604f160c958e408f14d270f52ab6bdff1e1199
14	2026-11-28 10:36:09.090907+00	8167	postgres	127.0.0.1	loginetl unmask	unmask.release	{"key_id": 4, "request": 13}	\\x160323487cca8a0b57af9b5ece604f160c958e408f14d270f52ab6bdff1e1199	\\x77616ebffcc0a601ccbca6038d962d344e28b330b966d817ddb9f388b6da2bc6
15	2026-11-28 10:36:09.091406+00	8168	postgres	127.0.0.1	loginetl unmask	unmask.release	{"key_id": 5, "request": 13}	\\x77616ebffcc0a601ccbca6038d962d344e28b330b966d817ddb9f388b6da2bc6	\\x6b89189206e6680d47e94ea31d8912c7ce1290912d57f1e40f90b71647a1fe57
16	2026-11-28 10:36:09.099541+00	8171	postgres	127.0.0.1	loginetl unmask	unmask.outcome	{"rows": 32, "shown": 1, "failed": 0, "values": ["ip 39170639-cd95-8bd1-81cf-ee456575d33a"], "request": 13, "not_found": 0, "request_signature": "accd280bb226480a8f560aec8f4926ce31bce5f99e90197a40baf8cfce62bd92"}	\\x6b89189206e6680d47e94ea31d8912c7ce1290912d57f1e40f90b71647a1fe57	\\xc06381d8dd12d2b1db1152b57f0aecf060d3a496201ba01f84f8fba8092eda05
17	2026-11-28 10:36:09.164478+00	8174	postgres	127.0.0.1	loginetl rotate-keys	key.create	{"wraps": [{"holder": "ingest", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1"}, {"holder": "recovery", "kms_key_arn": "arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2"}], "key_id": 7, "purpose": "mask", "version": "0.1.0", "check_value": "881b60d35886ce7154f9a03df3b61363"}	\\xc06381d8dd12d2b1db1152b57f0aecf060d3a496201ba01f84f8fba8092eda05	\\xaa1f8e592dea9d0179e1cb47ace664a9567cebb1e0ee503de359b9ac9fb93d65
18	2026-11-28 10:36:09.170434+00	8176	postgres	127.0.0.1	loginetl rotate-keys	rotate.start	{"keys": {"mask": {"to": 7, "from": 4}}, "version": "0.1.0", "compromised": false}	\\xaa1f8e592dea9d0179e1cb47ace664a9567cebb1e0ee503de359b9ac9fb93d65	\\xa1e56a58c5aa025284027e4fb0916f25c3671ed8ba3606003a6cb1a561e3e182
\.

COPY audit.signatures (seq, key_arn, signature, at, xid) FROM stdin;
1	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x304402206c6b28d12c5323fd7f0e099da009bc24179818ed16d73de6588f86dd1adce7da022079e7ddacff42da22c9e7be6d49ac9f885406bf2b855ab5dcf1505b56f032467a	2026-11-28 10:36:08.55843+00	8135
2	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x304402203d84641be799c69f258eb3f69c5c16dcd8acbc2a0eb0d592f2be207703f47edf02207f2df4b010eeb1eb4d704b4ee24b1dcffc6e3190d889a69378ad6607cd20cbb6	2026-11-28 10:36:08.564064+00	8136
3	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x3045022003c0b0105544f3e5915208dec488d650403d232473946f770187b43c12a1b565022100e5e0e3fea298d6f82fe84642735f7cf8860e8bd69bc0d20a25a5d493524e123a	2026-11-28 10:36:08.566267+00	8137
6	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x3046022100e4e7c94e4773fc0facec4d8c35bfa5d5441ec48b34129e64c746b3e061442d43022100cb26b05d950b165b7bb5b45e5b03cc883352599f4043408d9e75fe9afad5af0e	2026-11-28 10:36:08.767713+00	8151
7	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x30450221009b661a278015d759e41883bc168a96bd96d603d741026b86e5d5d613bf74421302206de9a6d3935aca3ecec56326da1d8ebc8b45181af2200ca80bd71960cb899597	2026-11-28 10:36:08.770489+00	8152
8	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x304502200214b97f555479d4208ee9935d3490d312253dadb8506d9d1911dcaeeec6af7c0221008423baf740bf34014685ac5d39b07b35576ed80c59b50f01e3b135638d23f9c7	2026-11-28 10:36:08.774441+00	8153
9	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x304402205ebb4a3d5b0e35d6524025439da0a5963dec20dc152888bcfd572a0319a2d80c02206dad521e1c7a6a982b48f4199f069fc68c23a4851218ee50512b03c0de3df173	2026-11-28 10:36:08.779842+00	8155
10	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x3045022025074a4eb6a3bf93478f98b15856539b94d17fde55d89b7680a66e980234b0fd022100ce4a43d02cc98306923b7df9028c17d6a47a3cfd08b53b6cf2559e7151534a6b	2026-11-28 10:36:08.876808+00	8160
13	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x3046022100e8c8346ffd32e06319cc3390b595f2e1616b0ba659c178d1cf2e7d6bee44fa59022100ca377080ef37dbbd61b283baf01ac614abd22c3642b62ea5c620a110e2b8c3b5	2026-11-28 10:36:09.089523+00	8166
16	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x3046022100969f424a2475c3b3d3d501eef3e52fad0fb88d35072f92dc06cc5e30a40752b1022100d6379c9a031f80fb439a27742f4b204b611f1a0e7a40c5d269496ea7f935a76c	2026-11-28 10:36:09.102048+00	8172
17	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x30450221009f89872e43e9022c23fa2052ce90c46abf33ea4aa572ef2ff3bbed9e69e5d559022008ab2109c100635109684741f557fc1d695b176507e3986ee15167fd12e9c1ed	2026-11-28 10:36:09.168394+00	8175
18	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a3	\\x3045022100cecf56ba7c1663d0c5437234278e6dfe15160cc47ddc8a9f60a36492aa9dcff702203575e5120cddb55dd44105e9b26391dd43164defbe35b6788178a87b667d9f93	2026-11-28 10:36:09.172711+00	8177
\.

COPY ingest.days (day, made_at) FROM stdin;
1970-01-01	2026-11-28 10:36:08.459983+00
\.

COPY ingest.ledger_19700101 (sent_day, message_id) FROM stdin;
1970-01-01	a2a5bd8b-6d0f-8407-bfab-b3b278388677
1970-01-01	60d7c520-e046-862b-8576-6edc87c2c2d5
1970-01-01	56d55bf9-95b1-8e89-b635-e186ef56fb65
1970-01-01	d68651bb-ba08-8065-904a-b1cbad034888
\.

COPY ingest.quarantine (id, message_id, source, sent_at, received_at, receive_count, row_day, reason, field, length, seal_key_id, sealed, quarantined_at) FROM stdin;
1	ed457a6e-2047-825d-89b3-92010a3ffe00	file	\N	2026-11-28 10:36:08.677948+00	\N	2026-11-28	sns_notification	\N	259	6	\\x01000000061c739ccc32d7faaeb6064d54eaa33d55d8f39186379bd5ed441609fad804ad9406564255adee85263abd9a3d8c723f30a10208946a84c1ee344ce2e682d33dc1c082c6c83a0293f97d88970ce0f1998bb3a28943373501a37e68d36a8a6b852c3fc0561ed7818583b16b4a70b2bb24a5a54b0bdc91deed8ab3b9c67e086c886689e939cf13c75245226054b056520222700a036fa46061325615659a05f67677fc1345c8404938945928e0ccfa9f8e8b40cbd78e9996c1db685268206b8f70f08cf702383641666224ec3729574ae8e85406f04db73565b0b3755d6622c059f35bbb8cc13001a2dee9ce280e2888d4c518baec3cb3f63265d3182aaa3dfc748de9d215e9cf270a4853e600d7f15c89a1c57227a6222bec6f39ec1219515b786a09d014	2026-11-28 10:36:08.686748+00
2	6b3fcc00-0c54-8471-b345-51251f2c0c44	file	\N	2026-11-28 10:36:08.677948+00	\N	2026-11-28	sns_notification	\N	259	6	\\x0100000006dc029234adf249a193521487e70bfe322bc933c9f1f9a85f531f1569be9ed15580e73f22f8bfee3eea1d3cc72ea2c1db2c34efe1dfa5b28c4702b31c88f3ce2c1e7fae989d43d291774ba1d853320f214856d46fc5392e7343bfc742141a3dc28c19048a4d8b940d1fb9948cd73d255e6a7a9faf9c1dfda361fdecc584f04916308a5164419df29ea8c1efb39208502c14ba484a8848c60b8392c8cd578ed833d05ae7d98c7aebd3bcc04d6d04d58b4f76fa2f263fa60523720f62d5b6617b0109b2866b3fce4176d60aae75bebb5357bf7e8be326557a640b4b863023cadeb1bd09d6c1a7078c981eb1a4d9eb22f3bae826fa92cc85b56a8bc9bd31ebabc87aac89a56fafddf6e6fb2da6baeacf6df5c1061d78f0f1e0d32c57df3a8a8def1c26a62e	2026-11-28 10:36:08.686857+00
3	442a3530-48fb-8d73-a1e8-2547f6bbd76c	file	\N	2026-11-28 10:36:08.677948+00	\N	2026-11-28	sns_notification	\N	259	6	\\x0100000006954847d1c8f173218ae0514cbc5d99cfbd57de18c68afa06c150bd4ecbdc572c0e36332faf1e2f0f470a35a7ae5ba5d800ffd4ba2b4dd53a56d642415a6e8ff4572a599372d49aee06b0c76398108ac81fc1bc094b6b906ad1610e492305a7ee7b1fc89c0afd7f9699f0ec868558ed36cafe6aed3c4217bc5e2784d396c67056e956abba68e60515d1069559f0e74eabfe229b68b3f1b3d7b2031971f4f2308f9c1d848526f33ee8835f897631a9bfe8bf8644b81fcf8ab836c154b49f36316c4206a09a048954a93d2a7ebb3cf7b72790912e62e4d202d077d17f2b86bf276e7b9fd932c146dc97d542fc2dfa93fad0575440faeb34d61567f66754b9d9d23fbbbe228f8c5b358afbda883f3bb39d93a09d88d2d1445e4e9f028086ab36d91ae5e82e	2026-11-28 10:36:08.686862+00
4	dd4c74aa-7762-8e64-84e2-1a6944b32fdc	file	\N	2026-11-28 10:36:08.677948+00	\N	2026-11-28	not_json	\N	9	6	\\x01000000069f5a815c9d99d0cad141f7aa22dae1bcf8fad0330b5a19d2cfcca602e8280d80910fba52c2280c0b29	2026-11-28 10:36:08.686864+00
5	11d5f918-8814-81a6-a381-aa7cdd3d969a	file	\N	2026-11-28 10:36:09.034637+00	\N	2026-11-28	sns_notification	\N	259	6	\\x0100000006708ab44c464243333c9f4ca501a1b8c89f8eb5ffad4bdcaf6483a82280cca67bb97449f3b04e8df39f0c0d7380c95f6e64ecced5399ffeaf434ab917c9586b7554e2fc12cf8b69bf1e4f93eeaf23b4d2126d9b6c034c74582c09d5180850d6a3bf627dbe3e25d847a3a6d2347aebb73e97b4b2ef2c65eaaf48b1cf0647d84191edcb7c82c81ff3792c9d37cb44332c9531131ac042d068cd389ee70bfb26035cd59e069d0754436c48bb3f6f6cc4bfd3cdc7fa1eb4f151f22850183f87ccc267166de7ccf9e8b499da0994d7a8654902f6d72836e43e509f0e235d99cac3da768bac1cec5ecba35e4092adb639f420836e3d7ed5cfd67021e62df96f22d5df48a8bbf3381a3caa15119611391537c815307e948c3a526f5a4c29f2bee20a900f42655f	2026-11-28 10:36:09.046981+00
6	c3166963-3e55-8dca-a08c-ef0d13c691a0	file	\N	2026-11-28 10:36:09.034637+00	\N	2026-11-28	sns_notification	\N	259	6	\\x01000000066094f8f8a8a4ef13f13699e1a4933e2e3ac59e43cd27ec6eb199cdc79b9f71c246cfb261b585259bd11f978ee63ac7a5d28dbe75fa7c1500483c8eb6a5eefa018dfd4c4924d80d94a0e0502fe772c0706d617f30e2f6d457b90d8be98c8f3ba41f1c0d186f3e0389d039c8920c4738c74db6c75f05c8c4f960292e00609b229a05e0e9ba3ff64285e87015004187b9c115caaa9f53b80b890d87ad8da573e0a8ea05ca6189c5ab41c8c42eccbb9eb68412bc393e3f9d2bc015b9169090179db7ec1fe864e4ed0edfaa36905bd7758d9311a8a7a863e7219ae7c4fe9ac8b1eeabbfb1f20801be86cd4679a51b8dcb7e2441ae6ab53d679d9a4169a2395cf33666e83f38953bf66b26db8fdd2b35fb25066a5024e845843213ac7d9d393fa28d8a097ab9	2026-11-28 10:36:09.047016+00
\.

COPY public.user_logins (user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash) FROM stdin;
u-0	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-5	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-15	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-3	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-13	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-23	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-33	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-40	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-45	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-55	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-65	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-43	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-53	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-63	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-75	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-85	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-95	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-73	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-83	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-93	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-103	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-115	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-125	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-135	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-113	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-123	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-133	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-143	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-10	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-20	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-30	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-50	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-60	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-70	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-80	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-90	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-100	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-110	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-120	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-130	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-140	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-150	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-400	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-152	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-2	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-12	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-22	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-32	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-42	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-52	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-9	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-19	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-29	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-39	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-49	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-59	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-8	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-18	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-28	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-38	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-48	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-58	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-62	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-72	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-82	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-92	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-102	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-68	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-78	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-88	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-98	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-108	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-118	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-128	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-138	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-148	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-158	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-147	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-157	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-7	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-17	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-27	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-37	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-47	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-57	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-67	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-77	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-87	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-97	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-107	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-117	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-127	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-137	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-25	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-35	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-105	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-145	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-155	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-6	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-16	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-112	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-122	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-132	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-142	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-26	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-36	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-46	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-56	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-66	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-76	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-86	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-96	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-106	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-116	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-126	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-136	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-146	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-156	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-153	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-149	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-159	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-69	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-79	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-89	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-99	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-109	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-119	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-129	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-139	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-4	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-14	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-24	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-34	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-44	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-54	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-64	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-74	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-84	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-94	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-104	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-114	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-124	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-134	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-144	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-154	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-151	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-1	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-11	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-21	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-31	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-41	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-51	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-61	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-71	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-81	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-91	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-101	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-111	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-121	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-131	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-141	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-160	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-161	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-163	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-164	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-165	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-166	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-167	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-168	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-169	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-170	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-171	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-173	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-174	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-162	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-172	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-175	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-176	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-177	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-178	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-179	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-180	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-181	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-183	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-184	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-185	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-186	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-187	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-188	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-189	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-190	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-191	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-193	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-194	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-195	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-196	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-197	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-198	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-199	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-200	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-201	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-203	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-204	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-205	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-206	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-207	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-208	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-209	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-210	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-182	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-192	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-202	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-211	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-213	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-214	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-215	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-216	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-217	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-218	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-219	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-220	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-221	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-223	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-224	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-225	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-226	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-227	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-228	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-229	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-230	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-231	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-233	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-234	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-235	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-236	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-237	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-238	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-239	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-240	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-241	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-243	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-244	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-245	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-246	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-212	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-222	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-232	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-242	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-247	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-248	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-249	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-250	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-251	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-253	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-254	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-255	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-256	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-257	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-258	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-259	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-260	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-261	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-263	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-264	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-265	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-266	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-267	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-268	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-269	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-270	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-271	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-273	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-274	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-275	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-276	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-277	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-278	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-279	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-280	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-281	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-252	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-262	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-272	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-282	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-283	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-284	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-285	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-286	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-287	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-288	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-289	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-290	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-291	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-293	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-294	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-295	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-296	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-297	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-298	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-299	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-300	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-301	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-303	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-304	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-305	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-306	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-307	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-308	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-309	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-310	ios	ip1.4.-16ZowBudnJT9W5z9oCMnVOjBpm_dXufT9i35Ac8VEM	dev1.4.OZlg9dGamjBtTzOXjXxP7PAxFhuPhyavUT9fOsHd7U4	DE	2003000	2026-11-28	7db73db7-95d8-820d-96e2-c825d1155b1a	b7b7f67f-6957-84cb-a725-f8c71f8c87db
u-311	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
u-313	ios	ip1.4.1Q7hiJuaAr-i4Sb-E0N2tnl6SnwzWy-Eh-IQmYdin20	dev1.4.kEqfW_GbFaXkX-gNvEPa44_h2t2Rdwv0KnMLi1utC6w	DE	2003000	2026-11-28	39170639-cd95-8bd1-81cf-ee456575d33a	35995787-94ba-84f4-b60c-cd69ad7a3754
u-314	ios	ip1.4.PYsI3Gb-bgb1dudlIjusbJnbIR3em2t4RfV4Nv2rYf0	dev1.4.abbIncPvcVLWPe6n26F0nh56f2Ltg2LY9AQf1nbpHC8	DE	2003000	2026-11-28	a47c1e7c-8ff6-8c57-bbd9-b4aad2c81405	fc0e20c3-27c6-8754-919f-8c93c7268735
u-315	ios	ip1.4.hJIVAmTYgm0qB5Ea1Og4ibM5_ZH7SPfjIVZ7oLVaD8g	dev1.4.LkBABflnqtjbjIJfvk2TfRBDAEVZuunLIY-bwnMMISA	DE	2003000	2026-11-28	8eb61bf3-01f8-8b96-8c40-a8ab4c449b86	d25808cd-09d4-83d3-8b98-89e524e3752d
u-316	ios	ip1.4.mpq6nNP-pajAesdIWj9ykNUin5ZZwyTBFsSTAutDoCo	dev1.4.YM-L9rLH4MlYdkLosOCSnaRXgZExa6T8xi35RuYFmHU	DE	2003000	2026-11-28	fad627ba-2008-8760-8b06-0858ac9db5bc	5d602e9a-c874-8fb2-897c-bc23f0c11828
u-317	ios	ip1.4.Y6Tb-VTF9EA2z40cdTYCJRZPSiQ7sgNdHS23TmfkXbY	dev1.4.VtAba31GT4jjt4AfyTNPQpEJ3zTcQViaFoRJWFx-hMw	DE	2003000	2026-11-28	d4520c9f-302d-8d87-bf2e-dbe7f5533b10	3156c359-8df5-8d4b-be23-8e7a11008284
u-318	ios	ip1.4.5XlQneJpKSqI1esUBucKEM81VypHLz6viiuuJL2sbuw	dev1.4.WQ6UTo8P4Fbnr6gEI8GhmEaAa56npTdoqJuU3YQnCVI	DE	2003000	2026-11-28	d848cd2e-273a-874e-bb28-446ff656bf58	355aa6ac-6d7c-8b8f-b834-ed716a33d37b
u-292	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-302	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-312	ios	ip1.7._LPV3Q6oS_wkiCaBuBZtJ7RG3-VScahL9YnIsjhvzmw	dev1.4.N0TolzJUrVMugKcVjxlQxVoUA8t9gsauneSfdHw5hJQ	DE	2003000	2026-11-28	084aa463-f153-85e6-a72d-ff59dce0cfc1	383f3dfc-c6f3-84a7-9c79-edfd17285561
u-319	ios	ip1.4.eO0rhsm_LBYmSXe75zt77I1Vv8yE8E-bATmn2k_-kYE	dev1.4.lLyyyRgTrG7ADxDp5CmUuw0E5MeTtdXNrZ96GVWsCWc	DE	2003000	2026-11-28	27143048-df2e-8370-b864-aad6c882774b	d8231459-a6c7-84e5-b842-510c8c45dac9
u-401	ios	ip1.4.sMwYo6_nWYccTsCMeLf-lpkNUShf7Q2xEXsOfdXdoo8	dev1.4.PA1yGoj3QExtTxsQ50AyRyjJIVYAEBI_EOIDkzTJGMI	DE	2003000	2026-11-28	09669564-f193-8594-8736-0f81d88bc399	b637305b-42c5-8057-80d5-96de56405c12
\.

COPY vault.data_keys (key_id, purpose, state, check_value, created_at, activated_at, retired_at, destroyed_at) FROM stdin;
5	hash	active	\\x383e4a4a872fd5d7e4d2a8b4ad8e7d73	2026-11-28 10:36:08.743956+00	2026-11-28 10:36:08.776062+00	\N	\N
6	seal	active	\\xccd37306292e08b217aba617de4b1b62	2026-11-28 10:36:08.752619+00	2026-11-28 10:36:08.776153+00	\N	\N
1	mask	retired	\\xb04dbc4249b7a2e1393e969fb49c91a1	2026-11-28 10:36:08.532119+00	2026-11-28 10:36:08.566791+00	2026-11-28 10:36:08.871987+00	\N
3	seal	retired	\\x72d9c8a38fc57aaec53bc9f2aeb55217	2026-11-28 10:36:08.548593+00	2026-11-28 10:36:08.567291+00	2026-11-28 10:36:08.873074+00	\N
2	hash	retired	\\xd8fdb78e137c908290e833896845b61e	2026-11-28 10:36:08.541151+00	2026-11-28 10:36:08.567117+00	2026-11-28 10:36:08.874007+00	\N
4	mask	retiring	\\x11fc5ac683ce6ea0bd95817c23a475e0	2026-11-28 10:36:08.734113+00	2026-11-28 10:36:08.775899+00	\N	\N
7	mask	active	\\x881b60d35886ce7154f9a03df3b61363	2026-11-28 10:36:09.152518+00	2026-11-28 10:36:09.169934+00	\N	\N
\.

COPY vault.fence  FROM stdin;
\.

COPY vault.rotation (field, from_key, to_key, from_hash_key, to_hash_key, watermark, started_at, finished_at) FROM stdin;
ip	1	4	2	5	ffffffff-ffff-ffff-ffff-ffffffffffff	2026-11-28 10:36:08.776298+00	2026-11-28 10:36:08.870042+00
device_id	1	4	2	5	ffffffff-ffff-ffff-ffff-ffffffffffff	2026-11-28 10:36:08.776433+00	2026-11-28 10:36:08.870091+00
device_id	4	7	5	5	00000000-0000-0000-0000-000000000000	2026-11-28 10:36:09.170141+00	\N
ip	4	7	5	5	084aa463-f153-85e6-a72d-ff59dce0cfc1	2026-11-28 10:36:09.170118+00	\N
\.

COPY vault.schema_version (version, name, applied_on, checksum) FROM stdin;
1	foundation	2026-11-28T10:36:08.46172038Z	16117058644389960220
2	audit	2026-11-28T10:36:08.467593892Z	6353050171894095183
3	rotation	2026-11-28T10:36:08.470749021Z	7469379434468353407
4	unused_keys	2026-11-28T10:36:08.470930531Z	15024351266973157883
5	primary_keys	2026-11-28T10:36:08.471684927Z	6655457993058760277
\.

COPY vault.wraps (key_id, holder, kms_key_arn, wrapped, created_at) FROM stdin;
1	ingest	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1	\\x31613531636537302d303030302d343030302d383030302d3030303030303030303061318ac2620080a069023df662cdc546ff087c4006e02667524e9bf68e8c47067ba5cb6de9bea3e6e5a96eb768c997031c38aa915de6d2792a19548417a0dd5eadf1fef17251fc46172cb55d6cd7aa460965e80804ca317b3569211e2ee10d6339fcd41459c7547214dcdaebbf491a405af2	2026-11-28 10:36:08.532597+00
1	recovery	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2	\\x31613531636537302d303030302d343030302d383030302d303030303030303030306132ed01fb19a1e056b45d404860754faf52032804e5010d9faa90cff378ba632af1224a3dd724d91bc68a345a76ed1396a5a57e1058498f1730b43feff0d6a69df60a14f4207628dc945132921d1a6282cf81cd2b178be199ad308c698587fe28e40792a26abd6edccc5f24a632a11adbc1	2026-11-28 10:36:08.53284+00
2	ingest	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1	\\x31613531636537302d303030302d343030302d383030302d3030303030303030303061313b216816fc04fe7616ee99632e3f24ad4a32ac8b5232e76b36e023f81fc1f3cf9785b1bbb099e04003b9de2873b5c3ec96750f9a9a1881c12f05a80a038259ef8fa6e0227a294fbe2f733ef5e8dbb7d2	2026-11-28 10:36:08.541267+00
2	recovery	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2	\\x31613531636537302d303030302d343030302d383030302d303030303030303030306132d1fb26b5032e53b95ea2e5cb2a00345a606d238a9dbcecc7611e35165c69d1c1ba512891998fde543f8d9f00124c86732112d00bd51448cca24ae5b97cf686ce0a7d42dc9a396b7c8136fec53d86e1bd	2026-11-28 10:36:08.541366+00
3	ingest	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1	\\x31613531636537302d303030302d343030302d383030302d3030303030303030303061315dde1b4d725253c08e4a555576efd25364b95a7193050836c506c58e37cf8fbe97af099620aa52bf842efa8003352c963de308fadb2140cf78226c5a7e7260227148dfdda017a17790ace6e38d901e04d2f5a3f3ce94fa27143bd1731cdf2e075229d7d8b296e13b9c9858f3bc219729	2026-11-28 10:36:08.548708+00
3	recovery	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2	\\x31613531636537302d303030302d343030302d383030302d30303030303030303030613272166a9a26879e8c2e7763d4c5a7447788b13decd7291caf7183d38cad19754230db6c8f12c1190a302f712d8e37e3345b6981b96109417b9c5508ebb89a230df30fda678a2bccb294d7279bb52cfe12e3898f532078428e2507eb7eb77ae67f93ea1a9ab864e68014705a95668c9e16	2026-11-28 10:36:08.548808+00
4	ingest	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1	\\x31613531636537302d303030302d343030302d383030302d30303030303030303030613165265facb097257c40c189115eaafdb01bfdcbe33e6d617a5636189c495c306c062470a5dc32ed00f54cf98a25405fdfc3952a2ea6ac13485a7117c55b2f9c296dc83e235979d6e7dddda70339fabc0da94d9f4bf8c451c84e40d250ba117fe4d8f7fe6e372185cb5c7f97cc0cf3d6fa	2026-11-28 10:36:08.734939+00
4	recovery	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2	\\x31613531636537302d303030302d343030302d383030302d3030303030303030303061322dee8344042c6ddc6f3fe93fbeebf68b6235a66b70958aae664b14b0a8c339b5e11351b35cc8a41485e981eaf5dc9728bac9e9142841e90e20776615b7c888cf2b7c903382e6c12c8be42619a301dd52dcf5c273d06d8358ab4a0421e3dd2d33c25743657cd9add963ea18b0c83bc987	2026-11-28 10:36:08.735188+00
5	ingest	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1	\\x31613531636537302d303030302d343030302d383030302d3030303030303030303061310b64516b4ae28517964d641d0f86c94e63424fad1551265ecf0aa1f17811c6920984dcf9310cc8b4a23e8a5987eb80fe1e79eb0d36b02b16bcf7c246b45ba6fc869ccfcf607427e87830fbe6e4775344	2026-11-28 10:36:08.744141+00
5	recovery	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2	\\x31613531636537302d303030302d343030302d383030302d30303030303030303030613272f4b5ce6376d10aa57559403b3ac200fb0f54d396f3f28d01fc8f03f7260f988036770b36a6a5b259490cb600fb6e1f22b629c4f1cee79860c8a068f897bd88b688563aadb2b434028307ea4852e107	2026-11-28 10:36:08.744386+00
6	ingest	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1	\\x31613531636537302d303030302d343030302d383030302d303030303030303030306131120984c4e9439dccc9ff4f73c23e2a3e1b860e0b1c83fc936b44df4f72bffb06ee2bd55a1231a98865c0bedb4eb244d45b458b3c3e332e676351842edd8070fefbb76f285022cfef0eb4e4d31ade7a129bff83becbcb08efedcecfd731032f4900b72598a2c69b91fe69cf939b715135	2026-11-28 10:36:08.752801+00
6	recovery	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2	\\x31613531636537302d303030302d343030302d383030302d303030303030303030306132ec82c1f109adff79737e7c8432937edf4296ea6b094892c5b2f1a56993ea9b699213f01161407e5e7166aeb1417cdb0d963aea640f32b3f077e7fcff789b6cc78a7049c06690676374face2be6d3e0c0c494a1321286c9b3f97d48ef4f695fe37627575116ed752502026ae46f345115	2026-11-28 10:36:08.75297+00
7	ingest	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a1	\\x31613531636537302d303030302d343030302d383030302d303030303030303030306131729163ed7cefd1b14b4ccf96cc653cd98b94de0cc6a5f5aa4f25a2fa2231d662c79ab7df393c89ff529ae59cf9d0063484f3232a385b787cd58a27aaeb7461373745815ecd068dd90dd87abd12f621999c882058002e9956e7a42ec48e06e355fe323bb84a014f9eb0feeea740cda6ba	2026-11-28 10:36:09.153219+00
7	recovery	arn:aws:kms:us-east-1:000000000000:key/1a51ce70-0000-4000-8000-0000000000a2	\\x31613531636537302d303030302d343030302d383030302d303030303030303030306132add36fb90c368898ad617637b8a82752ba8bb86d763b7eb88ef60a1a8a5ae7278d45cbd321f76ba28472c4668ea094a536e49492bae88186d327dc916cbad79041cbd3f1aa79cab15a0e68f7218c3f2dc1d9140fe9865db9d79e93f3bf20461b261b156f332957e87c6810e846e3d3e3	2026-11-28 10:36:09.153461+00
\.

SELECT pg_catalog.setval('ingest.quarantine_id_seq', 6, true);

SELECT pg_catalog.setval('vault.key_ids', 7, true);

ALTER TABLE ONLY audit.head
    ADD CONSTRAINT head_pkey PRIMARY KEY (one);

ALTER TABLE ONLY audit.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY audit.signatures
    ADD CONSTRAINT signatures_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY ingest.days
    ADD CONSTRAINT days_pkey PRIMARY KEY (day);

ALTER TABLE ONLY ingest.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (sent_day, message_id);

ALTER TABLE ONLY ingest.ledger_19700101
    ADD CONSTRAINT ledger_19700101_pkey PRIMARY KEY (sent_day, message_id);

ALTER TABLE ONLY ingest.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);

ALTER TABLE ONLY vault.data_keys
    ADD CONSTRAINT data_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY vault.rotation
    ADD CONSTRAINT rotation_pkey PRIMARY KEY (field, to_key);

ALTER TABLE ONLY vault.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);

ALTER TABLE ONLY vault.wraps
    ADD CONSTRAINT wraps_pkey PRIMARY KEY (key_id, holder);

CREATE INDEX user_logins_device_id_hash ON public.user_logins USING btree (device_id_hash);

CREATE INDEX user_logins_ip_hash ON public.user_logins USING btree (ip_hash);

CREATE UNIQUE INDEX one_active_key ON vault.data_keys USING btree (purpose) WHERE (state = 'active'::text);

CREATE UNIQUE INDEX one_pending_key ON vault.data_keys USING btree (purpose) WHERE (state = 'pending'::text);

CREATE UNIQUE INDEX one_rotation ON vault.rotation USING btree (field) WHERE (finished_at IS NULL);

ALTER INDEX ingest.ledger_pkey ATTACH PARTITION ingest.ledger_19700101_pkey;

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.log FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.signatures FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON audit.head FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

CREATE TRIGGER legal_moves BEFORE INSERT OR DELETE OR UPDATE ON vault.data_keys FOR EACH ROW EXECUTE FUNCTION vault.check_key_move();

CREATE TRIGGER only_on BEFORE UPDATE ON vault.rotation FOR EACH ROW EXECUTE FUNCTION vault.check_watermark();

ALTER TABLE ONLY audit.signatures
    ADD CONSTRAINT signatures_seq_fkey FOREIGN KEY (seq) REFERENCES audit.log(seq);

ALTER TABLE ONLY vault.rotation
    ADD CONSTRAINT rotation_from_hash_key_fkey FOREIGN KEY (from_hash_key) REFERENCES vault.data_keys(key_id);

ALTER TABLE ONLY vault.rotation
    ADD CONSTRAINT rotation_from_key_fkey FOREIGN KEY (from_key) REFERENCES vault.data_keys(key_id);

ALTER TABLE ONLY vault.rotation
    ADD CONSTRAINT rotation_to_hash_key_fkey FOREIGN KEY (to_hash_key) REFERENCES vault.data_keys(key_id);

ALTER TABLE ONLY vault.rotation
    ADD CONSTRAINT rotation_to_key_fkey FOREIGN KEY (to_key) REFERENCES vault.data_keys(key_id);

ALTER TABLE ONLY vault.wraps
    ADD CONSTRAINT wraps_key_id_fkey FOREIGN KEY (key_id) REFERENCES vault.data_keys(key_id);

GRANT USAGE ON SCHEMA audit TO loginetl_loader;
GRANT USAGE ON SCHEMA audit TO loginetl_unmasker;
GRANT USAGE ON SCHEMA audit TO loginetl_rotator;
GRANT USAGE ON SCHEMA audit TO loginetl_auditor;

GRANT USAGE ON SCHEMA ingest TO loginetl_loader;
GRANT USAGE ON SCHEMA ingest TO loginetl_unmasker;
GRANT USAGE ON SCHEMA ingest TO loginetl_rotator;
GRANT USAGE ON SCHEMA ingest TO loginetl_auditor;

GRANT USAGE ON SCHEMA vault TO loginetl_loader;
GRANT USAGE ON SCHEMA vault TO loginetl_analyst;
GRANT USAGE ON SCHEMA vault TO loginetl_unmasker;
GRANT USAGE ON SCHEMA vault TO loginetl_rotator;
GRANT USAGE ON SCHEMA vault TO loginetl_auditor;

REVOKE ALL ON FUNCTION audit.append(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.is_kept(wanted bigint, of_hash bytea, by_signature bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.is_kept(wanted bigint, of_hash bytea, by_signature bytea) TO loginetl_rotator;
GRANT ALL ON FUNCTION audit.is_kept(wanted bigint, of_hash bytea, by_signature bytea) TO loginetl_unmasker;

GRANT SELECT ON TABLE audit.log TO loginetl_auditor;

REVOKE ALL ON FUNCTION audit.own_unsigned() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.own_unsigned() TO loginetl_rotator;
GRANT ALL ON FUNCTION audit.own_unsigned() TO loginetl_unmasker;

REVOKE ALL ON FUNCTION audit.record(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.record(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) TO loginetl_loader;
GRANT ALL ON FUNCTION audit.record(new_kind text, new_record text, OUT seq bigint, OUT hash bytea) TO loginetl_rotator;

REVOKE ALL ON FUNCTION audit.refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.sign(signed bigint, key_arn text, signature bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.sign(signed bigint, key_arn text, signature bytea) TO loginetl_unmasker;
GRANT ALL ON FUNCTION audit.sign(signed bigint, key_arn text, signature bytea) TO loginetl_rotator;

REVOKE ALL ON FUNCTION ingest.count_written(user_ids text[], device_types text[], masked_ips text[], masked_device_ids text[], locales text[], app_versions integer[], create_dates date[], ip_hashes uuid[], device_id_hashes uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ingest.count_written(user_ids text[], device_types text[], masked_ips text[], masked_device_ids text[], locales text[], app_versions integer[], create_dates date[], ip_hashes uuid[], device_id_hashes uuid[]) TO loginetl_loader;

REVOKE ALL ON FUNCTION ingest.drop_old_days() FROM PUBLIC;
GRANT ALL ON FUNCTION ingest.drop_old_days() TO loginetl_loader;

REVOKE ALL ON FUNCTION ingest.ensure_day(wanted date) FROM PUBLIC;
GRANT ALL ON FUNCTION ingest.ensure_day(wanted date) TO loginetl_loader;

REVOKE ALL ON FUNCTION vault.are_rows_as_remembered(of_field text, hashes uuid[], tokens text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.are_rows_as_remembered(of_field text, hashes uuid[], tokens text[]) TO loginetl_rotator;

REVOKE ALL ON FUNCTION vault.blind_spots(who oid, commands text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.blind_spots(who oid, commands text[]) TO loginetl_analyst;
GRANT ALL ON FUNCTION vault.blind_spots(who oid, commands text[]) TO loginetl_auditor;
GRANT ALL ON FUNCTION vault.blind_spots(who oid, commands text[]) TO loginetl_loader;
GRANT ALL ON FUNCTION vault.blind_spots(who oid, commands text[]) TO loginetl_rotator;
GRANT ALL ON FUNCTION vault.blind_spots(who oid, commands text[]) TO loginetl_unmasker;

REVOKE ALL ON FUNCTION vault.check_key_move() FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.check_release(request bigint, wanted bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.check_watermark() FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.count_rows() FROM PUBLIC;
GRANT ALL ON FUNCTION vault.count_rows() TO loginetl_auditor;
GRANT ALL ON FUNCTION vault.count_rows() TO loginetl_loader;
GRANT ALL ON FUNCTION vault.count_rows() TO loginetl_rotator;
GRANT ALL ON FUNCTION vault.count_rows() TO loginetl_unmasker;

REVOKE ALL ON FUNCTION vault.destroy_key(wanted bigint, at_least interval, details text, OUT seq bigint, OUT hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.destroy_key(wanted bigint, at_least interval, details text, OUT seq bigint, OUT hash bytea) TO loginetl_rotator;

REVOKE ALL ON FUNCTION vault.finish_rotation(details text, OUT seq bigint, OUT hash bytea, OUT retired bigint[], OUT left_over bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.finish_rotation(details text, OUT seq bigint, OUT hash bytea, OUT retired bigint[], OUT left_over bigint[]) TO loginetl_rotator;

REVOKE ALL ON FUNCTION vault.is_closed(request bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.is_unused(wanted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.is_unused(wanted bigint) TO loginetl_rotator;

REVOKE ALL ON FUNCTION vault.open_request(request bigint, OUT kind text, OUT record jsonb, OUT at timestamp with time zone, OUT signature bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.record_outcome(request bigint, details text, OUT seq bigint, OUT hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.record_outcome(request bigint, details text, OUT seq bigint, OUT hash bytea) TO loginetl_unmasker;

REVOKE ALL ON FUNCTION vault.refusing_publications() FROM PUBLIC;
GRANT ALL ON FUNCTION vault.refusing_publications() TO loginetl_analyst;
GRANT ALL ON FUNCTION vault.refusing_publications() TO loginetl_auditor;
GRANT ALL ON FUNCTION vault.refusing_publications() TO loginetl_loader;
GRANT ALL ON FUNCTION vault.refusing_publications() TO loginetl_rotator;
GRANT ALL ON FUNCTION vault.refusing_publications() TO loginetl_unmasker;

REVOKE ALL ON FUNCTION vault.release_key(request bigint, wanted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.release_key(request bigint, wanted bigint) TO loginetl_unmasker;

REVOKE ALL ON FUNCTION vault.released_wrap(request bigint, wanted bigint, OUT purpose text, OUT check_value bytea, OUT kms_key_arn text, OUT wrapped bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.released_wrap(request bigint, wanted bigint, OUT purpose text, OUT check_value bytea, OUT kms_key_arn text, OUT wrapped bytea) TO loginetl_unmasker;

REVOKE ALL ON FUNCTION vault.remember_rows(of_field text, hashes uuid[], tokens text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.remember_rows(of_field text, hashes uuid[], tokens text[]) TO loginetl_rotator;

REVOKE ALL ON FUNCTION vault.replace_active(of_purpose text, expected bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.replace_wrap(wanted bigint, of_holder text, seen bytea, new_arn text, new_wrapped bytea, details text, OUT seq bigint, OUT hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.replace_wrap(wanted bigint, of_holder text, seen bytea, new_arn text, new_wrapped bytea, details text, OUT seq bigint, OUT hash bytea) TO loginetl_rotator;

REVOKE ALL ON FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) TO loginetl_loader;
GRANT ALL ON FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) TO loginetl_analyst;
GRANT ALL ON FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) TO loginetl_unmasker;
GRANT ALL ON FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) TO loginetl_rotator;
GRANT ALL ON FUNCTION vault.request_unmask(asked text, details text, key_ids bigint[], OUT granted boolean, OUT seq bigint, OUT hash bytea) TO loginetl_auditor;

REVOKE ALL ON FUNCTION vault.require_sight() FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.start_rotation(purposes text[], expected bigint[], details text, OUT seq bigint, OUT hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.start_rotation(purposes text[], expected bigint[], details text, OUT seq bigint, OUT hash bytea) TO loginetl_rotator;

REVOKE ALL ON FUNCTION vault.summarise_rows(of_field text, hashes uuid[], tokens text[], OUT row_count bigint, OUT digest numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION vault.withdraw_request(request bigint, details text, OUT seq bigint, OUT hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION vault.withdraw_request(request bigint, details text, OUT seq bigint, OUT hash bytea) TO loginetl_unmasker;

GRANT SELECT ON TABLE audit.created_keys TO loginetl_rotator;

GRANT SELECT ON TABLE audit.head TO loginetl_auditor;

GRANT SELECT ON TABLE audit.signatures TO loginetl_auditor;

GRANT SELECT ON TABLE audit.state TO loginetl_loader;
GRANT SELECT ON TABLE audit.state TO loginetl_unmasker;
GRANT SELECT ON TABLE audit.state TO loginetl_rotator;
GRANT SELECT ON TABLE audit.state TO loginetl_auditor;

GRANT SELECT,INSERT,DELETE ON TABLE ingest.quarantine TO loginetl_loader;

GRANT SELECT(id) ON TABLE ingest.quarantine TO loginetl_unmasker;
GRANT SELECT(id) ON TABLE ingest.quarantine TO loginetl_rotator;

GRANT SELECT(message_id) ON TABLE ingest.quarantine TO loginetl_unmasker;
GRANT SELECT(message_id) ON TABLE ingest.quarantine TO loginetl_rotator;

GRANT SELECT(seal_key_id),UPDATE(seal_key_id) ON TABLE ingest.quarantine TO loginetl_rotator;

GRANT SELECT(sealed) ON TABLE ingest.quarantine TO loginetl_unmasker;
GRANT SELECT(sealed),UPDATE(sealed) ON TABLE ingest.quarantine TO loginetl_rotator;

GRANT SELECT ON TABLE ingest.bodies_by_key TO loginetl_rotator;
GRANT SELECT ON TABLE ingest.bodies_by_key TO loginetl_auditor;
GRANT SELECT ON TABLE ingest.bodies_by_key TO loginetl_loader;
GRANT SELECT ON TABLE ingest.bodies_by_key TO loginetl_unmasker;

GRANT SELECT,INSERT ON TABLE ingest.ledger TO loginetl_loader;

GRANT SELECT ON TABLE ingest.quarantine_summary TO loginetl_loader;
GRANT SELECT ON TABLE ingest.quarantine_summary TO loginetl_unmasker;
GRANT SELECT ON TABLE ingest.quarantine_summary TO loginetl_rotator;
GRANT SELECT ON TABLE ingest.quarantine_summary TO loginetl_auditor;

GRANT SELECT ON TABLE public.user_logins TO loginetl_analyst;
GRANT INSERT ON TABLE public.user_logins TO loginetl_loader;
GRANT SELECT ON TABLE public.user_logins TO loginetl_owner;

GRANT SELECT(ctid) ON TABLE public.user_logins TO loginetl_rotator;

GRANT SELECT(masked_ip) ON TABLE public.user_logins TO loginetl_unmasker;
GRANT SELECT(masked_ip),UPDATE(masked_ip) ON TABLE public.user_logins TO loginetl_rotator;

GRANT SELECT(masked_device_id) ON TABLE public.user_logins TO loginetl_unmasker;
GRANT SELECT(masked_device_id),UPDATE(masked_device_id) ON TABLE public.user_logins TO loginetl_rotator;

GRANT SELECT(create_date) ON TABLE public.user_logins TO loginetl_unmasker;

GRANT SELECT(ip_hash) ON TABLE public.user_logins TO loginetl_unmasker;
GRANT SELECT(ip_hash),UPDATE(ip_hash) ON TABLE public.user_logins TO loginetl_rotator;

GRANT SELECT(device_id_hash) ON TABLE public.user_logins TO loginetl_unmasker;
GRANT SELECT(device_id_hash),UPDATE(device_id_hash) ON TABLE public.user_logins TO loginetl_rotator;

GRANT SELECT ON TABLE vault.census TO loginetl_loader;
GRANT SELECT ON TABLE vault.census TO loginetl_unmasker;
GRANT SELECT ON TABLE vault.census TO loginetl_rotator;
GRANT SELECT ON TABLE vault.census TO loginetl_auditor;

GRANT SELECT ON TABLE vault.data_keys TO loginetl_rotator;

GRANT INSERT(key_id) ON TABLE vault.data_keys TO loginetl_rotator;

GRANT INSERT(purpose) ON TABLE vault.data_keys TO loginetl_rotator;

GRANT INSERT(state) ON TABLE vault.data_keys TO loginetl_rotator;

GRANT INSERT(check_value) ON TABLE vault.data_keys TO loginetl_rotator;

GRANT INSERT ON TABLE vault.fence TO loginetl_loader;
GRANT UPDATE ON TABLE vault.fence TO loginetl_rotator;

GRANT SELECT ON TABLE vault.fence_holders TO loginetl_rotator;
GRANT SELECT ON TABLE vault.fence_holders TO loginetl_auditor;
GRANT SELECT ON TABLE vault.fence_holders TO loginetl_loader;
GRANT SELECT ON TABLE vault.fence_holders TO loginetl_unmasker;

GRANT SELECT ON TABLE vault.wraps TO loginetl_rotator;

GRANT INSERT(key_id) ON TABLE vault.wraps TO loginetl_rotator;

GRANT INSERT(holder) ON TABLE vault.wraps TO loginetl_rotator;

GRANT INSERT(kms_key_arn) ON TABLE vault.wraps TO loginetl_rotator;

GRANT INSERT(wrapped) ON TABLE vault.wraps TO loginetl_rotator;

GRANT SELECT ON TABLE vault.ingest_keys TO loginetl_loader;

GRANT USAGE ON SEQUENCE vault.key_ids TO loginetl_rotator;

GRANT SELECT ON TABLE vault.keys TO loginetl_loader;
GRANT SELECT ON TABLE vault.keys TO loginetl_unmasker;
GRANT SELECT ON TABLE vault.keys TO loginetl_rotator;
GRANT SELECT ON TABLE vault.keys TO loginetl_auditor;

GRANT SELECT ON TABLE vault.rotation TO loginetl_rotator;
GRANT SELECT ON TABLE vault.rotation TO loginetl_auditor;
GRANT SELECT ON TABLE vault.rotation TO loginetl_loader;
GRANT SELECT ON TABLE vault.rotation TO loginetl_unmasker;

GRANT UPDATE(watermark) ON TABLE vault.rotation TO loginetl_rotator;

GRANT SELECT ON TABLE vault.plan TO loginetl_loader;
GRANT SELECT ON TABLE vault.plan TO loginetl_unmasker;
GRANT SELECT ON TABLE vault.plan TO loginetl_rotator;

GRANT SELECT ON TABLE vault.schema_version TO loginetl_loader;
GRANT SELECT ON TABLE vault.schema_version TO loginetl_analyst;
GRANT SELECT ON TABLE vault.schema_version TO loginetl_unmasker;
GRANT SELECT ON TABLE vault.schema_version TO loginetl_rotator;
GRANT SELECT ON TABLE vault.schema_version TO loginetl_auditor;

GRANT SELECT ON TABLE vault.wrap_holders TO loginetl_rotator;
GRANT SELECT ON TABLE vault.wrap_holders TO loginetl_auditor;
GRANT SELECT ON TABLE vault.wrap_holders TO loginetl_loader;
GRANT SELECT ON TABLE vault.wrap_holders TO loginetl_unmasker;

