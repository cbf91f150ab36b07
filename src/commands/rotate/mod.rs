//! `loginetl rotate-keys`: new keys, and every row moved to them in place, while loading
//! and analysing go on.
//!
//! Invariant (kept by the fence, the guard and the watermark): in every snapshot that any
//! reader can take, all rows of one value carry one token.

mod ahead;
mod dry_run;
mod patience;
mod ranges;
mod report;
mod reseal;
mod resume;
mod sweep;

use jiff::Timestamp;
use serde_json::json;

use patience::SweepPatience;
use report::{Done, RotateReport};

use crate::audit::RecordKind;
use crate::cli::{Format, Global, RotateArgs, RotatePurpose};
use crate::db::{Finished, LastSteps, Session, Target, Work};
use crate::error::{Error, Exit};
use crate::kms::Kms;
use crate::retry::Retry;
use crate::settings::Environment;
use crate::stop::Stop;
use crate::token::{KeyId, KeyState, Purpose};
use crate::vault::{
    KmsKeys, ONE_PENDING_KEY, Signer, SweepKeys, VaultError, pending_key, record_all,
};
use crate::{commands, output};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Finishes the rotation that is under way, or starts and finishes one.
///
/// # Errors
/// When this login may not, or database or KMS cannot be used. What was moved until then
/// stays moved.
pub(crate) async fn run(
    args: RotateArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let target = super::database(global, environment, "rotate-keys")?;
    let session = target.connect().await?;
    if args.dry_run {
        super::ready(&session, Work::Count).await?;
        return dry_run::run(&session, replaced_by(&args), args.format).await;
    }
    super::ready(&session, Work::Rotate).await?;
    let begun = session.clock().await?;
    let stop = Stop::on_signal("stopping after this step; run it again to go on")?;
    let kms = commands::kms(environment).await?;
    let signer = Signer::new(kms.clone(), environment.audit_key(args.audit_key.clone()));
    record_all(&session, &signer).await?;
    sign_what_a_crash_left(&session, &signer).await?;
    let is_to_resume = args.resume;
    if is_to_resume && !resume::is_unfinished(&session).await? {
        return resume::say_none(&session, args.format).await;
    }
    let RotateArgs { duty, step_rows, .. } = args;
    let mut rotation = Rotating {
        target,
        session,
        kms,
        signer,
        duty,
        step_rows,
        stop,
        done: Done::default(),
        last_steps: LastSteps::default(),
    };
    // Whatever becomes of that rotation meanwhile, --resume never comes to `start`.
    if !is_to_resume && !rotation.has_started(&args, environment, begun).await? {
        output::note("a rotation is under way: it is finished, and no new one is started");
    }
    let result = rotation.go_on().await;
    rotation.conclude(result, args.format).await
}

/// One process's share in a rotation.
struct Rotating {
    target: Target,
    session: Session,
    kms: Kms,
    signer: Signer,
    duty: u32,
    step_rows: Option<u32>,
    stop: Stop,
    done: Done,
    last_steps: LastSteps,
}

/// Of which purposes a rotation replaces the key.
fn replaced_by(args: &RotateArgs) -> &'static [Purpose] {
    match (args.compromised, args.purpose) {
        (true, _) => &[Purpose::Mask, Purpose::Hash, Purpose::Seal],
        (false, RotatePurpose::Mask) => &[Purpose::Mask],
        (false, RotatePurpose::Seal) => &[Purpose::Seal],
    }
}

/// Signs what an earlier process of this login left unsigned when it died.
async fn sign_what_a_crash_left(session: &Session, signer: &Signer) -> Result<(), Error> {
    for kind in [RecordKind::RotateStart, RecordKind::RotateEnd, RecordKind::RotateInterrupted] {
        // It may sign them later: nobody gains anything by a forged record of a rotation.
        signer.catch_up(session, kind, |_| true).await?;
    }
    Ok(())
}

impl Rotating {
    /// Starts a rotation, unless one is under way or was when this process began.
    async fn has_started(
        &mut self,
        args: &RotateArgs,
        environment: &Environment,
        begun: Timestamp,
    ) -> Result<bool, Error> {
        let is_under_way =
            self.seal_what_was_left().await? || self.session.has_rotated_since(begun).await?;
        Ok(!is_under_way && self.start(args, environment).await?)
    }

