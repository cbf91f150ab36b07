//! `loginetl unmask`: who asks, why and for what is on record, then keys are released, then what came of it is on record,
//! and only then values are shown.
//!
//! Invariant: every way through [`run`] that prints a value goes through the gate (`vault/gate.rs`) from end to end.

mod answer;
mod print;
mod search;
mod selector;
mod withdraw;

use std::time::Duration;

use serde::Serialize;

use answer::{Answer, OutcomeRecord};
use search::Search;
use selector::{Query, Selector};

use crate::audit::{Head, Justification, Listed, RecordKind};
use crate::cli::{Global, UnmaskArgs};
use crate::db::{Target, Work};
use crate::error::{Error, Exit};
use crate::kms::Kms;
use crate::settings::Environment;
use crate::stop::Stop;
use crate::token::KeyId;
use crate::vault::{Decision, Gate, Receipt, SignedRequest, Signer};
use crate::{aws, output};

/// The outcome is waited for no longer than this.
const LONGEST_CONCLUSION: Duration = Duration::from_secs(90);

/// Recovers values and prints them.
///
/// # Errors
/// When the flags or the reason are wrong, this login may not, or database or KMS cannot be used. Then nothing is shown.
pub(crate) async fn run(args: UnmaskArgs, global: Global, environment: &Environment) -> Result<Exit, Error> {
    let format = print::ValueFormat::of(&args)?;
    let target = super::database(global, environment, "unmask")?;
    if let Some(request) = args.withdraw {
        return withdraw::run(request, &args, &target, environment).await;
    }
    let query = Query::of(&args).await?;
    let (reason, ticket) = check_reasons(&args, query.value.as_ref().map(|value| value.as_str()))?;
    let kms = Kms::new(&aws::configuration().await?);
    let signer = Signer::new(kms.clone(), environment.audit_key(args.audit_key.clone()));
    let details = Details {
        reason: reason.as_str(),
        ticket: ticket.as_ref().map(Justification::as_str),
        selectors: list_selectors(&query.selectors),
        unreadable_lines: query.selectors.iter().filter(|s| matches!(s, Selector::Unreadable(_))).count(),
        max_values: args.max_values,
        version: env!("CARGO_PKG_VERSION"),
        declared: Declared { os_user: environment.os_user.as_deref().filter(|user| Justification::check(user, None).is_ok()) },
    };
    let stop = Stop::on_signal("stopping: nothing is shown, unless its outcome is on record by then")?;
    let recovered = stop.unless_asked(recover(&args, query.selectors, &details, target, kms, signer.clone())).await;
    let recovered = recovered.ok_or(Error::Interrupted)??;
    // From here on a signal waits: the outcome is committed, signed and shown, or none of it.
    let (granted, answers) = match recovered {
        Recovery::Denied(head) => {
            tell(&head);
            return Err(Error::NotGranted);
        }
        Recovery::Opened(granted, answers) => (granted, answers),
    };
    let (outcome, request) = (json(&OutcomeRecord::of(&answers))?, granted.request());
    let concluded = outlast(&stop, granted.conclude(&outcome)).await;
    let receipt = concluded.ok_or(Error::OutcomeUnknown { request })??;
    print::print(&answers, format, &receipt)?;
    Ok(finish(&answers, &receipt))
}

/// The steps before the outcome; whoever interrupts them leaves an open request behind.
enum Recovery {
    Denied(Head),
    Opened(Box<SignedRequest>, Vec<Answer>),
}

async fn recover(
    args: &UnmaskArgs,
    selectors: Vec<Selector>,
    details: &Details<'_>,
    target: Target,
    kms: Kms,
    signer: Signer,
) -> Result<Recovery, Error> {
    let session = target.connect().await?;
    super::ready(&session, Work::Write).await?;
    let (login, may) = session.who_unmasks().await?;
    if args.require_user.as_ref().is_some_and(|required| *required != login) {
        return Err(Error::OtherLogin { login });
    }
    let is_find = selectors.iter().any(|selector| matches!(selector, Selector::Find(_)));
    // Who may not does not look either; the refusal is the database's, and on record.
    let search = if may {
        signer.check_kind().await?;
        session.ready(Work::Unmask).await?;
        Some(Search::of(&session, selectors).await?)
    } else {
        None
    };
    let keys: Vec<KeyId> = search.as_ref().map_or_else(Vec::new, |search| search.keys.clone());
    let gate = Gate { session, kms, signer };
    let kind = if is_find { RecordKind::FindRequest } else { RecordKind::UnmaskRequest };
    let decision = gate.ask(kind, &json(details)?, keys).await?;
    match (decision, search) {
        (Decision::Granted(asked), Some(search)) => {
            let open = OpenRequest(Some(asked.request()));
            let granted = asked.sign().await?;
            tracing::debug!(request = granted.request(), "request committed and signed");
            let mut keys = granted.release().await?;
            let answers = answer::open(search, &mut keys, granted.session()).await?;
            open.proceed();
            Ok(Recovery::Opened(Box::new(granted), answers))
        }
        (Decision::Granted(_), None) => Err(Error::NotGranted),
        (Decision::Denied(head), _) => Ok(Recovery::Denied(head)),
    }
}

/// What a request says of itself.
#[derive(Serialize)]
struct Details<'a> {
    reason: &'a str,
    ticket: Option<&'a str>,
    selectors: Listed,
    unreadable_lines: usize,
    max_values: u32,
    version: &'static str,
    declared: Declared<'a>,
}

/// What nobody but this process vouches for.
#[derive(Serialize)]
struct Declared<'a> {
    os_user: Option<&'a str>,
}

/// Refuses a reason or ticket that could carry a value, before anything is written.
fn check_reasons(args: &UnmaskArgs, asked: Option<&str>) -> Result<(Justification, Option<Justification>), Error> {
    let given = args.reason.as_deref().unwrap_or_default();
    let checked = |what: &'static str, text: &str| {
        Justification::check(text, asked).map_err(|problem| Error::Justification { what, problem })
    };
    let ticket = args.ticket.as_deref().map(|ticket| checked("ticket", ticket)).transpose()?;
    Ok((checked("reason", given)?, ticket))
}

fn list_selectors(selectors: &[Selector]) -> Listed {
    let readable = selectors.iter().filter(|selector| !matches!(selector, Selector::Unreadable(_)));
    Listed::of(readable.map(ToString::to_string).collect())
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Output(e.into()))
}

fn finish(answers: &[Answer], receipt: &Receipt) -> Exit {
    let missing = answers.iter().filter(|answer| answer.result.is_err()).count();
    if missing > 0 {
        output::note(&format!("{missing} of {} could not be answered", answers.len()));
    }
    tell(receipt.head());
    answer::exit(answers)
}

/// The head that this call made: evidence, for whoever keeps it, against a log that is cut or rewritten later.
fn tell(head: &Head) {
    output::note(&format!("audit head {head}"));
}

/// A request that stays open, unless it goes on to its outcome: whoever made it is told how to close it.
struct OpenRequest(Option<i64>);

impl OpenRequest {
    fn proceed(mut self) {
        self.0 = None;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if let Some(seq) = self.0 {
            output::note(&format!(
                "request {seq} stays open in the audit log; if no key was released for it: loginetl unmask --withdraw {seq}"
            ));
        }
    }
}

/// Waits for work from which there is no way back: a while, and a shorter one after a signal. Nothing, if it took longer.
async fn outlast<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    let limited = tokio::time::timeout(LONGEST_CONCLUSION, work);
    stop.before_end(limited).await.and_then(Result::ok)
}
