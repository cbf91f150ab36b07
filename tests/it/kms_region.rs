//! `LOGINETL_KMS_REGION`: multi-Region keys serve an installation in another region, and
//! of a recorded ARN nothing but the region may differ.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use crate::support::{Action, Proxy, World, event, json_lines, summary, text};

const HOME: &str = "us-east-1";
const AWAY: &str = "eu-west-1";
const ROLES: [&str; 3] = ["ingest", "recovery", "audit"];
const WRAPS: &str = "select from vault.wraps where kms_key_arn like 'arn:aws:kms:";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An installation under multi-Region keys with replicas and aliases in another region.
struct Abroad {
    world: World,
    aliases: [String; 3],
}

async fn client(region: &'static str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region));
    Client::new(&config.load().await)
}

/// A key with a replica, and an alias in both regions.
async fn key(alias: &str, signs: bool) {
    let (home, away) = (client(HOME).await, client(AWAY).await);
    let mut request = home.create_key().multi_region(true);
    if signs {
        request = request.key_usage(KeyUsageType::SignVerify).key_spec(KeySpec::EccNistP256);
    }
    let key = request.send().await.expect("a key").key_metadata.expect("a key").key_id;
    assert!(key.starts_with("mrk-"), "{key}");
    home.replicate_key().key_id(&key).replica_region(AWAY).send().await.expect("a replica");
    for client in [home, away] {
        client.create_alias().alias_name(alias).target_key_id(&key).send().await.expect("an alias");
    }
}

