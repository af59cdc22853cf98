//! Archives of media: what is in a tar, tar.gz or zip file, and getting it out.
//!
//! Members are told apart by position and end up under names of our own, so that no name in an
//! archive ever becomes a path. Only plain files are read. What an archive unpacks to is limited,
//! and counted before anything of it is imported.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

use crate::config::Transcode as Limits;
use crate::error::{Error, Result};

/// What the headers between two members of a tar file may take, in bytes.
const HEADERS: u64 = 1 << 20;
/// Unpacked bytes below which a ratio harms nobody.
const HARMLESS: u64 = 64 << 20;
/// Bytes copied at once.
const BLOCK: usize = 256 << 10;
/// Names that a message lists.
const LISTED: usize = 10;
/// Endings of archives.
const ARCHIVES: [&str; 12] = [
    "zip", "tar", "gz", "tgz", "bz2", "tbz", "xz", "txz", "zst", "7z", "rar", "lz4",
];

/// A member that is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its position in the archive.
    pub at: usize,
    /// The last part of its name.
    pub name: String,
    /// `video` or `image`.
    pub dtype: &'static str,
    /// Its length when unpacked, as the archive says.
    pub size_bytes: u64,
}

/// What an archive holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// What is imported, in the archive's order.
    pub members: Vec<Member>,
    /// Names that are left out, each with the reason.
    pub left_out: Vec<(String, &'static str)>,
}

impl Contents {
    /// A sentence about what is left out; empty when nothing is.
    pub(super) fn message(&self) -> String {
        if self.left_out.is_empty() {
            return String::new();
        }
        let named = self.left_out.iter().take(LISTED);
        let named: Vec<String> = named.map(|(name, why)| format!("{name} ({why})")).collect();
        let more = match self.left_out.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("left out: {}{more}", named.join(", "))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Tar,
    TarGz,
    Zip,
}

/// One entry as it is met.
struct Entry<'a> {
    name: String,
    kind: Kind,
    size_bytes: u64,
    /// Its bytes within the archive, where they are known.
    packed_bytes: Option<u64>,
    data: &'a mut dyn Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Other,
    Locked,
}

/// Reads what an archive holds; `dtype` says what a file of a name is.
///
/// Errors: `Invalid` for a file that is no archive or is damaged, and for one beyond the limits.
pub(super) fn contents(
    path: &Path,
    limits: &Limits,
    dtype: fn(&str) -> Option<&'static str>,
) -> Result<Contents> {
    let (mut found, mut count, mut total) = (Contents::default(), 0, 0_u64);
    let archive_bytes = std::fs::metadata(path)?.len();
    each(path, &mut |at, entry| {
        count += 1;
        total = total.saturating_add(entry.size_bytes);
        check(limits, entry, count, total, archive_bytes)?;
        match verdict(entry, dtype) {
            Verdict::Import(name, dtype) => found.members.push(Member {
                at,
                name,
                dtype,
                size_bytes: entry.size_bytes,
            }),
            Verdict::LeaveOut(why) => {
                let name = entry.name.chars().take(100).collect();
                found.left_out.push((name, why));
            }
            Verdict::Skip => {}
        }
        Ok(true)
    })?;
    Ok(found)
}

/// Unpacks members one after another. `place` names the file for one, or none to leave it out; `done`
/// hears of each that is unpacked, and says whether to go on.
///
/// Errors: `Invalid` when the archive is damaged, or a member is longer than it says.
pub(super) fn unpack(
    path: &Path,
    members: &[Member],
    place: impl Fn(&Member) -> std::path::PathBuf,
    mut go_on: impl FnMut() -> bool,
    mut done: impl FnMut(&Member) -> bool,
) -> Result<()> {
    let mut wanted = members.iter().peekable();
    each(path, &mut |at, entry| {
        let Some(member) = wanted.next_if(|member| member.at == at) else {
            return Ok(wanted.peek().is_some());
        };
        let mut file = File::create(place(member))?;
        if !copy(entry.data, &mut file, member.size_bytes, &mut go_on)? {
            return Ok(false);
        }
        Ok(done(member) && wanted.peek().is_some())
    })
}

