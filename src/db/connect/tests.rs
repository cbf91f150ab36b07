//! What a database URL may say, and what is said about one that cannot be used.

use proptest::prelude::*;

use super::parameters::{At, SessionAttrs};
use super::transport::Roots;
use super::*;

/// The parameters of libpq 18 (its manual, "Parameter Key Words"), and those that it has
/// given up.
const OF_LIBPQ: &str = "\
    host hostaddr port dbname user password passfile require_auth channel_binding \
    connect_timeout client_encoding options application_name fallback_application_name \
    keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout replication \
    gssencmode sslmode requiressl sslnegotiation sslcompression sslcert sslkey sslkeylogfile \
    sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer \
    ssl_min_protocol_version ssl_max_protocol_version min_protocol_version max_protocol_version \
    krbsrvname gsslib gssdelegation scram_client_key scram_server_key service servicefile \
    target_session_attrs load_balance_hosts oauth_issuer oauth_client_id oauth_client_secret \
    oauth_scope authtype tty";

fn parse(url: &str) -> Conninfo {
    Conninfo::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem}"))
}

fn problem(url: &str) -> String {
    Conninfo::parse(url)
        .map(drop)
        .map_or_else(|p| format!("{p} hint: {}", p.remedy()), |()| panic!("{url} is taken"))
}

#[test]
fn every_parameter_of_libpq_is_taken_or_refused_by_its_name() {
    for name in OF_LIBPQ.split_whitespace() {
        let url = format!("host=h hostaddr=192.0.2.1 port=1 sslmode=require {name}=S3cret");
        let url = if ["host", "hostaddr", "port", "sslmode"].contains(&name) {
            format!("host={name} sslmode=disable {name}=S3cret")
        } else {
            url
        };
        if let Err(problem) = Conninfo::parse(&url) {
            let said = format!("{problem} {}", problem.remedy());
            assert!(said.contains(name), "{name}: {said}");
            assert!(!said.contains("S3cret") && !said.contains("cannot be parsed"), "{said}");
        }
    }
    for name in ["schema", "pgbouncer", "connection_limit", "prepareThreshold"] {
        assert!(
            problem(&format!("postgres://h/d?{name}=1")).contains(&name.to_lowercase()),
            "{name}"
        );
    }
}

#[test]
fn what_is_taken_has_its_effect() {
    let all = parse(
        "postgres://u:p@a:1,b:2/d?target_session_attrs=prefer-standby&\
         load_balance_hosts=random&channel_binding=require&connect_timeout=3&\
         options=-c%20work_mem%3D8MB&application_name=mine&keepalives=0&\
         keepalives_idle=7&keepalives_interval=8&keepalives_count=9&\
         tcp_user_timeout=1500&passfile=/p&sslcert=/c&sslkey=/k&sslrootcert=/r&\
         sslnegotiation=direct&sslsni=0&ssl_min_protocol_version=TLSv1.3&\
         client_encoding=UTF8&gssencmode=disable&min_protocol_version=3.0&\
         max_protocol_version=latest&sslcompression=0&sslcertmode=allow&\
         fallback_application_name=x",
    );
    let hosts: Vec<_> = all.hosts.iter().map(|host| (host.at.clone(), host.port)).collect();
    assert_eq!(hosts, [(At::Name("a".to_owned()), 1), (At::Name("b".to_owned()), 2)]);
    assert_eq!((all.user.as_deref(), all.dbname.as_deref()), (Some("u"), Some("d")));
    assert_eq!(all.password.as_ref().map(|p| p.as_str()), Some("p"));
    assert_eq!((all.session, all.is_random), (SessionAttrs::PreferStandby, true));
    assert_eq!(all.connect_timeout.map(|t| t.as_secs()), Some(3));
    assert_eq!(all.tcp_user_timeout.map(|t| t.as_millis()), Some(1500));
    assert_eq!(
        (all.options.as_deref(), all.application_name.as_deref()),
        (Some("-c work_mem=8MB"), Some("mine"))
    );
    assert!(!all.keepalives.is_on && !all.transport.sends_name);
    assert_eq!(all.transport.authority, Authority::Verified(Roots::File("/r".into())));
    assert_eq!(all.transport.client, Some(("/c".into(), "/k".into())));
}

