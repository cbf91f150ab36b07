//! `loginetl load`: from a queue or a file to masked rows, each event exactly once in effect.
//!
//! ```text
//! receive (parse, mask) → write (one transaction a batch) → delete        heartbeats and progress beside them
//! ```
//!
//! Stopping runs the same way: no more is received, what is in hand is written and deleted, the rest is given back.

mod chunk_rows;
mod chunks;
mod delete;
mod dry_run;
mod file;
mod give_back;
mod health;
mod held;
mod intake;
mod listen;
mod metrics;
mod patience;
mod receive;
mod record;
mod refusal;
mod run;
mod source;
mod tally;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::delete::delete_committed;
use self::held::Reservation;
use self::intake::Intake;
use self::listen::Listener;
use self::receive::Fleet;
use self::record::{End, Origin, record_run};
use self::run::{Options, Run};
use self::tally::{Summary, Tally};
use self::write::Writer;
use crate::cli::{Format, Global, LoadArgs};
use crate::db::{Target, Work};
use crate::error::{Error, Exit};
use crate::kms::Kms;
use crate::login::{Body, Delivery, Reading, Verdict};
use crate::output::{self, Progress};
use crate::queue::{Depth, Queue, ReceiptHandle};
use crate::settings::{Environment, SettingsError};
use crate::stop::Stop;
use crate::vault::KeyCache;
use crate::{aws, commands};

const WRITERS: usize = 2;
/// Over so many quarters of a second the rate is taken.
const RATE_WINDOW: usize = 20;

/// A message between receiving and committing. The body stays, so that a refused batch can be read again.
pub(crate) struct InHand {
    delivery: Delivery,
    verdict: Verdict,
    body: Body,
    handle: ReceiptHandle,
    /// Its share of the memory budget, given up with it.
    _share: Option<Reservation>,
}

/// Loads from where the flags say.
///
/// # Errors
/// When settings are wrong, or queue, KMS or database cannot be used.
pub(crate) async fn run(args: LoadArgs, global: Global, environment: &Environment) -> Result<Exit, Error> {
    let stop =
        Stop::on_signal("stopping: what is in hand is written and deleted, the rest is given back (again to stop at once)")?;
    let target = commands::database(global, environment, "load")?;
    if let Some(path) = args.file.clone() {
        return file::load(&path, args, target, stop).await;
    }
    let url = environment.queue_url(args.queue_url.clone())?;
    let listener = match args.listen {
        Some(address) => Some(Listener::start(address).await?),
        None => None,
    };
    let config = aws::configuration().await?;
    let origin = Origin::Queue(url.clone());
    let queue = Queue::new(&config, url, Duration::from_secs(args.visibility_timeout));
    let opened = stop.unless_asked(async {
        queue.depth().await?;
        is_ready(&target, &args).await?;
        Ok::<_, Error>(KeyCache::open(target.clone(), Kms::new(&config)).await?)
    });
    let Some(key_cache) = opened.await.transpose()? else {
        let summary = Tally::default().summary();
        report(&LoadReport { summary, in_flight: None, delayed: None, poison_budget_exceeded: false }, args.format)?;
        return Ok(Exit::Done);
    };
    if args.dry_run {
        return dry_run::queue(&args, &queue, &key_cache, &stop).await;
    }
    let run = Arc::new(Run::new(options(&args), queue, key_cache, target, stop));
    if let Some(listener) = &listener {
        listener.watch(&run);
    }
    tracing::info!(drain = args.drain, receivers = args.receivers, "loading from the queue");
    receive_write_delete(&run).await;
    finish(&run, &origin, args.format).await
}

/// Whether rows that are loaded here will stand here, before anything is received.
async fn is_ready(target: &Target, args: &LoadArgs) -> Result<(), Error> {
    let ready = commands::ready(&target.connect().await?, Work::Load).await;
    // Whoever reads the summary finds one, and that nothing was loaded.
    if ready.is_err() && args.format == Format::Json && !args.dry_run {
        output::json(&Tally::default().summary())?;
    }
    ready
}

/// The pipeline, from the first poll to the last delete.
async fn receive_write_delete(run: &Arc<Run>) {
    let (handed_on, in_hand) = mpsc::channel(2 * run.options.batch_rows);
    let (committed, to_delete) = mpsc::channel(4 * run.options.batch_rows);
    let in_hand = Arc::new(Mutex::new(Intake::new(in_hand, run.options.quarantine_from_start)));
    let to_delete = Arc::new(Mutex::new(to_delete));
    let [receivers, writers, deleters, beside] = [(); 4].map(|()| TaskTracker::new());
    let done = CancellationToken::new();

    Fleet::start(run, &receivers, handed_on);
    for _ in 0..writers_of(&run.queue) {
        run.spawn(&writers, Writer::new(run, &in_hand, committed.clone()).write_batches());
    }
    for _ in 0..run.options.receivers.div_ceil(4) * 5 {
        run.spawn(&deleters, delete_committed(Arc::clone(run), Arc::clone(&to_delete)));
    }
    run.spawn(&beside, heartbeat(Arc::clone(run), done.clone()));
    if output::stderr_is_terminal() {
        run.spawn(&beside, Arc::clone(run).watch_depth(Duration::from_secs(1), done.clone()));
        run.spawn(&beside, show_progress(Arc::clone(run), done.clone()));
    } else if run.options.is_watched {
        run.spawn(&beside, Arc::clone(run).watch_depth(Duration::from_secs(5), done.clone()));
    }
    // The workers alone hold the ends of the channels: a stage whose next one is gone notices.
    drop((in_hand, to_delete, committed));

    wait_until_ended(receivers).await;
    run.give_back_unwanted().await;
    wait_until_ended(writers).await;
    wait_until_ended(deleters).await;
    done.cancel();
    wait_until_ended(beside).await;
}

