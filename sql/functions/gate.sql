-- The gate before every recovered value. A function that records and hands out the key in one
-- transaction is undone by ROLLBACK, and the key is out. So the request commits first, its
-- signature second, the release third, and only a fourth transaction is given a key.

-- Records who wants what and why. A denial is a row, not an error: an error would roll back its own
-- record.
create or replace function vault.request_unmask(asked text, details text, key_ids bigint[],
                                     out granted boolean, out seq bigint, out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    reason text;
begin
    if coalesce(asked not in ('unmask', 'find') or octet_length(details) > 100000
        or cardinality(key_ids) > 10000, true)
        or jsonb_typeof(details::jsonb) is distinct from 'object' then
        raise exception 'a request has a kind, details and key ids'
            using errcode = 'invalid_parameter_value';
    end if;
    -- The program refuses more than this; here is what SQL clients must keep to.
    reason := case when jsonb_typeof(details::jsonb -> 'reason') = 'string'
        then details::jsonb ->> 'reason' end;
    if coalesce(reason !~ '[^[:space:]]' or length(reason) > 500
        or reason ~ '[0-9]{1,3}([.][0-9]{1,3}){3}', true) then
        raise exception 'a request has a reason of 1 to 500 characters, without an address'
            using errcode = 'invalid_parameter_value';
    end if;
    granted := pg_has_role(session_user, 'loginetl_unmasker', 'member');
    select a.seq, a.hash into seq, hash from audit.append(
        case when granted then asked || '.request' else 'unmask.denied' end,
        (details::jsonb || jsonb_build_object('key_ids', to_jsonb(key_ids)))::text) a;
end
$$;

-- Whether a request of this login has its outcome, or was withdrawn.
create or replace function vault.is_closed(request bigint) returns boolean
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select exists (
        select from audit.log o
        where o.seq > request and o.kind in ('unmask.outcome', 'find.outcome', 'unmask.withdrawal')
          and case when o.db_user = session_user
              then (o.record::jsonb ->> 'request')::bigint = request end)
$$;

-- A committed request of this login, as the process needs it that takes it up again: the record,
-- with all that its hash is made of, and how the request stands. Of another login's request it
-- tells nothing, and it changes nothing: what may follow is for the functions below to decide.
create or replace function vault.own_request(request bigint, out asked audit.log,
    out signed boolean, out closed boolean, out late boolean)
    returns setof record
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select l,
           exists (select from audit.signatures s
               where s.seq = l.seq and s.xid is distinct from pg_current_xact_id_if_assigned()),
           vault.is_closed(l.seq),
           l.at < clock_timestamp() - interval '5 minutes'
    from audit.log l
    where l.seq = request and l.db_user = session_user
        and l.kind in ('unmask.request', 'find.request')
      and l.xid is distinct from pg_current_xact_id_if_assigned()
$$;

-- The request behind a release or outcome, if it is this login's, committed, signed, and not yet
-- answered.
create or replace function vault.open_request(request bigint, out kind text, out record jsonb,
    out at timestamptz, out signature bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    own   audit.log%rowtype;
    proof audit.signatures%rowtype;
begin
    select l.* into own from audit.log l
    where l.seq = request and l.db_user = session_user
        and l.kind in ('unmask.request', 'find.request');
    if own.seq is null then
        raise exception 'no such request of this login' using errcode = 'LG001';
    elsif own.xid = pg_current_xact_id() then
        raise exception 'the request is not committed' using errcode = 'LG001';
    elsif not pg_has_role(session_user, 'loginetl_unmasker', 'member') then
        raise exception 'this login is no unmasker any more' using errcode = 'LG001';
    end if;
    select s.* into proof from audit.signatures s
        where s.seq = request and s.xid <> pg_current_xact_id();
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

-- Records that a key is released for a request of the last five minutes that names it. The head is
-- held from the start, so that no outcome comes between; a snapshot that is older than that would
-- miss one.
create or replace function vault.release_key(request bigint, wanted bigint) returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a key is released in read committed only' using errcode = 'LG001';
    end if;
    perform from audit.head for update;
    perform vault.check_release(request, wanted);
    perform audit.append('unmask.release',
        jsonb_build_object('request', request, 'key_id', wanted)::text);
end
$$;

-- What is asked of a release, and again when the wrap is handed out.
create or replace function vault.check_release(request bigint, wanted bigint) returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    asked record;
begin
    select r.* into asked from vault.open_request(request) r;
    if not coalesce(asked.record -> 'key_ids' @> to_jsonb(wanted), false) then
        raise exception 'the request does not name this key' using errcode = 'LG001';
    elsif coalesce(asked.at < clock_timestamp() - interval '5 minutes', true) then
        raise exception 'the request is older than five minutes' using errcode = 'LG001';
    elsif not exists (select from vault.data_keys
        where key_id = wanted and state in ('active', 'retiring', 'retired')) then
        raise exception 'this key is not there, or destroyed' using errcode = 'LG001';
    end if;
end
$$;

-- Hands out the recovery wrap of a key whose release is committed: a release of this very
-- transaction could be rolled back with the wrap in hand.
create or replace function vault.released_wrap(request bigint, wanted bigint, out purpose text,
    out check_value bytea, out kms_key_arn text, out wrapped bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    -- Before this transaction writes anything itself.
    written pg_lsn := pg_current_wal_insert_lsn();
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a key is released in read committed only' using errcode = 'LG001';
    end if;
    perform from audit.head for update;
    perform vault.check_release(request, wanted);
    -- Committed is not yet on disk: whoever released it may have set synchronous_commit back, and a
    -- crash would take the record with it. From PostgreSQL 17 on it can be asked to write; before,
    -- it does within wal_writer_delay.
    if pg_current_wal_flush_lsn() < written and current_setting('server_version_num')::int >= 170000
        then
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
        where l.seq > request and l.kind = 'unmask.release' and l.db_user = session_user
            and l.xid <> pg_current_xact_id()
          and case when l.db_user = session_user
                   then l.record::jsonb @> jsonb_build_object('request', request, 'key_id',
                       wanted) end
    ) then
        raise exception 'the release is not committed' using errcode = 'LG001';
    end if;
    select k.purpose, k.check_value, w.kms_key_arn, w.wrapped
        into purpose, check_value, kms_key_arn, wrapped
    from vault.data_keys k join vault.wraps w on w.key_id = k.key_id and w.holder = 'recovery'
    where k.key_id = wanted;
    if wrapped is null then
        raise exception 'this key has no recovery wrap' using errcode = 'LG001';
    end if;
end
$$;

-- Closes a request of this login for which no key was released: it failed, and nothing was seen.
create or replace function vault.withdraw_request(request bigint, details text, out seq bigint,
    out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    own audit.log%rowtype;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a request is withdrawn in read committed only' using errcode = 'LG001';
    elsif coalesce(octet_length(details) > 100000
        or jsonb_typeof(details::jsonb) is distinct from 'object', true) then
        raise exception 'a withdrawal is a JSON object of at most 100000 bytes'
            using errcode = 'invalid_parameter_value';
    end if;
    perform from audit.head for update;
    select l.* into own from audit.log l
    where l.seq = request and l.db_user = session_user
        and l.kind in ('unmask.request', 'find.request');
    if own.seq is null or own.xid = pg_current_xact_id() then
        raise exception 'no such request of this login' using errcode = 'LG001';
    elsif vault.is_closed(request) then
        raise exception 'the request has its outcome, or was withdrawn' using errcode = 'LG001';
    elsif exists (
        select from audit.log l
        where l.seq > request and l.kind = 'unmask.release'
          and case when l.db_user = session_user
              then (l.record::jsonb ->> 'request')::bigint = request end
    ) then
        raise exception 'a key was released for the request' using errcode = 'LG001';
    end if;
    select a.seq, a.hash into seq, hash from audit.append(
        'unmask.withdrawal', (details::jsonb || jsonb_build_object('request', request))::text) a;
end
$$;

-- Records what came of a request. It carries the digest of the request's signature, so that
-- stripping that one shows.
create or replace function vault.record_outcome(request bigint, details text, out seq bigint,
    out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    asked record;
begin
    if octet_length(details) > 100000 or jsonb_typeof(details::jsonb) is distinct from 'object' then
        raise exception 'an outcome is a JSON object of at most 100000 bytes'
            using errcode = 'invalid_parameter_value';
    end if;
    perform from audit.head for update;
    select r.* into asked from vault.open_request(request) r;
    select a.seq, a.hash into seq, hash from audit.append(
        replace(asked.kind, '.request', '.outcome'),
        (details::jsonb || jsonb_build_object('request', request,
            'request_signature', encode(sha256(asked.signature), 'hex')))::text) a;
end
$$;
