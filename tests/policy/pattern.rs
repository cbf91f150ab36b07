//! Values of a policy: text with wildcards and variables.
//!
//! A variable that the request does not have matches nothing at all. What a variable
//! stands for is text: a `*` in it is a star.

use super::{Request, Unknown};

/// A value of a policy, as it stands there.
#[derive(Clone, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Glyph(Glyph),
    Variable { key: String, default: Option<String> },
}

/// A place in a value whose variables are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    Char(char),
    /// `?`: one character.
    One,
    /// `*`: any number of characters.
    Any,
}

/// What may stand in a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text and variables; a star is a star.
    Text,
    /// Wildcards too.
    Wild,
    /// Wildcards and no variables: actions.
    Action,
}

impl Template {
    pub fn parse(text: &str, form: Form) -> Result<Self, Unknown> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(inside) = rest.strip_prefix("${") {
                let (variable, after) =
                    inside.split_once('}').ok_or_else(|| Unknown(format!("{text}: no }}")))?;
                if form == Form::Action {
                    return Err(Unknown(format!("a variable in {text}")));
                }
                parts.push(variable_part(variable)?);
                rest = after;
                continue;
            }
            let glyph = match first {
                '*' if form != Form::Text => Glyph::Any,
                '?' if form != Form::Text => Glyph::One,
                other => Glyph::Char(other),
            };
            parts.push(Part::Glyph(glyph));
            rest = &rest[first.len_utf8()..];
        }
        Ok(Self(parts))
    }

    /// Refuses an ARN of fewer than six parts, other than a star alone: AWS fills it up
    /// with wildcards in some policies, and lets a star go beyond a colon.
    pub fn needs_arn(self) -> Result<Self, Unknown> {
        let is_colon = |part: &&Part| matches!(part, Part::Glyph(Glyph::Char(':')));
        let is_star = matches!(self.0[..], [Part::Glyph(Glyph::Any)]);
        if is_star || self.0.iter().filter(is_colon).count() >= 5 {
            Ok(self)
        } else {
            Err(Unknown("an ARN of fewer than six parts".to_owned()))
        }
    }

    /// With the request's values in the place of variables; nothing where one is missing.
    pub fn resolve(&self, request: &Request) -> Option<Vec<Glyph>> {
        let mut glyphs = Vec::new();
        for part in &self.0 {
            match part {
                Part::Glyph(glyph) => glyphs.push(*glyph),
                Part::Variable { key, default } => {
                    let value = request.values(key).first().or(default.as_ref())?;
                    glyphs.extend(value.chars().map(Glyph::Char));
                }
            }
        }
        Some(glyphs)
    }
}

/// `${key}`, `${key, 'default'}`, or one of `${*}`, `${?}`, `${$}`.
fn variable_part(variable: &str) -> Result<Part, Unknown> {
    if let "*" | "?" | "$" = variable {
        return Ok(Part::Glyph(Glyph::Char(variable.chars().next().unwrap_or('$'))));
    }
    let (key, default) = match variable.split_once(',') {
        None => (variable, None),
        Some((key, default)) => {
            let default = default.trim();
            let text = default.strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
            let text = text.ok_or_else(|| Unknown(format!("the default in ${{{variable}}}")))?;
            (key, Some(text.to_owned()))
        }
    };
    super::request::known_key(key)?;
    if super::request::has_many(key) {
        return Err(Unknown(format!("a variable of several values: ${{{variable}}}")));
    }
    Ok(Part::Variable { key: key.to_owned(), default })
}

/// Whether a value is what the pattern says.
pub fn matches(pattern: &[Glyph], value: &str) -> bool {
    let value: Vec<char> = value.chars().collect();
    // `reached[i]`: the pattern so far matches the first i characters.
    let mut reached = vec![false; value.len() + 1];
    reached[0] = true;
    for glyph in pattern {
        let mut next = vec![false; value.len() + 1];
        for at in 0..=value.len() {
            next[at] = match glyph {
                Glyph::Any => reached[at] || (at > 0 && next[at - 1]),
                Glyph::One => at > 0 && reached[at - 1],
                Glyph::Char(wanted) => at > 0 && reached[at - 1] && value[at - 1] == *wanted,
            };
        }
        reached = next;
    }
    reached[value.len()]
}

/// Whether an ARN is what the pattern says: each of the six parts by itself. A star alone
/// is any; [`Template::needs_arn`] has refused what has fewer parts.
pub fn matches_arn(pattern: &[Glyph], arn: &str) -> bool {
    if pattern == [Glyph::Any] {
        return true;
    }
    let wanted: Vec<&[Glyph]> = pattern.splitn(6, |glyph| *glyph == Glyph::Char(':')).collect();
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    (wanted.len(), parts.len()) == (6, 6)
        && wanted.iter().zip(parts).all(|(wanted, part)| matches(wanted, part))
}
