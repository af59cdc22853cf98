//! Bucket policies: who may do what, as a JSON document says it.
//!
//! Source: "Policy evaluation logic" and "Amazon S3 condition keys", AWS documentation. What a policy
//! says that this does not understand (another operator, another kind of principal) makes the
//! document unfit when it is stored, so that nothing is silently permitted.

use std::collections::HashMap;

use s3s::{S3Result, s3_error};
use serde_json::Value;

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Silent,
    Allowed,
    Denied,
}

/// A request, as policies see it.
#[derive(Debug, Clone)]
pub struct Asked<'r> {
    /// Such as `s3:GetObject`.
    pub action: &'r str,
    /// Such as `arn:aws:s3:::bucket/key`.
    pub resource: &'r str,
    /// Who asks, by canonical id and by name; none for somebody without a key.
    pub principal: Option<(&'r str, &'r str)>,
    /// Values of condition keys, by lower-case name.
    pub values: &'r HashMap<String, String>,
}

/// A policy document that was read.
#[derive(Debug, Clone)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone)]
struct Statement {
    allows: bool,
    /// Whether the list names those who are not meant.
    except_principals: bool,
    principals: Vec<String>,
    except_actions: bool,
    actions: Vec<String>,
    except_resources: bool,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    operator: String,
    key: String,
    values: Vec<String>,
}

const OPERATORS: &[&str] = &[
    "stringequals",
    "stringnotequals",
    "stringequalsignorecase",
    "stringnotequalsignorecase",
    "stringlike",
    "stringnotlike",
    "arnequals",
    "arnlike",
    "bool",
    "null",
    "numericequals",
    "numericlessthan",
    "numericlessthanequals",
    "numericgreaterthan",
    "numericgreaterthanequals",
    "ipaddress",
    "notipaddress",
];

fn malformed(what: &str) -> s3s::S3Error {
    s3_error!(MalformedPolicy, "the policy cannot be followed: {what}")
}

/// One text or a list of them.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        _ => None,
    };
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        single => Some(vec![text(single)?]),
    }
}

impl Policy {
    /// Reads a policy of a bucket. Errors: `MalformedPolicy`.
    pub fn parse(text: &str, bucket: &str) -> S3Result<Self> {
        let document: Value =
            serde_json::from_str(text).map_err(|_| malformed("it is no JSON document"))?;
        let statements = match &document["Statement"] {
            Value::Array(items) => items.iter().map(|item| statement(item, bucket)).collect(),
            single @ Value::Object(_) => Ok(vec![statement(single, bucket)?]),
            _ => Err(malformed("Statement is missing")),
        };
        let statements: Vec<Statement> = statements?;
        if statements.is_empty() {
            return Err(malformed("there is no statement"));
        }
        Ok(Self { statements })
    }

    /// What the document says of a request: a denial outweighs everything.
    pub fn verdict(&self, asked: &Asked<'_>) -> Verdict {
        let fitting = self.statements.iter().filter(|one| one.fits(asked));
        let mut verdict = Verdict::Silent;
        for one in fitting {
            if !one.allows {
                return Verdict::Denied;
            }
            verdict = Verdict::Allowed;
        }
        verdict
    }

    /// Whether it allows something to everybody without further conditions.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(|one| {
            let everybody = one.except_principals || one.principals.iter().any(|who| who == "*");
            let narrow = [
                "aws:sourceip",
                "aws:sourcearn",
                "aws:sourceaccount",
                "aws:userid",
            ];
            let narrowed = one
                .conditions
                .iter()
                .any(|condition| narrow.contains(&condition.key.as_str()));
            one.allows && everybody && !narrowed
        })
    }
}

