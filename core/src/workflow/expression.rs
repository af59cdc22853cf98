//! What manifests compute: `{{references}}` in texts, and conditions over them.

use super::logic::{Leaf, Logic, Operator, parse};

/// Answers what a reference such as `inputs.parameters.media_id` stands for.
pub type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// A piece of a text.
#[derive(Debug, PartialEq)]
enum Piece<'t> {
    Plain(&'t str),
    Reference(&'t str),
}

/// Splits a text at its references. Braces around anything else are plain text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut plain_from, mut at) = (0, 0);
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        let Some(end) = text[start..].find("}}").map(|end| start + end) else {
            break;
        };
        let name = text[start + 2..end].trim();
        if is_reference(name) {
            pieces.push(Piece::Plain(&text[plain_from..start]));
            pieces.push(Piece::Reference(name));
            (plain_from, at) = (end + 2, end + 2);
        } else {
            at = start + 1;
        }
    }
    pieces.push(Piece::Plain(&text[plain_from..]));
    pieces.retain(|piece| *piece != Piece::Plain(""));
    pieces
}

fn is_reference(name: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    name.starts_with('=') || (name.split('.').all(word) && !name.as_bytes()[0].is_ascii_digit())
}

/// The references of a text, in order.
pub fn references(text: &str) -> Vec<&str> {
    let names = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Reference(name) => Some(name),
        Piece::Plain(_) => None,
    });
    names.collect()
}

/// Replaces every reference by what it stands for.
///
/// Errors: a sentence naming the first reference that stands for nothing.
///
/// ```
/// use transect::workflow::expression::substitute;
/// let known = |name: &str| (name == "item").then(|| "7".to_owned());
/// assert_eq!(substitute("clip-{{item}}.mp4", &known).unwrap(), "clip-7.mp4");
/// assert!(substitute("{{steps.a.outputs.result}}", &known).is_err());
/// ```
pub fn substitute(text: &str, lookup: Lookup) -> Result<String, String> {
    let mut whole = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => whole.push_str(plain),
            Piece::Reference(name) => match lookup(name) {
                Some(value) => whole.push_str(&value),
                None => return Err(format!("{{{{{name}}}}} has no value")),
            },
        }
    }
    Ok(whole)
}

/// Whether a condition such as `{{steps.flip.outputs.result}} == heads` holds.
///
/// References are replaced operand by operand, so a value never changes the shape of a condition;
/// only where the whole condition is one reference is its value read as a condition.
/// Errors: a sentence saying what cannot be read or compared.
pub fn condition(text: &str, lookup: Lookup) -> Result<bool, String> {
    if let [Piece::Reference(_)] = pieces(text.trim())[..] {
        let value = substitute(text.trim(), lookup)?;
        return decide(&parse(&value)?, &|_| None);
    }
    decide(&parse(text)?, lookup)
}

fn decide(logic: &Logic, lookup: Lookup) -> Result<bool, String> {
    match logic {
        Logic::Not(inner) => Ok(!decide(inner, lookup)?),
        Logic::And(left, right) => Ok(decide(left, lookup)? && decide(right, lookup)?),
        Logic::Or(left, right) => Ok(decide(left, lookup)? || decide(right, lookup)?),
        Logic::Leaf(leaf) => {
            let value = substitute(&leaf.text, lookup)?;
            match value.trim() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("{value:?} is neither true nor false")),
            }
        }
        Logic::Compare(left, operator, right) => {
            let texts = (
                substitute(&left.text, lookup)?,
                substitute(&right.text, lookup)?,
            );
            Ok(compare((left, &texts.0), *operator, (right, &texts.1)))
        }
    }
}

/// Compares as numbers where both are and not both are quoted, else as texts.
fn compare(left: (&Leaf, &str), operator: Operator, right: (&Leaf, &str)) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let numbers = number(left.1).zip(number(right.1));
    let order = match numbers {
        Some((left_number, right_number)) if !(left.0.quoted && right.0.quoted) => {
            left_number.partial_cmp(&right_number)
        }
        _ => Some(left.1.cmp(right.1)),
    };
    order.is_some_and(|order| match operator {
        Operator::Equal => order.is_eq(),
        Operator::Different => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::Greater => order.is_gt(),
        Operator::AtMost => order.is_le(),
        Operator::AtLeast => order.is_ge(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<String> {
        let value = match name {
            "item" => "heads",
            "item.count" => "12",
            "inputs.parameters.hostile" => "x' || true || 'a b",
            "inputs.parameters.flag" => "1 < 2",
            "steps.gen-one.outputs.result" => "",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn references_are_replaced_and_other_braces_stay() {
        let table = [
            ("{{item}}-{{ item.count }}", Ok("heads-12")),
            ("{{{{item}}}}", Ok("{{heads}}")),
            (
                "f\"{{ {name} }}\" {{\"a\": 1}} }} {{",
                Ok("f\"{{ {name} }}\" {{\"a\": 1}} }} {{"),
            ),
            ("[{{steps.gen-one.outputs.result}}]", Ok("[]")),
            ("{{item.size}}", Err("{{item.size}} has no value")),
            ("{{=1+1}}", Err("{{=1+1}} has no value")),
        ];
        for (text, expected) in table {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(substitute(text, &known), expected, "{text}");
        }
        assert_eq!(
            references("a {{item}} b {{workflow.name}}"),
            ["item", "workflow.name"]
        );
    }

    #[test]
    fn conditions() {
        let table = [
            ("{{item}} == heads", true),
            ("'{{item}}' == \"heads\"", true),
            ("{{item}} != heads", false),
            ("{{item.count}} > 9", true),
            ("{{item.count}} == 12.0", true),
            ("'{{item.count}}' == '12.0'", false),
            ("{{item.count}} <= 12 && !({{item}} == tails)", true),
            ("false || true && false", false),
            ("(true || false) && true", true),
            ("{{inputs.parameters.hostile}} == a", false),
            ("'{{inputs.parameters.hostile}}' == 'x'", false),
            ("{{inputs.parameters.flag}}", true),
            ("{{steps.gen-one.outputs.result}} == ''", true),
            ("b > a", true),
        ];
        for (text, expected) in table {
            assert_eq!(condition(text, &known), Ok(expected), "{text}");
        }
        for text in [
            "{{item}}",
            "1 ==",
            "a b",
            "(true",
            "'open",
            "{{nothing}} == 1",
            "a =~ b",
            "",
            "a == b == c",
        ] {
            assert!(condition(text, &known).is_err(), "{text}");
        }
    }
}
