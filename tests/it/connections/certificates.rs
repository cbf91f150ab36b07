//! Certificates of clients and servers: a real PostgreSQL with TLS, where this machine
//! has one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::server::{Server, ServerTls, programs_with_tls};
use super::{ends, place, run, write};
use crate::support::{World, text};
use crate::tls::terminator_with;

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        Self(
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
                .expect("an authority"),
        )
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key (PKCS #8) of a host or a user.
    fn sign(&self, host: &[String], user: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(host).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, user);
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }
}

fn openssl(args: &[&str]) -> Option<String> {
    let output = Command::new("openssl").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_to_a_server_that_verifies_it() {
    let Some(programs) = programs_with_tls() else {
        return crate::foreign_settings::say(
            "skipped: no PostgreSQL with TLS under /usr/lib/postgresql",
        );
    };
    let world = World::bare().await;
    let authority = Authority::new();
    let (certificate, key) = authority.sign(&["localhost".to_owned()], "a server");
    let tls = ServerTls { certificate: &certificate, key: &key, clients: &authority.pem() };
    let rules = "hostssl all app 127.0.0.1/32 cert\n\
                 hostssl all pair 127.0.0.1/32 scram-sha-256 clientcert=verify-full\nhostssl all \
                 word 127.0.0.1/32 scram-sha-256";
    let server = Server::start(programs, rules, Some(tls)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        write(&path, text, 0o600);
        path
    };
    let root = file("root.crt", &authority.pem());
    let url = |user: &str, options: &str| {
        format!(
            "postgres://{user}@localhost:{}/postgres?sslrootcert={}{options}",
            server.port,
            root.display()
        )
    };
    ends(&run(&world, &["init"], &url("postgres", "")), 0, "");
    server.execute("create role app login in role loginetl_loader").await;
    server.execute("create role pair login password 's3cret' in role loginetl_loader").await;
    server.execute("create role word login password 's3cret' in role loginetl_loader").await;
    let (app_certificate, app_key) = authority.sign(&[], "app");
    let (app_crt, app_pem) = (file("app.crt", &app_certificate), file("app.key", &app_key));
    let shown = |certificate: &PathBuf, key: &PathBuf| {
        format!("&sslcert={}&sslkey={}", certificate.display(), key.display())
    };
    let list =
        |user: &str, options: &str| run(&world, &["quarantine", "list"], &url(user, options));
    ends(&list("app", &shown(&app_crt, &app_pem)), 0, "");
    ends(
        &list("app", &format!("{}&ssl_max_protocol_version=TLSv1.2", shown(&app_crt, &app_pem))),
        0,
        "",
    );
    ends(
        &list(
            "app",
            &format!("{}&ssl_min_protocol_version=TLSv1.3&sslsni=0", shown(&app_crt, &app_pem)),
        ),
        0,
        "",
    );
    ends(&list("app", ""), 3, "28000");
    let (both_certificate, both_key) = authority.sign(&[], "pair");
    let (both_crt, both_pem) = (file("both.crt", &both_certificate), file("both.key", &both_key));
    ends(
        &list("pair:s3cret", &format!("{}&channel_binding=require", shown(&both_crt, &both_pem))),
        0,
        "",
    );
    ends(&list("pair:s3cret", &shown(&app_crt, &app_pem)), 3, "SQLSTATE 28");
    ends(&list("pair", &shown(&both_crt, &both_pem)), 2, "asks for one");
    ends(&list("app", &shown(&app_crt, &both_pem)), 2, "not the key of its sslcert");
    let (stranger, stranger_key) = Authority::new().sign(&[], "app");
    let strangers = shown(&file("stranger.crt", &stranger), &file("stranger.key", &stranger_key));
    assert_ne!(list("app", &strangers).status.code(), Some(0));
    ends(&list("word:s3cret", "&channel_binding=require"), 0, "");
    ends(
        &list("app", &format!("{}&channel_binding=require", shown(&app_crt, &app_pem))),
        2,
        "channel_binding=require",
    );

    // The same key in the other forms of PEM; in none; and where others may read it.
    let traditional = openssl(&["pkey", "-traditional", "-in", app_pem.to_str().expect("UTF-8")]);
    if let Some(traditional) = traditional {
        assert!(traditional.contains("BEGIN EC PRIVATE KEY"), "SEC 1");
        ends(&list("app", &shown(&app_crt, &file("sec1.key", &traditional))), 0, "");
        let args = [
            "pkcs8",
            "-topk8",
            "-v2",
            "aes256",
            "-passout",
            "pass:x",
            "-in",
            app_pem.to_str().expect("UTF-8"),
        ];
        let encrypted = openssl(&args).expect("an encrypted key");
        ends(&list("app", &shown(&app_crt, &file("encrypted.key", &encrypted))), 2, "is encrypted");
    }
    ends(&list("app", &shown(&app_crt, &app_crt)), 2, "without a PEM private key");
    ends(
        &list("app", &shown(&app_crt, &folder.path().join("s3cret"))),
        2,
        "sslkey file that cannot be read",
    );
    std::fs::set_permissions(&app_pem, Permissions::from_mode(0o644)).expect("a mode");
    let refused = list("app", &shown(&app_crt, &app_pem));
    ends(&refused, 2, "chmod 06");
    let said = text(&refused);
    let advice =
        said.split("run: ").nth(1).and_then(|rest| rest.lines().next()).expect("a command");
    assert!(
        Command::new("sh").args(["-c", advice]).status().expect("it runs").success(),
        "{advice}"
    );
    ends(&list("app", &shown(&app_crt, &app_pem)), 0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_of_a_server_is_accepted_where_it_is_listed() {
    let world = World::new().await;
    let (_, name) = place(&world);
    let folder = tempfile::tempdir().expect("a folder");
    let make = |names: &[String], common: &str| {
        let mut params = CertificateParams::new(names).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate");
        rcgen::CertifiedKey { cert, signing_key: key }
    };
    let localhost = ["localhost".to_owned()];
    for (number, (made, exit, named)) in [
        (make(&localhost, "x"), 0, ""),
        (make(&[], "localhost"), 0, ""),
        (make(&["elsewhere".to_owned()], "localhost"), 2, "no TLS"),
    ]
    .into_iter()
    .enumerate()
    {
        let root = folder.path().join(format!("{number}.crt"));
        // Beside another that has nothing to do with it.
        write(
            &root,
            &format!("{}{}", make(&localhost, "localhost").cert.pem(), made.cert.pem()),
            0o644,
        );
        let other = folder.path().join("other.crt");
        write(&other, &make(&localhost, "localhost").cert.pem(), 0o644);
        let tls = terminator_with(&world, made).await;
        let url = |root: &Path| {
            format!(
                "postgres://postgres@localhost:{}/{name}?sslrootcert={}",
                tls.address.port(),
                root.display()
            )
        };
        ends(&run(&world, &["quarantine", "list"], &url(&root)), exit, named);
        ends(&run(&world, &["quarantine", "list"], &url(&other)), 2, "no TLS");
        let by_address = url(&root).replace("@localhost:", "@127.0.0.1:");
        ends(&run(&world, &["quarantine", "list"], &by_address), 2, "no TLS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_authorities_without_a_certificate_is_refused() {
    let world = World::bare().await;
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let file = folder.path().join("root");
    for (content, named) in [
        (made.signing_key.serialize_pem().into_bytes(), "without a PEM certificate"),
        (made.cert.der().to_vec(), "openssl x509 -inform DER"),
        (Vec::new(), "without a PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".to_vec(), "no PEM file"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            "cannot be read",
        ),
    ] {
        std::fs::write(&file, content).expect("written");
        ends(
            &run(
                &world,
                &["status"],
                &format!("postgres://u@localhost:1/d?sslrootcert={}", file.display()),
            ),
            2,
            named,
        );
    }
}
