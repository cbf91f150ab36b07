-- What must stand before the first migration: the group roles and the schemas. Idempotent; run by every `init`.
--
-- Roles belong to the whole cluster: two databases that are initialised at once may collide here, and the
-- caller tries again (42710, 23505, "tuple concurrently updated"). No role can log in; logins are granted membership.

do $$
declare
    wanted text;
begin
    foreach wanted in array array['loginetl_owner', 'loginetl_loader', 'loginetl_analyst',
                                  'loginetl_unmasker', 'loginetl_rotator', 'loginetl_auditor'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            execute pg_catalog.format('create role %I nologin', wanted);
        end if;
    end loop;
    -- init acts as the owner; a superuser may anyway, another user needs the membership.
    begin
        set local role loginetl_owner;
        reset role;
    exception when insufficient_privilege then
        execute pg_catalog.format('grant loginetl_owner to %I', current_user);
    end;
    if not pg_catalog.has_schema_privilege('loginetl_owner', 'public', 'usage') then
        grant usage on schema public to loginetl_owner;
    end if;
    execute pg_catalog.format('grant create, temporary on database %I to loginetl_owner', pg_catalog.current_database());
end
$$;

create schema if not exists vault authorization loginetl_owner;
create schema if not exists ingest authorization loginetl_owner;
create schema if not exists audit authorization loginetl_owner;
