//! The tables of `keys/README.md` say what the policies and the commands do.

use std::collections::BTreeSet;
use std::path::Path;

use crate::allowed::Rules;
use crate::cases::cases;
use crate::policy::Request;
use crate::recording::recording;
use crate::shipped::role;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keys/README.md");
const BEGIN: &str = "<!-- what is denied: begin -->\n\n";
const END: &str = "\n<!-- what is denied: end -->";

fn page() -> String {
    std::fs::read_to_string(Path::new(PAGE)).expect("readable")
}

/// The rows of the table whose head begins like this: the cells of each.
fn table(head: &str) -> Vec<Vec<String>> {
    let page = page();
    let (_, rest) = page.split_once(head).unwrap_or_else(|| panic!("no table {head}"));
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_table_of_denials_says_what_denies_what() {
    let shipped = &recording().shipped;
    let (ours, without) = (Rules::of(shipped), Rules::of(&shipped.without_key_policies()));
    let mut table =
        "| who does what | with our key policies | without them |\n|---|---|---|\n".to_owned();
    for case in cases(shipped) {
        let (ours, without) = (case.outcome(&ours), case.outcome(&without));
        table += &format!("| {} | {ours} | {without} |\n", case.text);
    }
    let page = page();
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (found, after) = rest.split_once(END).expect("where it ends");
    if std::env::var("LOGINETL_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(PAGE, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
    } else {
        let differs = found.lines().zip(table.lines()).find(|(found, made)| found != made);
        assert!(found == table, "{differs:?}: LOGINETL_BLESS=1 cargo test --test rights writes it");
    }
}

/// All that can be asked of a key, as the page calls it.
const RIGHTS: [(&str, &[&str]); 6] = [
    ("Encrypt", &["Encrypt"]),
    ("Decrypt", &["Decrypt"]),
    ("ReEncrypt", &["ReEncryptFrom", "ReEncryptTo"]),
    ("Sign", &["Sign"]),
    ("GetPublicKey", &["GetPublicKey"]),
    ("DescribeKey", &["DescribeKey"]),
];
/// What can be done with a queue, as the page calls it; what a cell does not name is not
/// allowed.
const QUEUE_RIGHTS: [(&str, &str); 6] = [
    ("receive", "ReceiveMessage"),
    ("delete", "DeleteMessage"),
    ("visibility", "ChangeMessageVisibility"),
    ("attributes", "GetQueueAttributes"),
    ("send", "SendMessage"),
    ("purge", "PurgeQueue"),
];
const NEVER: [&str; 6] = [
    "Verify",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "CreateGrant",
    "PutKeyPolicy",
];

/// The rights that a cell names; what it calls **denied** is none.
fn named(cell: &str) -> BTreeSet<String> {
    let denied = RIGHTS.map(|(name, _)| format!("{name} **denied**"));
    let cell = denied.iter().fold(cell.to_owned(), |cell, denied| cell.replace(denied, ""));
    let words = cell.split(|c: char| !c.is_ascii_alphabetic());
    words.filter(|word| RIGHTS.iter().any(|(name, _)| name == word)).map(str::to_owned).collect()
}

#[test]
fn the_table_of_roles_says_who_may_do_what_with_which_key() {
    let shipped = &recording().shipped;
    for shipped in [shipped, &shipped.without_key_policies()] {
        let rules = Rules::of(shipped);
        let rows = table("| role | ingest key | recovery key | audit key | queue |");
        let roles: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        let expected =
            ["loader", "masker", "unmasker", "rotator", "init", "auditor", "scaler", "analyst"];
        assert_eq!((&roles[..8], &roles[8..]), (&expected[..], &["admin"][..]));
        for row in &rows[..8] {
            for (holder, cell) in ["ingest", "recovery", "audit"].into_iter().zip(&row[1..]) {
                let may = |action: &&str| {
                    let key = &shipped.keys[holder];
                    let request = Request::new(&role(&row[0]), &format!("kms:{action}"), key);
                    let request = if holder == "audit" {
                        let request = request.with("kms:SigningAlgorithm", "ECDSA_SHA_256");
                        request.expect("known").with("kms:MessageType", "DIGEST")
                    } else {
                        request.with_encryption_context([
                            ("app", "loginetl"),
                            ("purpose", "hash"),
                            ("key_id", "1"),
                            ("holder", holder),
                        ])
                    };
                    let identity = rules.identity(&row[0], false);
                    rules.judge(identity, &request.expect("known")).is_allowed()
                };
                let rights = RIGHTS.iter().filter(|(_, actions)| actions.iter().all(may));
                let rights: BTreeSet<String> = rights.map(|(name, _)| (*name).to_owned()).collect();
                assert_eq!(named(cell), rights, "{}, {holder}", row[0]);
                assert!(!NEVER.iter().any(may), "{}, {holder}", row[0]);
            }
            // The cell says of the queue, and after that of its dead-letter queue.
            let (queue, dead) = row[4].split_once(';').unwrap_or((&row[4], ""));
            for (cell, arn) in [(queue, &shipped.queue), (dead, &shipped.dead_letters)] {
                for (word, action) in QUEUE_RIGHTS {
                    let request = Request::new(&role(&row[0]), &format!("sqs:{action}"), arn);
                    let decision = rules.judge(rules.identity(&row[0], false), &request);
                    assert_eq!(cell.contains(word), decision.is_allowed(), "{}, {word}", row[0]);
                }
            }
        }
    }
}

/// The rows of "What loginetl calls", and the commands that they are about.
const ROWS: [(&str, &str, &[&str]); 21] = [
    ("`init`, when it makes a data key", "init", &["init"]),
    ("`load`, `quarantine retry`", "loader", &["load --drain", "quarantine retry"]),
    ("`mask plan`", "masker", &["mask plan --job logins --location x"]),
    ("`mask --plan`, `remask --plan`", "masker", &["mask --plan", "remask --plan"]),
    ("`mask commit`", "masker", &["mask commit --plan --rows --rejected"]),
    ("`unmask`", "unmasker", &["unmask --ip-hash --reason"]),
    ("`unmask --resume`", "unmasker", &["unmask --ip-hash --resume"]),
    ("`unmask --withdraw`", "unmasker", &["unmask --withdraw"]),
    ("`rotate-keys`, when it makes a data key", "rotator", &["rotate-keys --compromised"]),
    ("`rotate-keys`, each call", "rotator", &[]),
    ("`keys rewrap`", "rotator", &["keys rewrap --ingest-key --recovery-key"]),
    ("`keys destroy`", "rotator", &["keys destroy --after --yes"]),
    ("`archive drop`", "rotator", &["archive drop logins --running-too --reason"]),
    (
        "`keys list`, `rotate-keys --dry-run`, `status`",
        "rotator",
        &["keys list", "rotate-keys --dry-run", "status"],
    ),
    ("`backfill`", "init", &["backfill --ip-column"]),
    ("`audit verify` without `--public-key`", "auditor", &["audit verify"]),
    ("`check` as loader", "loader", &["check"]),
    ("`check` as unmasker", "unmasker", &["check"]),
    ("`check` as rotator", "rotator", &["check"]),
    ("`check` as auditor", "auditor", &["check"]),
    ("`check` as init", "init", &["check"]),
];

#[test]
fn the_table_of_calls_says_what_each_command_was_seen_to_call() {
    let recording = recording();
    let rows = table("| command | ingest key | recovery key | audit key |");
    assert_eq!(rows.len(), ROWS.len(), "each row is looked at");
    for (row, (name, role, commands)) in rows.iter().zip(ROWS) {
        assert_eq!(row[0], name);
        for command in commands {
            let ran = (role.to_owned(), (*command).to_owned());
            assert!(recording.commands.contains(&ran), "{command} was run");
            let calls = recording.calls.iter();
            let calls = calls.filter(|call| call.role == role && call.command == *command);
            let asked: Vec<(&str, String)> = calls
                .filter(|call| call.target.starts_with("TrentService."))
                .flat_map(|call| {
                    let (_, operation) = call.target.split_once('.').expect("a target");
                    let requests = call.requests(&recording.shipped).into_iter();
                    requests.map(|request| {
                        (recording.shipped.holder(&request.resource), operation.to_owned())
                    })
                })
                .collect();
            for (holder, cell) in ["ingest", "recovery", "audit"].into_iter().zip(&row[1..]) {
                let seen = asked.iter().filter(|(of, _)| *of == holder);
                let seen: BTreeSet<String> = seen.map(|(_, operation)| operation.clone()).collect();
                assert_eq!(named(cell), seen, "{command}, {holder}");
            }
        }
    }
}
