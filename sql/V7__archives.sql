-- Masked events that lie outside of this database, in archives: a row a run that masks or rewrites
-- some. While a run is open or committed, its keys are not destroyed.

set local role loginetl_owner;

create table vault.mask_runs (
    run            uuid        primary key,
    archive        text        not null,
    location       text        not null,
    keys           bigint[]    not null,
    -- Of a rewrite: the runs in whose place it comes.
    replaces       uuid[],
    -- SHA-256 of the plan.
    plan_digest    bytea       not null,
    db_user        text        not null default session_user,
    planned_at     timestamptz not null default clock_timestamp(),
    expires_at     timestamptz not null,
    state          text        not null default 'open',
    ended_at       timestamptz,
    row_count      bigint,
    rejected_count bigint,
    unopened_count bigint,
    constraint mask_runs_keys_check check (cardinality(keys) > 0),
    constraint mask_runs_digest_check check (octet_length(plan_digest) = 32),
    constraint mask_runs_state_check
        check (state in ('open', 'committed', 'waived', 'replaced', 'dropped')),
    constraint mask_runs_ended_check check ((state = 'open') = (ended_at is null)),
    constraint mask_runs_archive_check check (archive ~ '^[A-Za-z0-9._/-]{1,100}$'),
    constraint mask_runs_location_check
        check (length(location) >= 1 and length(location) <= 1000 and location !~ '[[:cntrl:]]'),
    -- In seconds: how an interval is spelt depends on a setting.
    constraint mask_runs_expires_check
        check (extract(epoch from expires_at - planned_at) <= 31 * 86400),
    constraint mask_runs_counts_check
        check (least(row_count, rejected_count, unopened_count, 0) = 0
            and greatest(row_count, rejected_count, unopened_count, 0) <= 1000000000000000)
);

reset role;
