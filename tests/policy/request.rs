//! Who asks for what, with which context.
//!
//! A context key that is not listed here is unknown: neither a request nor a policy can
//! name it. So a key that a request lacks is one that AWS would not have sent either.

use std::collections::BTreeMap;

use super::Unknown;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A role or a user, or the root of an account, by its ARN.
    Aws(String),
    /// A service of AWS.
    Service(String),
    /// An identity provider that has checked a token, by its ARN.
    Federated(String),
}

impl Principal {
    /// The account that has policies for whoever asks; none for a service or a provider.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Aws(arn) => arn.split(':').nth(4),
            Self::Service(_) | Self::Federated(_) => None,
        }
    }
}

/// A call, as AWS looks at it.
#[derive(Clone, Debug)]
pub struct Request {
    pub principal: Principal,
    pub action: String,
    /// The ARN of what is asked for.
    pub resource: String,
    /// By the key in lower case: names of context keys are compared without regard to
    /// case.
    context: BTreeMap<String, Vec<String>>,
}

const KEYS: [&str; 11] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:tagkeys",
    "kms:calleraccount",
    "kms:encryptioncontextkeys",
    "kms:messagetype",
    "kms:reencryptonsamekey",
    "kms:requestalias",
    "kms:signingalgorithm",
];
const FAMILIES: [&str; 2] = ["aws:requesttag/", "kms:encryptioncontext:"];
/// What AWS says of each ReEncrypt.
const SAME_KEY: &str = "kms:ReEncryptOnSameKey";
/// Keys of several values.
const SETS: [&str; 2] = ["aws:tagkeys", "kms:encryptioncontextkeys"];

/// Refuses a context key that this library does not know.
pub fn known_key(key: &str) -> Result<(), Unknown> {
    let key = key.to_ascii_lowercase();
    let is_in_family = FAMILIES.iter().any(|f| key.strip_prefix(f).is_some_and(|k| !k.is_empty()));
    // What a token says of itself: `oidc.eks.REGION.amazonaws.com/id/ID:sub`.
    let is_claim = key.contains('.') && (key.ends_with(":sub") || key.ends_with(":aud"));
    if KEYS.contains(&key.as_str()) || is_in_family || is_claim {
        Ok(())
    } else {
        Err(Unknown(format!("the condition key {key}")))
    }
}

/// Whether a context key has several values.
pub fn has_many(key: &str) -> bool {
    SETS.contains(&key.to_ascii_lowercase().as_str())
}

impl Request {
    /// A call without a context, but for what AWS says of each caller; a ReEncrypt to
    /// another key.
    pub fn new(principal: &Principal, action: &str, resource: &str) -> Self {
        let mut request = Self {
            principal: principal.clone(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: BTreeMap::new(),
        };
        if let (Principal::Aws(arn), Some(account)) = (principal, principal.account()) {
            request.put("aws:PrincipalArn", arn);
            request.put("aws:PrincipalAccount", account);
            request.put("kms:CallerAccount", account);
        }
        if action.starts_with("kms:ReEncrypt") {
            request.put(SAME_KEY, "false");
        }
        request
    }

    /// Half of a ReEncrypt that goes from a key to itself, or does not.
    pub fn with_same_key(mut self, is_same: bool) -> Self {
        assert!(self.action.starts_with("kms:ReEncrypt"), "{}", self.action);
        self.put(SAME_KEY, &is_same.to_string());
        self
    }

    /// With a context key of one value.
    ///
    /// # Errors
    /// When the key is unknown, has several values, or is there already.
    pub fn with(mut self, key: &str, value: &str) -> Result<Self, Unknown> {
        known_key(key)?;
        if has_many(key) || !self.values(key).is_empty() {
            return Err(Unknown(format!("{key} with one value, or twice")));
        }
        self.put(key, value);
        Ok(self)
    }

    /// With tags for a session, as `sts:AssumeRole` takes them.
    ///
    /// # Errors
    /// When a tag is there twice.
    pub fn with_tags(mut self, tags: &[(&str, &str)]) -> Result<Self, Unknown> {
        for (name, value) in tags {
            self = self.with(&format!("aws:RequestTag/{name}"), value)?;
            let names = self.context.entry("aws:tagkeys".to_owned()).or_default();
            names.push((*name).to_owned());
        }
        Ok(self)
    }

    /// With the encryption context of a call of KMS.
    ///
    /// # Errors
    /// When two names differ in case alone: no page says what AWS makes of that.
    pub fn with_encryption_context<'a>(
        mut self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Unknown> {
        for (name, value) in pairs {
            self = self.with(&format!("kms:EncryptionContext:{name}"), value)?;
            let names = self.context.entry("kms:encryptioncontextkeys".to_owned()).or_default();
            names.push(name.to_owned());
        }
        Ok(self)
    }

    /// The values of a context key; none if the request does not have it.
    pub fn values(&self, key: &str) -> &[String] {
        self.context.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The account that owns what is asked for.
    pub fn owner(&self) -> &str {
        self.resource.split(':').nth(4).unwrap_or_default()
    }

    fn put(&mut self, key: &str, value: &str) {
        self.context.insert(key.to_ascii_lowercase(), vec![value.to_owned()]);
    }
}
