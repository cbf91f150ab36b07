//! Policy documents, read strictly: an element that is not understood is an error.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::pattern::{Form, Template, matches, matches_arn};
use super::{Grant, Principal, Request, Unknown};

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) statements: Vec<Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// A statement of a policy.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub sid: String,
    pub effect: Effect,
    /// Whom it is about; in a policy of an identity, nobody but its holder.
    pub principals: Vec<Trusted>,
    actions: Vec<Template>,
    /// All actions but these.
    is_not_action: bool,
    /// What it is about; in a trust policy, nothing but the role.
    resources: Vec<Template>,
    conditions: Vec<Condition>,
}

/// Where a policy hangs, which decides what it must say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Identity,
    Key,
    Trust,
}

impl Policy {
    /// The policy of a role or a user.
    ///
    /// # Errors
    /// When there is something that this library does not know.
    pub fn identity(document: &Value) -> Result<Self, Unknown> {
        Self::parse(document, Place::Identity)
    }

    /// The policy of a key or another resource.
    ///
    /// # Errors
    /// When there is something that this library does not know.
    pub fn key(document: &Value) -> Result<Self, Unknown> {
        Self::parse(document, Place::Key)
    }

    /// The policy that says who may assume a role.
    ///
    /// # Errors
    /// When there is something that this library does not know.
    pub fn trust(document: &Value) -> Result<Self, Unknown> {
        Self::parse(document, Place::Trust)
    }

    fn parse(document: &Value, place: Place) -> Result<Self, Unknown> {
        let object = document.as_object().ok_or_else(|| Unknown("no object".to_owned()))?;
        only(object, &["Version", "Id", "Statement"])?;
        // The older version has no variables.
        if document["Version"] != "2012-10-17" {
            return Err(Unknown(format!("Version {}", document["Version"])));
        }
        let statements = document["Statement"]
            .as_array()
            .ok_or_else(|| Unknown("Statement that is no list".to_owned()))?;
        let statements = statements.iter().map(|one| Statement::parse(one, place));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }
}

impl Statement {
    fn parse(statement: &Value, place: Place) -> Result<Self, Unknown> {
        let object = statement.as_object().ok_or_else(|| Unknown("a statement".to_owned()))?;
        only(
            object,
            &["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "Condition"],
        )?;
        let has = |name: &str| object.contains_key(name);
        if has("Principal") != (place != Place::Identity) {
            return Err(Unknown("a statement without Principal, or with one too many".to_owned()));
        }
        if has("Resource") != (place != Place::Trust) {
            return Err(Unknown("a statement without Resource, or with one too many".to_owned()));
        }
        if has("Action") == has("NotAction") {
            return Err(Unknown("a statement with Action and NotAction, or neither".to_owned()));
        }
        let is_not_action = has("NotAction");
        let actions = &statement[if is_not_action { "NotAction" } else { "Action" }];
        Ok(Self {
            sid: statement["Sid"].as_str().unwrap_or("(no Sid)").to_owned(),
            effect: match statement["Effect"].as_str() {
                Some("Allow") => Effect::Allow,
                Some("Deny") => Effect::Deny,
                _ => return Err(Unknown(format!("Effect {}", statement["Effect"]))),
            },
            principals: if has("Principal") {
                Trusted::parse_all(&statement["Principal"])?
            } else {
                Vec::new()
            },
            actions: templates(&lower(strings(actions)?), Form::Action)?,
            is_not_action,
            resources: if has("Resource") {
                let all = templates(&strings(&statement["Resource"])?, Form::Wild)?;
                all.into_iter().map(Template::needs_arn).collect::<Result<_, _>>()?
            } else {
                Vec::new()
            },
            conditions: match statement.get("Condition") {
                Some(block) => Condition::parse_all(block)?,
                None => Vec::new(),
            },
        })
    }

    /// Whether it speaks of this action, resource and context; of whom is another matter.
    pub fn is_about(&self, request: &Request) -> bool {
        let action = request.action.to_ascii_lowercase();
        let actions = self.actions.iter().filter_map(|wanted| wanted.resolve(request));
        let is_named = actions.into_iter().any(|wanted| matches(&wanted, &action));
        let resources = self.resources.iter().filter_map(|wanted| wanted.resolve(request));
        let is_there = self.resources.is_empty()
            || resources.into_iter().any(|wanted| matches_arn(&wanted, &request.resource));
        is_named != self.is_not_action
            && is_there
            && self.conditions.iter().all(|condition| condition.holds(request))
    }
}

/// An entry of `Principal`.
#[derive(Clone, Debug)]
pub(super) enum Trusted {
    Everybody,
    /// An account, by its number: whom its own policies let.
    Account(String),
    /// A role or a user, by its ARN.
    Aws(String),
    Service(String),
    Federated(String),
}

impl Trusted {
    fn parse_all(value: &Value) -> Result<Vec<Self>, Unknown> {
        if value == "*" {
            return Ok(vec![Self::Everybody]);
        }
        let object = value.as_object().ok_or_else(|| Unknown(format!("Principal {value}")))?;
        only(object, &["AWS", "Service", "Federated"])?;
        let mut all = Vec::new();
        for (kind, names) in object {
            for name in strings(names)? {
                all.push(match kind.as_str() {
                    "AWS" => Self::parse_aws(&name)?,
                    _ if name.contains(['*', '$']) => {
                        return Err(Unknown(format!("Principal {kind} {name}")));
                    }
                    "Service" => Self::Service(name),
                    _ => Self::Federated(name),
                });
            }
        }
        Ok(all)
    }

