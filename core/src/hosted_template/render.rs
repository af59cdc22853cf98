//! Fetching a template and filling it in.

use std::collections::BTreeMap;

use minijinja::{Environment, Value};

use super::types::{HostedTemplate, Parameter};
use crate::client;
use crate::context::Context;
use crate::error::{Error, Result};

/// The largest template, and the largest text that one may become, in bytes.
const MOST_BYTES: usize = 4 << 20;
/// How much a template may compute.
const FUEL: u64 = 2_000_000;

/// Fetches the text of a template and fills it in: with the template's own parameters, and over them
/// those given. Headers given likewise go over the template's own.
///
/// Errors: `Forbidden` for a URL of no allowed origin; `Invalid` when it cannot be fetched or filled in.
pub async fn render(
    cx: &Context,
    template: &HostedTemplate,
    tparams: &[Parameter],
    headers: &[Parameter],
) -> Result<String> {
    let headers: Vec<(String, String)> =
        merged(&template.headers, headers, |name| name.to_ascii_lowercase())
            .into_iter()
            .collect();
    let bytes = client::bytes(cx, &template.url, &headers, MOST_BYTES as u64).await?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| unfit(template, "it is not UTF-8 text".into()))?;
    let values = merged(&template.tparams, tparams, str::to_owned);
    let filled = tokio::task::spawn_blocking(move || fill(&text, values)).await;
    filled
        .map_err(|error| Error::internal("fill in a template", error))?
        .map_err(|why| unfit(template, why))
}

/// Parameters by name; of the same name, the second list's.
fn merged(
    first: &[Parameter],
    second: &[Parameter],
    key: impl Fn(&str) -> String,
) -> BTreeMap<String, String> {
    let all = first.iter().chain(second);
    all.map(|one| (key(&one.name), one.value.clone())).collect()
}

fn fill(text: &str, values: BTreeMap<String, String>) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    // Templates are written for Jinja on Python, whose texts have methods.
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    let filled = environment
        .render_str(text, Value::from(values))
        .map_err(|error| error.to_string())?;
    if filled.len() > MOST_BYTES {
        return Err(format!("it becomes larger than {MOST_BYTES} bytes"));
    }
    Ok(filled)
}

fn unfit(template: &HostedTemplate, why: String) -> Error {
    Error::invalid_because(
        format!("the hosted template {} cannot be rendered", template.name),
        why,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        fill(text, pairs.iter().map(own).collect())
    }

    #[test]
    fn templates_are_filled_in_as_jinja_does() {
        let text = "{% for n in list.split(',') %}[{{ n }}]{% endfor %} {{ missing }}<b> {% raw %}{{item}}{% endraw %}";
        assert_eq!(
            filled(text, &[("list", "a,b")]).unwrap(),
            "[a][b] <b> {{item}}"
        );
        assert!(filled("{{ open", &[]).is_err());
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(filled(endless, &[]).unwrap_err().contains("fuel"));
    }

    #[test]
    fn the_second_list_wins() {
        let list = |pairs: &[(&str, &str)]| -> Vec<Parameter> {
            let own = |(name, value): &(&str, &str)| Parameter {
                name: (*name).into(),
                value: (*value).into(),
            };
            pairs.iter().map(own).collect()
        };
        let both = merged(
            &list(&[("a", "1"), ("b", "1")]),
            &list(&[("B", "2")]),
            |name| name.to_ascii_lowercase(),
        );
        assert_eq!(
            both,
            [("a", "1"), ("b", "2")]
                .map(|(a, b)| (a.into(), b.into()))
                .into()
        );
    }
}
