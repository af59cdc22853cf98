//! What this process may do: decode. It gives up everything else before it sees a file, so that a hostile one that takes it
//! over gains nothing: no network, no other program, no file but those of its tasks.
//!
//! Two nets of the Linux kernel, one over the other: Landlock says which files, seccomp which system calls. A kernel without one
//! of them leaves the other, and the limits.

use std::path::PathBuf;

use serde::Serialize;

/// Which files this process may use.
#[derive(Debug, Default)]
pub struct Files {
    /// Files and folders to read.
    pub read: Vec<PathBuf>,
    /// Folders to read and write.
    pub write: Vec<PathBuf>,
}

/// What holds this process.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// By files: `full`, `partial` where the kernel knows less than this program, or why not.
    pub landlock: String,
    /// By system calls: `full`, or why not.
    pub seccomp: String,
}

/// Gives up everything but these files and what decoding needs. For ever, and for every thread to come.
#[cfg(target_os = "linux")]
pub fn enter(files: &Files) -> Held {
    Held {
        landlock: linux::restrict_files(files).unwrap_or_else(|error| error.to_string()),
        seccomp: linux::restrict_calls().map_or_else(|error| error.to_string(), |()| "full".into()),
    }
}

/// Gives up nothing: only Linux has these nets.
#[cfg(not(target_os = "linux"))]
pub fn enter(_files: &Files) -> Held {
    let missing = "none";
    Held {
        landlock: missing.into(),
        seccomp: missing.into(),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::error::Error;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    use super::Files;

    type Result<T> = std::result::Result<T, Box<dyn Error>>;

    /// What this program knows of Landlock; kernels that know less do what they can.
    const KNOWN: ABI = ABI::V6;
    /// What libraries look up about the machine.
    const MACHINE: [&str; 6] = [
        "/dev/null",
        "/dev/urandom",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/sys/devices/system/cpu",
        "/sys/devices/system/node",
    ];

    pub fn restrict_files(files: &Files) -> Result<String> {
        let look = AccessFs::ReadFile | AccessFs::ReadDir;
        let work = AccessFs::from_all(KNOWN)
            & !(AccessFs::Execute
                | AccessFs::MakeChar
                | AccessFs::MakeBlock
                | AccessFs::MakeSock
                | AccessFs::MakeFifo
                | AccessFs::MakeSym
                | AccessFs::IoctlDev);
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::from_all(KNOWN))?
            .create()?;
        for path in MACHINE {
            rules = allow(rules, path.as_ref(), look)?;
        }
        for path in &files.read {
            rules = allow(rules, path, look)?;
        }
        for path in &files.write {
            rules = allow(rules, path, work)?;
        }
        Ok(match rules.restrict_self()?.ruleset {
            RulesetStatus::FullyEnforced => "full".into(),
            RulesetStatus::PartiallyEnforced => "partial".into(),
            RulesetStatus::NotEnforced => "none".into(),
        })
    }

    /// What is not there needs no rule.
    fn allow(
        rules: RulesetCreated,
        path: &std::path::Path,
        access: BitFlags<AccessFs>,
    ) -> Result<RulesetCreated> {
        match PathFd::new(path) {
            Ok(opened) => {
                let access = if path.is_dir() {
                    access
                } else {
                    access & AccessFs::from_file(KNOWN)
                };
                Ok(rules.add_rule(PathBeneath::new(opened, access))?)
            }
            Err(_) => Ok(rules),
        }
    }

    /// Lets through what memory, threads, files and clocks need. Everything else does not exist, as on an older kernel, so that
    /// libraries try what they did before it was invented.
    pub fn restrict_calls() -> Result<()> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            CALLS.iter().map(|&call| (call, Vec::new())).collect();
        let only = |argument: u8, how: SeccompCmpOp, value: u64| {
            let length = SeccompCmpArgLen::Qword;
            SeccompRule::new(vec![SeccompCondition::new(argument, length, how, value)?])
        };
        // Threads, no processes; their creation by clone3 cannot be told apart from here.
        let thread = libc::CLONE_THREAD as u64;
        let threads = only(0, SeccompCmpOp::MaskedEq(thread), thread)?;
        rules.insert(libc::SYS_clone, vec![threads]);
        // Signals to itself, which is how it aborts.
        let own = only(0, SeccompCmpOp::Eq, std::process::id().into())?;
        rules.insert(libc::SYS_tgkill, vec![own]);
        // Names of threads and of memory.
        let names = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];
        let names = names.map(|what| only(0, SeccompCmpOp::Eq, what as u64));
        rules.insert(
            libc::SYS_prctl,
            names.into_iter().collect::<std::result::Result<_, _>>()?,
        );
        let filter = SeccompFilter::new(
            rules,
            SeccompAction::Errno(libc::ENOSYS as u32),
            SeccompAction::Allow,
            std::env::consts::ARCH.try_into()?,
        )?;
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter(&program)?;
        Ok(())
    }

    const CALLS: &[i64] = &[
        // memory
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_mincore,
        libc::SYS_msync,
        libc::SYS_membarrier,
        // threads and this process
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_get_robust_list,
        libc::SYS_set_tid_address,
        libc::SYS_rseq,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getppid,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_getparam,
        libc::SYS_sched_getscheduler,
        libc::SYS_sched_get_priority_max,
        libc::SYS_sched_get_priority_min,
        libc::SYS_getpriority,
        libc::SYS_setpriority,
        libc::SYS_prlimit64,
        libc::SYS_getrusage,
        libc::SYS_times,
        libc::SYS_uname,
        libc::SYS_sysinfo,
        libc::SYS_getcpu,
        libc::SYS_getrandom,
        libc::SYS_restart_syscall,
        // signals
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigpending,
        libc::SYS_rt_sigtimedwait,
        libc::SYS_sigaltstack,
        // clocks
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        // pipes and files
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_preadv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_pwrite64,
        libc::SYS_pwritev,
        libc::SYS_close,
        libc::SYS_lseek,
        libc::SYS_openat,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_statfs,
        libc::SYS_fstatfs,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_readlinkat,
        libc::SYS_getdents64,
        libc::SYS_getcwd,
        libc::SYS_fcntl,
        libc::SYS_dup,
        libc::SYS_dup3,
        libc::SYS_fadvise64,
        libc::SYS_readahead,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_fallocate,
        libc::SYS_ftruncate,
        libc::SYS_fchmod,
        libc::SYS_copy_file_range,
        libc::SYS_sendfile,
        libc::SYS_renameat,
        libc::SYS_renameat2,
        libc::SYS_unlinkat,
        libc::SYS_mkdirat,
        libc::SYS_ppoll,
        libc::SYS_pselect6,
        libc::SYS_eventfd2,
        libc::SYS_pipe2,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_arch_prctl,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lstat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_access,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_readlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_dup2,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_time,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_getrlimit,
    ];
}