impl Abroad {
    async fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let aliases = ROLES.map(|role| format!("alias/t{}-{number}-{role}", std::process::id()));
        for (alias, role) in aliases.iter().zip(ROLES) {
            key(alias, role == "audit").await;
        }
        let abroad = Self { world: World::bare().await, aliases };
        abroad.done(HOME, &["init"]);
        abroad.load(HOME, 1);
        abroad
    }

    fn command(&self, region: &str, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        for (role, alias) in ROLES.iter().zip(&self.aliases) {
            command.env(format!("LOGINETL_{}_KEY", role.to_uppercase()), alias);
        }
        if region != HOME {
            command.env("LOGINETL_KMS_REGION", region);
        }
        command
    }

    fn run(&self, region: &str, args: &[&str]) -> Output {
        self.command(region, args).output().expect("it runs")
    }

    fn done(&self, region: &str, args: &[&str]) -> Output {
        let output = self.run(region, args);
        assert_eq!(output.status.code(), Some(0), "{args:?} in {region}: {}", text(&output));
        output
    }

    fn load(&self, region: &str, number: u32) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), event(number)).expect("written");
        self.done(region, &["load", "--file", file.path().to_str().expect("UTF-8")]);
    }

    /// The addresses that `unmask` shows, of all rows.
    async fn addresses(&self, region: &str) -> Vec<String> {
        let hashes = self.world.database.query("select ip_hash::text from user_logins").await;
        let hashes: Vec<String> = hashes.iter().map(|row| row.get(0)).collect();
        let mut args = vec!["unmask", "--format", "json", "--reason", "a test"];
        hashes.iter().for_each(|hash| args.extend(["--ip-hash", hash]));
        let lines = json_lines(&self.done(region, &args));
        let mut values: Vec<String> =
            lines.iter().filter_map(|line| Some(line["value"].as_str()?.to_owned())).collect();
        values.sort();
        values
    }

    async fn wraps_in(&self, region: &str) -> i64 {
        self.world.database.count(&format!("{WRAPS}{region}:%'")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_goes_on_in_the_region_of_the_replicas() {
    let abroad = Abroad::new().await;
    assert_eq!((abroad.wraps_in(HOME).await, abroad.wraps_in(AWAY).await), (6, 0));

    // The queue stays where it is; KMS is asked in the other region.
    abroad.world.queue.send(&[event(2)]).await;
    let drained = abroad.done(AWAY, &["load", "--drain", "--format", "json"]);
    assert_eq!(summary(&drained)["loaded"], 1, "{}", text(&drained));
    abroad.load(AWAY, 3);
    assert_eq!(abroad.addresses(AWAY).await, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    // A superuser is warned of, and so is a queue that has no dead-letter queue.
    let checked = abroad.run(AWAY, &["check"]);
    for line in ["ok    ingest", "ok    recovery", "ok    signing", "ok    verifying"] {
        assert!(text(&checked).contains(line), "{line}: {}", text(&checked));
    }
    abroad.done(AWAY, &["audit", "verify"]);
    let signed_away = "select from audit.signatures where key_arn like 'arn:aws:kms:eu-west-1:%'";
    assert!(abroad.world.database.count(signed_away).await > 0);
    assert_eq!(abroad.wraps_in(AWAY).await, 0, "reading changes no wrap");

    // One multi-Region key is one key, in whichever region its ARN was recorded.
    let same = abroad.run(AWAY, &["keys", "rewrap", "--ingest-key", &abroad.aliases[1]]);
    assert_eq!(same.status.code(), Some(2), "{}", text(&same));
    assert!(text(&same).contains("are one KMS key"), "{}", text(&same));

    // A new key records the ARN of the answer; at home it opens only with the setting.
    abroad.done(AWAY, &["rotate-keys"]);
    assert_eq!((abroad.wraps_in(HOME).await, abroad.wraps_in(AWAY).await), (6, 2));
    assert_eq!(abroad.addresses(AWAY).await.len(), 3);
    let back = abroad.run(HOME, &["load", "--drain"]);
    assert_eq!(back.status.code(), Some(2), "{}", text(&back));
    assert!(text(&back).contains("there is no such resource"), "{}", text(&back));
    let args = ["load", "--drain"];
    let back = abroad.command(HOME, &args).env("LOGINETL_KMS_REGION", HOME).output();
    assert_eq!(back.expect("it runs").status.code(), Some(0));

    // Rewrapped, all is of that region, and needs no setting there.
    let [ingest, recovery, _] = &abroad.aliases;
    let keys = ["keys", "rewrap", "--ingest-key", ingest, "--recovery-key", recovery];
    abroad.done(AWAY, &keys);
    assert_eq!((abroad.wraps_in(HOME).await, abroad.wraps_in(AWAY).await), (0, 8));
    for (args, good) in [(&["check"][..], "ok    ingest"), (&["audit", "verify"], "intact")] {
        let output = abroad.command(HOME, args).env("AWS_REGION", AWAY).output();
        let said = text(&output.expect("it runs"));
        assert!(!said.contains("KMS") && said.contains(good), "{said}");
    }
    abroad.done(AWAY, &["audit", "verify"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_region_is_refused_by_its_arn() {
    let world = World::new().await;
    let run = |args: &[&str], region: &str| {
        let output = world.command(args).env("LOGINETL_KMS_REGION", region).output();
        output.expect("it runs")
    };
    let arn: String = world
        .database
        .query("select kms_key_arn from vault.wraps where holder = 'ingest' order by 1")
        .await[0]
        .get(0);
    assert!(!arn.contains("mrk-"), "{arn}");
    let refused = run(&["load", "--drain"], AWAY);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    for word in [arn.as_str(), "no multi-Region key", "LOGINETL_KMS_REGION"] {
        assert!(text(&refused).contains(word), "{word}: {}", text(&refused));
    }
    let rewrap = run(&["keys", "rewrap", "--ingest-key", "alias/loginetl-ingest"], AWAY);
    assert_ne!(rewrap.status.code(), Some(0), "{}", text(&rewrap));
    // Its own region is no other one, and a name that cannot be one is refused.
    assert_eq!(run(&["load", "--drain"], HOME).status.code(), Some(0));
    let odd = run(&["load", "--drain"], "eu west 1");
    assert_eq!(odd.status.code(), Some(2), "{}", text(&odd));
    assert!(text(&odd).contains("LOGINETL_KMS_REGION is no name"), "{}", text(&odd));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_region_may_differ() {
    let abroad = Abroad::new().await;
    // An answer for any other ARN is no answer: the region of the record, another
    // account, another key.
    for (from, to) in [
        ("kms:eu-west-1:", "kms:us-east-1:"),
        (":000000000000:", ":111111111111:"),
        ("key/mrk-", "key/mrk-0"),
        ("arn:aws:", "arn:aws-cn:"),
    ] {
        let proxy = Proxy::start(move |target| match target {
            "TrentService.Decrypt" => {
                Action::Rewrite(Box::new(move |body: String| body.replace(from, to)))
            }
            _ => Action::Forward,
        });
        let mut command = abroad.command(AWAY, &["load", "--drain"]);
        command.env("AWS_ENDPOINT_URL", proxy.url()).env("NO_PROXY", "127.0.0.1");
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(5), "{from} {to}: {}", text(&output));
        assert!(text(&output).contains("the wrap does not belong"), "{}", text(&output));
    }
    // A record of another account is asked for as it stands, and nobody has it.
    let moved = "update vault.wraps set kms_key_arn = \
                   replace(kms_key_arn, ':000000000000:', ':111111111111:')";
    abroad.world.database.tamper(moved).await;
    let output = abroad.run(AWAY, &["load", "--drain"]);
    assert!(matches!(output.status.code(), Some(2 | 3 | 5)), "{}", text(&output));
    assert!(text(&output).contains("KMS Decrypt failed"), "{}", text(&output));
}
