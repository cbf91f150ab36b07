-- What can hide rows from a login, or swallow what it writes. Proved from the catalogue, never from
-- a count of rows. The files of this folder are no migrations: `init` runs them again whenever they
-- differ from what the database has.

-- A line for each thing that keeps `who` from seeing or writing all rows of public.user_logins by
-- the commands (select, insert, update), and for each that somebody has added to loginetl's own
-- tables; what only swallows, where they are written (write). Nothing: all is seen.
create or replace function vault.blind_spots(who oid, commands text[]) returns setof text
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    with own as (
        select c.oid, c.relrowsecurity, format('%I.%I', n.nspname, c.relname) as name, c.relkind
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('vault', 'ingest', 'audit') and c.relkind in ('r', 'p')
    ), logins as (
        select c.oid, c.relkind, c.relispartition, c.relpersistence, c.relowner, c.relrowsecurity
                   and not exists (select from pg_roles r
                       where r.oid = who and (r.rolsuper or r.rolbypassrls))
                   and (c.relforcerowsecurity or not pg_has_role(who, c.relowner,
                       'usage')) as is_bound
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relname = 'user_logins'
    ), policies as (
        select p.polname, p.polcmd, p.polpermissive,
               coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true' as shows_all,
               coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid),
                   'true') = 'true' as takes_all
        from pg_policy p join logins l on l.oid = p.polrelid and l.is_bound
        where exists (select from unnest(p.polroles) as r (oid)
            where r.oid = 0 or pg_has_role(who, r.oid, 'usage'))
    ), needed as (
        select c.name, c.kind, c.sees, c.writes
        from (values ('select', 'r', true, false), ('insert', 'a', false, true),
            ('update', 'w', true, true)) as c (name, kind, sees, writes)
        where c.name = any(commands)
    ), rules as (
        select r.rulename, r.ev_class, case r.ev_type when '2' then 'update' when '3'
            then 'insert' when '4' then 'delete' end as command
        from pg_rewrite r where r.ev_type in ('2', '3', '4') and r.ev_enabled <> 'D'
    )
    select 'there is no table public.user_logins'
    where not exists (select from logins) and commands && array['select', 'insert', 'update']
    union all
    select format('public.user_logins is no ordinary table, but %s',
                  case relkind when 'v' then 'a view' when 'm' then 'a materialized view' when 'p'
                      then 'a partitioned table'
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
    where pg_get_userbyid(who) = 'loginetl_owner'
        and not has_any_column_privilege(who, l.oid, n.name)
    union all
    select format('publication %s: the server refuses updates of public.user_logins, '
               'which has no replica identity that fits', p)
    from vault.refusing_publications() p where 'update' = any(commands)
    union all
    select format('child table %s of public.user_logins', i.inhrelid::regclass)
    from pg_inherits i join logins l on l.oid = i.inhparent and l.relkind = 'r'
        where commands && array['insert', 'update']
    union all
    select format('rule %I on %s of public.user_logins', r.rulename, r.command)
    from rules r join logins l on l.oid = r.ev_class and l.relkind = 'r'
        where r.command = any(commands)
    union all
    select format('row-level security on public.user_logins%s, '
               'without a policy that lets %I %s all rows',
                  case when pg_has_role(who, l.relowner, 'usage')
                      then ', forced on its owner (NO FORCE lets it through)' end,
                  pg_get_userbyid(who), n.name)
    from needed n join logins l on l.is_bound
    where not exists (select from policies p where p.polpermissive and p.polcmd in (n.kind, '*')
                      and (p.shows_all or not n.sees) and (p.takes_all or not n.writes))
    union all
    select format('restrictive policy %I on public.user_logins, which binds %I', p.polname,
        pg_get_userbyid(who))
    from policies p
    where not p.polpermissive and exists (
        select from needed n where p.polcmd in (n.kind, '*')
            and ((n.sees and not p.shows_all) or (n.writes and not p.takes_all)))
    union all
    select format('row-level security on %s', name) from own where relrowsecurity
    union all
    select format('rule %I on %s of %s', r.rulename, r.command, o.name)
        from rules r join own o on o.oid = r.ev_class
    union all
    select format('child table %s of %s', i.inhrelid::regclass, o.name)
    from pg_inherits i join own o on o.oid = i.inhparent and o.relkind = 'r'
    union all
    select format('trigger %I on %s', t.tgname, o.name)
    from pg_trigger t join own o on o.oid = t.tgrelid
    where 'write' = any(commands) and not t.tgisinternal and t.tgenabled <> 'D'
        and (o.name, t.tgname) not in (
        ('audit.log', 'append_only'), ('audit.signatures', 'append_only'), ('audit.head', 'stays'),
        ('vault.data_keys', 'legal_moves'), ('vault.rotation', 'only_on'),
            ('vault.fields', 'stays'))
    union all
    select format('trigger %I on %s, which is switched off', t.tgname, o.name)
    from pg_trigger t join own o on o.oid = t.tgrelid 
    where 'write' = any(commands) and not t.tgisinternal and t.tgenabled not in ('O', 'A')
    union all
    select format('session_replication_role is %s, so that no trigger and no foreign key works',
        current_setting('session_replication_role'))
    where current_setting('session_replication_role') <> 'origin' and 'write' = any(commands)
$$;

-- Publications for which the server refuses the updates of a rotation: it wants to tell rows apart,
-- by a key or by all columns, and must be let to publish those.
create or replace function vault.refusing_publications() returns setof text
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select format('%I', p.pubname)
    from pg_publication p
    join pg_class c join pg_namespace n on n.oid = c.relnamespace on n.nspname = 'public'
        and c.relname = 'user_logins'
    left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
    where (p.pubupdate or p.pubdelete)
      and exists (select from pg_publication_tables t
                  where t.pubname = p.pubname and t.schemaname = 'public'
                      and t.tablename = 'user_logins')
      and case c.relreplident
          -- A list of columns (from PostgreSQL 15 on) leaves some out.
          when 'f' then to_jsonb(r) ->> 'prattrs' is not null
          else not exists (select from pg_index x where x.indrelid = c.oid and x.indisvalid
                           and case c.relreplident when 'd' then x.indisprimary when 'i'
                               then x.indisreplident else false end)
          end
$$;

-- Ends the statement if the owner of these functions cannot see all rows: what it has counted is
-- then no count.
create or replace function vault.require_sight() returns void
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
begin
    if exists (select from vault.blind_spots((select oid from pg_roles
        where rolname = current_user), array['select'])) then
        raise exception 'rows may be hidden' using errcode = 'LG007';
    end if;
end
$$;

-- Rows per field and key id; no key where a row has no hash (it was there before loginetl). Names
-- the table when it is called, so that a table that was swapped by rename is the one that is
-- counted.
create or replace function vault.count_rows()
    returns table (field text, key_id text, row_count bigint)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    masked vault.fields%rowtype;
begin
    for masked in select f.* from vault.fields f order by f.position loop
        return query execute format(
            'select %L::text, case when %I is not null then split_part(%I, ''.'', 2) end, '
                'count(*) from public.user_logins group by 2',
            masked.field, masked.field || '_hash', 'masked_' || masked.field);
    end loop;
    -- After the rows: until the end of this transaction nobody can change what hides them.
    perform vault.require_sight();
end
$$;

-- Whether nothing is under a key any more. Reads the whole table where that is so.
create or replace function vault.is_unused(wanted bigint) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    what text := (select purpose from vault.data_keys where key_id = wanted);
    is_unused boolean;
begin
    if what = 'mask' then
        -- By LIKE, which leaves a text at the first character that differs; starts_with does not.
        execute 'select not exists (select from public.user_logins where ' || (
            select string_agg(format('%I like %L', a.attname, coalesce(f.token_prefix, '%1.')
                || wanted || '.%'), ' or ')
            from pg_attribute a left join vault.fields f on a.attname = 'masked_' || f.field
            where a.attrelid = 'public.user_logins'::regclass and a.attnum > 0
                and not a.attisdropped
              -- A column that no field names may hold tokens of one that was taken out of
              -- vault.fields.
              and (f.field is not null or (a.attname ~ '^masked_'
                  and format_type(a.atttypid, null) in ('text', 'character varying')))
        ) || ')' into is_unused;
    end if;
    is_unused := case what
        when 'mask' then is_unused
        when 'seal' then not exists (select from ingest.quarantine where seal_key_id = wanted)
        -- Hashes do not name their key; they change with the tokens of the same rotation.
        when 'hash' then not exists (
            select from vault.rotation r join vault.data_keys k on k.key_id = r.from_key
            where r.from_hash_key = wanted and r.to_hash_key <> wanted
                and k.state in ('active', 'retiring'))
        end;
    perform vault.require_sight();
    return is_unused;
end
$$;

-- Where somebody's triggers run on an update, a rotation's step has the rows of its values
-- remembered, by all columns that it leaves alone, and compared when the triggers have run. What is
-- remembered belongs to the owner: nobody learns of columns that a rotator may not read.
create or replace function vault.remember_rows(of_field text, hashes uuid[], tokens text[])
    returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
begin
    drop table if exists pg_temp.loginetl_remembered;
    create temporary table loginetl_remembered on commit drop as
        select md5(concat(of_field, hashes, tokens)) as about, s.*
            from vault.summarise_rows(of_field, hashes, tokens) s;
end
$$;

create or replace function vault.are_rows_as_remembered(of_field text, hashes uuid[], tokens text[])
    returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
begin
    -- Of the same rows: comparing one value's with another's would tell of columns that a rotator
    -- may not read.
    return not exists (
        select md5(concat(of_field, hashes, tokens)), s.*
            from vault.summarise_rows(of_field, hashes, tokens) s
        except all select * from pg_temp.loginetl_remembered);
end
$$;

-- How many rows carry one of these tokens with its hash, and a sum over the columns that a step
-- leaves alone. For the two functions above.
create or replace function vault.summarise_rows(of_field text, hashes uuid[], tokens text[],
    out row_count bigint, out digest numeric)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    others text := (select string_agg(format('u.%I, u.%I', 'masked_' || field, field || '_hash'),
        ', ' order by position)
                    from vault.fields where field <> of_field);
begin
    execute format($statement$
        select count(*), sum(hashtextextended(concat_ws(chr(31), user_id, user_id is null,
            device_type is null, device_type,
                   locale is null, locale, app_version, create_date, %s), 0)::numeric)
        from (select distinct * from unnest($1, $2)) as n (hash, token)
        join public.user_logins u on u.%I = n.hash and u.%I = n.token $statement$,
        others, of_field || '_hash', 'masked_' || of_field)
    into row_count, digest using hashes, tokens;
end
$$;
