//! Functions compiled for the vector instructions that the machine turns out to have.

/// Defines functions whose bodies are compiled several times, for AVX-512, for AVX2 with FMA and for the base
/// instruction set, and chosen when called. What they call must be `#[inline(always)]`.
#[macro_export]
#[doc(hidden)]
macro_rules! vectorise {
    ($($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $visibility fn $name($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512($($argument: $type),*) $(-> $output)? {
                    body($($argument),*)
                }

                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) $(-> $output)? {
                    body($($argument),*)
                }

                use std::arch::is_x86_feature_detected as detected;
                if detected!("avx512f") && detected!("avx512bw") && detected!("avx512dq") && detected!("avx512vl") {
                    // SAFETY: the machine has the instructions.
                    return unsafe { avx512($($argument),*) };
                }
                if detected!("avx2") && detected!("fma") {
                    // SAFETY: the machine has the instructions.
                    return unsafe { avx2($($argument),*) };
                }
            }
            body($($argument),*)
        }
    )*};
}

pub use vectorise;
