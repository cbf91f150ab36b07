-- A primary key for a publication of all tables, which refuses changes of a table without one; and the function goes whose
-- answer is another now. From here on functions, triggers and views stand in sql/functions/, and grants in sql/expected.txt.

set local role loginetl_owner;

alter table vault.rotation add primary key (field, to_key);

drop function if exists vault.release_key(bigint, bigint);

reset role;
