-- What a search path must not find: functions, operators, types and a table of the names that loginetl's statements use.
-- Each notes that it was called (the server's log tells where), and answers wrongly. Those of varchar and of arrays are
-- nearer to what is called than the server's own, which are declared for text and for any array: there, that pg_catalog
-- comes first does not help.
create schema evil;
create sequence evil.called;
create table evil.user_logins (
    user_id varchar(128), device_type varchar(32), masked_ip varchar(256), masked_device_id varchar(256), locale varchar(32),
    app_version integer, create_date date, ip_hash uuid, device_id_hash uuid);

do $$
declare
    one record;
begin
    for one in select * from (values
        ('now()', 'timestamptz'), ('clock_timestamp()', 'timestamptz'), ('pg_backend_pid()', 'integer'),
        ('current_setting(text)', 'text'), ('set_config(text, text, boolean)', 'text'),
        ('pg_has_role(name, text, text)', 'boolean'), ('sha256(bytea)', 'bytea'), ('encode(bytea, text)', 'text'),
        ('concat(text, text)', 'text'), ('format(text, text)', 'text'), ('format(text, varchar)', 'text'),
        ('lower(varchar)', 'text'), ('length(varchar)', 'integer'), ('octet_length(varchar)', 'integer'),
        ('split_part(varchar, text, integer)', 'text'), ('substr(varchar, integer)', 'text'), ('left(varchar, integer)', 'text'),
        ('starts_with(varchar, text)', 'boolean'), ('position(text, varchar)', 'integer'),
        ('unnest(text[])', 'setof text'), ('unnest(uuid[])', 'setof uuid'), ('unnest(bigint[])', 'setof bigint'),
        ('unnest(integer[])', 'setof integer'), ('unnest(date[])', 'setof date'), ('unnest(bytea[])', 'setof bytea'),
        ('unnest(timestamptz[])', 'setof timestamptz'), ('unnest(tid[])', 'setof tid'), ('unnest(name[])', 'setof name'),
        ('cardinality(bigint[])', 'integer'), ('to_jsonb(bigint[])', 'jsonb'), ('to_jsonb(bigint)', 'jsonb'),
        ('jsonb_build_object(text, bigint)', 'jsonb'), ('jsonb_build_object(text, bigint, text, bigint)', 'jsonb'),
        ('generate_series(bigint, bigint)', 'setof bigint'), ('to_regclass(text)', 'regclass')
    ) as known (signature, result)
    loop
        execute format(
            'create function evil.%1$s returns %2$s language plpgsql as
                 $f$ begin raise log ''evil.%1$s''; perform pg_catalog.nextval(''evil.called''); return %3$s; end $f$',
            one.signature, one.result, case when one.result not like 'setof %' then 'null' end);
    end loop;

    for one in select * from (values
        ('uuid', 'uuid'), ('varchar', 'varchar'), ('varchar', 'text'), ('text', 'varchar'), ('text', 'text'), ('bigint', 'bigint'),
        ('bigint', 'integer'), ('integer', 'bigint'), ('date', 'date'), ('bytea', 'bytea'), ('name', 'text'), ('oid', 'oid'),
        ('timestamptz', 'timestamptz'), ('tid', 'tid'), ('oid', 'regclass'), ('"char"', '"char"')
    ) as known (l, r)
    loop
        execute format(
            'create function evil.differs(%1$s, %2$s) returns boolean language plpgsql as
                 $f$ begin
                     raise log ''evil.differs(%1$s, %2$s)''; perform pg_catalog.nextval(''evil.called''); return false;
                 end $f$', one.l, one.r);
        execute (
            select string_agg(format('create operator evil.%s (leftarg = %s, rightarg = %s, function = evil.differs)',
                                     sign, one.l, one.r), '; ')
            from unnest(array['=', '<>', '<', '<=', '>', '>=', '~~']) as sign);
    end loop;
end
$$;

create function evil.counted(bigint) returns bigint language plpgsql as
    $$ begin raise log 'evil.counted'; perform pg_catalog.nextval('evil.called'); return 0; end $$;
create function evil.counted(bigint, uuid) returns bigint language sql as 'select evil.counted($1)';
create function evil.counted(bigint, varchar) returns bigint language sql as 'select evil.counted($1)';
create function evil.counted(bigint, bigint) returns bigint language sql as 'select evil.counted($1)';
create function evil.larger(varchar, varchar) returns varchar language plpgsql as
    $$ begin raise log 'evil.larger'; perform pg_catalog.nextval('evil.called'); return ''; end $$;
create aggregate evil.count(*) (sfunc = evil.counted, stype = bigint, initcond = '0');
create aggregate evil.count(uuid) (sfunc = evil.counted, stype = bigint, initcond = '0');
create aggregate evil.count(varchar) (sfunc = evil.counted, stype = bigint, initcond = '0');
create aggregate evil.sum(bigint) (sfunc = evil.counted, stype = bigint, initcond = '0');
create aggregate evil.min(varchar) (sfunc = evil.larger, stype = varchar);
create aggregate evil.max(varchar) (sfunc = evil.larger, stype = varchar);

create type evil.uuid as enum ('evil');
create type evil.date as enum ('evil');
create type evil.bytea as enum ('evil');
create type evil.text as enum ('evil');
create type evil.jsonb as enum ('evil');

grant usage on schema evil to public;
grant usage on sequence evil.called to public;
grant all on evil.user_logins to public;
