//! An archive under other keys: each value opened and compared, what does not open named,
//! all else byte for byte.

use serde_json::{Value, json};

use super::{Site, by_user, ends, events};
use crate::support::{json_lines, text};

const REJECTED: &str = r#"{"rejected":"not_json","field":null,"length":7}"#;

fn masked_lines(site: &Site, users: std::ops::Range<u32>) -> Vec<u8> {
    site.plan("plan", &[]);
    let masked = site.mask("plan", &[], events(users).join("\n").as_bytes());
    ends(&site.commit("plan", &["--rows", "50", "--rejected", "0"]), 0, "is committed");
    masked.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_comes_under_the_keys_in_force_and_frees_the_old_ones() {
    let site = Site::new().await;
    site.world.load(&events(0..50));
    let old = masked_lines(&site, 0..50);
    for flags in [&["rotate-keys", "--duty", "100%"][..], &["rotate-keys", "--compromised"]] {
        site.ends(0, "finished", flags);
    }
    site.plan("newer", &["--rewrites", "--location", "s3://a/c"]);
    let new = site.remask("newer", &[], &old);
    assert_eq!(by_user(&new), site.rows().await, "tokens and hashes of the table");
    ends(&new, 0, "50 lines, 0 of them not opened");
    site.ends(3, "archive logins", &["keys", "destroy", "1", "--after", "0m", "--yes"]);
    let drop = ["archive", "drop", "logins", "--replaced", "--reason", "published"];
    site.ends(2, "in whose place a committed rewrite", &drop);
    let commit = site.commit("newer", &["--rows", "50", "--rejected", "0", "--unopened", "0"]);
    ends(&commit, 0, "is committed");
    // It is not published yet.
    site.ends(3, "archive logins", &["keys", "destroy", "1", "--after", "0m", "--yes"]);
    site.ends(0, "1 run of archive logins", &drop);
    for key in ["1", "2"] {
        site.ends(0, "is destroyed", &["keys", "destroy", key, "--after", "0m", "--yes"]);
    }
    let archives = json_lines(&site.world.run(&["archive", "list", "--format", "json"]));
    assert_eq!((archives.len(), &archives[0]["location"]), (1, &json!("s3://a/c")));
    // Once more is no change.
    site.plan("again", &["--rewrites"]);
    assert_eq!(site.remask("again", &[], &new.stdout).stdout, new.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_passes_as_it_came_and_is_named() {
    let site = Site::new().await;
    let old = String::from_utf8(masked_lines(&site, 0..4)).expect("UTF-8");
    let old: Vec<&str> = old.lines().collect();
    site.ends(0, "finished", &["rotate-keys", "--duty", "100%"]);
    site.plan("newer", &["--rewrites"]);
    let field = |line: &str, name: &str| {
        serde_json::from_str::<Value>(line).expect("JSON")[name].as_str().expect("text").to_owned()
    };
    let (token, hash) = (field(old[0], "masked_ip"), field(old[0], "ip_hash"));
    let end = if token.ends_with('A') { 'E' } else { 'A' };
    let cases = [
        // Of another value, of no key, changed, another spelling, null, a number.
        (old[1].replace(&field(old[1], "ip_hash"), &hash), Some("ip")),
        (old[0].replace("ip1.1.", "ip1.9."), Some("ip")),
        (old[0].replace(&token, &format!("{}{end}", &token[..token.len() - 1])), Some("ip")),
        (old[0].replace(&hash, &hash.to_uppercase()), Some("ip")),
        (old[0].replace(&format!("\"{hash}\""), "null"), Some("ip")),
        (old[0].replace(&format!("\"{token}\""), "17"), Some("ip")),
        (old[0].replace(&token, &field(old[0], "masked_device_id")), Some("ip")),
        (old[0].replace("masked_ip", "maskd_ip").replace("ip_hash", "ip_hsh"), Some("ip")),
        // No row.
        (REJECTED.to_owned(), None),
    ];
    for (line, unopened) in cases {
        let output = site.remask("newer", &[], line.as_bytes());
        let after = json_lines(&output).remove(0);
        let before: Value = serde_json::from_str(&line).expect("JSON");
        let unchanged = ["masked_ip", "ip_hash"].iter().all(|name| before[*name] == after[*name]);
        assert!(unchanged, "{line} became {after}");
        assert_eq!(after["unopened"], unopened.map_or(Value::Null, |name| json!([name])), "{line}");
        let device = |value: &Value| value["masked_device_id"].as_str().map(str::to_owned);
        let moved = device(&after) != device(&before);
        assert_eq!(moved, line.contains("device_id_hash"), "the other field moves: {line}");
        ends(&output, 0, if unopened.is_some() { "1 of them not" } else { "0 of them not" });
        // What was named once and opens now is named no more.
        if unopened.is_none() {
            assert_eq!(output.stdout, [line.as_bytes(), b"\n"].concat());
        }
    }
    let counts = ["--rows", "50", "--rejected", "0", "--unopened", "1"];
    ends(&site.commit("newer", &counts), 1, "stay under the keys that they had");
    let drop = ["archive", "drop", "logins", "--replaced", "--reason", "published"];
    site.ends(3, "with other counts than what it replaces, or with lines", &drop);
    site.ends(3, "archive logins", &["keys", "destroy", "1", "--after", "0m", "--yes"]);
    for line in ["[1]", "x", "", "{}", "{\"a\":1,\"a\":2}", "{}{}", &events(0..1)[0]] {
        let plan = site.word("newer");
        let output =
            site.filter(&["remask", "--plan", &plan], format!("{REJECTED}\n{line}\n").as_bytes());
        ends(&output, 2, "line 2 of standard input is no masked line");
        assert_eq!(output.stdout, format!("{REJECTED}\n").as_bytes(), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_members_and_cells_pass_byte_for_byte() {
    let site = Site::new().await;
    let old = String::from_utf8(masked_lines(&site, 0..1)).expect("UTF-8");
    site.ends(0, "finished", &["rotate-keys", "--duty", "100%"]);
    site.plan("newer", &["--rewrites"]);
    let new = site.remask("newer", &[], old.as_bytes()).stdout;
    let new = String::from_utf8(new).expect("UTF-8");
    let odd = r#""x": {"é" : [1.00, -0e1]},"y\u0041":"\ud83d\ude00","unopened":["ip"],"z":1E400}"#;
    let with = |line: &str, more: &str| format!("{},{more}", line.trim_end().trim_end_matches('}'));
    let output = site.remask("newer", &[], with(&old, odd).as_bytes()).stdout;
    let expected = odd.replace(r#""unopened":["ip"],"#, "").replace(r#""x": "#, r#""x":"#);
    let expected = expected.replace(r"y\u0041", "yA");
    assert_eq!(String::from_utf8(output).expect("UTF-8"), with(&new, &expected) + "\n");

    let cells = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        ["masked_ip", "ip_hash"].map(|name| line[name].as_str().expect("text").to_owned())
    };
    let ([token, hash], [new_token, _]) = (cells(&old), cells(&new));
    let plan = site.word("newer");
    let args = ["remask", "--plan", &plan, "--columns", "a,masked_ip,b,ip_hash"];
    ends(&site.filter(&args, b""), 2, "--columns lacks masked_device_id, device_id_hash");
    let columns = ["--columns", "a,masked_ip,b,ip_hash,masked_device_id,device_id_hash,rejected"];
    let line = format!(
        " x\\t\t{token}\t\t{hash}\t\\N\t\\N\t\\N\r\n{nulls}\tnot_json\n1\t{token}\t2\t{nulls4}\n",
        nulls = ["\\N"; 6].join("\t"),
        nulls4 = ["\\N"; 4].join("\t"),
    );
    let output = site.remask("newer", &columns, line.as_bytes()).stdout;
    let expected = format!(
        " x\\t\t{new_token}\t\t{hash}\t\\N\t\\N\t\\N\tdevice_id\r\n{nulls}\tnot_json\t\\N\n\
         1\t{token}\t2\t{nulls4}\tip,device_id\n",
        nulls = ["\\N"; 6].join("\t"),
        nulls4 = ["\\N"; 4].join("\t"),
    );
    assert_eq!(String::from_utf8(output).expect("UTF-8"), expected);
}

/// Whoever writes an empty text or `false` for null has rejected nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_rewritten_whatever_stands_under_rejected() {
    let site = Site::new().await;
    let old = String::from_utf8(masked_lines(&site, 0..1)).expect("UTF-8");
    site.ends(0, "finished", &["rotate-keys", "--duty", "100%"]);
    site.plan("newer", &["--rewrites"]);
    let names = ["masked_ip", "ip_hash", "masked_device_id", "device_id_hash"];
    let of = |line: &Value| names.map(|name| line[name].as_str().expect("text").to_owned());
    let new = of(&json_lines(&site.remask("newer", &[], old.as_bytes()))[0]);
    for rejected in ["\"\"", "false", "0", "\"not_json\""] {
        let line = format!("{},\"rejected\":{rejected}}}", old.trim_end().trim_end_matches('}'));
        let output = site.remask("newer", &[], line.as_bytes());
        ends(&output, 0, "1 lines, 0 of them not opened");
        assert_eq!(of(&json_lines(&output)[0]), new, "{rejected}");
    }
    let columns = format!("{},rejected", names.join(","));
    let cells = of(&serde_json::from_str(&old).expect("JSON")).join("\t");
    let input = format!("{cells}\t\n\t\t\t\tnot_json\n\t\t\t\t\\N\n");
    let output = site.remask("newer", &["--columns", &columns], input.as_bytes());
    let expected =
        format!("{}\t\t\\N\n\t\t\t\tnot_json\t\\N\n\t\t\t\t\\N\tip,device_id\n", new.join("\t"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "empty for null");
}

/// It has no columns of a field that was not masked yet, and is whole without them.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_before_user_ids_were_masked_is_rewritten() {
    let site = Site::new().await;
    let old = masked_lines(&site, 0..3);
    site.ends(0, "user_id", &["init", "--mask-user-id"]);
    site.ends(0, "finished", &["rotate-keys", "--duty", "100%"]);
    site.plan("newer", &["--rewrites"]);
    ends(&site.remask("newer", &[], &old), 0, "3 lines, 0 of them not opened");
    let with_null = String::from_utf8(old).expect("UTF-8").replace('}', ",\"user_id_hash\":null}");
    ends(&site.remask("newer", &[], with_null.as_bytes()), 0, "3 lines, 0 of them not opened");
    // In clear it stands nowhere: then its token is lost.
    let lost = with_null.replace("\"user_id\":\"", "\"user_name\":\"");
    ends(&site.remask("newer", &[], lost.as_bytes()), 0, "3 lines, 3 of them not opened");
    let four = "masked_ip,ip_hash,masked_device_id,device_id_hash";
    ends(&site.remask("newer", &["--columns", four], b""), 0, "0 lines");
    let plan = site.word("newer");
    let five = format!("{four},masked_user_id");
    let refused = site.filter(&["remask", "--plan", &plan, "--columns", &five], b"");
    ends(&refused, 2, "--columns lacks user_id_hash");
}

/// A loader may not read the wraps of keys that are retired.
#[tokio::test(flavor = "multi_thread")]
async fn the_rewrite_of_an_old_archive_is_planned_by_a_rotator() {
    let site = Site::new().await;
    let old = masked_lines(&site, 0..5);
    let loader = site.world.database.login("loginetl_loader").await;
    let rotator = site.world.database.login("loginetl_rotator").await;
    ends(&site.try_plan(Some(&loader), "same", &["--rewrites"]), 0, "");
    site.ends(0, "finished", &["rotate-keys", "--duty", "100%"]);
    let refused = site.try_plan(Some(&loader), "newer", &["--rewrites"]);
    ends(&refused, 3, "with a login in loginetl_rotator");
    ends(&site.try_plan(Some(&rotator), "newer", &["--rewrites"]), 0, "");
    ends(&site.remask("newer", &[], &old), 0, "5 lines, 0 of them not opened");
    let other = ["mask", "plan", "--job", "other", "--location", "x", "--rewrites"];
    site.ends(2, "is not registered here", &other);
}

/// A rewrite frees what it was planned for, once it is whole, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_takes_the_place_of_what_was_committed_when_it_was_planned() {
    let site = Site::new().await;
    let commit = |plan: &str, rows: &str, more: &[&str]| {
        let counts = [&["--rows", rows, "--rejected", "0"][..], more].concat();
        ends(&site.commit(plan, &counts), 0, "is committed");
    };
    let all = ["--unopened", "0"];
    for (plan, flags) in [("one", &[][..]), ("two", &[]), ("part", &["--rewrites"])] {
        site.plan(plan, flags);
        if plan != "part" {
            commit(plan, "5", &[]);
        }
    }
    site.plan("later", &[]);
    commit("later", "5", &[]);
    commit("part", "5", &all);
    let drop = ["archive", "drop", "logins", "--replaced", "--reason", "published"];
    site.ends(3, "with other counts than what it replaces", &drop);
    site.plan("whole", &["--rewrites"]);
    site.plan("latest", &[]);
    commit("latest", "5", &[]);
    commit("whole", "15", &all);
    site.ends(0, "4 runs", &drop);
    let left = json_lines(&site.world.run(&["archive", "list", "--format", "json"]));
    assert_eq!(
        (&left[0]["rows"], left[0]["runs"].as_array().expect("runs").len()),
        (&json!(20), 2)
    );
    let counts = ["--rows", "5", "--rejected", "0"];
    ends(&site.commit("one", &counts), 3, "has been dropped since");
    site.plan("third", &["--rewrites"]);
    commit("third", "1", &all);
    site.ends(0, "2 runs", &[&drop[..], &["--although-incomplete"]].concat());
}