    /// Makes the new keys and starts; false when another process was faster.
    async fn start(&mut self, args: &RotateArgs, environment: &Environment) -> Result<bool, Error> {
        let Self { session, kms, signer, .. } = self;
        let purposes = replaced_by(args);
        signer.try_out().await?;
        let mut active: Vec<(Purpose, KeyId)> = Vec::new();
        for purpose in purposes {
            let key = session
                .key_in_state(*purpose, KeyState::Active)
                .await?
                .ok_or(VaultError::NoKeys)?;
            active.push((*purpose, key));
        }
        let keys = KmsKeys {
            ingest: environment.ingest_key(args.ingest_key.clone()),
            recovery: environment.recovery_key(args.recovery_key.clone()),
        };
        for purpose in purposes {
            match pending_key(session, kms, *purpose, &keys).await {
                // Another process made one at the same time, and has
                // started with it already.
                Err(VaultError::Db(error)) if error.is_duplicate_of(ONE_PENDING_KEY) => {
                    return Ok(false);
                }
                made => made?,
            };
        }
        record_all(session, signer).await?;
        let details = json!({ "compromised": args.compromised, "version": VERSION }).to_string();
        let mut patience = SweepPatience::default();
        let head = loop {
            match session.start_rotation(&active, &details).await {
                Ok(head) => break head,
                Err(error) if error.is_overtaken() => return Ok(false),
                Err(error) if error.retry() == Retry::Now => {
                    patience.wait_for_the_fence(session).await?
                }
                Err(error) => return Err(error.into()),
            }
        };
        let names: Vec<&str> = purposes.iter().map(|purpose| purpose.name()).collect();
        tracing::info!(purposes = ?names, "rotation started");
        signer.sign(session, &head).await?;
        Ok(true)
    }

    /// Finishes a rotation of the seal key that was left unfinished, and says
    /// whether there was one. Bodies that do not open do not count, so that they
    /// hold up no other rotation.
    async fn seal_what_was_left(&mut self) -> Result<bool, Error> {
        if self.session.key_in_state(Purpose::Seal, KeyState::Retiring).await?.is_none() {
            return Ok(false);
        }
        self.seal_all_anew().await?;
        let is_stuck = self.done.bodies_sealed == 0 && !self.done.not_opened.is_empty();
        self.done.not_opened.clear();
        Ok(!is_stuck)
    }

    /// Sweeps every masked field, seals bodies anew, and retires what is empty.
    async fn go_on(&mut self) -> Result<Finished, Error> {
        self.sweep_all(SweepKeys::unwrap_all(&self.session, &self.kms).await?).await?;
        self.seal_all_anew().await?;
        let details = json!({
            "rows_moved": self.done.rows_moved,
            "bodies_sealed": self.done.bodies_sealed,
            "not_opened": self.done.not_opened.len(),
            "version": VERSION,
        });
        let finished = self.session.finish_rotation(&details.to_string()).await?;
        if let Some(head) = &finished.head {
            self.signer.sign_patiently(&self.session, head).await?;
        }
        Ok(finished)
    }

    /// Reports, and records an interruption.
    async fn conclude(
        mut self,
        result: Result<Finished, Error>,
        format: Format,
    ) -> Result<Exit, Error> {
        let finished = match result {
            Ok(finished) => finished,
            Err(error) => {
                self.record_interruption().await;
                RotateReport::of("interrupted", &self.done).print(format)?;
                return Err(error);
            }
        };
        let mut report = RotateReport::of("finished", &self.done);
        report.keys_retired = &finished.retired;
        report.keys_left_retiring = &finished.left_over;
        report.print(format)?;
        let attention = !finished.left_over.is_empty() || !self.done.not_opened.is_empty();
        Ok(if attention { Exit::Attention } else { Exit::Done })
    }

    async fn record_interruption(&mut self) {
        let record = json!({ "rows_moved": self.done.rows_moved, "version": VERSION }).to_string();
        let recorded = async {
            let head = self.session.record(RecordKind::RotateInterrupted, &record).await?;
            self.signer.sign(&self.session, &head).await
        };
        if let Err(error) = recorded.await {
            tracing::warn!(%error, "the interruption is not on record");
        }
    }
}
