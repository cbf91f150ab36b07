-- Figures for people who look: from a sample of a table's blocks where it has many, with how far
-- each may be off. Nothing decides by them: what retires and destroys keys counts.

-- Whether a table is read by a sample of so many blocks. A small one is counted, and so is one
-- whose rows do not all lie in numbered blocks of its own: children, another way of storing.
create or replace function vault.is_sampled(of_table regclass, most_blocks integer) returns boolean
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select most_blocks > 1 and exists (
        select from pg_class c join pg_am a on a.oid = c.relam and a.amname = 'heap'
        where c.oid = of_table and c.relkind = 'r'
          and pg_relation_size(c.oid) / current_setting('block_size')::bigint > 3 * most_blocks
          and not exists (select from pg_inherits i where i.inhparent = c.oid))
$$;

-- Sums over a table from a sample. `lines` makes of a row lines (name, value, at); they are counted
-- by name and value. The table is cut into `most_blocks` parts of equal length, and of each one
-- block is read, chosen at random: what lies together, as rows of one key do, is met in proportion.
-- The parts come in random order, so that a sample may end when `longest` is over; thirty are read
-- in any case. What was not read by then counts as what was read next to it.
--
-- The variance is that of differences between neighbouring blocks of the sample: of the blocks and
-- not of the rows, and too great rather than too small. The margin is sqrt((z * sd)^2 + b^2) + b,
-- z = 3.29 for 99.9 %. b is for what the blocks that were read happen not to show: half of what may
-- be under a value of which nothing was seen. That is `rarest`: if more than
-- ln(1000) / -ln(1 - blocks / of_blocks) blocks had it, one of them were in the sample in 99.9 % of
-- cases; and a block has at most as many lines as the fullest that was read. The line without a
-- name says how many these are.
create or replace function vault.sample_blocks(of_table regclass, lines text, most_blocks integer,
    longest interval)
    returns table (name text, value text, line_count bigint, margin bigint, first_at timestamptz,
        blocks bigint, of_blocks bigint)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set enable_tidscan = on set jit = off as $$
begin
    return query execute format($statement$
        with drawn as materialized (
            select part, format('(%%s,0)', block)::tid as first,
                format('(%%s,0)', block + 1)::tid as after,
                row_number() over (order by random()) as turn
            from (select part, floor((part + random()) * $1 / $2)::bigint as block
                  from generate_series(0, $2 - 1) as part) as parts
            order by turn
        ), read as materialized (
            -- A subquery for each block, so that its bounds are constants to the planner: it reads
            -- ranges of tids for those alone.
            select part, array(
                select jsonb_build_array(l.name, l.value, count(*), min(l.at))
                from %s as t cross join lateral (%s) as l (name, value, at)
                where t.ctid >= drawn.first and t.ctid < drawn.after
                group by l.name, l.value) as found
            from drawn
            where turn <= 30 or clock_timestamp() < $3
        ), placed as (
            -- A block stands for the parts that are nearer to its own than to another's.
            select row_number() over parts as place, found,
                coalesce((part + lead(part) over parts + 1) / 2.0, $2)::float8
                    - coalesce((lag(part) over parts + part + 1) / 2.0, 0)::float8 as parts
            from read window parts as (order by part)
        ), paired as (
            select p.*, (parts ^ 2 + lag(parts) over places ^ 2) / 4 as weight_before,
                (parts ^ 2 + lead(parts) over places ^ 2) / 4 as weight_after
            from placed as p window places as (order by place)
        ), counted as materialized (
            select p.place, p.parts, p.weight_before, p.weight_after, l ->> 0 as name,
                l ->> 1 as value, (l ->> 2)::float8 as many, (l ->> 3)::timestamptz as at
            from paired as p cross join unnest(p.found) as l
        ), facts as (
            select (select count(*) from read)::float8 as blocks,
                -- Where all were empty, what a block can hold at most.
                coalesce((select max(many) from (select sum(c.many) as many
                    from counted as c group by c.place, c.name) as b),
                    current_setting('block_size')::float8 / 28) as fullest
        ), beside as (
            select c.*, lead(c.place) over same as place_after,
                -- Where the block before has none of this, there is no line of it.
                case when c.place - 1 = lag(c.place) over same
                    then c.many - lag(c.many) over same else c.many end as step_before
            from counted as c
            window same as (partition by c.name, c.value order by c.place)
        ), summed as (
            select b.name, b.value, sum(b.many * b.parts) as many, min(b.at) as at,
                sum(coalesce(b.weight_before * b.step_before ^ 2, 0)
                    + case when b.place + 1 = b.place_after then 0
                           else coalesce(b.weight_after * b.many ^ 2, 0) end) as spread
            from beside as b group by b.name, b.value
        ), bounds as (
            select f.blocks, $1::float8 / $2 as part_length,
                (1 - f.blocks / $1) * f.blocks / greatest(f.blocks - 1, 1) as correction,
                f.fullest * ln(1000::float8) / -ln(1 - f.blocks / $1) as rarest
            from facts as f
        )
        select s.name, s.value, round(s.many * b.part_length)::bigint,
            ceil(sqrt((3.29 * b.part_length) ^ 2 * b.correction * s.spread + (b.rarest / 2) ^ 2)
                + b.rarest / 2)::bigint,
            s.at, b.blocks::bigint, $1
        from (select * from summed union all select null, null, 0, null, 0) as s
        cross join bounds as b $statement$, of_table, lines)
    using pg_relation_size(of_table) / current_setting('block_size')::bigint, most_blocks,
        clock_timestamp() + longest;