    fn parse_aws(name: &str) -> Result<Self, Unknown> {
        let parts: Vec<&str> = name.splitn(6, ':').collect();
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        match parts[..] {
            ["*"] => Ok(Self::Everybody),
            [account] if is_account(account) => Ok(Self::Account(account.to_owned())),
            ["arn", _, "iam", "", account, "root"] if is_account(account) => {
                Ok(Self::Account(account.to_owned()))
            }
            ["arn", _, "iam", "", account, rest]
                if is_account(account)
                    && (rest.starts_with("role/") || rest.starts_with("user/"))
                    && !rest.contains(['*', '?', '$']) =>
            {
                Ok(Self::Aws(name.to_owned()))
            }
            _ => Err(Unknown(format!("Principal AWS {name}"))),
        }
    }

    /// How far this entry reaches to whoever asks.
    pub fn reach(&self, principal: &Principal) -> Result<Grant, Unknown> {
        let exactly = |is: bool| Ok(if is { Grant::Principal } else { Grant::Nothing });
        match (self, principal) {
            (Self::Everybody, Principal::Aws(_)) => Ok(Grant::Principal),
            (Self::Everybody, _) => {
                Err(Unknown("whether * in Principal means a service or a provider".to_owned()))
            }
            (Self::Account(account), Principal::Aws(arn)) => {
                match arn.splitn(6, ':').collect::<Vec<_>>()[..] {
                    [.., found, "root"] if found == account => Ok(Grant::Principal),
                    [.., found, _] if found == account => Ok(Grant::Account),
                    _ => Ok(Grant::Nothing),
                }
            }
            (Self::Aws(wanted), Principal::Aws(arn)) => exactly(wanted == arn),
            (Self::Service(wanted), Principal::Service(name)) => exactly(wanted == name),
            (Self::Federated(wanted), Principal::Federated(arn)) => exactly(wanted == arn),
            _ => Ok(Grant::Nothing),
        }
    }
}

fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), Unknown> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Unknown(format!("the element {name}"))),
    }
}

/// A string, or a list of strings.
pub(super) fn strings(value: &Value) -> Result<Vec<String>, Unknown> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(switch) => Ok(switch.to_string()),
        other => Err(Unknown(format!("the value {other}"))),
    };
    match value {
        Value::Array(all) => all.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

fn lower(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().map(|text| text.to_ascii_lowercase()).collect()
}

fn templates(texts: &[String], form: Form) -> Result<Vec<Template>, Unknown> {
    if texts.is_empty() {
        return Err(Unknown("an empty list".to_owned()));
    }
    texts.iter().map(|text| Template::parse(text, form)).collect()
}
