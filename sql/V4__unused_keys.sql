-- Looking for tokens under a key by LIKE, which leaves a text at the first character that differs; starts_with does not.

create or replace function vault.is_unused(wanted bigint) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
<<tokens>>
declare
    what text := (select purpose from vault.data_keys where key_id = wanted);
    under_ip text := 'ip1.' || wanted || '.%';
    under_device_id text := 'dev1.' || wanted || '.%';
begin
    return case what
        when 'mask' then not exists (
            select from public.user_logins l
            where l.masked_ip like tokens.under_ip or l.masked_device_id like tokens.under_device_id)
        when 'seal' then not exists (select from ingest.quarantine where seal_key_id = wanted)
        -- Hashes do not name their key; they change with the tokens of the same rotation.
        when 'hash' then not exists (
            select from vault.rotation r join vault.data_keys k on k.key_id = r.from_key
            where r.from_hash_key = wanted and r.to_hash_key <> wanted and k.state in ('active', 'retiring'))
        end;
end
$$;
