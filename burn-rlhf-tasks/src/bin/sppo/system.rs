//! What the operating system says of this machine and this process.

use std::{io, path::Path};

/// What the machine is.
pub struct Machine {
    pub system: String,
    pub processor: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes of memory, and how many of them are free.
    pub memory: Option<u64>,
    pub available: Option<u64>,
}

impl Machine {
    pub fn read() -> Self {
        Self {
            system: system(),
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory(),
            available: kilobytes("/proc/meminfo", "MemAvailable"),
        }
    }
}

/// Processor features that flex's fastest matrix products need, and whether they are there.
#[cfg(target_arch = "x86_64")]
pub fn processor_features() -> Vec<(&'static str, bool)> {
    vec![
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
pub fn processor_features() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// The value of a line `key : value` of a file of Linux's.
fn field(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    value(&text, key).map(str::to_owned)
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == key))
        .map(|(_, value)| value.trim())
}

fn kilobytes(path: &str, key: &str) -> Option<u64> {
    Some(field(path, key)?.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Bytes of memory that this process holds now.
pub fn resident() -> Option<u64> {
    kilobytes("/proc/self/status", "VmRSS")
}

#[cfg(unix)]
mod unix {
    use std::{
        ffi::{CStr, CString, c_char},
        io,
        mem::MaybeUninit,
        os::unix::ffi::OsStrExt,
        path::Path,
    };

    pub fn system() -> String {
        let mut name = MaybeUninit::<libc::utsname>::zeroed();
        // SAFETY: `name` is large enough for what uname writes, and all zeros is a valid value of it.
        let name = unsafe {
            libc::uname(name.as_mut_ptr());
            name.assume_init()
        };
        // SAFETY: each field is an array that ends in a zero byte.
        let text = |field: &[c_char]| unsafe { CStr::from_ptr(field.as_ptr()) }.to_string_lossy().into_owned();
        format!("{} {} {}", text(&name.sysname), text(&name.release), text(&name.machine))
    }

    pub fn memory() -> Option<u64> {
        // SAFETY: sysconf only reads numbers of the system.
        let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        u64::try_from(pages).ok()?.checked_mul(u64::try_from(size).ok()?)
    }

    pub fn free(folder: &Path) -> io::Result<u64> {
        let path = CString::new(folder.as_os_str().as_bytes())?;
        let mut status = MaybeUninit::<libc::statvfs>::zeroed();
        // SAFETY: `path` ends in a zero byte, `status` is large enough, and all zeros is a valid value of it.
        let (result, status) = unsafe { (libc::statvfs(path.as_ptr(), status.as_mut_ptr()), status.assume_init()) };
        match result {
            // These types differ from one Unix to another.
            0 => {
                let free = u128::from(status.f_bavail) * u128::from(status.f_frsize);
                Ok(u64::try_from(free).unwrap_or(u64::MAX))
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn peak_resident() -> Option<u64> {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: `usage` is large enough for what getrusage writes, and all zeros is a valid value of it.
        let (result, usage) = unsafe { (libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), usage.assume_init()) };
        let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
        (result == 0).then(|| u64::try_from(usage.ru_maxrss).ok()).flatten().map(|most| most * unit)
    }
}

#[cfg(unix)]
pub use unix::{free, peak_resident};
#[cfg(unix)]
use unix::{memory, system};

#[cfg(not(unix))]
fn system() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(not(unix))]
fn memory() -> Option<u64> {
    None
}

/// Bytes that may still be written below a folder.
#[cfg(not(unix))]
pub fn free(_folder: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Most bytes of memory that this process has held.
#[cfg(not(unix))]
pub fn peak_resident() -> Option<u64> {
    None
}

/// Writes a small file into a folder and removes it.
pub fn try_writing(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".sppo-doctor-{}", std::process::id()));
    std::fs::write(&path, b"x")?;
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_the_whole_key() {
        let text = "model\t\t: 17\nmodel name\t: Fast 9000: Pro\nflags : a b\n";
        assert_eq!(value(text, "model name"), Some("Fast 9000: Pro"));
        assert_eq!(value(text, "model"), Some("17"));
        assert_eq!(value(text, "name"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_the_machine_more() {
        let block = vec![1u8; 8 << 20];
        let (now, most, machine) = (resident().unwrap(), peak_resident().unwrap(), Machine::read());
        assert!(now > block.len() as u64 && most >= block.len() as u64, "{now} {most}");
        assert!(machine.memory.unwrap() > now && machine.available.unwrap() <= machine.memory.unwrap());
        assert!(machine.system.starts_with("Linux "), "{}", machine.system);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_has_room_and_a_missing_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free(folder.path()).unwrap() > 0);
        try_writing(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = folder.path().join("missing");
        assert!(free(&missing).is_err() && try_writing(&missing).is_err());
    }
}
