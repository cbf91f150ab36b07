-- Archives: masked events outside of this database. A run masks or rewrites some of one. Its plan
-- is made here, and its end is written down here; until then, and while the archive is registered,
-- its keys are not destroyed.

-- Writes down that a run begins, under keys that are in force and stay so until this is committed.
create or replace function vault.plan_mask_run(new_run uuid, of_archive text, at_location text,
    under bigint[], rewrites boolean, digest bytea, expires timestamptz, details text,
    out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    in_force bigint;
begin
    -- Whoever retires or destroys one of them waits for this transaction, and sees its row.
    perform from vault.data_keys k
        where k.key_id = any (under) and k.state = 'active' and k.purpose in ('mask', 'hash')
        for share;
    get diagnostics in_force = row_count;
    if in_force <> cardinality(under) then
        raise exception 'the keys in force are others by now' using errcode = 'LG004';
    end if;
    insert into vault.mask_runs (run, archive, location, keys, is_rewrite, plan_digest, expires_at)
        values (new_run, of_archive, at_location, under, rewrites, digest, expires);
    if not found then
        raise exception 'the run was not written down' using errcode = 'LG008';
    end if;
    select a.seq, a.hash into seq, hash from audit.append('mask.run',
        (details::jsonb || jsonb_build_object('run', new_run, 'archive', of_archive, 'location',
            at_location, 'keys', under, 'rewrites', rewrites))::text) a;
end
$$;

-- Registers what a run has masked, once. The answer: committed; already, or other where it was
-- committed with these or with other counts; unknown, destroyed (a key), waived.
create or replace function vault.commit_mask_run(wanted uuid, digest bytea, at_location text,
    masked bigint, rejected bigint, unopened bigint, details text,
    out answer text, out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    known vault.mask_runs%rowtype;
begin
    select r.* into known from vault.mask_runs r where r.run = wanted for update;
    answer := case
        when known.run is null or known.plan_digest <> digest then 'unknown'
        when known.state in ('committed', 'replaced', 'dropped') then case
            when (known.location, known.row_count, known.rejected_count, known.unopened_count)
                is not distinct from (coalesce(at_location, known.location), masked, rejected,
                    unopened) then 'already'
            else 'other' end
        when exists (select from unnest(known.keys) as u (key_id)
            left join vault.data_keys k using (key_id)
            where k.state is null or k.state = 'destroyed') then 'destroyed'
        when known.state = 'waived' then 'waived'
        else 'committed' end;
    if answer <> 'committed' then
        return;
    end if;
    update vault.mask_runs r set state = 'committed', ended_at = clock_timestamp(),
        location = coalesce(at_location, r.location), row_count = masked,
        rejected_count = rejected, unopened_count = unopened
    where r.run = wanted;
    if not found then
        raise exception 'the end of the run was not written down' using errcode = 'LG008';
    end if;
    -- A rewrite that opened everything has taken the place of all that was there when it began.
    if known.is_rewrite and unopened = 0 then
        update vault.mask_runs r set state = 'replaced', ended_at = clock_timestamp()
        where r.archive = known.archive and r.state = 'committed' and r.run <> wanted
            and r.ended_at < known.planned_at;
    end if;
    select a.seq, a.hash into seq, hash from audit.append('mask.commit',
        (details::jsonb || jsonb_build_object('run', wanted, 'archive', known.archive, 'location',
            coalesce(at_location, known.location), 'keys', known.keys, 'rows', masked,
            'rejected', rejected, 'unopened', unopened))::text) a;
end
$$;

-- Forgets an archive that is not there any more, or only its runs that nobody has committed. The
-- answer: dropped; none, where there is nothing of that name; running, where the plan of an open
-- run may still be at work.
create or replace function vault.drop_archive(wanted text, only_open boolean, running_too boolean,
    details text, out answer text, out run_count bigint, out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    dropped uuid[];
    under   bigint[];
    running boolean;
begin
    with runs as (
        select * from vault.mask_runs r
        where r.archive = wanted and (r.state = 'open' or (r.state = 'committed' and not only_open))
        for update
    )
    select array_agg(run), bool_or(state = 'open' and expires_at > clock_timestamp()),
           (select array_agg(distinct k order by k) from runs, unnest(keys) as k)
    into dropped, running, under from runs;
    run_count := coalesce(cardinality(dropped), 0);
    answer := case
        when run_count = 0 then 'none'
        when running and not running_too then 'running'
        else 'dropped' end;
    if answer <> 'dropped' then
        return;
    end if;
    update vault.mask_runs set ended_at = clock_timestamp(),
        state = case state when 'open' then 'waived' else 'dropped' end
    where run = any (dropped);
    select a.seq, a.hash into seq, hash from audit.append('archive.drop',
        (details::jsonb || jsonb_build_object('archive', wanted, 'only_open', only_open, 'runs',
            dropped, 'keys', under))::text) a;
end
$$;

-- Whether something outside of this database is, or may come to be, under a key.
create or replace function vault.is_archived(wanted bigint) returns boolean
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select exists (select from vault.mask_runs r
        where wanted = any (r.keys) and r.state in ('open', 'committed'))
$$;
