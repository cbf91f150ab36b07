//! Bad input to `unmask`: a clear refusal that quotes nothing, and nothing in the log
//! where nothing was asked.

use crate::support::{Login, World, event, json_lines, text};

async fn world() -> (World, Login, String, String) {
    let world = World::new().await;
    world.load(&[event(1), event(2)]);
    let login = world.database.login("loginetl_unmasker").await;
    let row = world
        .database
        .query("select masked_ip, masked_device_id from user_logins where user_id = 'u-1'")
        .await;
    let tokens = (row[0].get(0), row[0].get(1));
    (world, login, tokens.0, tokens.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_none_are_flags_that_are_wrong() {
    let (world, login, token, _) = world().await;
    let before = world.database.count("select from audit.log").await;
    let zero = token.replacen("ip1.1.", "ip1.01.", 1);
    let padded = format!("{token}=");
    for (wrong, named) in [
        ("198.51.100.4", "no prefix of a token"),
        ("", "no prefix of a token"),
        ("ip2.1.abc", "no prefix of a token"),
        (&zero, "no valid key id"),
        ("ip1.0.7fQg8g-XKVvA0sP192xB0j6MJAgTf0hcvAmo3mfqads", "no valid key id"),
        ("ip1.4294967296.7fQg8g-XKVvA0sP192xB0j6MJAgTf0hcvAmo3mfqads", "no valid key id"),
        (&token[..token.len() - 1], "damaged or cut"),
        (&token[..20], "damaged or cut"),
        (&padded, "damaged or cut"),
    ] {
        let output = world.run_as(&login, &["unmask", "--reason", "a test", "--token", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", text(&output));
        assert!(text(&output).contains(named), "{wrong}: {}", text(&output));
        assert!(wrong.len() < 3 || !text(&output).contains(wrong), "quoted: {}", text(&output));
    }
    for flags in [
        &["--ip-hash", "198.51.100.4"][..],
        &["--ip-hash", "{4b7f91e6-8e11-81e3-af7f-0c2cba866887}"],
        &["--device-id-hash", "x"],
        &["--find-ip", "198.51.100.400"],
        &["--find-device-id", ""],
        &["--quarantine", "seventeen"],
        &["--find-ip", "198.51.100.4", "--find-device-id", "x"],
        &["198.51.100.4"],
        &["--quarantine", "198.51.100.4"],
        &["--max-values", "198.51.100.4", "--ip-hash", "x"],
        &["--find-ip", "2001:db8::1", "198.51.100.4"],
        &["--198.51.100.4"],
        &["--from", "198.51.100.4"],
        &[],
    ] {
        let output = world.run_as(&login, &[&["unmask", "--reason", "a test"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output));
        assert!(!text(&output).contains("198.51.100"), "{flags:?}: {}", text(&output));
    }
    let output = world.run_as(&login, &["unmask", "--token", &token]);
    assert_eq!(output.status.code(), Some(2), "without a reason: {}", text(&output));
    let output = world.run_as(&login, &["unmask", "--reason", "a test", "--from", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert_eq!(world.database.count("select from audit.log").await, before, "nothing was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_do_not_open_are_told_apart() {
    let (world, login, ip, device) = world().await;
    let mut flipped = ip.clone().into_bytes();
    flipped[10] = if flipped[10] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("ASCII");
    let other_field = ip.replacen("ip1.", "dev1.", 1);
    let unknown_key = ip.replacen("ip1.1.", "ip1.77.", 1);
    let hash_key = ip.replacen("ip1.1.", "ip1.2.", 1);
    let foreign = "ip1.1.7fQg8g-XKVvA0sP192xB0j6MJAgTf0hcvAmo3mfqads";
    for (token, exit, problem) in [
        (flipped.as_str(), 5, "does_not_open"),
        (&other_field, 5, "does_not_open"),
        (foreign, 5, "does_not_open"),
        (&unknown_key, 1, "unknown_key"),
        (&hash_key, 1, "unknown_key"),
    ] {
        let output = world.run_as(
            &login,
            &["unmask", "--reason", "a test", "--format", "json", "--token", token, &device],
        );
        assert_eq!(output.status.code(), Some(exit), "{token}: {}", text(&output));
        let answers = json_lines(&output);
        assert_eq!(answers[0]["problem"], problem, "{token}");
        assert_eq!(answers[1]["value"], "device-1", "the rest is still answered");
    }
    let nobody = "00000000-0000-8000-8000-000000000000";
    let output = world
        .run_as(&login, &["unmask", "--reason", "a test", "--format", "json", "--ip-hash", nobody]);
    assert_eq!(
        (output.status.code(), json_lines(&output)[0]["problem"].as_str()),
        (Some(1), Some("not_found"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_that_must_not_be_kept_exit_with_3_and_write_nothing() {
    let (world, login, token, _) = world().await;
    let before = world.database.count("select from audit.log").await;
    let long = "reason ".repeat(1500);
    for reason in [
        "",
        "   ",
        "\t",
        "for 198.51.100.4",
        "see [2001:db8::7]",
        "593-47-5928",
        &long,
        "red \u{1b}[31m",
        "two\nlines",
        "\u{9b}31m",
    ] {
        let output = world.run_as(&login, &["unmask", "--token", &token, "--reason", reason]);
        assert_eq!(output.status.code(), Some(3), "{reason:?}: {}", text(&output));
        assert!(
            output.stdout.is_empty() && text(&output).contains("error: the reason "),
            "{}",
            text(&output)
        );
        assert!(!text(&output).contains(['\u{1b}', '\u{9b}']), "no escape reaches the screen");
        assert!(
            reason.trim().is_empty() || !text(&output).contains(reason.trim()),
            "not quoted: {}",
            text(&output)
        );
        let ticket = world
            .run_as(&login, &["unmask", "--token", &token, "--reason", "fine", "--ticket", reason]);
        assert_eq!(ticket.status.code(), Some(3), "{reason:?}: {}", text(&ticket));
    }
    let output = world.run_as(
        &login,
        &["unmask", "--find-device-id", "device-1", "--reason", "who has DEVICE-1?"],
    );
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert_eq!(world.database.count("select from audit.log").await, before, "nothing was written");
}
