//! A PostgreSQL of a test's own: with TLS, rules of logging in, or as a standby. It goes
//! when the test ends.

use std::fs::{File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tokio_postgres::NoTls;

use crate::support::{Running, eventually, setting, text};

pub struct Server {
    running: Option<Running>,
    programs: PathBuf,
    folder: tempfile::TempDir,
    pub port: u16,
}

/// Certificate and key of the server, and the authority of its clients, in PEM.
pub struct ServerTls<'a> {
    pub certificate: &'a str,
    pub key: &'a str,
    pub clients: &'a str,
}

/// Programs that know TLS. Those that `make test` brings do not.
pub fn programs_with_tls() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("initdb").exists()).max()
}

pub fn programs() -> PathBuf {
    PathBuf::from(setting("LOGINETL_TEST_PG_BIN"))
}

impl Server {
    /// A new cluster whose superuser postgres is let in without a password; then these
    /// rules hold.
    pub async fn start(programs: PathBuf, rules: &str, tls: Option<ServerTls<'_>>) -> Self {
        let log = PathBuf::from(setting("LOGINETL_TEST_PG_LOG"));
        let base = log.parent().expect("a folder");
        let folder = tempfile::tempdir_in(base).expect("a folder");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))
            .expect("its own folder");
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a free port")
            .local_addr()
            .expect("an address")
            .port();
        let mut server = Self { running: None, programs, folder, port };
        server.give_away(server.folder.path());
        let mut initdb = server.program("initdb");
        initdb.arg("-D").arg(server.data()).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ]);
        let output = initdb.output().expect("initdb runs");
        assert!(output.status.success(), "{}", text(&output));
        let rules = format!("local all all trust\nhost all postgres 127.0.0.1/32 trust\n{rules}\n");
        std::fs::write(server.data().join("pg_hba.conf"), rules).expect("rules");
        if let Some(tls) = tls {
            for (name, pem) in [
                ("server.crt", tls.certificate),
                ("server.key", tls.key),
                ("root.crt", tls.clients),
            ] {
                let path = server.data().join(name);
                std::fs::write(&path, pem).expect("a file of TLS");
                std::fs::set_permissions(&path, Permissions::from_mode(0o600))
                    .expect("for nobody else");
                server.give_away(&path);
            }
            let settings = "ssl = on\nssl_ca_file = 'root.crt'\n";
            std::fs::write(server.data().join("postgresql.auto.conf"), settings).expect("settings");
            server.give_away(&server.data().join("postgresql.auto.conf"));
        }
        server.run().await;
        server
    }

    /// Starts again as a standby that has nobody to follow.
    pub async fn become_standby(&mut self) {
        let running = self.running.take().expect("it runs");
        running.signal(Signal::SIGINT);
        std::fs::write(self.data().join("standby.signal"), "").expect("a file");
        self.give_away(&self.data().join("standby.signal"));
        self.run().await;
        eventually("it lets readers in", async || self.client().await.is_some()).await;
    }

    async fn run(&mut self) {
        let log = File::create(self.folder.path().join("log")).expect("a log");
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).arg(format!("--port={}", self.port));
        command.args(["--listen_addresses=127.0.0.1", "--unix_socket_directories=", "--fsync=off"]);
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.running = Some(Running::start(&mut command));
        eventually("it listens", async || TcpStream::connect(("127.0.0.1", self.port)).is_ok())
            .await;
        eventually("it lets the superuser in", async || self.client().await.is_some()).await;
    }

    /// As the superuser.
    pub async fn execute(&self, sql: &str) {
        let client = self.client().await.expect("a connection");
        client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    pub async fn count(&self, sql: &str) -> i64 {
        let client = self.client().await.expect("a connection");
        client
            .query_one(&format!("select count(*) from ({sql}) as counted"), &[])
            .await
            .expect("a count")
            .get(0)
    }

    async fn client(&self) -> Option<tokio_postgres::Client> {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.ok()?;
        tokio::spawn(connection);
        Some(client)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// PostgreSQL refuses to run as root: as the user, then, that runs the
    /// server under test.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        if let Some((user, group)) = other_user(self.folder.path()) {
            command.uid(user).gid(group);
        }
        command.current_dir("/").env_clear().env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn give_away(&self, path: &Path) {
        if let Some((user, group)) = other_user(self.folder.path()) {
            chown(path, Some(user), Some(group)).expect("its own file");
        }
    }
}

fn other_user(folder: &Path) -> Option<(u32, u32)> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let under_test = std::fs::metadata(folder.parent()?.join("postgres")).ok()?;
    is_root.then(|| (under_test.uid(), under_test.gid()))
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::SIGINT);
        }
    }
}
