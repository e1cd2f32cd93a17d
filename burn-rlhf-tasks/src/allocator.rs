//! Settings of the C library's allocator.

/// Has glibc keep freed blocks of up to 32 MiB instead of returning them to the kernel, which would clear their pages
/// again at the next use. Does nothing with other C libraries.
///
/// For programs, at their start: the setting holds for the whole process.
pub fn keep_freed_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The largest that glibc accepts on machines of 64 bits.
        const MAPPED_FROM: libc::c_int = 32 << 20;
        const TRIMMED_FROM: libc::c_int = 512 << 20;
        // SAFETY: mallopt takes any two numbers, and refuses what it does not know.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIMMED_FROM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_usable_after_the_setting() {
        keep_freed_blocks();
        for size in [1usize << 10, 1 << 20, 40 << 20] {
            let block = vec![1u8; size];
            assert!(block.iter().all(|&byte| byte == 1));
        }
    }
}
