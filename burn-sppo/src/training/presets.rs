//! Settings that come with the crate, as small files that build on each other: see `learner/presets/index.toml`.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Table;

/// Whose settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// The published code that accompanies arXiv 2405.17618.
    Reference,
    /// The tuned settings of rl-baselines3-zoo.
    Zoo,
    /// Those of the zoo, else those of the reference, else those that go with the algorithm alone.
    #[default]
    Best,
    /// Nobody's: every value is the default.
    None,
}

/// What may be added to a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variation {
    /// The noise on rewards of the paper's experiments.
    Noise,
    /// Advantages as they are estimated, not normalised.
    Unnormalized,
}

/// A file of settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Where it came from.
    pub name: &'static str,
    pub settings: Table,
}

/// Why there are no settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresetError {
    #[error("there is no algorithm {algorithm}: there are {}", known.join(", "))]
    Algorithm { algorithm: String, known: Vec<String> },
    #[error("the {family} settings know no {environment} with {base}; it has: {}", known.join(", "))]
    Environment { family: &'static str, environment: String, base: String, known: Vec<String> },
    #[error("{algorithm} takes {wanted} actions, and those of {environment} are not: choose another algorithm")]
    Actions { algorithm: String, wanted: &'static str, environment: String },
}

#[derive(Deserialize)]
struct Index {
    algorithms: BTreeMap<String, Entry>,
    variations: BTreeMap<String, Kinds>,
    reference: BTreeMap<String, BTreeMap<String, String>>,
    zoo: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Entry {
    base: String,
    #[serde(flatten)]
    kinds: Kinds,
}

#[derive(Deserialize)]
struct Kinds {
    discrete: Option<String>,
    continuous: Option<String>,
}

impl Kinds {
    fn of(&self, continuous: bool) -> Option<&String> {
        if continuous { self.continuous.as_ref() } else { self.discrete.as_ref() }
    }
}

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../learner/presets/", $name, ".toml")))),*]
    };
}

const INDEX: &str = include_str!("../learner/presets/index.toml");

const FILES: &[(&str, &str)] = files! {
    "overlay/da2c"
    "overlay/dppo"
    "overlay/matched-ppo-continuous"
    "overlay/matched-ppo-discrete"
    "overlay/noise-continuous"
    "overlay/noise-discrete"
    "overlay/sa2c-continuous"
    "overlay/sa2c-discrete"
    "overlay/sppo-continuous"
    "overlay/sppo-discrete"
    "overlay/unnormalized"
    "reference/a2c"
    "reference/a2c-Humanoid-v4"
    "reference/a2c-Swimmer-v4"
    "reference/a2c-atari"
    "reference/a2c-continuous"
    "reference/ppo"
    "reference/ppo-Humanoid-v4"
    "reference/ppo-HumanoidBulletEnv-v0"
    "reference/ppo-HumanoidStandup-v4"
    "reference/ppo-Walker2d-v4"
    "reference/ppo-atari"
    "reference/ppo-continuous"
    "zoo/a2c"
    "zoo/a2c-Acrobot-v1"
    "zoo/a2c-Ant-v4"
    "zoo/a2c-BipedalWalker-v3"
    "zoo/a2c-BipedalWalkerHardcore-v3"
    "zoo/a2c-CartPole-v1"
    "zoo/a2c-HalfCheetah-v4"
    "zoo/a2c-Hopper-v4"
    "zoo/a2c-Humanoid-v4"
    "zoo/a2c-LunarLander-v3"
    "zoo/a2c-LunarLanderContinuous-v3"
    "zoo/a2c-MountainCar-v0"
    "zoo/a2c-MountainCarContinuous-v0"
    "zoo/a2c-Pendulum-v1"
    "zoo/a2c-Swimmer-v4"
    "zoo/a2c-Walker2d-v4"
    "zoo/a2c-atari"
    "zoo/ppo"
    "zoo/ppo-Acrobot-v1"
    "zoo/ppo-Ant-v4"
    "zoo/ppo-BipedalWalker-v3"
    "zoo/ppo-BipedalWalkerHardcore-v3"
    "zoo/ppo-CartPole-v1"
    "zoo/ppo-HalfCheetah-v4"
    "zoo/ppo-Hopper-v4"
    "zoo/ppo-Humanoid-v4"
    "zoo/ppo-HumanoidStandup-v4"
    "zoo/ppo-InvertedDoublePendulum-v4"
    "zoo/ppo-InvertedPendulum-v4"
    "zoo/ppo-LunarLander-v3"
    "zoo/ppo-LunarLanderContinuous-v3"
    "zoo/ppo-MountainCar-v0"
    "zoo/ppo-MountainCarContinuous-v0"
    "zoo/ppo-Pendulum-v1"
    "zoo/ppo-Reacher-v4"
    "zoo/ppo-Swimmer-v4"
    "zoo/ppo-Walker2d-v4"
    "zoo/ppo-atari"
};

