-- The audit log, and the gate before every recovered value.
-- Frozen once released: later changes are later files.

grant select on public.user_logins to loginetl_owner;
-- What a recovery looks up: tokens, hashes and days, and nothing else of a row.
grant select (masked_ip, masked_device_id, ip_hash, device_id_hash, create_date) on public.user_logins to loginetl_unmasker;

set local role loginetl_owner;

-- The log ----------------------------------------------------------------------------------------------------------

create table audit.log (
    seq              bigint      primary key,
    at               timestamptz not null,
    xid              xid8        not null,
    db_user          text        not null,
    client           inet,
    application_name text        not null,
    kind             text        not null,
    record           text        not null,
    prev_hash        bytea       not null,
    hash             bytea       not null
);

-- Who wants to append waits for this row: one writer at a time, so the chain has no gap and no fork.
create table audit.head (
    one  boolean primary key default true check (one),
    seq  bigint  not null,
    hash bytea   not null
);
insert into audit.head (seq, hash) values (0, decode(repeat('00', 32), 'hex'));

-- KMS signatures of a record's hash, which covers all records before it. Its transaction is kept so that a
-- release can tell a committed signature from one that may yet be rolled back.
create table audit.signatures (
    seq       bigint      primary key references audit.log,
    key_arn   text        not null,
    signature bytea       not null,
    at        timestamptz not null default clock_timestamp(),
    xid       xid8        not null default pg_current_xact_id()
);

create function audit.refuse_change() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'LG002';
end
$$;
create trigger append_only before update or delete or truncate on audit.log
    for each statement execute function audit.refuse_change();
create trigger append_only before update or delete or truncate on audit.signatures
    for each statement execute function audit.refuse_change();
create trigger stays before delete or truncate on audit.head
    for each statement execute function audit.refuse_change();

