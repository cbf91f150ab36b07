//! What AWS would decide about a request by IAM, key and trust policies.
//!
//! A library of the tests, for whoever includes it by `#[path]`. It knows the part of
//! the policy language that this repository uses, and refuses the rest by name: an
//! element, an operator or a condition key that it does not know is an error and never a
//! guess. What it cannot tell is what AWS has beside these policies: grants, boundaries,
//! session policies and those of an organisation.
//!
//! ```text
//! Policy::identity / ::key / ::trust   a document, read strictly
//! Request                              who asks for what, with which context
//! decide(request, identity, resource)  allowed, or denied and by what
//! ```
//!
//! The rules are those of the IAM User Guide ("Policy evaluation logic", "Condition
//! operators", "Variables and tags") and of the KMS Developer Guide ("Key policies");
//! `tests/rights/rules*.rs` try each, and name its page.

mod condition;
mod document;
mod pattern;
mod request;

pub use document::{Effect, Policy};
pub use request::{Principal, Request};

use document::Statement;

/// Something that this library does not know, so nothing is decided.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// The statement that denies it.
    Denied(String),
    /// No statement allows it; which one would have had to.
    NotAllowed(&'static str),
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }
}

/// How far the policy of a resource lets somebody in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grant {
    Nothing,
    /// It trusts the account: what the account's own policies allow.
    Account,
    /// It names whoever asks.
    Principal,
}

/// Decides a request. `identity` are the policies of whoever asks, `resource` is the
/// policy of what is asked for: a key policy, a trust policy, or none.
///
/// # Errors
/// When it would have to guess.
pub fn decide(
    request: &Request,
    identity: &[Policy],
    resource: Option<&Policy>,
) -> Result<Decision, Unknown> {
    known_principal(request)?;
    let needs_resource_policy = needs_resource_policy(&request.action)?;
    if needs_resource_policy && resource.is_none() {
        return Err(Unknown(format!("{}: the policy of {}", request.action, request.resource)));
    }
    let mut grant = Grant::Nothing;
    let mut identity_allows = false;
    let mut denied = None;
    for statement in identity.iter().flat_map(|policy| &policy.statements) {
        if statement.is_about(request) {
            match statement.effect {
                Effect::Allow => identity_allows = true,
                Effect::Deny => denied = denied.or(Some(statement.sid.clone())),
            }
        }
    }
    for statement in resource.iter().flat_map(|policy| &policy.statements) {
        let reach = reach(statement, request)?;
        if reach > Grant::Nothing && statement.is_about(request) {
            match statement.effect {
                Effect::Allow => grant = grant.max(reach),
                Effect::Deny => denied = denied.or(Some(statement.sid.clone())),
            }
        }
    }
    Ok(match denied {
        Some(sid) => Decision::Denied(sid),
        None => combine(request, identity_allows, grant, needs_resource_policy),
    })
}

/// Refuses whom a policy would name otherwise than by the ARN given: a session goes by
/// its role's name too, so a Deny of the role would be missed. And the root user of
/// another account, who has all rights there without a policy.
fn known_principal(request: &Request) -> Result<(), Unknown> {
    let Principal::Aws(arn) = &request.principal else { return Ok(()) };
    match arn.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "iam", "", account, "root"] if account == request.owner() => Ok(()),
        ["arn", _, "iam", "", _, name]
            if name.starts_with("role/") || name.starts_with("user/") =>
        {
            Ok(())
        }
        _ => Err(Unknown(format!("which statements are about {arn}"))),
    }
}

/// Both policies together, where nothing denies.
fn combine(
    request: &Request,
    identity_allows: bool,
    grant: Grant,
    needs_resource_policy: bool,
) -> Decision {
    let Some(account) = request.principal.account() else {
        // A service or an identity provider has no policies of its own.
        return match grant {
            Grant::Principal => Decision::Allowed,
            _ => Decision::NotAllowed("the resource's policy"),
        };
    };
    if account != request.owner() {
        // Another account: both have to allow.
        return match (grant, identity_allows) {
            (Grant::Nothing, _) => Decision::NotAllowed("the resource's policy"),
            (_, false) => Decision::NotAllowed("a policy of the other account"),
            _ => Decision::Allowed,
        };
    }
    match grant {
        Grant::Principal => Decision::Allowed,
        Grant::Account if identity_allows => Decision::Allowed,
        Grant::Account => Decision::NotAllowed("an IAM policy"),
        Grant::Nothing if needs_resource_policy => Decision::NotAllowed("the resource's policy"),
        Grant::Nothing if identity_allows => Decision::Allowed,
        Grant::Nothing => Decision::NotAllowed("an IAM policy"),
    }
}

/// Whether a service asks the resource's own policy for leave, whatever IAM says: a KMS
/// key and a role do, a queue in the same account does not.
fn needs_resource_policy(action: &str) -> Result<bool, Unknown> {
    match action.split_once(':') {
        Some(("kms" | "sts", _)) => Ok(true),
        Some(("sqs", _)) => Ok(false),
        _ => Err(Unknown(format!("who decides about {action}"))),
    }
}

fn reach(statement: &Statement, request: &Request) -> Result<Grant, Unknown> {
    let mut reach = Grant::Nothing;
    for trusted in &statement.principals {
        reach = reach.max(trusted.reach(&request.principal)?);
    }
    Ok(reach)
}
