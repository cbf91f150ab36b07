-- Which fields are masked, and the guard that keeps rows out that are masked otherwise.

-- What is masked once stays so: its clear values are gone.
create or replace function vault.refuse_unmasking() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
begin
    raise exception 'a field that is masked stays masked' using errcode = 'LG003';
end
$$;
create or replace trigger stays before update or delete or truncate on vault.fields
    for each statement execute function vault.refuse_unmasking();

-- Masks a field from now on, for good. The caller holds the fence exclusively, and the columns are
-- there. Nothing, if it is masked already.
create or replace function vault.mask_field(wanted text, prefix text, details text, out seq bigint,
    out hash bytea)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off set lock_timeout = '10s' as $$
begin
    insert into vault.fields (field, token_prefix, position)
    select wanted, prefix, max(position) + 1 from vault.fields on conflict (field) do nothing;
    if found then
        select a.seq, a.hash into seq, hash from audit.append('field.mask',
            (details::jsonb || jsonb_build_object('field', wanted))::text) a;
    end if;
end
$$;

-- Fields that the log says are masked, and that are masked no more: then somebody has changed
-- vault.fields.
create or replace function vault.lost_fields() returns setof text
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    select distinct l.record::jsonb ->> 'field' from audit.log l
    where l.kind = 'field.mask' and l.record::jsonb ->> 'field' not in (select field
        from vault.fields)
$$;

-- The guard: whether rows are masked in just the fields that this installation masks, under the
-- keys that the plan asks for. The statement that inserts them asks, and so as of its own snapshot,
-- which is younger than the fence. A span is all rows of one field with one key and one key of
-- their order; its lowest and its highest order stand for the others.
create or replace function ingest.accepts(fields text[], keys bigint[], order_keys bigint[],
    lowest uuid[], highest uuid[], has_clear_user_id boolean, seal_keys bigint[])
    returns boolean
    language sql stable security definer
    set search_path = pg_catalog, pg_temp set row_security = on
    set quote_all_identifiers = off as $$
    with plan as (
        select * from vault.field_plans
    ), spans as (
        select * from unnest(fields, keys, order_keys, lowest, highest) as s (field, key, order_key,
            lowest, highest)
    )
    select exists (select from plan)
       and not exists (select from plan p join unnest(seal_keys) as s (key) on s.key <> p.seal)
       and not exists (select from plan p where p.field = 'user_id' and has_clear_user_id)
       and (cardinality(fields) = 0 or not exists (select from plan p
           where p.field <> all (fields)))
       and not exists (
           select from spans s left join plan p using (field)
           where coalesce(case
               when p.from_mask = p.to_mask then s.key <> p.to_mask
               -- While a rotation runs, only an order by its own hash key tells on which side of
               -- the watermark a value is.
               when s.order_key <> p.from_hash then true
               when s.key = p.to_mask then s.highest > p.watermark
               when s.key = p.from_mask then s.lowest <= p.watermark
               else true end, true))
$$;
