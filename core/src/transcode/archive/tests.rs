use std::io::Cursor;
use std::path::PathBuf;

use super::*;
use crate::media::service::dtype_of_file;

const LIMITS: Limits = Limits {
    archive_members: 20,
    archive_bytes: 200 << 20,
    archive_member_bytes: 150 << 20,
    archive_ratio: 100,
    encoders: 0,
};

struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// A tar file of (name, type, bytes); names are written as they are.
fn tar_of(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpacked(path: &Path, members: &[Member]) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let place = |member: &Member| folder.path().join(member.at.to_string());
    let done = |member: &Member| {
        out.push((member.name.clone(), std::fs::read(place(member)).unwrap()));
        true
    };
    unpack(path, members, place, || true, done).unwrap();
    out
}

fn refusal(path: &Path, limits: &Limits) -> String {
    contents(path, limits, dtype_of_file)
        .unwrap_err()
        .to_string()
}

#[test]
fn every_format_gives_its_media_and_says_what_it_leaves_out() {
    let tree = Tree::new();
    let file = tar::EntryType::Regular;
    let packed = tar_of(&[
        ("dive/", tar::EntryType::Directory, b""),
        ("dive/a.mp4", file, b"aaaa"),
        ("notes.txt", file, b"n"),
        ("dive/b.JPG", file, b"bb"),
    ]);
    let zipped = zip_of(&[
        ("dive/", b""),
        ("dive/a.mp4", b"aaaa"),
        ("notes.txt", b"n"),
        ("dive/b.JPG", b"bb"),
    ]);
    for bytes in [packed.clone(), gz(&packed), zipped] {
        let path = tree.file(&bytes);
        let found = contents(&path, &LIMITS, dtype_of_file).unwrap();
        let seen: Vec<_> = found
            .members
            .iter()
            .map(|one| (one.name.as_str(), one.dtype))
            .collect();
        assert_eq!(seen, [("a.mp4", "video"), ("b.JPG", "image")]);
        assert_eq!(
            found.message(),
            "left out: notes.txt (it is no video or image)"
        );
        let both = unpacked(&path, &found.members);
        assert_eq!(
            both,
            [
                ("a.mp4".into(), b"aaaa".to_vec()),
                ("b.JPG".into(), b"bb".to_vec())
            ]
        );
        let second = unpacked(&path, &found.members[1..]);
        assert_eq!(second, [("b.JPG".into(), b"bb".to_vec())]);
    }
}

#[test]
fn names_links_and_archives_within_lead_nowhere() {
    let tree = Tree::new();
    let file = tar::EntryType::Regular;
    let path = tree.file(&tar_of(&[
        ("../../etc/a.png", file, b"x"),
        ("/etc/b.png", file, b"x"),
        ("C:\\c.png", file, b"x"),
        ("link.mp4", tar::EntryType::Symlink, b""),
        ("hard.mp4", tar::EntryType::Link, b""),
        ("device.mp4", tar::EntryType::Block, b""),
        ("more.zip", file, b"PK"),
        ("empty.mp4", file, b""),
        ("._d.png", file, b"x"),
        ("__MACOSX/e.png", file, b"x"),
        ("good.png", file, b"x"),
    ]));
    let found = contents(&path, &LIMITS, dtype_of_file).unwrap();
    let names: Vec<_> = found.members.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["good.png"]);
    let reasons: Vec<_> = found.left_out.iter().map(|(_, why)| *why).collect();
    let (out, link) = (
        "its name leads out of the archive",
        "it is a link or a device",
    );
    let (nested, empty) = (
        "an archive within an archive is not unpacked",
        "it is empty",
    );
    assert_eq!(reasons, [out, out, out, link, link, link, nested, empty]);
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let tree = Tree::new();
    let zeros = vec![0; 70 << 20];
    let bomb = tree.file(&zip_of(&[("a.bmp", &zeros)]));
    assert!(refusal(&bomb, &LIMITS).contains("transcode.archive_ratio"));
    let bomb = tree.file(&gz(&tar_of(&[("a.bmp", tar::EntryType::Regular, &zeros)])));
    assert!(refusal(&bomb, &LIMITS).contains("transcode.archive_ratio"));
    let lenient = Limits {
        archive_ratio: 100_000,
        ..LIMITS
    };
    assert!(contents(&bomb, &lenient, dtype_of_file).is_ok());
    let few = Limits {
        archive_bytes: 60 << 20,
        ..lenient.clone()
    };
    assert!(refusal(&bomb, &few).contains("transcode.archive_bytes"));
    let small = Limits {
        archive_member_bytes: 60 << 20,
        ..lenient
    };
    assert!(refusal(&bomb, &small).contains("transcode.archive_member_bytes"));
    let names: Vec<String> = (0..21).map(|n| format!("{n}.png")).collect();
    let many: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"x"[..]))
        .collect();
    assert!(refusal(&tree.file(&zip_of(&many)), &LIMITS).contains("transcode.archive_members"));
    // A name that pretends to be 40 MB long.
    let long = tar_of(&[(
        "././@LongLink",
        tar::EntryType::GNULongName,
        &zeros[..40 << 20],
    )]);
    assert!(refusal(&tree.file(&gz(&long)), &LIMITS).contains("headers are too long"));
}

#[test]
fn what_is_no_archive_or_damaged_says_so() {
    let tree = Tree::new();
    for bytes in [&b""[..], b"hello", &[7; 2000]] {
        assert!(refusal(&tree.file(bytes), &LIMITS).contains("tar, tar.gz or zip"));
    }
    let whole = gz(&tar_of(&[("a.mp4", tar::EntryType::Regular, &[9; 5000])]));
    assert!(refusal(&tree.file(&whole[..whole.len() / 2]), &LIMITS).contains("damaged"));
    let whole = zip_of(&[("a.mp4", &[9; 5000])]);
    assert!(refusal(&tree.file(&whole[..whole.len() - 30]), &LIMITS).contains("damaged"));
}
