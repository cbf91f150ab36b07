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
    if array_ndims(under) is distinct from 1 or isfinite(expires) is not true
        or jsonb_typeof(details::jsonb) is distinct from 'object' then
        raise exception 'a run has a list of keys, an expiry and a JSON object of details'
            using errcode = 'invalid_parameter_value';
    end if;
    -- Whoever masks a field more waits too, or has done it before the question below.
    lock table vault.fields in share mode;
    if details::jsonb -> 'fields' is distinct from
        (select jsonb_agg(f.field order by f.position) from vault.fields f) then
        raise exception 'the fields that are masked are others by now' using errcode = 'LG004';
    end if;
    -- Whoever retires or destroys one of them waits for this transaction, and sees its row.
    perform from vault.data_keys k
        where k.key_id = any (under) and k.state = 'active' and k.purpose in ('mask', 'hash')
        order by k.key_id for share;
    get diagnostics in_force = row_count;
    if in_force <> cardinality(under) then
        raise exception 'the keys in force are others by now' using errcode = 'LG004';
    end if;
    insert into vault.mask_runs (run, archive, location, keys, replaces, plan_digest, expires_at)
        values (new_run, of_archive, at_location, under, case when rewrites then
            array(select r.run from vault.mask_runs r
                where r.archive = of_archive and r.state = 'committed' order by r.run) end,
            digest, expires);
    if not found then
        raise exception 'the run was not written down' using errcode = 'LG008';
    end if;
    select a.seq, a.hash into seq, hash from audit.append('mask.run',
        (details::jsonb || jsonb_build_object('run', new_run, 'archive', of_archive, 'location',
            at_location, 'keys', under, 'rewrites', rewrites))::text) a;
end
$$;

