use super::{AlgorithmName, Compat, Size, TaskName};

/// Settings that come with the program: a small file of values with their sources.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

macro_rules! presets {
    ($($constant:ident $name:literal)*) => {
        $(static $constant: Preset =
            Preset { name: $name, text: include_str!(concat!("presets/", $name, ".toml")) };)*
    };
}

presets! {
    BUILTIN "builtin"
    BUILTIN_SPPO "builtin-sppo"
    BUILTIN_PPO "builtin-ppo"
    BUILTIN_SA2C "builtin-sa2c"
    BUILTIN_A2C "builtin-a2c"
    BUILTIN_BC "builtin-bc"
    BUILTIN_REWARD_MODEL "builtin-reward-model"
    IMDB "imdb"
    IMDB_SPPO "imdb-sppo"
    IMDB_PPO "imdb-ppo"
    IMDB_SA2C "imdb-sa2c"
    IMDB_A2C "imdb-a2c"
    IMDB_BC "imdb-bc"
    IMDB_REWARD_MODEL "imdb-reward-model"
    SIZE_TINY "size-tiny"
    SIZE_SMALL "size-small"
    SIZE_MEDIUM "size-medium"
    SIZE_GPT2 "size-gpt2"
    COMPAT_REFERENCE "compat-reference"
}

/// Those of a task and an algorithm.
pub(super) fn of_job(task: TaskName, algorithm: AlgorithmName) -> Vec<&'static Preset> {
    match task {
        TaskName::Builtin => vec![
            &BUILTIN,
            match algorithm {
                AlgorithmName::Sppo => &BUILTIN_SPPO,
                AlgorithmName::Ppo => &BUILTIN_PPO,
                AlgorithmName::Sa2c => &BUILTIN_SA2C,
                AlgorithmName::A2c => &BUILTIN_A2C,
                AlgorithmName::Bc => &BUILTIN_BC,
                AlgorithmName::RewardModel => &BUILTIN_REWARD_MODEL,
            },
        ],
        TaskName::Imdb => vec![
            &IMDB,
            match algorithm {
                AlgorithmName::Sppo => &IMDB_SPPO,
                AlgorithmName::Ppo => &IMDB_PPO,
                AlgorithmName::Sa2c => &IMDB_SA2C,
                AlgorithmName::A2c => &IMDB_A2C,
                AlgorithmName::Bc => &IMDB_BC,
                AlgorithmName::RewardModel => &IMDB_REWARD_MODEL,
            },
        ],
    }
}

/// Those of a size and of what is compatible with what.
pub(super) fn of_shape(size: Size, compat: Compat) -> Vec<&'static Preset> {
    let size = match size {
        Size::None => None,
        Size::Tiny => Some(&SIZE_TINY),
        Size::Small => Some(&SIZE_SMALL),
        Size::Medium => Some(&SIZE_MEDIUM),
        Size::Gpt2 => Some(&SIZE_GPT2),
    };
    let compat = match compat {
        Compat::Recommended => None,
        Compat::Reference => Some(&COMPAT_REFERENCE),
    };
    size.into_iter().chain(compat).collect()
}
