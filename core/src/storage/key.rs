//! Keys of objects: where an upload, a rendition or a file lies, and whose it is.
//!
//! `_uploads/{date}/{organization}/{project}/{account}/{uuid}` is temporary;
//! `{organization}/{project}/{media}/{stem}_{ten letters}{extension}` belongs to a media;
//! `{organization}/{project}/files/{file}/{stem}_{ten letters}{extension}` belongs to a file.
//!
//! Every new key is one that nothing was ever stored under, so that a link which writes it can
//! overwrite nothing but what was sent through it before; and nothing once the key is recorded.

use crate::error::{Error, Result};
use crate::{id, time};

/// What every key of a temporary upload begins with.
pub const UPLOADS: &str = "_uploads/";

/// What the keys of a project's generic files begin with, in place of the organization.
const GENERIC: &str = "_media";

/// The longest name that a key ends with, in characters.
const NAME_LENGTH: usize = 200;
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// A project together with its organization: whose keys are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The project's organization.
    pub organization: i64,
    /// The project.
    pub project: i64,
}

/// The project that a key of the station's own bucket belongs to, and whether it is a temporary upload.
pub fn project_of(key: &str) -> Option<(i64, bool)> {
    let (rest, temporary) = match key.strip_prefix(UPLOADS) {
        Some(dated) => (dated.split_once('/')?.1, true),
        None => (key, false),
    };
    let (organization, rest) = rest.split_once('/')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !number(organization) && organization != GENERIC {
        return None;
    }
    let (project, rest) = rest.split_once('/')?;
    let known = number(project) && !rest.is_empty();
    Some((project.parse().ok().filter(|_| known)?, temporary))
}

/// The organization that a key of a media or a file names; none for generic files.
pub fn organization_of(key: &str) -> Option<i64> {
    key.split_once('/')?.0.parse().ok()
}

/// Whether a key is one of a project's generic files, which are the station's own to serve.
pub fn is_generic(key: &str) -> bool {
    key.strip_prefix(GENERIC)
        .is_some_and(|rest| rest.starts_with('/'))
}

impl Owner {
    /// A new key of a temporary upload.
    pub fn upload(self, account: i64, now_ms: i64) -> String {
        let date = &time::wire(now_ms)[..10];
        format!("{UPLOADS}{date}/{}{account}/{}", self.prefix(), id::uuid())
    }

    /// A new key of a rendition, named after `filename`.
    pub fn rendition(self, media: i64, filename: Option<&str>) -> String {
        format!("{}{media}/{}", self.prefix(), fresh_name(filename))
    }

    /// A new key of a file's bytes, named after `filename`.
    pub fn file(self, file: i64, filename: Option<&str>) -> String {
        format!("{}files/{file}/{}", self.prefix(), fresh_name(filename))
    }

    /// Whether a key is one of this project, a temporary upload included.
    pub fn holds(self, key: &str) -> bool {
        let rest = match key.strip_prefix(UPLOADS) {
            Some(dated) => dated.split_once('/').map_or("", |(_, rest)| rest),
            None => key,
        };
        rest.strip_prefix(&self.prefix())
            .is_some_and(|rest| !rest.is_empty())
    }

    /// What every key of a media of this project begins with.
    pub fn media_prefix(self, media: i64) -> String {
        format!("{}{media}/", self.prefix())
    }

    /// Whether a key is one of a media of this project.
    pub fn holds_media(self, media: i64, key: &str) -> bool {
        key.starts_with(&self.media_prefix(media))
    }

    /// Checks that a key may be recorded for a media of this project.
    ///
    /// Errors: `Forbidden` for a key of another organization, project or media, `Invalid` for a text
    /// that is no key of any.
    pub fn check_media(self, media: i64, key: &str) -> Result<()> {
        let parts: Vec<&str> = key.split('/').collect();
        let plain = |part: &&str| {
            !matches!(*part, "" | "." | "..")
                && !part.contains(|c: char| c.is_control() || c == '\\')
        };
        let number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let well_formed =
            parts.len() >= 4 && parts.iter().all(plain) && parts[..2].iter().all(number);
        if !well_formed {
            return Err(Error::invalid(format!(
                "{key:?} is no key of a stored object: organization/project/media/name"
            )));
        }
        if !self.holds_media(media, key) {
            return Err(Error::Forbidden(format!(
                "Key {key} does not belong to media {media}!"
            )));
        }
        Ok(())
    }

    /// Whether a key is one of a file of this project.
    pub fn holds_file(self, file: i64, key: &str) -> bool {
        key.starts_with(&format!("{}files/{file}/", self.prefix()))
    }

