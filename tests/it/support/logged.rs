//! An installation whose audit log has something to tell, and ways to verify it and to
//! tamper with it.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::{Login, World, event, setting, summary, text};

/// An installation with a log of some length: three keys, a load, two
/// recoveries, a denial.
pub struct Logged {
    pub world: World,
    pub auditor: Login,
    pub folder: tempfile::TempDir,
    pub public_key: PathBuf,
    /// What the two recoveries printed.
    pub heads: Vec<String>,
}

impl Logged {
    pub async fn new() -> Self {
        let world = World::new().await;
        world.load(&[event(1), event(2)]);
        let unmasker = world.database.login("loginetl_unmasker").await;
        let hash: String = world
            .database
            .query("select ip_hash::text from user_logins where user_id = 'u-1'")
            .await[0]
            .get(0);
        let ask = |login: &Login| {
            world.run_as(
                login,
                &["unmask", "--ip-hash", &hash, "--reason", "a test", "--ticket", "SEC-1"],
            )
        };
        let mut heads = Vec::new();
        for _ in 0..2 {
            let output = ask(&unmasker);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            heads.push(
                stderr
                    .trim()
                    .strip_prefix("audit head ")
                    .unwrap_or_else(|| panic!("{}", text(&output)))
                    .to_owned(),
            );
        }
        assert_eq!(ask(&world.database.login("loginetl_analyst").await).status.code(), Some(3));
        let auditor = world.database.login("loginetl_auditor").await;
        let folder = tempfile::tempdir().expect("a folder");
        let public_key = folder.path().join("audit.pem");
        std::fs::write(&public_key, public_key_pem().await).expect("written");
        Self { world, auditor, folder, public_key, heads }
    }

    pub fn verify(&self, flags: &[&str]) -> (i32, Value) {
        let output = self
            .world
            .run_as(&self.auditor, &[&["audit", "verify", "--format", "json"], flags].concat());
        (output.status.code().expect("an exit code"), summary(&output))
    }

    pub fn export(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let output = self
            .world
            .run_as(&self.auditor, &["audit", "export", "--out", path.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        path
    }

    /// Offline: no database, no AWS.
    pub fn verify_file(&self, path: &Path, flags: &[&str]) -> (i32, Value) {
        let output = self.offline(path, flags);
        (output.status.code().expect("an exit code"), summary(&output))
    }

    pub fn offline(&self, path: &Path, flags: &[&str]) -> Output {
        let (path, key) = (path.to_str().expect("UTF-8"), self.public_key.to_str().expect("UTF-8"));
        let args =
            [&["audit", "verify", "--format", "json", "--file", path, "--public-key", key], flags]
                .concat();
        let mut command = self.world.command(&args);
        for name in [
            "LOGINETL_DATABASE_URL",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_ENDPOINT_URL",
        ] {
            command.env_remove(name);
        }
        command.output().expect("it runs")
    }

    /// As a superuser who goes around the triggers.
    pub async fn tamper(&self, sql: &str) {
        self.world
            .database
            .execute(&format!("set session_replication_role = replica; {sql}"))
            .await;
    }
}

async fn public_key_pem() -> String {
    use base64::Engine as _;
    let kms = aws_sdk_kms::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    let answer = kms
        .get_public_key()
        .key_id(setting("LOGINETL_AUDIT_KEY"))
        .send()
        .await
        .expect("a public key");
    let der = answer.public_key.expect("a public key").into_inner();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        base64::prelude::BASE64_STANDARD.encode(der)
    )
}