-- Registers what a run has masked, once. Of a rewrite too: what it comes in the place of keeps its
-- keys until it is dropped. The answer: committed; already, or other where it was committed with
-- these or with other counts; unknown, destroyed (a key), waived, dropped; clear, where a field is
-- masked since that its plan, whose fields the details have, leaves as it is. A rewrite shows
-- nothing that was not shown before.
create or replace function vault.commit_mask_run(wanted uuid, digest bytea, at_location text,
    masked bigint, rejected bigint, unopened bigint, details text,
    out answer text, out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    known vault.mask_runs%rowtype;
begin
    if num_nulls(masked, rejected, unopened) > 0
        or jsonb_typeof(details::jsonb) is distinct from 'object' then
        raise exception 'a commit has three counts and a JSON object of details'
            using errcode = 'invalid_parameter_value';
    end if;
    select r.* into known from vault.mask_runs r where r.run = wanted for update;
    answer := case
        when known.run is null or known.plan_digest is distinct from digest then 'unknown'
        when known.state in ('replaced', 'dropped') then 'dropped'
        when known.state = 'committed' then case
            when (known.location, known.row_count, known.rejected_count, known.unopened_count)
                is not distinct from (coalesce(at_location, known.location), masked, rejected,
                    unopened) then 'already'
            else 'other' end
        when exists (select from unnest(known.keys) as u (key_id)
            left join vault.data_keys k using (key_id)
            where k.state is null or k.state = 'destroyed') then 'destroyed'
        when known.state = 'waived' then 'waived'
        when known.replaces is null and exists (select from vault.fields f
            where (details::jsonb -> 'fields') ? f.field is not true) then 'clear'
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
    select a.seq, a.hash into seq, hash from audit.append('mask.commit',
        (details::jsonb || jsonb_build_object('run', wanted, 'archive', known.archive, 'location',
            coalesce(at_location, known.location), 'keys', known.keys, 'rows', masked,
            'rejected', rejected, 'unopened', unopened))::text) a;
end
$$;

-- Which runs of an archive `all`, `open`, the id of one or `replaced` means: those in whose place a
-- committed rewrite has come, which has as many lines as they have, all of them opened; with
-- incomplete_too, whatever its counts are. A rewrite that is rewritten too adds no lines: those in
-- whose place it has come are counted. Of several rewrites of one run nobody knows here which was
-- published: each must be complete, or a complete one has come in its place too.
create or replace function vault.runs_to_drop(of_archive text, which text, incomplete_too boolean)
    returns setof vault.mask_runs
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    with rewrites as materialized (
        select n.run, n.replaces, incomplete_too is true or n.unopened_count = 0 and exists (
            select from vault.mask_runs o where o.run = any (n.replaces)
                and o.state <> 'dropped' and (o.replaces && n.replaces) is not true
            -- With or without the lines that were rejected.
            having n.row_count in (sum(o.row_count), sum(o.row_count + o.rejected_count))
        ) as is_complete
        from vault.mask_runs n
        where which = 'replaced' and n.archive = of_archive and n.state = 'committed'
    ), places as materialized (
        select p.run, n.run as by, n.is_complete from rewrites n, unnest(n.replaces) as p (run)
    ), rewritten as (
        select p.run, bool_or(p.is_complete) as by_complete from places p group by p.run
    ), judged as (
        select p.run from places p left join rewritten w on w.run = p.by
        group by p.run
        having bool_or(p.is_complete) and bool_and(p.is_complete or w.by_complete is true)
    )
    select r.* from vault.mask_runs r
    where r.archive = of_archive and case which
        when 'all' then r.state in ('open', 'committed')
        when 'open' then r.state = 'open'
        when 'replaced' then r.state = 'committed' and r.run in (select j.run from judged j)
        else r.run::text = which and r.state in ('open', 'committed')
        end
$$;

-- Lets an archive that is not there any more keep no key; or only its open runs, or those in whose
-- place a rewrite has come. The answer: dropped; none, where there is nothing of that kind;
-- running, where the plan of an open run may still be at work; incomplete, where a rewrite has
-- other counts than what it replaces, or lines that it could not open.
create or replace function vault.drop_archive(wanted text, which text, running_too boolean,
    incomplete_too boolean, details text,
    out answer text, out run_count bigint, out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    dropped uuid[];
    under   bigint[];
    running boolean;
begin
    if length(details::jsonb ->> 'reason') between 1 and 500 is not true
        or jsonb_typeof(details::jsonb) is distinct from 'object' then
        raise exception 'why: 1 to 500 characters' using errcode = 'invalid_parameter_value';
    end if;
    perform from vault.mask_runs r where r.archive = wanted order by r.run for update;
    select array_agg(d.run order by d.run),
           bool_or(d.state = 'open' and d.expires_at > clock_timestamp())
    into dropped, running from vault.runs_to_drop(wanted, which, incomplete_too) d;
    run_count := coalesce(cardinality(dropped), 0);
    answer := case
        when run_count = 0 and exists (select from vault.runs_to_drop(wanted, which, true))
            then 'incomplete'
        when run_count = 0 then 'none'
        when running and running_too is not true then 'running'
        else 'dropped' end;
    if answer <> 'dropped' then
        return;
    end if;
    select array_agg(distinct k order by k) into under
    from vault.mask_runs r, unnest(r.keys) as k where r.run = any (dropped);
    update vault.mask_runs r set ended_at = clock_timestamp(), state = case
        when r.state = 'open' then 'waived' when which = 'replaced' then 'replaced'
        else 'dropped' end
    where r.run = any (dropped);
    if not found then
        raise exception 'what was dropped was not written down' using errcode = 'LG008';
    end if;
    select a.seq, a.hash into seq, hash from audit.append('archive.drop',
        -- An archive may have more runs than a record has room for.
        (details::jsonb || jsonb_build_object('archive', wanted, 'which', which, 'runs', run_count,
            'runs_digest', encode(sha256(convert_to(array_to_string(dropped, ','), 'UTF8')), 'hex'),
            'keys', under))::text) a;
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
