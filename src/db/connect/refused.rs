//! Parameters that loginetl does not take, each with its reason.

/// Parameters of libpq.
pub(super) const OF_LIBPQ: [(&str, &str); 21] = [
    ("authtype", "PostgreSQL has given it up"),
    ("gsslib", "loginetl does not speak GSSAPI"),
    ("krbsrvname", "loginetl does not speak GSSAPI"),
    ("oauth_client_id", "loginetl does not log in by OAuth"),
    ("oauth_client_secret", "loginetl does not log in by OAuth"),
    ("oauth_issuer", "loginetl does not log in by OAuth"),
    ("oauth_scope", "loginetl does not log in by OAuth"),
    (
        "require_auth",
        "loginetl cannot keep it; channel_binding=require makes the server prove by SCRAM who \
         it is",
    ),
    ("requirepeer", "loginetl does not look at the owner of a socket"),
    ("requiressl", "PostgreSQL has given it up; say sslmode"),
    ("scram_client_key", "loginetl logs in by password"),
    ("scram_server_key", "loginetl logs in by password"),
    ("service", "loginetl reads no service file; write what it holds into the URL"),
    ("servicefile", "loginetl reads no service file; write what it holds into the URL"),
    (
        "sslcrl",
        "loginetl reads no revocation list; take the certificate out of sslrootcert instead",
    ),
    (
        "sslcrldir",
        "loginetl reads no revocation list; take the certificate out of sslrootcert instead",
    ),
    ("sslkeylogfile", "it would write the secrets of the connection to a file"),
    (
        "sslpassword",
        "loginetl reads no encrypted key; openssl pkey -in KEY -out NEW writes a plain one, then \
         chmod 0600 NEW",
    ),
    ("ssl", "say sslmode=verify-full, which is the default"),
    ("tty", "PostgreSQL has given it up"),
    ("keepalives_retries", "PostgreSQL calls it keepalives_count"),
];

/// Parameters of Prisma, Neon, JDBC, asyncpg, Npgsql and cloud consoles. A server knows
/// none of them.
const OF_OTHERS: [&str; 28] = [
    "binarytransfer",
    "connection_limit",
    "currentschema",
    "encrypt",
    "idle_timeout",
    "loggerlevel",
    "max_idle_connection_lifetime",
    "maxpoolsize",
    "minpoolsize",
    "pgbouncer",
    "pool",
    "pool_max_conns",
    "pool_mode",
    "pool_size",
    "pool_timeout",
    "pooling",
    "prepared_statement_cache_size",
    "preparethreshold",
    "schema",
    "search_path",
    "sockettimeout",
    "socket_timeout",
    "sslaccept",
    "sslidentity",
    "statement_cache_size",
    "statement_timeout",
    "timezone",
    "uselibpqcompat",
];

/// The name as our lists have it, and why it is refused.
pub(super) fn reason(name: &str) -> Option<(&'static str, &'static str)> {
    let of_libpq = OF_LIBPQ.iter().find(|(known, _)| *known == name).copied();
    let of_others = || {
        OF_OTHERS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .map(|known| (*known, of_other(known)))
    };
    of_libpq.or_else(of_others)
}

fn of_other(name: &str) -> &'static str {
    match name {
        "schema" | "currentschema" | "search_path" => {
            "it belongs to another client; loginetl names the schema of each table, so leave it out"
        }
        "pgbouncer" => {
            "it belongs to another client; loginetl works through poolers as it is, so leave it out"
        }
        _ => "it belongs to another client, so leave it out",
    }
}
