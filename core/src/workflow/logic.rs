//! Reading conditions: operands, comparisons, `&&`, `||`, `!` and parentheses.

/// A condition as it was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Logic {
    /// An operand on its own.
    Leaf(Leaf),
    /// Two operands compared.
    Compare(Leaf, Operator, Leaf),
    /// The opposite.
    Not(Box<Logic>),
    /// Both hold.
    And(Box<Logic>, Box<Logic>),
    /// At least one holds.
    Or(Box<Logic>, Box<Logic>),
}

/// An operand: a word, or a text in quotes. References in it are not replaced yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Without its quotes.
    pub text: String,
    /// Whether it had any.
    pub quoted: bool,
}

/// How two operands are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Operand(Leaf),
    Compare(Operator),
    And,
    Or,
    Not,
    Open,
    Close,
}

const DEEPEST: usize = 50;

/// Reads a condition. Errors: a sentence saying what is wrong with it.
pub fn parse(text: &str) -> Result<Logic, String> {
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
        depth: 0,
    };
    let logic = parser
        .either()
        .map_err(|why| format!("the condition {text:?} cannot be read: {why}"))?;
    match parser.tokens.next() {
        None => Ok(logic),
        Some(_) => Err(format!(
            "the condition {text:?} goes on where it should end"
        )),
    }
}

impl Logic {
    /// Hands every operand to `visit`, from left to right.
    pub fn each_leaf<'l>(&'l self, visit: &mut dyn FnMut(&'l Leaf)) {
        match self {
            Self::Leaf(leaf) => visit(leaf),
            Self::Compare(left, _, right) => {
                visit(left);
                visit(right);
            }
            Self::Not(inner) => inner.each_leaf(visit),
            Self::And(left, right) | Self::Or(left, right) => {
                left.each_leaf(visit);
                right.each_leaf(visit);
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const SIGNS: [(&str, Token); 12] = [
        ("==", Token::Compare(Operator::Equal)),
        ("!=", Token::Compare(Operator::Different)),
        ("<=", Token::Compare(Operator::AtMost)),
        (">=", Token::Compare(Operator::AtLeast)),
        ("&&", Token::And),
        ("||", Token::Or),
        ("<", Token::Compare(Operator::Less)),
        (">", Token::Compare(Operator::Greater)),
        ("!", Token::Not),
        ("(", Token::Open),
        (")", Token::Close),
        ("=", Token::Compare(Operator::Equal)),
    ];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("=~") || rest.starts_with("!~") {
            return Err(format!(
                "the condition {text:?} uses a pattern; compare with == or != instead"
            ));
        }
        if matches!(first, '"' | '\'') {
            let end = rest[1..].find(first).map(|end| end + 1);
            let end = end.ok_or_else(|| format!("a quote is not closed in {text:?}"))?;
            tokens.push(operand(&rest[1..end], true));
            rest = &rest[end + 1..];
        } else if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            tokens.push(token.clone());
            rest = &rest[sign.len()..];
        } else {
            let end = word_end(rest);
            tokens.push(operand(&rest[..end], false));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

fn operand(text: &str, quoted: bool) -> Token {
    Token::Operand(Leaf {
        text: text.to_owned(),
        quoted,
    })
}

/// Where a word ends; a reference belongs to it as a whole.
fn word_end(text: &str) -> usize {
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        if let Some(end) = text[at..]
            .strip_prefix("{{")
            .and_then(|rest| rest.find("}}"))
        {
            at += end + 4;
        } else if next.is_whitespace() || "=!<>&|()'\"".contains(next) {
            break;
        } else {
            at += next.len_utf8();
        }
    }
    // A lone & or | is no sign of ours; it must not stop the reading either.
    at.max(text.chars().next().map_or(0, char::len_utf8))
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn either(&mut self) -> Result<Logic, String> {
        let mut left = self.both()?;
        while self.tokens.next_if_eq(&Token::Or).is_some() {
            left = Logic::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Logic, String> {
        let mut left = self.one()?;
        while self.tokens.next_if_eq(&Token::And).is_some() {
            left = Logic::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Logic, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        let logic = match self.tokens.next() {
            Some(Token::Not) => Logic::Not(Box::new(self.one()?)),
            Some(Token::Open) => {
                let inner = self.either()?;
                let closed = self.tokens.next_if_eq(&Token::Close);
                closed.ok_or("a parenthesis is not closed")?;
                inner
            }
            Some(Token::Operand(left)) => match self.tokens.peek() {
                Some(Token::Compare(operator)) => {
                    let operator = *operator;
                    self.tokens.next();
                    match self.tokens.next() {
                        Some(Token::Operand(right)) => Logic::Compare(left, operator, right),
                        _ => return Err("a comparison has no right side".into()),
                    }
                }
                _ => Logic::Leaf(left),
            },
            _ => return Err("an operand is missing".into()),
        };
        self.depth -= 1;
        Ok(logic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn and_binds_tighter_than_or() {
        let names = |logic: &Logic| {
            let mut names = Vec::new();
            logic.each_leaf(&mut |leaf| names.push(leaf.text.clone()));
            names
        };
        let logic = parse("a || b.Failed && !c-1").unwrap();
        assert_eq!(names(&logic), ["a", "b.Failed", "c-1"]);
        let Logic::Or(_, right) = logic else {
            panic!("{logic:?}")
        };
        assert!(matches!(*right, Logic::And(..)));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, why) in [
            ("a &&", "operand is missing"),
            ("(a", "not closed"),
            ("a b", "goes on"),
            ("a & b", "goes on"),
            ("'a", "quote"),
            ("a =~ b", "pattern"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse(&"!".repeat(100)).unwrap_err().contains("nested"));
    }
}
