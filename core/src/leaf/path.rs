//! Paths of leaves, and patterns of suggestions.

/// A name as a part of a path.
pub(super) fn part(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

/// The path of a leaf below `above`, the path of its parent or of the project.
pub(super) fn below(above: &str, name: &str) -> String {
    format!("{above}.{}", part(name))
}

/// How many parts a path has; the project's name is the first.
pub(super) fn depth(path: &str) -> i64 {
    path.split('.').count() as i64
}

/// The `like` pattern (escaped with `\`) for what somebody typed: a prefix, or pieces between `*`
/// of which the first begins the name and the last ends it. Lower case.
pub(super) fn pattern(typed: &str) -> String {
    let mut pattern = String::new();
    for c in typed.to_lowercase().chars() {
        match c {
            '*' => pattern.push('%'),
            '%' | '_' | '\\' => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    if !typed.contains('*') {
        pattern.push('%');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_no_special_characters() {
        let path = below(&part("My project (2)"), "Gadus-morhua é");
        assert_eq!(path, "My_project__2_.Gadus_morhua__");
        assert_eq!(depth(&path), 2);
    }

    #[test]
    fn stars_stand_for_anything_between() {
        for (typed, expected) in [
            ("Cod", "cod%"),
            ("", "%"),
            ("*cod", "%cod"),
            ("a*b*c", "a%b%c"),
            ("cod*", "cod%"),
            ("50%_\\", "50\\%\\_\\\\%"),
        ] {
            assert_eq!(pattern(typed), expected);
        }
    }
}