fn statement(value: &Value, bucket: &str) -> S3Result<Statement> {
    let allows = match value["Effect"].as_str() {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err(malformed("Effect is neither Allow nor Deny")),
    };
    let either = |name: &str| -> S3Result<(bool, Vec<String>)> {
        let except = format!("Not{name}");
        let (not, found) = match (value.get(name), value.get(&except)) {
            (Some(found), None) => (false, found),
            (None, Some(found)) => (true, found),
            _ => return Err(malformed(&format!("{name} is missing"))),
        };
        let found =
            texts(found).ok_or_else(|| malformed(&format!("{name} is no list of texts")))?;
        Ok((not, found))
    };
    let (except_actions, actions) = either("Action")?;
    let (except_resources, resources) = either("Resource")?;
    let own = format!("arn:aws:s3:::{bucket}");
    for resource in &resources {
        let name = resource.strip_prefix("arn:aws:s3:::").unwrap_or(resource);
        let name = name.split('/').next().unwrap_or_default();
        let fits = resource == "*" || (resource.starts_with("arn:aws:s3:::") && like(name, bucket));
        if !fits && !own.starts_with(resource.trim_end_matches('*')) {
            return Err(malformed("Policy has invalid resource"));
        }
    }
    let (except_principals, found) = match (value.get("Principal"), value.get("NotPrincipal")) {
        (Some(found), None) => (false, found),
        (None, Some(found)) => (true, found),
        _ => return Err(malformed("Principal is missing")),
    };
    let principals = match found {
        Value::String(text) => vec![text.clone()],
        Value::Object(kinds) => {
            let mut all = Vec::new();
            for (kind, who) in kinds {
                if !matches!(kind.as_str(), "AWS" | "CanonicalUser") {
                    return Err(malformed(&format!("principals of the kind {kind}")));
                }
                all.extend(texts(who).ok_or_else(|| malformed("Principal is no list of texts"))?);
            }
            all
        }
        _ => return Err(malformed("Principal names nobody")),
    };
    let mut conditions = Vec::new();
    if let Some(wanted) = value.get("Condition") {
        let operators = wanted
            .as_object()
            .ok_or_else(|| malformed("Condition is no mapping"))?;
        for (operator, keys) in operators {
            let plain = operator.to_lowercase();
            let known = OPERATORS.contains(&plain.trim_end_matches("ifexists"));
            let keys = keys.as_object().filter(|_| known);
            let keys = keys.ok_or_else(|| malformed(&format!("the condition {operator}")))?;
            for (key, values) in keys {
                conditions.push(Condition {
                    operator: plain.clone(),
                    key: key.to_lowercase(),
                    values: texts(values).ok_or_else(|| malformed("values of a condition"))?,
                });
            }
        }
    }
    Ok(Statement {
        allows,
        except_principals,
        principals,
        except_actions,
        actions,
        except_resources,
        resources,
        conditions,
    })
}

impl Statement {
    fn fits(&self, asked: &Asked<'_>) -> bool {
        let named = self
            .principals
            .iter()
            .any(|who| is_principal(who, asked.principal));
        let acted = self
            .actions
            .iter()
            .any(|action| like(&action.to_lowercase(), &asked.action.to_lowercase()));
        let meant = self
            .resources
            .iter()
            .any(|resource| like(resource, asked.resource));
        named != self.except_principals
            && acted != self.except_actions
            && meant != self.except_resources
            && self.conditions.iter().all(|one| one.holds(asked.values))
    }
}

/// Whether a principal of a policy is who asks: everybody, a canonical id, a name, or the end of an ARN.
fn is_principal(who: &str, asking: Option<(&str, &str)>) -> bool {
    if who == "*" {
        return true;
    }
    let Some((id, name)) = asking else {
        return false;
    };
    let own = who
        .rsplit(':')
        .next()
        .and_then(|end| end.strip_prefix("user/"))
        .unwrap_or(who);
    own == id || own == name
}

