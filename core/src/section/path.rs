//! Paths of sections: labels joined by dots, from the root down.

use crate::error::{Error, Result};

/// The path of a section that is given none: its name, with every character that a path cannot
/// hold turned into `_`, and without empty labels.
///
/// ```
/// use transect::section::path::from_name;
/// assert_eq!(from_name("Dive 12, west"), "Dive_12__west");
/// assert_eq!(from_name("2026.Dive 3."), "2026.Dive_3");
/// ```
pub fn from_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let text: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    let labels: Vec<&str> = text.split('.').filter(|label| !label.is_empty()).collect();
    if labels.is_empty() {
        "_".into()
    } else {
        labels.join(".")
    }
}

/// Checks a given path. Errors: `Invalid` for an empty label or a character that none may have.
pub fn check(path: &str) -> Result<()> {
    let is_label = |label: &str| {
        let allowed = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        !label.is_empty() && label.chars().all(allowed)
    };
    if path.split('.').all(is_label) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid path {path}: it is labels of letters, digits, _ and -, joined by dots"
    )))
}

/// Whether `path` is `ancestor` or lies below it.
///
/// ```
/// use transect::section::path::is_within;
/// assert!(is_within("A.B", "A") && is_within("A", "A") && !is_within("AB", "A"));
/// ```
pub fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The path with the labels `old` at its start replaced by `new`; none if it does not start so.
///
/// ```
/// use transect::section::path::substitute;
/// assert_eq!(substitute("A.B.C", "A.B", "X"), Some("X.C".into()));
/// assert_eq!(substitute("A.BC", "A.B", "X"), None);
/// ```
pub fn substitute(path: &str, old: &str, new: &str) -> Option<String> {
    is_within(path, old).then(|| format!("{new}{}", &path[old.len()..]))
}