end
$$;

-- Rows per field and key id, as vault.count_rows has them, or as a sample does. Counted, they have
-- no margin and no numbers of blocks. Of a sample, the line without a field is about keys that are
-- in no other line.
create or replace function vault.estimate_rows(most_blocks integer, longest interval)
    returns table (field text, key_id text, row_count bigint, margin bigint, blocks bigint,
        of_blocks bigint)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
declare
    logins regclass := to_regclass('public.user_logins');
begin
    if vault.is_sampled(logins, most_blocks) then
        return query
            select s.name, s.value, s.line_count, s.margin, s.blocks, s.of_blocks
            from vault.sample_blocks(logins, (
                select 'values ' || string_agg(format(
                    '(%L, case when t.%I is not null then split_part(t.%I, ''.'', 2) end, '
                        'null::timestamptz)',
                    f.field, f.field || '_hash', 'masked_' || f.field), ', ')
                from vault.fields f), most_blocks, longest) as s;
    else
        return query
            select c.field, c.key_id, c.row_count, null::bigint, null::bigint,
                null::bigint
            from vault.count_rows() as c;
    end if;
    -- After the rows: until the end of this transaction nobody can change what hides them.
    perform vault.require_sight();
end
$$;

-- Messages in quarantine by reason, and bodies by sealing key, in the same way. The oldest of a
-- sample is the oldest that was seen.
create or replace function ingest.estimate_quarantine(most_blocks integer, longest interval)
    returns table (counted_by text, value text, message_count bigint, margin bigint,
        oldest_at timestamptz, blocks bigint, of_blocks bigint)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
begin
    if vault.is_sampled('ingest.quarantine', most_blocks) then
        return query
            select s.* from vault.sample_blocks('ingest.quarantine',
                'values (''reason'', t.reason, t.quarantined_at), '
                    '(''key'', t.seal_key_id::text, t.quarantined_at)',
                most_blocks, longest) as s;
    else
        return query
            select 'reason', s.reason, s.message_count, null::bigint, s.oldest_at, null::bigint,
                null::bigint
            from ingest.quarantine_summary as s
            union all
            select 'key', b.key_id::text, b.body_count, null, null, null, null
            from ingest.bodies_by_key as b;
    end if;
end
$$;
