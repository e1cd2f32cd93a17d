use std::ffi::OsString;
use std::fmt;

/// What tensors run on. Each is a cargo feature of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Flex,
    Cpu,
    Wgpu,
    Vulkan,
    Metal,
    Cuda,
    Rocm,
}

impl Backend {
    const ALL: [Self; 7] = [Self::Flex, Self::Cpu, Self::Wgpu, Self::Vulkan, Self::Metal, Self::Cuda, Self::Rocm];

    fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
        }
    }

    fn is_gpu(self) -> bool {
        !matches!(self, Self::Flex | Self::Cpu)
    }
}

/// How `sppo` is to be built, taken out of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    backend: Backend,
    fusion: bool,
    autotune: bool,
}

/// Arguments that say how to build, but say it wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendError {
    Unknown(String),
    NoName,
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "there is no backend `{name}`")?,
            Self::NoName => write!(f, "--backend needs a name")?,
        }
        write!(f, "; choose one of {}", Backend::ALL.map(Backend::name).join(", "))
    }
}

impl Build {
    /// Reads the build options wherever they stand in the arguments of `sppo`, up to a `--`. `--backend` stays among
    /// them, since `sppo` too must know which of its backends to use; `--no-fusion` and `--no-autotune` do not.
    pub fn take_from(args: &mut Vec<OsString>) -> Result<Self, BackendError> {
        let mut build = Self { backend: Backend::Flex, fusion: true, autotune: true };
        let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
        let after = args.split_off(end);
        let mut expects_name = false;
        for arg in args.iter() {
            let arg = arg.to_string_lossy();
            let name = if std::mem::take(&mut expects_name) {
                Some(&*arg)
            } else {
                expects_name = arg == "--backend";
                arg.strip_prefix("--backend=")
            };
            if let Some(name) = name {
                let known = Backend::ALL.into_iter().find(|backend| backend.name() == name);
                build.backend = known.ok_or_else(|| BackendError::Unknown(name.into()))?;
            }
        }
        if expects_name {
            return Err(BackendError::NoName);
        }
        args.retain(|arg| {
            build.fusion &= arg != "--no-fusion";
            build.autotune &= arg != "--no-autotune";
            arg != "--no-fusion" && arg != "--no-autotune"
        });
        args.extend(after);
        Ok(build)
    }

    /// The cargo features of this build. `flex` is always among them: it is a default feature, and what other
    /// backends are compared with.
    pub fn features(&self) -> String {
        let mut features = vec!["tui"];
        if self.backend != Backend::Flex {
            features.push(self.backend.name());
        }
        if self.backend.is_gpu() && self.fusion {
            features.push("fusion");
        }
        if self.backend.is_gpu() && self.autotune {
            features.push("autotune");
        }
        features.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> (Result<String, BackendError>, String) {
        let mut args = text.split_whitespace().map(OsString::from).collect();
        let features = Build::take_from(&mut args).map(|build| build.features());
        (features, args.join(" ".as_ref()).into_string().unwrap())
    }

    #[test]
    fn flex_is_the_default_and_needs_no_feature_of_a_gpu() {
        assert_eq!(take("imdb --seed 1"), (Ok("tui".into()), "imdb --seed 1".into()));
        assert_eq!(take("--backend flex"), (Ok("tui".into()), "--backend flex".into()));
    }

    #[test]
    fn a_gpu_gets_fusion_and_autotune_unless_told_otherwise() {
        for gpu in ["wgpu", "vulkan", "metal", "cuda", "rocm"] {
            let all = format!("tui,{gpu},fusion,autotune");
            assert_eq!(take(&format!("imdb --backend {gpu}")).0, Ok(all.clone()));
            assert_eq!(take(&format!("--backend={gpu} imdb")).0, Ok(all));
            assert_eq!(take(&format!("--no-autotune --backend {gpu}")).0, Ok(format!("tui,{gpu},fusion")));
            assert_eq!(take(&format!("--backend {gpu} --no-fusion --no-autotune")).0, Ok(format!("tui,{gpu}")));
        }
        assert_eq!(take("--backend cpu").0, Ok("tui,cpu".into()));
    }

    #[test]
    fn sppo_is_told_the_backend_but_not_how_it_was_built() {
        let (_, args) = take("train imdb --no-fusion --backend cuda --no-autotune --set a=b");
        assert_eq!(args, "train imdb --backend cuda --set a=b");
    }

    #[test]
    fn what_follows_a_double_dash_is_left_alone() {
        assert_eq!(take("a -- --backend nonsense --no-fusion").1, "a -- --backend nonsense --no-fusion");
    }

    #[test]
    fn an_unknown_or_missing_name_is_answered_with_the_list() {
        for wrong in ["--backend cudda", "--backend=cudda", "--backend", "--backend -- cuda"] {
            let error = take(wrong).0.unwrap_err().to_string();
            assert!(error.ends_with("flex, cpu, wgpu, vulkan, metal, cuda, rocm"), "{error}");
        }
    }
}
