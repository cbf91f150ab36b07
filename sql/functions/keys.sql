-- What a data key may become, and how a rotation begins and ends.

create or replace function vault.check_key_move() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
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
                raise exception 'a data key cannot go from % to %', old.state, new.state
                    using errcode = 'LG003';
            end if;
    end case;
    return new;
end
$$;
create or replace trigger legal_moves before insert or update or delete on vault.data_keys
    for each row execute function vault.check_key_move();

-- A watermark only rises; nothing is finished before it is through, and what is finished stays
-- finished.
create or replace function vault.check_watermark() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
begin
    if new.watermark < old.watermark or old.finished_at is not null
        or (new.finished_at is not null and new.watermark < 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        or (new.field, new.from_key, new.to_key, new.from_hash_key, new.to_hash_key)
           is distinct from (old.field, old.from_key, old.to_key, old.from_hash_key,
               old.to_hash_key) then
        raise exception 'a sweep only goes on' using errcode = 'LG003';
    end if;
    return new;
end
$$;
create or replace trigger only_on before update on vault.rotation
    for each row execute function vault.check_watermark();

-- The active key of a purpose becomes retiring, the pending one active. Never null: LG004 where
-- either is missing.
create or replace function vault.replace_active(of_purpose text, expected bigint) returns bigint
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    successor bigint;
begin
    update vault.data_keys set state = 'retiring'
        where purpose = of_purpose and state = 'active' and key_id = expected;
    if not found then
        raise exception 'key % is not the active % key any more', expected, of_purpose
            using errcode = 'LG004';
    end if;
    update vault.data_keys set state = 'active'
        where purpose = of_purpose and state = 'pending' returning key_id into successor;
    if successor is null then
        raise exception 'there is no pending % key', of_purpose using errcode = 'LG004';
    end if;
    return successor;
end
$$;

-- Starts a rotation from the keys that the caller saw active, unless one runs or another has
-- changed them since. The caller holds the fence, exclusively; from the commit on, every loader
-- asks for the new keys.
create or replace function vault.start_rotation(purposes text[], expected bigint[], details text,
    out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
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
        replaced := replaced || jsonb_build_object(purposes[i],
            jsonb_build_object('from', expected[i], 'to', successor));
    end loop;
    if replaced ? 'mask' then
        insert into vault.rotation (field, from_key, to_key, from_hash_key, to_hash_key)
        select field, (replaced #>> '{mask,from}')::bigint, (replaced #>> '{mask,to}')::bigint,
               coalesce((replaced #>> '{hash,from}')::bigint, hash_key),
                   coalesce((replaced #>> '{hash,to}')::bigint, hash_key)
        from vault.fields;
    end if;
    select a.seq, a.hash into seq, hash from audit.append('rotate.start',
        (details::jsonb || jsonb_build_object('keys', replaced))::text) a;
end
$$;

-- Ends a rotation whose sweeps are through, and retires each key that nothing is under any more. No
-- loader writes under a retiring key by then, so looking for rows takes no lock. Nothing to end is
-- no record.
create or replace function vault.finish_rotation(details text, out seq bigint, out hash bytea,
    out retired bigint[], out left_over bigint[])
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    retiring bigint;
    ended    boolean := false;
begin
    if exists (select from vault.rotation
        where finished_at is null and watermark < 'ffffffff-ffff-ffff-ffff-ffffffffffff') then
        raise exception 'the sweep is not through' using errcode = 'LG004';
    end if;
    retired := '{}';
    left_over := '{}';
    -- Only what is through: since the check above, another may have ended that rotation and a third
    -- begun the next.
    update vault.rotation set finished_at = clock_timestamp()
    where finished_at is null and watermark = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    ended := found;
    -- mask before hash: the hash key goes when no mask key of its rotation is left.
    for retiring in select key_id from vault.data_keys where state = 'retiring'
        order by purpose = 'hash', key_id loop
        if vault.is_unused(retiring) then
            update vault.data_keys set state = 'retired'
            where key_id = retiring and state = 'retiring' and not exists (
                select from vault.rotation r
                where r.finished_at is null and retiring in (r.from_key, r.to_key, r.from_hash_key,
                    r.to_hash_key));
            if found then
                retired := retired || retiring;
            end if;
        else
            left_over := left_over || retiring;
        end if;
    end loop;
    if ended or cardinality(retired) > 0 then
        select a.seq, a.hash into seq, hash from audit.append('rotate.end',
            (details::jsonb || jsonb_build_object('retired', retired, 'left_over',
                left_over))::text) a;
    end if;
end
$$;

-- Destroys a retired key that nothing is under: its wraps go, a tombstone stays.
create or replace function vault.destroy_key(wanted bigint, at_least interval, details text,
    out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
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
    elsif vault.is_archived(wanted) then
        raise exception 'an archive is still under the key' using errcode = 'LG009';
    end if;
    delete from vault.wraps where key_id = wanted;
    update vault.data_keys set state = 'destroyed' where key_id = wanted;
    select a.seq, a.hash into seq, hash from audit.append('key.destroy',
        (details::jsonb || jsonb_build_object('key_id', wanted, 'purpose', old.purpose,
            'retired_at', old.retired_at))::text) a;
end
$$;

-- Puts a wrap under another KMS key in the place of the one that the caller saw.
create or replace function vault.replace_wrap(wanted bigint, of_holder text, seen bytea,
    new_arn text, new_wrapped bytea, details text,
                                   out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    old_arn text;
begin
    select w.kms_key_arn into old_arn from vault.wraps w
        where w.key_id = wanted and w.holder = of_holder and w.wrapped = seen for update;
    if old_arn is null then
        raise exception 'the wrap is another by now' using errcode = 'LG004';
    end if;
    update vault.wraps w set kms_key_arn = new_arn, wrapped = new_wrapped,
        created_at = clock_timestamp()
    where w.key_id = wanted and w.holder = of_holder;
    select a.seq, a.hash into seq, hash from audit.append('key.rewrap',
        (details::jsonb || jsonb_build_object('key_id', wanted, 'holder', of_holder, 'from',
            old_arn, 'to', new_arn))::text) a;
end
$$;
