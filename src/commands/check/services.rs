//! Queue and KMS, with the rights that this login's group needs.

use std::time::Duration;

use aws_config::SdkConfig;
use futures_util::future::join_all;

use super::findings::Findings;
use crate::audit::{Group, RecordKind};
use crate::aws;
use crate::db::{DbError, KeyRow, Login, Session};
use crate::kms::Kms;
use crate::queue::Queue;
use crate::settings::Environment;
use crate::token::Holder;
use crate::vault::{Signer, check_wrap};

/// With fewer receives than this, an outage sends good messages to the dead-letter queue.
const FEWEST_RECEIPTS: u64 = 3;

/// Looks at the queue, where one is named, and at the KMS keys that this
/// login's work needs.
pub(super) async fn check(
    session: &Session,
    login: &Login,
    queue_url: Option<String>,
    environment: &Environment,
    findings: &mut Findings,
) {
    if login.groups.iter().all(|group| *group == Group::Analyst) {
        return;
    }
    let Some(config) = findings.take("aws", aws::configuration().await) else { return };
    // The AWS roles of other groups have nothing to do with the queue.
    if login.is(Group::Loader) || login.is(Group::Rotator) {
        queue(&config, login, queue_url, findings).await;
    }
    let kms = Kms::new(&config, environment.kms_region.clone());
    let owner = login.is(Group::Owner);
    if owner || login.is(Group::Loader) {
        let rows = if owner {
            session.wraps_of_holder(Holder::Ingest).await
        } else {
            session.ingest_wraps().await
        };
        wraps(&kms, Holder::Ingest, rows, findings).await;
    }
    if owner {
        wraps(&kms, Holder::Recovery, session.wraps_of_holder(Holder::Recovery).await, findings)
            .await;
    } else if login.is(Group::Unmasker) {
        let usable = kms.check_usable(&environment.recovery_key(None)).await;
        if findings.take("recovery", usable).is_some() {
            findings.ok(
                "recovery",
                "the recovery key is enabled; its wraps are opened only for a request",
            );
        }
    }
    let signs = RecordKind::ALL
        .iter()
        .filter(|kind| kind.is_signed())
        .any(|kind| kind.writers().iter().any(|group| login.is(*group)));
    let audit_key = environment.audit_key(None);
    if signs {
        let tried = Signer::new(kms.clone(), audit_key.clone()).try_out().await;
        if findings.take("signing", tried).is_some() {
            findings.ok("signing", "the audit key signs");
        }
    }
    if owner || login.is(Group::Auditor) {
        let key = kms.public_key(&audit_key).await;
        if findings.take("verifying", key).is_some() {
            findings.ok("verifying", "the audit key's public half can be read");
        }
    }
}

async fn queue(config: &SdkConfig, login: &Login, url: Option<String>, findings: &mut Findings) {
    let Some(url) = url else {
        if login.is(Group::Loader) {
            findings.warn(
                "queue",
                "none is named",
                "set LOGINETL_QUEUE_URL, unless this login loads only files",
            );
        }
        return;
    };
    let queue = Queue::new(config, url, Duration::from_secs(30));
    let Some(depth) = findings.take("queue", queue.depth().await) else { return };
    findings.ok("queue", format!("reached: {depth}"));
    match findings.take("queue", queue.max_receive_count().await) {
        None => {}
        Some(None) => findings.warn(
            "redrive",
            "the queue has no dead-letter queue: a message that nobody can load comes back until \
             it expires",
            "set a RedrivePolicy with maxReceiveCount 5 or more",
        ),
        Some(Some(count)) if count < FEWEST_RECEIPTS => findings.warn(
            "redrive",
            format!(
                "messages go to the dead-letter queue after {count} receives: an outage will send \
                 good ones there"
            ),
            "set maxReceiveCount to 5 or more",
        ),
        Some(Some(count)) => {
            findings.ok("redrive", format!("to the dead-letter queue after {count} receives"))
        }
    }
}

/// Each key unwraps to its check value.
async fn wraps(
    kms: &Kms,
    holder: Holder,
    rows: Result<Vec<KeyRow>, DbError>,
    findings: &mut Findings,
) {
    let check = holder.name();
    let Some(rows) = findings.take(check, rows) else { return };
    if rows.is_empty() {
        return findings.warn(check, "there are no keys", "run: loginetl init");
    }
    let checked = join_all(rows.iter().map(|row: &KeyRow| check_wrap(kms, row, holder))).await;
    let failures: Vec<_> = checked.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        findings.ok(check, format!("{} data keys unwrap to their check values", rows.len()));
    }
    failures.into_iter().for_each(|error| findings.fail(check, &error.into()));
}
