//! The progress line of a load, on a terminal: counts, rate of the last seconds, backlog,
//! and when it will be done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::load::{Depth, Run, Source, Summary};
use crate::output::Progress;

const TICK: Duration = Duration::from_millis(250);
/// The rate is that of the last five seconds.
const WINDOW: usize = 20;

/// The line.
pub(super) struct ProgressTask(JoinHandle<()>);

impl ProgressTask {
    /// Waits until it is gone from the terminal.
    pub(super) async fn end(self) {
        self.0.abort();
        let _ = self.0.await;
    }
}

/// Shows how a run goes.
pub(super) fn show<S: Source>(run: &Arc<Run<S>>) -> ProgressTask {
    let run = Arc::clone(run);
    ProgressTask(tokio::spawn(async move {
        let progress = Progress::start();
        let mut lately = VecDeque::from([(Instant::now(), 0_u64)]);
        loop {
            tokio::time::sleep(TICK).await;
            let summary = run.summary();
            lately.push_back((Instant::now(), summary.received));
            if lately.len() > WINDOW {
                lately.pop_front();
            }
            let (since, before) = lately[0];
            let rate =
                (summary.received - before) as f64 / since.elapsed().as_secs_f64().max(0.001);
            progress.show(line(&summary, rate, run.last_depth()));
        }
    }))
}

fn line(summary: &Summary, rate: f64, backlog: Option<Depth>) -> String {
    let behind = backlog.map_or_else(String::new, |depth| match depth.visible {
        0 => ", no backlog".to_owned(),
        left if rate >= 1.0 => format!(", backlog {left}, {:.0} s left", left as f64 / rate),
        left => format!(", backlog {left}"),
    });
    format!("{summary} · {rate:.0}/s{behind}")
}