    fn prefix(self) -> String {
        format!("{}/{}/", self.organization, self.project)
    }
}

/// A name that was never used before, told from others by ten letters.
fn fresh_name(filename: Option<&str>) -> String {
    let name = filename.map(base_name).filter(|name| !name.is_empty());
    match &name {
        Some(name) => {
            let (stem, extension) = split_extension(name);
            format!("{stem}_{}{extension}", id::random_text(LETTERS, 10))
        }
        None => id::uuid(),
    }
}

/// The last part of a path of either kind, without what a URL or a terminal would choke on.
pub(super) fn base_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim().trim_matches('.');
    let surplus = clean.chars().count().saturating_sub(NAME_LENGTH);
    let (stem, extension) = split_extension(clean);
    let stem: String = stem
        .chars()
        .take(stem.chars().count().saturating_sub(surplus))
        .collect();
    format!("{stem}{extension}")
}

/// `("clip", ".mp4")` of `clip.mp4`; an extension is short and has no spaces.
pub(super) fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= 16 && !name[at..].contains(' ') => {
            name.split_at(at)
        }
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner {
        organization: 1,
        project: 2,
    };

    #[test]
    fn a_key_says_which_project_it_is_of() {
        assert_eq!(project_of("1/2/3/clip.mp4"), Some((2, false)));
        assert_eq!(project_of("1/2/files/3/a.txt"), Some((2, false)));
        assert_eq!(project_of("_media/5/a"), Some((5, false)));
        assert_eq!(project_of("_uploads/2026-11-20/1/2/7/x"), Some((2, true)));
        for other in [
            "_uploads/2026-11-20/3/organization/7/x",
            "avatars/1",
            "1/2",
            "1/2x/3",
            "/2/3",
            "",
        ] {
            assert_eq!(project_of(other), None, "{other}");
        }
        assert_eq!(organization_of("12/2/3/clip.mp4"), Some(12));
        assert_eq!(organization_of("_media/5/a"), None);
        assert!(is_generic("_media/5/a") && !is_generic("1/2/files/3/_media"));
    }

    #[test]
    fn keys_say_whose_they_are() {
        let upload = OWNER.upload(7, 0);
        assert!(upload.starts_with("_uploads/1970-01-01/1/2/7/"), "{upload}");
        let rendition = OWNER.rendition(3, Some("C:\\clips\\dive 1.MP4"));
        let middle = rendition
            .strip_prefix("1/2/3/dive 1_")
            .and_then(|rest| rest.strip_suffix(".MP4"));
        assert!(middle.is_some_and(|text| text.len() == 10), "{rendition}");
        let file = OWNER.file(4, Some("../notes.txt"));
        assert!(file.starts_with("1/2/files/4/notes_") && file.ends_with(".txt"));
        assert_ne!(file, OWNER.file(4, Some("../notes.txt")));
        for key in [&upload, &rendition, &file] {
            assert!(OWNER.holds(key), "{key}");
        }
        for key in [
            "1/3/4/x",
            "1/2",
            "1/2/",
            "_uploads/2020-01-01/1/3/7/x",
            "_uploads/1/2/x",
            "/1/2/x",
        ] {
            assert!(!OWNER.holds(key), "{key}");
        }
        assert!(OWNER.holds_media(3, &rendition) && !OWNER.holds_media(30, &rendition));
        assert!(OWNER.holds_file(4, "1/2/files/4/x") && !OWNER.holds_file(4, "1/2/4/x"));
    }

    #[test]
    fn a_media_records_only_keys_of_its_own() {
        assert!(OWNER.check_media(3, "1/2/3/a/b.mp4").is_ok());
        for foreign in ["9/2/3/x", "1/9/3/x", "1/2/30/x", "1/2/files/3/x"] {
            let refused = OWNER.check_media(3, foreign);
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{foreign}");
        }
        for malformed in [
            "",
            "x",
            "/1/2/3/x",
            "1/2/3",
            "1/2/3/",
            "1/2/3/../4/x",
            "1/2/3//x",
            "1/2/3/x\ny",
            "_uploads/2020-01-01/1/2/7/x",
            "file:///etc/passwd",
            "/etc/passwd",
        ] {
            let refused = OWNER.check_media(3, malformed);
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{malformed}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = base_name(&format!("{}.jpeg", "é".repeat(400)));
        assert_eq!(name.chars().count(), NAME_LENGTH);
        assert!(name.ends_with(".jpeg"));
    }
}
