set local statement_timeout = '10s'; set local idle_in_transaction_session_timeout = '10s'; lock table vault.fence in row exclusive mode; lock table public.user_logins in row exclusive mode