/// Copies exactly `length` bytes; false when told not to go on.
fn copy(
    data: &mut dyn Read,
    file: &mut File,
    length: u64,
    go_on: &mut impl FnMut() -> bool,
) -> Result<bool> {
    let (mut block, mut copied) = (vec![0; BLOCK], 0_u64);
    loop {
        if !go_on() {
            return Ok(false);
        }
        let read = data.read(&mut block).map_err(damaged)?;
        if read == 0 {
            break;
        }
        copied += read as u64;
        if copied > length {
            break;
        }
        file.write_all(&block[..read])?;
    }
    if copied != length {
        return Err(Error::invalid(
            "the archive is damaged: a member is not as long as it says",
        ));
    }
    Ok(true)
}

fn check(
    limits: &Limits,
    entry: &Entry,
    count: usize,
    total: u64,
    archive_bytes: u64,
) -> Result<()> {
    let beyond = |what: String, key: &str| {
        Err(Error::invalid(format!(
            "{what}; nothing of the archive was imported (the operator may raise transcode.{key})"
        )))
    };
    if count > limits.archive_members {
        let text = format!(
            "the archive has more than {} members",
            limits.archive_members
        );
        return beyond(text, "archive_members");
    }
    if entry.size_bytes > limits.archive_member_bytes {
        let text = format!(
            "{} unpacks to more than {} bytes",
            entry.name, limits.archive_member_bytes
        );
        return beyond(text, "archive_member_bytes");
    }
    if total > limits.archive_bytes {
        let text = format!(
            "the archive unpacks to more than {} bytes",
            limits.archive_bytes
        );
        return beyond(text, "archive_bytes");
    }
    let bomb = |unpacked: u64, packed: u64| {
        unpacked > HARMLESS && unpacked / packed.max(1) >= limits.archive_ratio
    };
    let entry_bomb = entry
        .packed_bytes
        .is_some_and(|packed| bomb(entry.size_bytes, packed));
    if entry_bomb || bomb(total, archive_bytes) {
        let text = format!(
            "the archive unpacks to more than {} times its size",
            limits.archive_ratio
        );
        return beyond(text, "archive_ratio");
    }
    Ok(())
}

enum Verdict {
    Import(String, &'static str),
    LeaveOut(&'static str),
    /// Nobody would expect it to be imported.
    Skip,
}

fn verdict(entry: &Entry, dtype: fn(&str) -> Option<&'static str>) -> Verdict {
    let parts: Vec<&str> = entry.name.split(['/', '\\']).collect();
    let name = parts.last().copied().unwrap_or_default();
    let hidden = parts
        .iter()
        .any(|part| *part == "__MACOSX" || (part.starts_with('.') && !matches!(*part, "." | "..")));
    match entry.kind {
        Kind::Folder => return Verdict::Skip,
        Kind::Other => return Verdict::LeaveOut("it is a link or a device"),
        Kind::Locked => return Verdict::LeaveOut("it is encrypted"),
        Kind::File => {}
    }
    let drive = parts[0].len() == 2 && parts[0].ends_with(':');
    if parts.contains(&"..") || (parts[0].is_empty() && parts.len() > 1) || drive {
        return Verdict::LeaveOut("its name leads out of the archive");
    }
    if hidden || name.is_empty() {
        return Verdict::Skip;
    }
    match dtype(name) {
        _ if is_archive(name) => Verdict::LeaveOut("an archive within an archive is not unpacked"),
        _ if entry.size_bytes == 0 => Verdict::LeaveOut("it is empty"),
        Some(dtype) => Verdict::Import(name.to_owned(), dtype),
        None => Verdict::LeaveOut("it is no video or image"),
    }
}

fn is_archive(name: &str) -> bool {
    let ending = Path::new(name).extension().unwrap_or_default();
    ARCHIVES.contains(&ending.to_string_lossy().to_lowercase().as_str())
}

fn damaged(error: io::Error) -> Error {
    Error::invalid(format!("the archive is damaged: {error}"))
}

/// Whether it goes on, for each entry and its position.
type Visit<'v> = &'v mut dyn FnMut(usize, &mut Entry) -> Result<bool>;

fn each(path: &Path, visit: Visit) -> Result<()> {
    let mut file = File::open(path)?;
    match format(&mut file)? {
        Format::Zip => each_zip(file, visit),
        Format::Tar => {
            let left = Rc::new(Cell::new(HEADERS));
            let mut archive = tar::Archive::new(Allowed::new(file, left.clone()));
            each_tar(archive.entries_with_seek().map_err(damaged)?, &left, visit)
        }
        Format::TarGz => {
            let left = Rc::new(Cell::new(HEADERS));
            let unzipped = flate2::read::MultiGzDecoder::new(BufReader::new(file));
            let mut archive = tar::Archive::new(Allowed::new(unzipped, left.clone()));
            each_tar(archive.entries().map_err(damaged)?, &left, visit)
        }
    }
}

/// What kind of archive a file is, by its first bytes; the file is rewound.
fn format(file: &mut File) -> Result<Format> {
    let mut head = Vec::new();
    Read::by_ref(file).take(512).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Format::Zip);
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Format::TarGz);
    }
    let header = tar::Header::from_byte_slice;
    let is_tar = head.len() == 512 && {
        let header = header(&head);
        let sum = |at: usize, byte: &u8| match at {
            148..156 => 32,
            _ => u32::from(*byte),
        };
        let sum: u32 = head
            .iter()
            .enumerate()
            .map(|(at, byte)| sum(at, byte))
            .sum();
        header.cksum().is_ok_and(|told| told == sum)
    };
    if is_tar {
        return Ok(Format::Tar);
    }
    Err(Error::invalid(
        "the file is no archive that can be imported: tar, tar.gz or zip",
    ))
}

