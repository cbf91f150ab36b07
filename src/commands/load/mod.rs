//! `loginetl load`: from a queue or a file to masked rows, each event
//! exactly once in effect.
//!
//! One story for both: open the source, see that rows will stand here, open the keys,
//! load (`crate::load`), report.

mod dry_run;
mod progress;
mod report;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use report::finish;

use crate::cli::{Format, Global, LoadArgs};
use crate::db::{Target, Work};
use crate::error::{Error, Exit};
use crate::kms::Kms;
use crate::load::{
    ArchiveSource, FileSource, LedgerClock, Listener, Options, QueueSource, Run, Source, load,
};
use crate::login::Reading;
use crate::output;
use crate::queue::Queue;
use crate::settings::{Environment, SettingsError};
use crate::stop::Stop;
use crate::vault::KeyCache;
use crate::{aws, commands};

/// How often schema, keys, quarantine and dead-letter queue are looked at.
const SURVEY_EVERY: Duration = Duration::from_secs(30);
const STOPPING: &str = "stopping: what is in hand is written and deleted, the rest is given back \
                        (again to stop at once)";

/// Loads from where the flags say.
///
/// # Errors
/// When settings are wrong, or queue, KMS or database cannot be used.
pub(crate) async fn run(
    args: LoadArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let stop = Stop::on_signal(STOPPING)?;
    let target = commands::database(global, environment, "load")?;
    match args.file.clone() {
        Some(path) if args.with_ids => from_archive(&path, args, target, environment, stop).await,
        Some(path) => from_file(&path, args, target, environment, stop).await,
        None => from_queue(args, target, environment, stop).await,
    }
}

async fn from_queue(
    args: LoadArgs,
    target: Target,
    environment: &Environment,
    stop: Stop,
) -> Result<Exit, Error> {
    let url = environment.queue_url(args.queue_url.clone())?;
    let listener = match args.listen {
        Some(address) => Some(Listener::start(address).await?),
        None => None,
    };
    let config = aws::configuration().await?;
    let kms = Kms::new(&config, environment.kms_region.clone());
    let queue = Queue::new(&config, url, Duration::from_secs(args.visibility_timeout));
    let opened = stop.unless_asked(async {
        queue.depth().await?;
        open_keys(&target, &args, kms).await
    });
    let Some(key_cache) = opened.await.transpose()? else {
        return report::stopped_early(&args, false);
    };
    let source = QueueSource::new(queue, args.receivers as usize);
    load_all(source, key_cache, target, &args, listener.as_ref(), stop).await
}

async fn from_file(
    path: &Path,
    args: LoadArgs,
    target: Target,
    environment: &Environment,
    stop: Stop,
) -> Result<Exit, Error> {
    refuse_part_of_a_file(&args)?;
    if args.quarantine_from_start {
        let problem = "--quarantine-from-start goes with a queue, or with --with-ids";
        return Err(SettingsError::Flags(problem.to_owned()).into());
    }
    let Some(source) = FileSource::open(path, reading(&args), &stop).await? else {
        return report::stopped_early(&args, true);
    };
    let kms = commands::kms(environment).await?;
    let opened = stop.unless_asked(open_keys(&target, &args, kms)).await;
    let Some(key_cache) = opened.transpose()? else { return report::stopped_early(&args, true) };
    let Some(source) = source.begin().await? else { return report::stopped_early(&args, true) };
    load_all(source, key_cache, target, &args, None, stop).await
}

/// A file is loaded whole.
fn refuse_part_of_a_file(args: &LoadArgs) -> Result<(), Error> {
    if args.max_messages.is_some() && !args.dry_run {
        let problem =
            "--max-messages would cut a chunk of a file in two; it goes with --dry-run or a queue";
        return Err(SettingsError::Flags(problem.to_owned()).into());
    }
    Ok(())
}

/// An archive of queue messages. The database's clock says which of them the ledger still
/// knows.
async fn from_archive(
    path: &Path,
    args: LoadArgs,
    target: Target,
    environment: &Environment,
    stop: Stop,
) -> Result<Exit, Error> {
    refuse_part_of_a_file(&args)?;
    let kms = commands::kms(environment).await?;
    let opened = stop.unless_asked(open_keys(&target, &args, kms)).await;
    let Some(key_cache) = opened.transpose()? else { return report::stopped_early(&args, true) };
    let clock = LedgerClock::new(target.connect().await?.clock().await?);
    let Some(source) = ArchiveSource::open(path, clock, &stop).await? else {
        return report::stopped_early(&args, true);
    };
    load_all(source, key_cache, target, &args, None, stop).await
}

/// Loads from a source of one's own.
///
/// # Errors
/// When settings are wrong, or source, KMS or database cannot be used.
pub(crate) async fn from_source<S: Source>(
    source: S,
    args: LoadArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let stop = Stop::on_signal(STOPPING)?;
    let target = commands::database(global, environment, "load")?;
    let kms = commands::kms(environment).await?;
    let opened = stop.unless_asked(open_keys(&target, &args, kms)).await;
    let Some(key_cache) = opened.transpose()? else {
        return report::stopped_early(&args, source.facts().has_end);
    };
    load_all(source, key_cache, target, &args, None, stop).await
}

/// The keys, once it is known that rows which are loaded here will stand here.
async fn open_keys(target: &Target, args: &LoadArgs, kms: Kms) -> Result<KeyCache, Error> {
    let ready = commands::ready(&target.connect().await?, Work::Load).await;
    // There is a summary all the same: it says that nothing was loaded.
    if ready.is_err() && args.format == Format::Json && !args.dry_run {
        report::print_nothing(args)?;
    }
    ready?;
    Ok(KeyCache::open(target.clone(), kms).await?)
}

/// Loads all that a source has, or shows some of it.
async fn load_all<S: Source>(
    source: S,
    key_cache: KeyCache,
    target: Target,
    args: &LoadArgs,
    listener: Option<&Listener>,
    stop: Stop,
) -> Result<Exit, Error> {
    if args.dry_run {
        return dry_run::run(args, reading(args), &source, &key_cache, &stop).await;
    }
    let run = Arc::new(Run::new(options(args), source, key_cache, target, stop));
    if let Some(listener) = listener {
        listener.watch(&run);
    }
    match &args.file {
        Some(file) => tracing::info!(file = %file.display(), "loading from a file"),
        None => tracing::info!(drain = args.drain, receivers = args.receivers, "loading"),
    }
    let progress = output::shows_progress().then(|| progress::show(&run));
    load(&run).await;
    if let Some(progress) = progress {
        progress.end().await;
    }
    finish(&run, args).await
}

fn options(args: &LoadArgs) -> Options {
    let ask_depth = match output::shows_progress() {
        true => Some(Duration::from_secs(1)),
        false => args.listen.map(|_| Duration::from_secs(5)),
    };
    Options {
        drain: args.drain,
        max_messages: args.max_messages,
        ask_depth,
        survey_every: args.listen.map(|_| SURVEY_EVERY),
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
