-- A primary key for a publication of all tables, which refuses changes of a table without one (whoever met that may have
-- made it); and the function goes whose answer is another now. From here on functions, triggers and views stand in
-- sql/functions/, and what must be there in sql/expected.txt.

set local role loginetl_owner;

do $$
begin
    if not exists (select from pg_catalog.pg_constraint where conrelid = 'vault.rotation'::regclass and contype = 'p') then
        alter table vault.rotation add primary key (field, to_key);
    end if;
end
$$;

drop function if exists vault.release_key(bigint, bigint);

reset role;
