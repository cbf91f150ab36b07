//! The canary of a load over `mask` and `remask`: whatever runs and fails, at the most
//! talkative level, no value comes out, and none gets into a line.

use super::{Site, events};
use crate::canary::{CANARIES, bodies, tables};
use crate::support::{Action, Proxy, text};

#[tokio::test(flavor = "multi_thread")]
async fn no_value_comes_out_of_a_job() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    site.plan("newer", &["--rewrites"]);
    let lines = bodies().join("\n").into_bytes();
    std::fs::write(site.path("lines"), &lines).expect("written");
    // Masked lines of somebody, who has left values beside them.
    let masked = site.mask("plan", &[], events(0..3).join("\n").as_bytes());
    let beside = format!(",\"note\":\"{}\"}}", CANARIES[0]);
    let masked = text(&masked).replace('}', &beside);
    let lines = masked.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n");
    std::fs::write(site.path("masked"), format!("{lines}\n{}", bodies()[0])).expect("written");
    let cells: Vec<String> = CANARIES.iter().map(|value| [*value; 5].join("\t")).collect();
    std::fs::write(site.path("cells"), cells.join("\n")).expect("written");
    let (plan, newer) = (site.word("plan"), site.word("newer"));
    let fails = Proxy::start(|_| {
        Action::Answer(400, r#"{"__type": "AccessDeniedException", "message": "203.0.113.177"}"#)
    });
    let four = "user_id,app_version,ip,device_id,locale";
    let hashes = "masked_ip,ip_hash,masked_device_id,device_id_hash,note";
    let mask = ["mask", "--plan", &plan];
    let remask = ["remask", "--plan", &newer];
    let runs: [(&[&str], &[&str], &str, i32); 10] = [
        (&mask, &[], "lines", 0),
        (&mask, &["--output", "tsv"], "lines", 0),
        (&mask, &["--output", "arrow"], "lines", 0),
        (&mask, &["--columns", four], "cells", 0),
        (&mask, &["--columns", four], "lines", 0),
        (&mask, &["--columns", "ip,203.0.113.177"], "lines", 2),
        (&remask, &[], "lines", 2),
        (&remask, &[], "masked", 2),
        (&remask, &["--columns", hashes], "cells", 0),
        (&mask, &[], "broken", 3),
    ];
    for (args, more, file, exit) in runs {
        let (args, broken) = ([args, more].concat(), file == "broken");
        let file = if broken { "lines" } else { file };
        let mut command = site.world.command(&args);
        command.env("RUST_LOG", "trace,aws_smithy_runtime=trace,hyper=trace");
        if broken {
            command.env("AWS_ENDPOINT_URL", fails.url());
        }
        command.stdin(std::fs::File::open(site.path(file)).expect("a file"));
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", text(&output));
        // What nobody has masked passes a rewrite as it is, if its line is one.
        let said = match args[0] == "remask" {
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