async fn wait_until_ended(stage: TaskTracker) {
    stage.close();
    stage.wait().await;
}

async fn heartbeat(run: Arc<Run>, done: CancellationToken) {
    run.held.keep_alive(&run.queue, &done).await;
}

/// How many writers there are. Of a FIFO queue, one: SQS holds back what follows a message in its group until that is
/// deleted, but one answer may bring several of a group, and two writers could commit them in another order.
fn writers_of(queue: &Queue) -> usize {
    if queue.is_fifo() { 1 } else { WRITERS }
}

/// The progress line, on a terminal: counts, rate of the last seconds, backlog, and when it will be done at that rate.
async fn show_progress(run: Arc<Run>, done: CancellationToken) {
    let progress = Progress::start();
    let mut lately = VecDeque::from([(Instant::now(), 0_u64)]);
    while done.run_until_cancelled(tokio::time::sleep(Duration::from_millis(250))).await.is_some() {
        let summary = run.tally.summary();
        lately.push_back((Instant::now(), summary.received));
        if lately.len() > RATE_WINDOW {
            lately.pop_front();
        }
        let (since, before) = lately[0];
        let rate = (summary.received - before) as f64 / since.elapsed().as_secs_f64().max(0.001);
        progress.show(progress_text(&summary, rate, run.last_depth()));
    }
}

fn progress_text(summary: &Summary, rate: f64, backlog: Option<Depth>) -> String {
    let behind = backlog.map_or_else(String::new, |depth| match depth.visible {
        0 => ", no backlog".to_owned(),
        left if rate >= 1.0 => format!(", backlog {left}, {:.0} s left", left as f64 / rate),
        left => format!(", backlog {left}"),
    });
    format!("{summary} · {rate:.0}/s{behind}")
}

/// What a run reports at its end.
#[derive(Serialize)]
struct LoadReport {
    #[serde(flatten)]
    summary: Summary,
    /// Messages that others hold, or that come back by their timeout.
    in_flight: Option<u64>,
    /// Messages that the queue hands out to nobody yet: it was told to delay them.
    delayed: Option<u64>,
    poison_budget_exceeded: bool,
}

async fn finish(run: &Run, origin: &Origin, format: Format) -> Result<Exit, Error> {
    let poisoned = run.is_poisoned();
    let end = match () {
        () if poisoned => End::Poisoned,
        () if run.has_failed() => End::Failed,
        () if run.stop.is_asked() => End::Stopped,
        () => End::Done,
    };
    let summary = run.tally.summary();
    let depth = tokio::time::timeout(Duration::from_secs(2), run.queue.depth());
    let (depth, recorded) = tokio::join!(depth, record_run(&run.target, &run.stop, origin, end, &summary));
    let depth = depth.ok().and_then(Result::ok);
    let (in_flight, delayed) = (depth.map(|depth| depth.in_flight), depth.map(|depth| depth.delayed));
    report(&LoadReport { summary, in_flight, delayed, poison_budget_exceeded: poisoned }, format)?;
    match run.take_failure() {
        Some(error) => Err(error),
        None if poisoned => recorded.map(|()| Exit::Attention),
        None => recorded.map(|()| Exit::Done),
    }
}

fn report(report: &LoadReport, format: Format) -> Result<(), Error> {
    if format == Format::Json {
        return output::json(report);
    }
    output::line(&format!("{} in {:.1} s", report.summary, report.summary.seconds))?;
    if report.summary.given_back > 0 {
        output::line(&format!("given back {}", report.summary.given_back))?;
    }
    if let Some(others) = report.in_flight.filter(|n| *n > 0) {
        output::line(&format!("{others} messages are in flight elsewhere; they come back if their holder does not delete them"))?;
    }
    if let Some(delayed) = report.delayed.filter(|n| *n > 0) {
        output::line(&format!("{delayed} messages are delayed by their sender or the queue; load again when they are due"))?;
    }
    report.summary.near_name_lines().try_for_each(|line| output::line(&line))?;
    if report.summary.quarantined > 0 {
        output::line("see what could not be loaded: loginetl quarantine list")?;
    }
    Ok(())
}

fn options(args: &LoadArgs) -> Options {
    Options {
        drain: args.drain,
        max_messages: args.max_messages,
        receivers: args.receivers as usize,
        is_watched: args.listen.is_some(),
        batch_rows: args.batch_rows as usize,
        reading: reading(args),
        quarantine_from_start: args.quarantine_from_start,
        poison_budget: args.poison_budget,
    }
}

fn reading(args: &LoadArgs) -> Reading {
    let (app_version, envelopes) = (args.app_version.into(), args.envelope.into());
    Reading { app_version, envelopes, ..Reading::default() }
}

/// Flags that exclude each other in a way that clap cannot say.
fn flags(problem: &str) -> Error {
    SettingsError::Flags(problem.to_owned()).into()
}
