//! A file that is written once, from its beginning to its end. A large one goes past the page cache: copying it there
//! costs more than anything else that is done to its bytes, and pushes out what others need.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// From how many expected bytes a file goes past the page cache.
const LARGE: u64 = 16 << 20;
/// Bytes that go to the disk at once past the page cache.
const BLOCK: usize = 4 << 20;
/// What the disk wants addresses, places and lengths to be multiples of; the largest of what is in use.
const ALIGNMENT: usize = 4096;

/// A file that is being written.
pub(super) struct Sink {
    file: File,
    /// What waits for its block to be full, while writes go past the page cache.
    waiting: Option<Block>,
}

/// Bytes in memory as the disk wants them.
struct Block {
    memory: Vec<u8>,
    start: usize,
    filled: usize,
}

impl Block {
    fn new() -> Self {
        let memory = vec![0; BLOCK + ALIGNMENT];
        // Where no address fits, writes are refused, and go through the page cache.
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let filled = 0;
        Self {
            memory,
            start,
            filled,
        }
    }

    /// Takes as many bytes as it has room for; returns the rest.
    fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (piece, rest) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
        let from = self.start + self.filled;
        self.memory[from..from + piece.len()].copy_from_slice(piece);
        self.filled += piece.len();
        rest
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.filled]
    }
}

impl Sink {
    /// A new file. Errors: `AlreadyExists`, and what the file system has to say.
    pub(super) fn create(path: &Path, expected_bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if expected_bytes >= LARGE {
            let flags = OFlags::DIRECT.bits().cast_signed();
            match options.clone().custom_flags(flags).open(path) {
                Ok(file) => {
                    let waiting = Some(Block::new());
                    return Ok(Self { file, waiting });
                }
                // Not every file system can, and some leave a file behind when they refuse.
                Err(error) if is_refused(&error) => match std::fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                },
                Err(error) => return Err(error),
            }
        }
        let file = options.open(path)?;
        let waiting = None;
        Ok(Self { file, waiting })
    }

    /// Whether writes go past the page cache.
    pub(super) fn is_direct(&self) -> bool {
        self.waiting.is_some()
    }

    /// Appends bytes; the last of them may wait until [`Sink::plain`].
    pub(super) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(block) = &mut self.waiting {
            bytes = block.take(bytes);
            if bytes.is_empty() {
                return Ok(());
            }
            self.write_block()?;
        }
        self.file.write_all(bytes)
    }

    /// The file, with everything written to it; from now on through the page cache.
    pub(super) fn plain(&mut self) -> io::Result<&mut File> {
        self.write_block()?;
        if let Some(block) = self.waiting.take() {
            self.leave(block.bytes())?;
        }
        Ok(&mut self.file)
    }

    /// Writes the whole pages of what waits, and keeps the rest waiting.
    fn write_block(&mut self) -> io::Result<()> {
        let Some(mut block) = self.waiting.take() else {
            return Ok(());
        };
        let whole = block.filled - block.filled % ALIGNMENT;
        let mut written = 0;
        while written < whole {
            match self.file.write(&block.bytes()[written..whole]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // A place that is no multiple any more is nothing for the disk.
                Ok(count) if count % ALIGNMENT != 0 => {
                    return self.leave(&block.bytes()[written + count..]);
                }
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_refused(&error) => return self.leave(&block.bytes()[written..]),
                Err(error) => return Err(error),
            }
        }
        let rest = block.start + whole..block.start + block.filled;
        block.filled -= whole;
        block.memory.copy_within(rest, block.start);
        self.waiting = Some(block);
        Ok(())
    }

    /// Writes the rest through the page cache, as everything that follows.
    fn leave(&mut self, rest: &[u8]) -> io::Result<()> {
        let flags = fcntl_getfl(&self.file)?;
        fcntl_setfl(&self.file, flags - OFlags::DIRECT)?;
        self.file.write_all(rest)
    }
}

fn is_refused(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::OPNOTSUPP].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| refusals.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place % 251) as u8).collect()
    }

    #[test]
    fn every_length_comes_whole_in_pieces_of_any_size() {
        // Not below the folder of temporary files, which may be in memory: that is the other test.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        for (number, length) in [0, 1, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 4097]
            .into_iter()
            .enumerate()
        {
            let (path, bytes) = (folder.path().join(number.to_string()), pattern(length));
            let mut sink = Sink::create(&path, LARGE).expect("created");
            for piece in bytes.chunks(700_001) {
                sink.write_all(piece).expect("written");
            }
            sink.plain().expect("whole").sync_all().expect("flushed");
            assert!(!sink.is_direct());
            assert!(std::fs::read(&path).expect("read") == bytes, "{length}");
        }
    }

    #[test]
    fn a_file_goes_on_after_it_was_plain() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let path = folder.path().join("f");
        let mut sink = Sink::create(&path, LARGE).expect("created");
        sink.write_all(b"one ").expect("written");
        let more = &mut &b"two "[..];
        io::copy(&mut more.take(4), sink.plain().expect("plain")).expect("copied");
        sink.write_all(b"three").expect("written");
        sink.plain().expect("whole");
        assert_eq!(std::fs::read(&path).expect("read"), b"one two three");
    }

    #[test]
    fn a_file_system_that_cannot_gets_it_through_the_page_cache() {
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
            return;
        };
        let (path, bytes) = (folder.path().join("f"), pattern(BLOCK + 5));
        let mut sink = Sink::create(&path, LARGE).expect("created");
        sink.write_all(&bytes).expect("written");
        sink.plain().expect("whole");
        assert!(std::fs::read(&path).expect("read") == bytes);
        assert!(Sink::create(&path, LARGE).is_err(), "it is there already");
    }
}
