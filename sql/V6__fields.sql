-- Which fields are masked, a row a field. Addresses and device ids always are; others where the installation chose so.

set local role loginetl_owner;

create table vault.fields (
    field        text        primary key,
    token_prefix text        not null unique,
    position     integer     not null unique,
    masked_at    timestamptz not null default clock_timestamp(),
    -- A token at rest begins with it, for good.
    constraint fields_prefix_check check (field || ' ' || token_prefix in ('ip ip1.', 'device_id dev1.', 'user_id usr1.'))
);
insert into vault.fields (field, token_prefix, position) values ('ip', 'ip1.', 1), ('device_id', 'dev1.', 2);

alter table vault.rotation
    drop constraint if exists rotation_field_check,
    add constraint rotation_field_fkey foreign key (field) references vault.fields;

drop function if exists ingest.count_written(text[], text[], text[], text[], text[], int4[], date[], uuid[], uuid[]);

reset role;
