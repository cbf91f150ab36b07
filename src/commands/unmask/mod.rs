//! `loginetl unmask`: who asks, why and for what is on record, then keys are released,
//! then what came of it is on record, and only then values are shown. The steps are those
//! of `recovery/`; here are flags, signals and what is printed.
//!
//! Invariant: every way through [`run`] that prints a value goes through the gate
//! (`vault/gate.rs`) from end to end.

mod print;
mod query;
mod withdraw;

use std::time::Duration;

use crate::audit::{Head, Justification};
use crate::cli::{Global, UnmaskArgs};
use crate::db::{Target, Work};
use crate::error::{Error, Exit};
use crate::kms::Kms;
use crate::recovery::{
    Answer, Cause, ConcludedRecovery, OpenedRecovery, Query, RecoveryStage, ask, resume,
};
use crate::settings::Environment;
use crate::stop::Stop;
use crate::vault::{Gate, Signer};
use crate::{commands, output};

/// The outcome is waited for no longer than this.
const LONGEST_CONCLUSION: Duration = Duration::from_secs(90);

/// Recovers values and prints them.
///
/// # Errors
/// When the flags or the reason are wrong, this login may not, or database or KMS cannot
/// be used. Then nothing is shown.
pub(crate) async fn run(
    args: UnmaskArgs,
    global: Global,
    environment: &Environment,
) -> Result<Exit, Error> {
    let format = print::ValueFormat::of(&args)?;
    let target = super::database(global, environment, "unmask")?;
    if let Some(request) = args.withdraw {
        return withdraw::run(request, &args, &target, environment).await;
    }
    let query = query::read_query(&args).await?;
    let request = RequestFlags::check(&args, &query, environment)?;
    let kms = commands::kms(environment).await?;
    let signer = Signer::new(kms.clone(), environment.audit_key(args.audit_key.clone()));
    let stop =
        Stop::on_signal("stopping: nothing is shown, unless its outcome is on record by then")?;
    let opened = stop.unless_asked(recover(&args, query, &request, target, kms, signer)).await;
    let opened = opened.ok_or(Error::Interrupted)??;
    // From here on a signal waits: the outcome is committed, signed and
    // shown, or none of it.
    let request = opened.number();
    let concluded = outlast(&stop, opened.conclude()).await;
    let concluded = concluded.ok_or(Error::OutcomeUnknown { request })??;
    print::print(&concluded, format)?;
    Ok(finish(&concluded))
}

/// Which request it is to be.
enum RequestFlags {
    /// A new one, for this reason.
    New { reason: Justification, ticket: Option<Justification>, os_user: Option<String> },
    /// One that another process of this login has left.
    Left(i64),
}

impl RequestFlags {
    /// Refuses a reason or ticket that could carry a value, before anything is written.
    fn check(args: &UnmaskArgs, query: &Query, environment: &Environment) -> Result<Self, Error> {
        if let Some(request) = args.resume {
            return Ok(Self::Left(request));
        }
        let check = |what: &'static str, text: &str| {
            Justification::check(text, query.value())
                .map_err(|problem| Error::Justification { what, problem })
        };
        let ticket = args.ticket.as_deref().map(|ticket| check("ticket", ticket)).transpose()?;
        let reason = check("reason", args.reason.as_deref().unwrap_or_default())?;
        let os_user =
            environment.os_user.clone().filter(|user| Justification::check(user, None).is_ok());
        Ok(Self::New { reason, ticket, os_user })
    }
}

/// The steps before the outcome; whoever interrupts them leaves an open request behind.
async fn recover(
    args: &UnmaskArgs,
    query: Query,
    request: &RequestFlags,
    target: Target,
    kms: Kms,
    signer: Signer,
) -> Result<OpenedRecovery, Error> {
    let session = target.connect().await?;
    super::ready(&session, Work::Write).await?;
    let (login, may) = session.who_unmasks().await?;
    if args.require_user.as_ref().is_some_and(|required| *required != login) {
        return Err(Error::OtherLogin { login });
    }
    let gate = Gate { session, kms, signer };
    let stage = match request {
        RequestFlags::New { reason, ticket, os_user } => {
            let (ticket, os_user, max_values) =
                (ticket.as_ref(), os_user.as_deref(), args.max_values);
            ask(gate, may, query, &Cause { reason, ticket, max_values, os_user }).await?
        }
        RequestFlags::Left(number) => resume(gate, *number, query).await?,
    };
    let (open, signed) = match stage {
        RecoveryStage::Denied(head) => {
            tell(&head);
            return Err(Error::NotGranted);
        }
        RecoveryStage::Committed(committed) => {
            (OpenRequest(Some(committed.number())), committed.sign().await?)
        }
        RecoveryStage::Signed(signed) => (OpenRequest(Some(signed.number())), *signed),
    };
    tracing::debug!(request = signed.number(), "request committed and signed");
    let opened = signed.release().await?.open().await?;
    open.proceed();
    Ok(opened)
}

fn finish(concluded: &ConcludedRecovery) -> Exit {
    let answers = &concluded.answers;
    let missing = answers.iter().filter(|answer| answer.result.is_err()).count();
    if missing > 0 {
        output::warning(&format!("{missing} of {} could not be answered", answers.len()));
    }
    tell(concluded.receipt.head());
    exit(answers)
}

/// The exit code of all answers together: the worst.
fn exit(answers: &[Answer]) -> Exit {
    let of = |answer: &Answer| match &answer.result {
        Ok(value) if value.is_nowhere() => Exit::Attention,
        Ok(_) => Exit::Done,
        Err(problem) if problem.is_tampering() => Exit::Integrity,
        Err(_) => Exit::Attention,
    };
    answers.iter().map(of).max_by_key(|exit| *exit as u8).unwrap_or(Exit::Done)
}

/// The head that this call made: evidence, for whoever keeps it, against a log that is
/// cut or rewritten later.
fn tell(head: &Head) {
    output::note(&format!("audit head {head}"));
}

/// A request that stays open, unless it goes on to its outcome: whoever made it is told
/// how to go on, or to close it.
struct OpenRequest(Option<i64>);

impl OpenRequest {
    fn proceed(mut self) {
        self.0 = None;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if let Some(seq) = self.0 {
            output::warning(&format!(
                "request {seq} stays open in the audit log; to go on with it, run it again within \
                 five minutes, with the same selectors and --resume {seq}; if no key was released \
                 for it, close it: loginetl unmask --withdraw {seq}"
            ));
        }
    }
}

/// Waits for work from which there is no way back: a while, and a shorter one after a
/// signal. Nothing, if it took longer.
async fn outlast<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    let limited = tokio::time::timeout(LONGEST_CONCLUSION, work);
    stop.before_end(limited).await.and_then(Result::ok)
}
