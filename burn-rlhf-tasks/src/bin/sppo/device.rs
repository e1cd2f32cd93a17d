use burn::tensor::Device;

use crate::{arguments::DeviceArguments, failure::Failure};

/// The backends that this program was built with, the default first.
pub fn compiled() -> Vec<&'static str> {
    let all = [
        ("flex", cfg!(feature = "flex")),
        ("cuda", cfg!(feature = "cuda")),
        ("rocm", cfg!(feature = "rocm")),
        ("metal", cfg!(feature = "metal")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cpu", cfg!(feature = "cpu")),
    ];
    all.into_iter().filter(|(_, compiled)| *compiled).map(|(name, _)| name).collect()
}

const KNOWN: [&str; 7] = ["flex", "wgpu", "vulkan", "cuda", "metal", "rocm", "cpu"];

/// The device of a backend.
pub fn open(name: &str) -> Result<Device, Failure> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(0)),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cpu")]
        "cpu" => Ok(Device::cpu()),
        known if KNOWN.contains(&known) => Err(Failure::usage(format!(
            "this program was built without {known} (it has {}): `cargo xtask train --backend {known}` builds it",
            compiled().join(", ")
        ))),
        unknown => Err(Failure::usage(format!(
            "there is no backend {unknown}: the backends are {}; this program has {}",
            KNOWN.join(", "),
            compiled().join(", ")
        ))),
    }
}

/// The device that the arguments ask for.
pub fn select(arguments: &DeviceArguments) -> Result<(String, Device), Failure> {
    if let Some(threads) = arguments.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|error| Failure::usage(format!("--threads {threads}: {error}")))?;
    }
    let compiled = compiled();
    let name = match (&arguments.backend, compiled.last()) {
        (Some(name), _) => name.clone(),
        // Whoever built a GPU backend in wants it.
        (None, Some(last)) => (*last).to_owned(),
        (None, None) => return Err(Failure::usage("this program was built without any backend: build it with one")),
    };
    let device = open(&name)?;
    Ok((name, device))
}
