//! Conditions: an operator, a key of the request, and values.
//!
//! All conditions of a statement must hold. Of the values of one condition any may match;
//! of a negated one, none may.

use serde_json::Value;

use super::document::strings;
use super::pattern::{Form, Glyph, Template, matches, matches_arn};
use super::request::{has_many, known_key};
use super::{Request, Unknown};

/// One line of a `Condition` block.
#[derive(Clone, Debug)]
pub struct Condition {
    set: Option<Set>,
    test: Test,
    is_negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<Template>,
}

/// How the values of a key with several are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    All,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoringCase,
    Like,
    Arn,
    Bool,
    /// The key is missing: "true"; or there: "false".
    Missing,
}

impl Condition {
    /// The conditions of a `Condition` block.
    pub fn parse_all(block: &Value) -> Result<Vec<Self>, Unknown> {
        let mut conditions = Vec::new();
        let block = block.as_object().ok_or_else(|| Unknown(format!("Condition {block}")))?;
        for (operator, keys) in block {
            let keys = keys.as_object().ok_or_else(|| Unknown(format!("{operator}: {keys}")))?;
            for (key, values) in keys {
                conditions.push(Self::parse(operator, key, &strings(values)?)?);
            }
        }
        Ok(conditions)
    }

    fn parse(operator: &str, key: &str, values: &[String]) -> Result<Self, Unknown> {
        let unknown = |what: &str| Err(Unknown(format!("{operator} of {key}: {what}")));
        known_key(key)?;
        let (set, name) = match operator.split_once(':') {
            None => (None, operator),
            Some(("ForAllValues", name)) => (Some(Set::All), name),
            Some(("ForAnyValue", name)) => (Some(Set::Any), name),
            Some(_) => return unknown("the operator"),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (test, is_negated) = match name {
            "StringEquals" => (Test::Equals, false),
            "StringNotEquals" => (Test::Equals, true),
            "StringEqualsIgnoreCase" => (Test::EqualsIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoringCase, true),
            "StringLike" => (Test::Like, false),
            "StringNotLike" => (Test::Like, true),
            // The two behave alike: each takes wildcards.
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            "Bool" => (Test::Bool, false),
            "Null" => (Test::Missing, false),
            _ => return unknown("the operator"),
        };
        if if_exists && (set.is_some() || test == Test::Missing) {
            return unknown("IfExists here");
        }
        if test == Test::Missing && set.is_some() {
            return unknown("a set here");
        }
        if has_many(key) && set.is_none() && test != Test::Missing {
            return unknown("a key of several values wants ForAllValues or ForAnyValue");
        }
        if values.is_empty() {
            return unknown("no value");
        }
        let is_switch = matches!(test, Test::Bool | Test::Missing);
        if is_switch && (values.len() > 1 || !["true", "false"].contains(&values[0].as_str())) {
            return unknown("neither true nor false");
        }
        let is_wild = matches!(test, Test::Like | Test::Arn);
        let form = if is_wild { Form::Wild } else { Form::Text };
        let values = values.iter().map(|value| match (Template::parse(value, form), test) {
            (Ok(value), Test::Arn) => value.needs_arn(),
            (value, _) => value,
        });
        let values = values.collect::<Result<_, _>>()?;
        Ok(Self { set, test, is_negated, if_exists, key: key.to_owned(), values })
    }

    /// Whether the request is as the condition says.
    pub fn holds(&self, request: &Request) -> bool {
        let found = request.values(&self.key);
        if self.test == Test::Missing {
            return self.matches(request, if found.is_empty() { "true" } else { "false" });
        }
        let one = |value: &String| self.matches(request, value) != self.is_negated;
        match self.set {
            // Of no values all are as they should be, and none is.
            Some(Set::All) => found.iter().all(one),
            Some(Set::Any) => found.iter().any(one),
            // A key that is missing does not match; so "does not match" is true of it.
            None => found.first().map_or(self.if_exists || self.is_negated, one),
        }
    }

    /// Whether one of the values matches. A variable without a value matches nothing.
    fn matches(&self, request: &Request, found: &str) -> bool {
        let wanted = self.values.iter().filter_map(|value| value.resolve(request));
        wanted.into_iter().any(|wanted| match self.test {
            Test::Equals | Test::Like => matches(&wanted, found),
            Test::Arn => matches_arn(&wanted, found),
            Test::EqualsIgnoringCase | Test::Bool => {
                let lower = |glyph: &Glyph| match glyph {
                    Glyph::Char(char) => Glyph::Char(char.to_ascii_lowercase()),
                    other => *other,
                };
                let wanted: Vec<Glyph> = wanted.iter().map(lower).collect();
                matches(&wanted, &found.to_ascii_lowercase())
            }
            Test::Missing => matches(&wanted, found),
        })
    }
}
