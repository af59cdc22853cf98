//! The compact notation of shapes, which `components.txt` explains.

use serde_json::Value;

use super::{Bounds, Field, Shape};

/// Reads the compact notation. Panics on a mistake: the texts are part of the program.
pub fn parse(text: &str) -> Shape {
    let mut parser = Parser { text, at: 0 };
    let shape = parser.union();
    assert_eq!(
        parser.at,
        text.len(),
        "trailing text in {text:?} at {}",
        parser.at
    );
    shape
}

/// Reads the fields of an object written without its braces, as query parameters are.
pub fn parse_fields(text: &str) -> Vec<Field> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    match parse(&format!("{{{text}}}")) {
        Shape::Object { fields, .. } => fields,
        _ => unreachable!("braces make an object"),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) {
        assert!(self.eat(token), "expected {token:?} at {:?}", self.rest());
    }

    fn until(&mut self, stop: &[char]) -> String {
        let end = self.rest().find(stop).unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_owned();
        self.at += end;
        word
    }

    fn union(&mut self) -> Shape {
        let first = self.single();
        if !self.eat("|") {
            return first;
        }
        let mut shapes = vec![first];
        loop {
            shapes.push(self.single());
            if !self.eat("|") {
                return Shape::OneOf(shapes);
            }
        }
    }

    fn single(&mut self) -> Shape {
        let shape = self.plain();
        if self.eat("?") {
            Shape::Nullable(Box::new(shape))
        } else {
            shape
        }
    }

    fn plain(&mut self) -> Shape {
        if self.eat("{") {
            return self.object();
        }
        if self.eat("(") {
            let shape = self.union();
            self.expect(")");
            return shape;
        }
        if self.eat("[") {
            let item = self.union();
            self.expect("]");
            let bounds = if self.eat("{") {
                self.bounds("}")
            } else {
                Bounds::default()
            };
            return Shape::List(Box::new(item), bounds);
        }
        let word = self.until(&[',', '}', ')', ']', '|', '?', '=', '<', '>', ':', ' ', '(']);
        match word.as_str() {
            "any" => Shape::Any,
            "object" => Shape::Map(Box::new(Shape::Any)),
            "bool" => Shape::Bool,
            "int" => Shape::Int(self.angle()),
            "number" => Shape::Number(self.angle()),
            "string" => {
                let format = self
                    .eat(":")
                    .then(|| self.until(&[',', '}', ')', ']', '|', '?', '=', '<', '>']));
                Shape::Text(format, self.angle())
            }
            "enum" => {
                self.expect("(");
                let names = self.until(&[')']);
                self.expect(")");
                Shape::Enum(names.split('|').map(str::to_owned).collect())
            }
            "map" => {
                self.expect("<");
                let shape = self.union();
                self.expect(">");
                Shape::Map(Box::new(shape))
            }
            name => Shape::Ref(name.to_owned()),
        }
    }

    fn angle(&mut self) -> Bounds {
        if self.rest().starts_with('<') && self.eat("<") {
            self.bounds(">")
        } else {
            Bounds::default()
        }
    }

    fn bounds(&mut self, close: &str) -> Bounds {
        let text = self.until(&['>', '}']);
        self.expect(close);
        let (min, max) = text.split_once("..").expect("bounds are a..b");
        Bounds {
            min: min.parse().ok(),
            max: max.parse().ok(),
        }
    }

    fn object(&mut self) -> Shape {
        let (mut fields, mut open) = (Vec::new(), false);
        while !self.eat("}") {
            if self.eat("...") {
                open = true;
                continue;
            }
            let required = self.eat("*");
            self.space();
            let name = self.until(&[':']);
            self.expect(":");
            let shape = self.union();
            let default = self.eat("=").then(|| {
                let text = self.until_json();
                serde_json::from_str(&text).expect("a default is JSON")
            });
            fields.push(Field {
                name,
                required,
                shape,
                default,
            });
            self.eat(",");
        }
        Shape::Object { fields, open }
    }

    fn until_json(&mut self) -> String {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Value>();
        values
            .next()
            .expect("a default")
            .expect("a default is JSON");
        let end = values.byte_offset();
        let text = self.rest()[..end].to_owned();
        self.at += end;
        text
    }
}
