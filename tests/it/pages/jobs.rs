//! The pages about jobs outside of the database, typed line by line.

use super::typist::Typist;
use crate::support::{World, event, json_lines};

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_masking_outside_work() {
    let world = World::new().await;
    let mut page = Typist::at("docs/commands/mask.md", &world, "reader").await;
    page.keep("events.jsonl", [event(1), event(2)].join("\n"));
    page.types("loginetl mask plan", &[], 0);
    page.types("loginetl mask --plan", &[], 0);
    page.types("loginetl mask commit", &[], 0);
    let masked = std::fs::read(page.path("masked.jsonl")).expect("masked");
    page.end();

    let mut page = Typist::at("docs/commands/remask.md", &world, "again").await;
    page.keep("masked.jsonl", masked);
    page.types("loginetl mask plan", &[], 0);
    page.types("loginetl remask", &[], 0);
    page.types("loginetl mask commit", &[], 0);
    page.types("loginetl archive drop", &[], 0);
    page.end();

    let mut page = Typist::at("docs/commands/archive.md", &world, "once_more").await;
    assert!(page.types("loginetl archive list", &[], 0).contains("s3://lake/logins"));
    page.types("loginetl archive drop", &[], 0);
    assert!(json_lines(&world.run(&["archive", "list", "--format", "json"])).is_empty());
    page.end();
}
