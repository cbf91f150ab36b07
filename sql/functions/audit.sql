-- The audit log: appended by one writer at a time, never changed, signed once.

create or replace function audit.refuse_change() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'LG002';
end
$$;
create or replace trigger append_only before update or delete or truncate on audit.log
    for each statement execute function audit.refuse_change();
create or replace trigger append_only before update or delete or truncate on audit.signatures
    for each statement execute function audit.refuse_change();
create or replace trigger stays before delete or truncate on audit.head
    for each statement execute function audit.refuse_change();

-- Adds a record to the chain. For the functions below; nobody else may call it. hash = SHA-256 over
-- ten parts: 0x00 for null, else 0x01, the length as four bytes, the bytes (docs/audit-log.md). No
-- setting of the session has a say in the bytes: times by an interval and not by the name of a
-- zone, no escapes.
create or replace function audit.append(new_kind text, new_record text, out seq bigint,
    out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
declare
    previous bytea;
    moment   timestamptz;
    part     bytea;
    chained  bytea := decode('', 'hex');
begin
    if octet_length(new_record) > 131072 then
        raise exception 'a record has at most 131072 bytes'
            using errcode = 'invalid_parameter_value';
    end if;
    -- Until the commit of this transaction: a record is on disk before anything follows from it.
    perform set_config('synchronous_commit', 'on', true);
    select h.seq + 1, h.hash into strict seq, previous from audit.head h for update;
    moment := clock_timestamp();
    foreach part in array array[
        convert_to('loginetl/audit/v1', 'UTF8'),
        convert_to(seq::text, 'UTF8'),
        convert_to(to_char(moment at time zone interval '0', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'UTF8'),
        convert_to(pg_current_xact_id()::text, 'UTF8'),
        convert_to(session_user::text, 'UTF8'),
        convert_to(inet_client_addr()::text, 'UTF8'),
        convert_to(current_setting('application_name'), 'UTF8'),
        convert_to(new_kind, 'UTF8'),
        convert_to(new_record, 'UTF8'),
        previous
    ] loop
        chained := chained || coalesce(decode('01', 'hex') || int4send(octet_length(part)) || part,
            decode('00', 'hex'));
    end loop;
    hash := sha256(chained);
    insert into audit.log values (seq, moment, pg_current_xact_id(), session_user,
        inet_client_addr(),
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

-- A backfill is a load too, and the owner of the table runs it.
create or replace function audit.record(new_kind text, new_record text, out seq bigint,
    out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    may boolean := case
        when new_kind in ('load.run', 'quarantine.retry', 'quarantine.purge') then
            pg_has_role(session_user, 'loginetl_loader', 'member')
                or pg_has_role(session_user, 'loginetl_owner', 'member')
        when new_kind in ('key.create', 'key.rewrap', 'key.destroy', 'rotate.start', 'rotate.end',
            'rotate.interrupted') then
            pg_has_role(session_user, 'loginetl_rotator', 'member')
                or pg_has_role(session_user, 'loginetl_owner', 'member')
        end;
begin
    if may is not true then
        raise exception 'this login may not write records of this kind'
            using errcode = 'insufficient_privilege';
    end if;
    if octet_length(new_record) > 100000
        or jsonb_typeof(new_record::jsonb) is distinct from 'object' then
        raise exception 'a record is a JSON object of at most 100000 bytes'
            using errcode = 'invalid_parameter_value';
    end if;
    select a.seq, a.hash into seq, hash from audit.append(new_kind, new_record::jsonb::text) a;
end
$$;

-- Stores the signature of a committed record, once, for the login that made the record.
create or replace function audit.sign(signed bigint, key_arn text, signature bytea) returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    due audit.log%rowtype;
begin
    select l.* into due from audit.log l where l.seq = signed and l.db_user = session_user;
    if due.seq is null or due.xid = pg_current_xact_id() or due.kind not in
        ('unmask.request', 'unmask.outcome', 'find.request', 'find.outcome', 'key.create',
            'key.rewrap', 'key.destroy',
         'rotate.start', 'rotate.end', 'rotate.interrupted', 'unmask.withdrawal', 'field.mask',
         'archive.drop') then
        raise exception 'no committed record of this login that is to be signed'
            using errcode = 'LG001';
    elsif coalesce(octet_length(sign.signature) not between 1 and 256
        or octet_length(sign.key_arn) > 2048, true) then
        raise exception 'a signature has 1 to 256 bytes, the name of its key at most 2048'
            using errcode = 'invalid_parameter_value';
    end if;
    insert into audit.signatures (seq, key_arn, signature)
        values (signed, sign.key_arn, sign.signature);
    if not found then
        raise exception 'the signature was not stored' using errcode = 'LG008';
    end if;
end
$$;

-- Whether a record of this login stands in the log with this signature (null: with any), as of a
-- transaction that has written neither.
create or replace function audit.is_kept(wanted bigint, of_hash bytea, by_signature bytea)
    returns boolean
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select exists (
        select from audit.log l join audit.signatures s using (seq)
        where l.seq = wanted and l.hash = of_hash and l.db_user = session_user
            and s.signature = coalesce(by_signature, s.signature)
          and l.xid is distinct from pg_current_xact_id_if_assigned()
              and s.xid is distinct from pg_current_xact_id_if_assigned())
$$;

-- One's own records that are due to be signed and are not.
create or replace function audit.own_unsigned() returns setof audit.log
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select l.* from audit.log l
    where l.db_user = session_user
        and (l.kind ~ '^(key|rotate|field|archive)[.]' or l.kind = 'unmask.withdrawal')
      and not exists (select from audit.signatures s where s.seq = l.seq)
    order by l.seq
$$;
