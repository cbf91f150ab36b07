//! TLS to Postgres: verified unless the URL says otherwise. A terminator in front of the
//! real server speaks TLS.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{World, text};

pub struct Terminator {
    pub address: SocketAddr,
    certificate: tempfile::NamedTempFile,
}

/// Answers the SSLRequest with yes, terminates TLS for `localhost`, and
/// passes the rest on.
async fn terminator(world: &World) -> Terminator {
    terminator_with(
        world,
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate"),
    )
    .await
}

/// The same with another certificate.
pub async fn terminator_with(
    world: &World,
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
) -> Terminator {
    let mut certificate = tempfile::NamedTempFile::new().expect("a file");
    certificate.write_all(made.cert.pem().as_bytes()).expect("written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = config
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = world
        .database
        .url
        .split(['@', '/'])
        .find(|part| part.starts_with("127."))
        .expect("host and port")
        .to_owned();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut request = [0; 8];
                client.read_exact(&mut request).await?;
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                let mut upstream = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut upstream).await
            });
        }
    });
    Terminator { address, certificate }
}

fn url(world: &World, host: &str, port: u16, options: &str) -> String {
    let name = world
        .database
        .url
        .rsplit_once('/')
        .expect("a path")
        .1
        .split('?')
        .next()
        .expect("a name")
        .to_owned();
    format!("postgres://postgres@{host}:{port}/{name}{options}")
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_verified_unless_the_url_says_otherwise() {
    let world = World::new().await;
    let tls = terminator(&world).await;
    let port = tls.address.port();
    let root = format!("sslrootcert={}", tls.certificate.path().display());
    let run = |url: String| world.run(&["quarantine", "list", "--database-url", &url]);
    for (host, options, exit) in [
        ("localhost", String::new(), 2),
        ("localhost", "?sslmode=verify-full".to_owned(), 2),
        ("localhost", format!("?{root}"), 0),
        ("localhost", format!("?sslmode=verify-full&{root}"), 0),
        ("127.0.0.1", format!("?{root}"), 2),
        ("127.0.0.1", "?sslmode=require".to_owned(), 0),
        ("127.0.0.1", "?sslmode=verify-ca".to_owned(), 2),
    ] {
        let output = run(url(&world, host, port, &options));
        assert_eq!(output.status.code(), Some(exit), "{host} {options}: {}", text(&output));
        let warned = String::from_utf8_lossy(&output.stderr).contains("nobody checks");
        assert_eq!(warned, options == "?sslmode=require", "{options}: {}", text(&output));
    }
    let name =
        world.database.url.rsplit_once('/').expect("a path").1.split('?').next().expect("a name");
    let keywords = format!(
        "host=localhost port={port} user=postgres dbname={name} sslmode=verify-full {root}"
    );
    let output = run(keywords);
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_unless_the_url_says_disable() {
    let world = World::new().await;
    let plain = world.database.url.replace("?sslmode=disable", "");
    let output = world.run(&["quarantine", "list", "--database-url", &plain]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("sslmode=disable"),
        "{}",
        text(&output)
    );
    assert!(world.run(&["quarantine", "list"]).status.success());
}