-- Adds a record to the chain. For the functions below; nobody else may call it.
-- hash = SHA-256 over ten parts: 0x00 for null, else 0x01, the length as four bytes, the bytes (SECURITY.md).
-- No setting of the session has a say in the bytes: times by an interval and not by the name of a zone, no escapes.
create function audit.append(new_kind text, new_record text, out seq bigint, out hash bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
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
    update audit.head h set seq = append.seq, hash = append.hash;
end
$$;

-- A record of what is no recovery. Each kind has the groups that may write it.
create function audit.record(new_kind text, new_record text, out seq bigint, out hash bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    may boolean := case
        when new_kind in ('load.run', 'quarantine.retry', 'quarantine.purge') then
            pg_has_role(session_user, 'loginetl_loader', 'member')
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

-- Stores the signature of a committed record, once, for the login that made the record.
create function audit.sign(signed bigint, key_arn text, signature bytea) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    due audit.log%rowtype;
begin
    select l.* into due from audit.log l where l.seq = signed and l.db_user = session_user;
    if due.seq is null or due.xid = pg_current_xact_id() or due.kind not in
        ('unmask.request', 'unmask.outcome', 'find.request', 'find.outcome', 'key.create', 'key.rewrap', 'key.destroy',
         'rotate.start', 'rotate.end', 'rotate.interrupted') then
        raise exception 'no committed record of this login that is to be signed' using errcode = 'LG001';
    elsif coalesce(octet_length(sign.signature) not between 1 and 256 or octet_length(sign.key_arn) > 2048, true) then
        raise exception 'a signature has 1 to 256 bytes, the name of its key at most 2048' using errcode = 'invalid_parameter_value';
    end if;
    insert into audit.signatures (seq, key_arn, signature) values (signed, sign.key_arn, sign.signature);
end
$$;

-- The gate ---------------------------------------------------------------------------------------------------------
-- A function that records and hands out the key in one transaction is undone by ROLLBACK, and the key is out. So the
-- request commits first, its signature second, and only a third transaction is given a key.

-- Records who wants what and why. A denial is a row, not an error: an error would roll back its own record.
create function vault.request_unmask(asked text, details text, key_ids bigint[],
                                     out granted boolean, out seq bigint, out hash bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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

-- The request behind a release or outcome, if it is this login's, committed, signed, and not yet answered.
create function vault.open_request(request bigint, out kind text, out record jsonb, out at timestamptz, out signature bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
    if exists (
        select from audit.log o
        where o.seq > request and o.kind in ('unmask.outcome', 'find.outcome')
          and case when o.db_user = session_user then (o.record::jsonb ->> 'request')::bigint = request end
    ) then
        raise exception 'the request has its outcome' using errcode = 'LG001';
    end if;
    kind := own.kind;
    record := own.record::jsonb;
    at := own.at;
    signature := proof.signature;
end
$$;

-- Hands out the recovery wrap of a key that a request of the last five minutes names. The head is held from the start,
-- so that no outcome comes between; a snapshot that is older than that would miss one.
create function vault.release_key(request bigint, wanted bigint,
                                  out purpose text, out check_value bytea, out kms_key_arn text, out wrapped bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
declare
    asked record;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a key is released in read committed only' using errcode = 'LG001';
    end if;
    perform from audit.head for update;
    select r.* into asked from vault.open_request(request) r;
    if not coalesce(asked.record -> 'key_ids' @> to_jsonb(wanted), false) then
        raise exception 'the request does not name this key' using errcode = 'LG001';
    elsif asked.at < clock_timestamp() - interval '5 minutes' then
        raise exception 'the request is older than five minutes' using errcode = 'LG001';
    end if;
    select k.purpose, k.check_value, w.kms_key_arn, w.wrapped into purpose, check_value, kms_key_arn, wrapped
    from vault.data_keys k join vault.wraps w on w.key_id = k.key_id and w.holder = 'recovery'
    where k.key_id = wanted and k.state in ('active', 'retiring', 'retired');
    if wrapped is null then
        raise exception 'this key is not there, or destroyed' using errcode = 'LG001';
    end if;
    perform audit.append('unmask.release', jsonb_build_object('request', request, 'key_id', wanted)::text);
end
$$;

-- Records what came of a request. It carries the digest of the request's signature, so that stripping that one shows.
create function vault.record_outcome(request bigint, details text, out seq bigint, out hash bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
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

-- The views of the foundation hide wraps by a condition: without a barrier, a function of the caller's own would be
-- asked first and see what the condition hides.
alter view vault.ingest_keys set (security_barrier);
alter view vault.plan set (security_barrier);

-- What people may see ----------------------------------------------------------------------------------------------

-- The data keys without their wraps.
create view vault.keys with (security_barrier) as
    select key_id, purpose, state, created_at, activated_at, retired_at, destroyed_at from vault.data_keys;

-- Rows per field and key id; no key where a row has no hash (it was there before loginetl).
create view vault.census with (security_barrier) as
    select 'ip' as field, case when ip_hash is not null then split_part(masked_ip, '.', 2) end as key_id, count(*) as row_count
    from public.user_logins group by 2
    union all
    select 'device_id', case when device_id_hash is not null then split_part(masked_device_id, '.', 2) end, count(*)
    from public.user_logins group by 2;

create view ingest.quarantine_summary with (security_barrier) as
    select reason, count(*) as message_count, min(quarantined_at) as oldest_at from ingest.quarantine group by reason;

create view audit.state with (security_barrier) as
    select h.seq, h.hash, (select max(s.seq) from audit.signatures s) as last_signed from audit.head h;

-- Who may what -----------------------------------------------------------------------------------------------------

revoke execute on all functions in schema audit, vault from public;

-- Everybody may ask, so that every refusal is recorded.
grant usage on schema vault to loginetl_analyst, loginetl_unmasker, loginetl_rotator, loginetl_auditor;
grant execute on function vault.request_unmask(text, text, bigint[])
    to loginetl_loader, loginetl_analyst, loginetl_unmasker, loginetl_rotator, loginetl_auditor;
grant select on vault.schema_version to loginetl_analyst, loginetl_unmasker, loginetl_rotator, loginetl_auditor;

grant usage on schema audit, ingest to loginetl_loader, loginetl_unmasker, loginetl_rotator, loginetl_auditor;
grant select on vault.keys, vault.census, ingest.quarantine_summary, audit.state
    to loginetl_loader, loginetl_unmasker, loginetl_rotator, loginetl_auditor;

grant execute on function vault.release_key(bigint, bigint), vault.record_outcome(bigint, text) to loginetl_unmasker;
grant execute on function audit.sign(bigint, text, bytea) to loginetl_unmasker, loginetl_rotator;
grant execute on function audit.record(text, text) to loginetl_loader, loginetl_rotator;
grant select on vault.plan to loginetl_unmasker;
grant select (id, message_id, sealed) on ingest.quarantine to loginetl_unmasker;

grant select on audit.log, audit.signatures, audit.head to loginetl_auditor;

reset role;
