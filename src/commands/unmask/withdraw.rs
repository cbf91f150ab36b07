//! `unmask --withdraw`: closes a request of one's own that failed before a key was
//! released for it.
//!
//! Invariant: the database decides; a request for which a key was released stays open for
//! its outcome.

use serde::Serialize;

use crate::audit::RecordKind;
use crate::cli::{UnmaskArgs, UnmaskFormat};
use crate::db::{Target, Work};
use crate::error::{Error, Exit};
use crate::settings::Environment;
use crate::vault::Signer;
use crate::{commands, output};

#[derive(Serialize)]
struct Withdrawn {
    withdrawn: i64,
}

/// Records that the request is withdrawn, and has that signed.
pub(super) async fn run(
    request: i64,
    args: &UnmaskArgs,
    target: &Target,
    environment: &Environment,
) -> Result<Exit, Error> {
    let session = target.connect().await?;
    super::super::ready(&session, Work::Write).await?;
    let (login, _) = session.who_unmasks().await?;
    if args.require_user.as_ref().is_some_and(|required| *required != login) {
        return Err(Error::OtherLogin { login });
    }
    let signer = Signer::new(
        commands::kms(environment).await?,
        environment.audit_key(args.audit_key.clone()),
    );
    // Nothing is recorded that could not be signed.
    signer.try_out().await?;
    signer.catch_up(&session, RecordKind::UnmaskWithdrawal, |_| true).await?;
    let details = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }).to_string();
    let head =
        session.withdraw_request(request, &details).await.map_err(|error| match error.code() {
            Some("LG001") => Error::NotWithdrawn { request },
            _ => error.into(),
        })?;
    signer.sign_patiently(&session, &head).await?;
    if args.format == UnmaskFormat::Json {
        output::json(&Withdrawn { withdrawn: request })?;
    } else {
        output::line(&format!("request {request} is withdrawn"))?;
    }
    output::note(&format!("audit head {head}"));
    Ok(Exit::Done)
}
