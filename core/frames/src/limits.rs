//! What this process may use, so that a hostile file cannot take the machine along.

use rustix::process::{Resource, Rlimit, setrlimit};

const MOST_OPEN_FILES: u64 = 256;

/// Caps address space, open files and core dumps.
///
/// Errors: the system's reason; the process must not go on then.
pub fn apply(memory_bytes: Option<u64>) -> std::io::Result<()> {
    let cap = |limit: u64| Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    setrlimit(Resource::Core, cap(0))?;
    setrlimit(Resource::Nofile, cap(MOST_OPEN_FILES))?;
    if let Some(bytes) = memory_bytes {
        setrlimit(Resource::As, cap(bytes))?;
    }
    Ok(())
}