#[test]
fn no_spelling_of_a_url_switches_tls_off_in_silence() {
    for url in [
        "postgres://u:p@h/d",
        "postgres://u:p@h/d?sslmode=verify-full",
        "postgres://u:p@h/d?application_name=x&sslmode=verify-full",
        "host=h user=u sslmode=verify-full",
        "host=h user=u password='a sslmode=disable b'",
        "host=h hostaddr=127.0.0.1 user=u",
        "host=/run/postgresql,h user=u",
    ] {
        assert_eq!(parse(url).transport.authority, Authority::Verified(Roots::System), "{url}");
    }
    for (url, named) in [
        ("postgres://h/d?sslmode=prefer", "sslmode=prefer"),
        ("postgres://h/d?sslmode=allow", "sslmode=allow"),
        ("postgres://h/d?sslmode=verify-ca", "sslmode=verify-ca"),
        ("postgres://h/d?sslmode=", "sslmode"),
        ("postgres://h/d?ssl=true", "sslmode"),
        ("postgres://h/d?sslmode=disable&sslmode=require", "twice"),
        ("postgres://h/d?sslmode=require&sslrootcert=/r", "verifies nothing"),
        ("postgres://h/d?sslmode=disable&sslcert=/a&sslkey=/a", "sslcert"),
        ("postgres://h/d?sslmode=disable&channel_binding=require", "channel_binding"),
        ("host=/run/postgresql channel_binding=require", "channel_binding"),
        ("hostaddr=127.0.0.1 user=u", "host"),
        ("user=u", "no host"),
        ("postgres://h/d?sslcert=/a", "sslkey"),
        ("postgres://h/d?connect_timeout=0", "connect_timeout"),
        ("postgres://h:0/d", "port"),
        ("host=a,b port=1,2,3", "ports"),
        ("host=a,b hostaddr=192.0.2.1", "hostaddr"),
        ("\"postgres://h/d\"", "quotation"),
        ("jdbc:postgresql://h/d", "scheme"),
    ] {
        assert!(problem(url).contains(named), "{url}: {}", problem(url));
    }
}

#[test]
fn a_name_that_nobody_knows_is_told_by_its_place() {
    let said = problem("postgres://h/d?password=S3&S3cret=x&sslmode=disable");
    assert!(said.contains("as parameter 2 after the ?") && !said.contains("S3"), "{said}");
    let said = problem("host=h S3cret=x");
    assert!(said.contains("as keyword 2") && !said.contains("S3"), "{said}");
}

/// Pieces that a URL is made of, a secret among them.
const PIECES: &str = "\
    postgres:// postgresql:// S3cret S3cret S3cret @ : / ? & = , % %40 %00 %ff [ ] ::1 ' \\ # + \
    ; h 5432 host= password= sslmode= user= sslcert= sslkey= disable require verify-full \
    target_session_attrs= connect_timeout= é \u{1F511}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_url_makes_the_parser_panic_or_quote(
        picks in prop::collection::vec((0..44_usize, any::<bool>()), 0..14),
    ) {
        let pieces: Vec<&str> = PIECES.split_whitespace().collect();
        let text: String = picks
            .into_iter()
            .map(|(n, blank)| {
                let blank = if blank && n % 3 == 0 { " " } else { "" };
                format!("{}{blank}", pieces[n % pieces.len()])
            })
            .collect();
        if let Err(problem) = Conninfo::parse(&text) {
            let said = format!("{problem} {}", problem.remedy());
            prop_assert!(!said.contains("S3") && said.len() < 500, "{}: {}", text, said);
        }
    }

    #[test]
    fn any_password_that_is_percent_encoded_is_read_back(password in "\\PC{1,20}") {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = format!("postgres://u:{encoded}@h/d");
        let read = Conninfo::parse(&url).ok().and_then(|conninfo| conninfo.password);
        prop_assert_eq!(read.as_ref().map(|p| p.as_str()), Some(password.as_str()));
        let quoted = password.replace('\\', r"\\").replace('\'', r"\'");
        let text = format!("host=h password = '{quoted}' user=u");
        let read = Conninfo::parse(&text).ok().and_then(|conninfo| conninfo.password);
        prop_assert_eq!(read.as_ref().map(|p| p.as_str()), Some(password.as_str()));
    }
}