/// The settings of an algorithm in an environment: files in the order in which each replaces what came before.
///
/// # Errors
/// If the algorithm or, in the family that was asked for, the environment is unknown, or the algorithm does not take
/// actions of this kind.
///
/// # Panics
/// If a file that comes with the crate is broken, which a test rules out.
pub fn presets(
    family: Family,
    algorithm: &str,
    environment: &str,
    continuous: bool,
    variations: &[Variation],
) -> Result<Vec<Preset>, PresetError> {
    let index: Index = toml::from_str(INDEX).unwrap_or_else(|error| panic!("index of presets: {error}"));
    let entry = index.algorithms.get(algorithm).ok_or_else(|| PresetError::Algorithm {
        algorithm: algorithm.into(),
        known: index.algorithms.keys().cloned().collect(),
    })?;
    let overlay = entry.kinds.of(continuous);
    if overlay.is_none() && entry.kinds.of(!continuous).is_some() {
        let wanted = if continuous { "discrete" } else { "continuous" };
        return Err(PresetError::Actions { algorithm: algorithm.into(), wanted, environment: environment.into() });
    }
    let mut found = Vec::new();
    let base = match family {
        Family::None => return Ok(found),
        Family::Reference => Some(named("reference", &index.reference, &entry.base, environment)?),
        Family::Zoo => Some(named("zoo", &index.zoo, &entry.base, environment)?),
        Family::Best => named("zoo", &index.zoo, &entry.base, environment)
            .or_else(|_| named("reference", &index.reference, &entry.base, environment))
            .ok(),
    };
    chain(&base.unwrap_or_else(|| format!("reference/{}", entry.base)), &mut found);
    let kinds = variations.iter().filter_map(|variation| {
        let name = match variation {
            Variation::Noise => "noise",
            Variation::Unnormalized => "unnormalized",
        };
        index.variations.get(name).and_then(|kinds| kinds.of(continuous))
    });
    for name in overlay.into_iter().chain(kinds) {
        chain(name, &mut found);
    }
    Ok(found)
}

/// The names of all algorithms that have settings.
pub fn algorithm_names() -> Vec<String> {
    let index: Index = toml::from_str(INDEX).unwrap_or_else(|error| panic!("index of presets: {error}"));
    index.algorithms.into_keys().collect()
}

/// The file that a family has for an environment.
fn named(
    family: &'static str,
    files: &BTreeMap<String, BTreeMap<String, String>>,
    base: &str,
    environment: &str,
) -> Result<String, PresetError> {
    const ATARI: &str = "*NoFrameskip-v4";
    let known = files.get(base).into_iter().flatten();
    let game = environment.ends_with(&ATARI[1..]);
    let rank = |name: &str| match name {
        name if name == environment => Some(0),
        ATARI if game => Some(1),
        "*" => Some(2),
        _ => None,
    };
    let best = known.clone().filter_map(|(name, file)| Some((rank(name)?, file))).min();
    best.map(|(_, file)| file.clone()).ok_or_else(|| PresetError::Environment {
        family,
        environment: environment.into(),
        base: base.into(),
        known: known.map(|(name, _)| name.clone()).collect(),
    })
}

/// Adds a file, after those that it extends.
fn chain(name: &str, found: &mut Vec<Preset>) {
    let (name, text) = FILES
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("the index of presets names {name}, which is no file"));
    let mut settings: Table = text.parse().unwrap_or_else(|error| panic!("preset {name}: {error}"));
    if let Some(base) = settings.remove("extends").as_ref().and_then(|base| base.as_str()) {
        chain(base, found);
    }
    found.push(Preset { name, settings });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_is_listed_and_every_listed_name_is_a_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/learner/presets");
        let mut on_disk = Vec::new();
        for part in ["reference", "zoo", "overlay"] {
            for file in std::fs::read_dir(folder.join(part)).unwrap() {
                let path = file.unwrap().path();
                on_disk.push(format!("{part}/{}", path.file_stem().unwrap().to_string_lossy()));
            }
        }
        on_disk.sort();
        let mut listed: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        listed.sort();
        assert_eq!(listed, on_disk);
        let index: Index = toml::from_str(INDEX).unwrap();
        for (family, files) in [(Family::Reference, &index.reference), (Family::Zoo, &index.zoo)] {
            for (base, environments) in files {
                for environment in environments.keys() {
                    let id = environment.replace('*', "Pong");
                    assert!(!presets(family, base, &id, false, &[]).unwrap().is_empty(), "{environment}");
                }
            }
        }
    }

    #[test]
    fn an_algorithm_takes_the_actions_that_it_is_made_for() {
        let names = |algorithm: &str, environment: &str, continuous| {
            let presets = presets(Family::Reference, algorithm, environment, continuous, &[Variation::Noise]).unwrap();
            presets.iter().map(|preset| preset.name).collect::<Vec<_>>()
        };
        assert_eq!(
            names("sppo", "Ant-v4", true),
            ["reference/ppo", "reference/ppo-continuous", "overlay/sppo-continuous", "overlay/noise-continuous"]
        );
        assert_eq!(
            names("sa2c", "PongNoFrameskip-v4", false),
            ["reference/a2c", "reference/a2c-atari", "overlay/sa2c-discrete", "overlay/noise-discrete"]
        );
        let refused = presets(Family::Best, "dppo", "CartPole-v1", false, &[]);
        assert!(matches!(refused, Err(PresetError::Actions { wanted: "continuous", .. })), "{refused:?}");
        let unknown = presets(Family::Best, "pppo", "CartPole-v1", false, &[]);
        assert!(matches!(unknown, Err(PresetError::Algorithm { .. })), "{unknown:?}");
        let unknown = presets(Family::Reference, "ppo", "CartPole-v1", false, &[]);
        assert!(matches!(unknown, Err(PresetError::Environment { .. })), "{unknown:?}");
        assert_eq!(presets(Family::Best, "ppo", "MyOwn-v0", true, &[]).unwrap()[0].name, "reference/ppo");
    }
}