fn each_zip(file: File, visit: Visit) -> Result<()> {
    let broken =
        |error: zip::result::ZipError| Error::invalid(format!("the archive is damaged: {error}"));
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    for at in 0..archive.len() {
        let about = archive.by_index_raw(at).map_err(broken)?;
        let kind = match () {
            () if about.is_dir() => Kind::Folder,
            () if about.is_symlink() => Kind::Other,
            () if about.encrypted() => Kind::Locked,
            () => Kind::File,
        };
        let name = about.name().map_or_else(
            |_| String::from_utf8_lossy(about.name_raw()).into_owned(),
            std::borrow::Cow::into_owned,
        );
        let (size_bytes, packed_bytes) = (about.size(), Some(about.compressed_size()));
        drop(about);
        // It is opened only when its bytes are wanted.
        let mut data = Late {
            open: Some(&mut archive),
            at,
            rest: None,
        };
        let mut entry = Entry {
            name,
            kind,
            size_bytes,
            packed_bytes,
            data: &mut data,
        };
        if !visit(at, &mut entry)? {
            break;
        }
    }
    Ok(())
}

/// A member of a zip file that is opened at the first read.
struct Late<'a, R: Read> {
    open: Option<&'a mut zip::ZipArchive<R>>,
    at: usize,
    rest: Option<zip::read::ZipFile<'a, R>>,
}

impl<R: Read + Seek> Read for Late<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(archive) = self.open.take() {
            self.rest = Some(archive.by_index(self.at).map_err(io::Error::other)?);
        }
        match &mut self.rest {
            Some(rest) => rest.read(buffer),
            None => Ok(0),
        }
    }
}

fn each_tar<R: Read>(
    entries: tar::Entries<'_, R>,
    left: &Rc<Cell<u64>>,
    visit: Visit,
) -> Result<()> {
    for (at, entry) in entries.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        let kind = match () {
            () if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() => Kind::File,
            () if kind.is_dir() => Kind::Folder,
            () if kind.is_pax_global_extensions() => Kind::Folder,
            () => Kind::Other,
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let size_bytes = if kind == Kind::File { entry.size() } else { 0 };
        // What it takes in the file; a sparse one takes less than it unpacks to.
        let stored = entry.header().entry_size().unwrap_or(size_bytes);
        left.set(stored.max(entry.size()).saturating_add(HEADERS));
        let mut entry = Entry {
            name,
            kind,
            size_bytes,
            packed_bytes: None,
            data: &mut entry,
        };
        if !visit(at, &mut entry)? {
            break;
        }
    }
    Ok(())
}

/// A reader that gives only so many bytes until it is allowed more: headers that pretend to be
/// long must not fill the memory.
struct Allowed<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R> Allowed<R> {
    fn new(inner: R, left: Rc<Cell<u64>>) -> Self {
        Self { inner, left }
    }
}

impl<R: Read> Read for Allowed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("its headers are too long"));
        }
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left.set(left - read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Allowed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests;
