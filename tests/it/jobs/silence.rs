//! The canary of a load over `mask` and `remask`: whatever runs and fails, at the most
//! talkative level, no value comes out, and none gets into a line.

use super::Site;
use crate::canary::{CANARIES, bodies, tables};
use crate::support::{Action, Proxy, text};

#[tokio::test(flavor = "multi_thread")]
async fn no_value_comes_out_of_a_job() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    site.plan("newer", &["--rewrites"]);
    let lines = bodies().join("\n").into_bytes();
    std::fs::write(site.path("lines"), &lines).expect("written");
    let (plan, newer) = (site.word("plan"), site.word("newer"));
    let fails = Proxy::start(|_| {
        Action::Answer(400, r#"{"__type": "AccessDeniedException", "message": "203.0.113.177"}"#)
    });
    let runs: [(&[&str], bool); 8] = [
        (&["mask", "--plan", &plan], false),
        (&["mask", "--plan", &plan, "--output", "tsv"], false),
        (&["mask", "--plan", &plan, "--output", "arrow"], false),
        (&["mask", "--plan", &plan, "--columns", "ip"], false),
        (&["mask", "--plan", &plan, "--columns", "ip,203.0.113.177"], false),
        (&["remask", "--plan", &newer], false),
        (&["remask", "--plan", &newer, "--columns", "masked_ip"], false),
        (&["mask", "--plan", &plan], true),
    ];
    for (args, broken) in runs {
        let mut command = site.world.command(args);
        command.env("RUST_LOG", "trace,aws_smithy_runtime=trace,hyper=trace");
        if broken {
            command.env("AWS_ENDPOINT_URL", fails.url());
        }
        command.stdin(std::fs::File::open(site.path("lines")).expect("a file"));
        let output = command.output().expect("it runs");
        // Lines that nobody has masked pass a rewrite by columns as they are.
        let passes = args[0] == "remask" && args.len() > 3;
        let said = match passes {
            true => String::from_utf8_lossy(&output.stderr).into_owned(),
            false => text(&output),
        };
        for canary in CANARIES {
            assert!(!said.contains(canary), "{args:?}: {canary} in {said}");
        }
    }
    let tables = tables(&site.world).await;
    for canary in CANARIES {
        assert!(!tables.contains(canary), "{canary} stands in a table");
    }
}
