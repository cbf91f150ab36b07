with logins as (
    select * from unnest($1::date[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int4[],
                         $9::date[], $10::uuid[], $11::uuid[], $12::int8[], $13::int8[], $14::uuid[], $15::uuid[],
                         $16::int8[], $17::int8[])
        as t (sent_day, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version,
              create_date, ip_hash, device_id_hash, ip_key, device_id_key, ip_order, device_id_order,
              ip_order_key, device_id_order_key)
), rejections as (
    select * from unnest($18::date[], $19::uuid[], $20::text[], $21::timestamptz[], $22::timestamptz[], $23::int4[],
                         $24::date[], $25::text[], $26::text[], $27::int8[], $28::int8[], $29::bytea[])
        as t (sent_day, message_id, source, sent_at, received_at, receive_count,
              row_day, reason, field, length, seal_key_id, sealed)
), accepted as (
    select not exists (
        select from logins l where
               l.ip_key <> case when l.ip_order <= p.ip_watermark then p.ip_to_mask else p.ip_from_mask end
            or l.device_id_key <> case when l.device_id_order <= p.device_id_watermark
                                       then p.device_id_to_mask else p.device_id_from_mask end
            -- While a rotation runs, only an order by its own hash key tells on which side of the watermark a value is.
            or (p.ip_from_mask <> p.ip_to_mask and l.ip_order_key <> p.ip_from_hash)
            or (p.device_id_from_mask <> p.device_id_to_mask and l.device_id_order_key <> p.device_id_from_hash)
    ) and not exists (select from rejections r where r.seal_key_id <> p.seal) as yes
    from vault.plan p
), fresh as (
    insert into ingest.ledger (sent_day, message_id)
    select sent_day, message_id
    from (select sent_day, message_id from logins union all select sent_day, message_id from rejections) as ids
    where (select yes from accepted)
    order by sent_day, message_id
    on conflict (sent_day, message_id) do nothing
    returning sent_day, message_id
), loaded as (
    insert into public.user_logins (user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash)
    select user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash
    from logins join fresh using (sent_day, message_id)
    returning 1
), quarantined as (
    insert into ingest.quarantine (message_id, source, sent_at, received_at, receive_count,
                                   row_day, reason, field, length, seal_key_id, sealed)
    select message_id, source, sent_at, received_at, receive_count, row_day, reason, field, length, seal_key_id, sealed
    from rejections join fresh using (sent_day, message_id)
    returning 1
)
select coalesce((select yes from accepted), false),
       (select pg_catalog.count(*) from fresh join logins using (sent_day, message_id)),
       (select pg_catalog.count(*) from loaded),
       (select pg_catalog.count(*) from fresh join rejections using (sent_day, message_id)),
       (select pg_catalog.count(*) from quarantined),
       exists (select from pg_trigger where tgrelid = 'public.user_logins'::regclass::oid and not tgisinternal and tgenabled in ('O', 'A') and tgtype::int & 4 <> 0),
       exists (select from pg_trigger where not tgisinternal and tgenabled <> 'D' and tgrelid = any(array(
                   select inhrelid from pg_inherits where inhparent = 'ingest.ledger'::regclass::oid
                   union all values ('ingest.ledger'::regclass::oid), ('ingest.quarantine'::regclass::oid))))