impl Condition {
    fn holds(&self, values: &HashMap<String, String>) -> bool {
        let operator = self.operator.trim_end_matches("ifexists");
        let found = values.get(&self.key);
        if operator == "null" {
            let absent = found.is_none().to_string();
            return self
                .values
                .iter()
                .any(|value| value.eq_ignore_ascii_case(&absent));
        }
        let negated = operator.contains("not");
        let Some(found) = found else {
            return self.operator.ends_with("ifexists") || negated;
        };
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|value| test(value));
        match operator {
            "stringequals" => any(&|value| value == found),
            "stringnotequals" => !any(&|value| value == found),
            "stringequalsignorecase" | "bool" => any(&|value| value.eq_ignore_ascii_case(found)),
            "stringnotequalsignorecase" => !any(&|value| value.eq_ignore_ascii_case(found)),
            "stringlike" | "arnequals" | "arnlike" => any(&|value| like(value, found)),
            "stringnotlike" => !any(&|value| like(value, found)),
            "ipaddress" => any(&|value| within(value, found)),
            "notipaddress" => !any(&|value| within(value, found)),
            numeric => {
                let Ok(found) = found.parse::<f64>() else {
                    return false;
                };
                any(&|value| {
                    value.parse::<f64>().is_ok_and(|value| match numeric {
                        "numericequals" => (found - value).abs() < f64::EPSILON,
                        "numericlessthan" => found < value,
                        "numericlessthanequals" => found <= value,
                        "numericgreaterthan" => found > value,
                        _ => found >= value,
                    })
                })
            }
        }
    }
}

/// Whether an address lies in a range such as `10.0.0.0/8`.
fn within(range: &str, address: &str) -> bool {
    use std::net::IpAddr;
    let (base, length) = range.split_once('/').unwrap_or((range, ""));
    let (Ok(base), Ok(address)) = (base.parse::<IpAddr>(), address.parse::<IpAddr>()) else {
        return false;
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((base, width), (address, own)) = (bits(base), bits(address));
    let length: u32 = length.parse().unwrap_or(width);
    width == own && length <= width && (length == 0 || (base ^ address) >> (128 - length) == 0)
}

/// Whether a text fits a pattern with `*` (anything) and `?` (one character).
pub fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|sign| *sign == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(statement: &str, action: &str, key: &str, values: &[(&str, &str)]) -> Verdict {
        let text = format!("{{\"Statement\": [{statement}]}}");
        let policy = Policy::parse(&text, "b").unwrap();
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        policy.verdict(&Asked {
            action,
            resource: &format!("arn:aws:s3:::b/{key}"),
            principal: Some(("id", "ann")),
            values: &values,
        })
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("s3:Get*", "s3:GetObject", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaybz", true),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
        assert!(within("10.0.0.0/8", "10.2.3.4") && !within("10.0.0.0/8", "11.2.3.4"));
        assert!(within("::/0", "::1") && !within("::/0", "1.2.3.4"));
    }

    #[test]
    fn a_denial_outweighs() {
        let allow = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}"#;
        let deny = r#"{"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::x:user/ann"}, "Action": ["s3:*"],
            "Resource": ["arn:aws:s3:::b/secret/*"], "Condition": {"StringNotEquals": {"aws:Referer": "x"}}}"#;
        assert_eq!(verdict(allow, "s3:GetObject", "k", &[]), Verdict::Allowed);
        assert_eq!(verdict(allow, "s3:PutObject", "k", &[]), Verdict::Silent);
        let both = format!("{allow}, {deny}");
        let secret = |values: &[(&str, &str)]| verdict(&both, "s3:GetObject", "secret/k", values);
        assert_eq!(secret(&[]), Verdict::Denied);
        assert_eq!(secret(&[("aws:referer", "x")]), Verdict::Allowed);
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for wrong in [
            "{}",
            "[",
            r#"{"Statement": []}"#,
            r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::other/*"}}"#,
            r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*",
                "Condition": {"DateLessThan": {"aws:CurrentTime": "x"}}}}"#,
        ] {
            assert!(Policy::parse(wrong, "b").is_err(), "{wrong}");
        }
    }
}
