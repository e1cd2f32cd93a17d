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
    /// Those of the zoo for this very environment, else those of the reference, else those that the zoo has for any.
    #[default]
    Best,
    /// Nobody's: every value is the default, but for what makes the algorithm what it is.
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
    "algorithm/a2c"
    "algorithm/ppo"
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
    let (reference, zoo) = (Group::new("reference", &index.reference, entry), Group::new("zoo", &index.zoo, entry));
    let base = match family {
        Family::None => None,
        Family::Reference => Some(reference.file(environment)?),
        Family::Zoo => Some(zoo.file(environment)?),
        Family::Best => Some(match (zoo.own_file(environment), reference.own_file(environment)) {
            (Some(file), _) | (None, Some(file)) => file,
            (None, None) => zoo.file(environment)?,
        }),
    };
    let mut found = Vec::new();
    match base {
        Some(base) => chain(base, &mut found),
        None => chain(&format!("algorithm/{}", entry.base), &mut found),
    }
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

/// The files that a family has for an algorithm.
struct Group<'a> {
    family: &'static str,
    base: &'a str,
    files: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Group<'a> {
    fn new(family: &'static str, files: &'a BTreeMap<String, BTreeMap<String, String>>, entry: &'a Entry) -> Self {
        Self { family, base: &entry.base, files: files.get(&entry.base) }
    }

    /// The file for this environment, or for games like it. A module that is to be imported first does not matter.
    fn own_file(&self, environment: &str) -> Option<&'a str> {
        const ATARI: &str = "NoFrameskip-v4";
        let id = environment.rsplit(':').next().unwrap_or(environment);
        let files = self.files?;
        let game = || id.ends_with(ATARI).then(|| files.get(&format!("*{ATARI}"))).flatten();
        files.get(id).or_else(game).map(String::as_str)
    }

    /// That file, or the one for any environment.
    fn file(&self, environment: &str) -> Result<&'a str, PresetError> {
        let any = || self.files.and_then(|files| files.get("*")).map(String::as_str);
        self.own_file(environment).or_else(any).ok_or_else(|| PresetError::Environment {
            family: self.family,
            environment: environment.into(),
            base: self.base.into(),
            known: self.files.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
        })
    }
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
        for part in ["algorithm", "reference", "zoo", "overlay"] {
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
    fn the_best_settings_are_those_for_the_environment_itself() {
        let last = |algorithm: &str, environment: &str| {
            let presets = presets(Family::Best, algorithm, environment, true, &[]).unwrap();
            presets.last().unwrap().name
        };
        assert_eq!(last("ppo", "Hopper-v4"), "zoo/ppo-Hopper-v4");
        assert_eq!(last("a2c", "HumanoidStandup-v4"), "reference/a2c-continuous");
        assert_eq!(last("ppo", "pybullet_envs_gymnasium:HumanoidBulletEnv-v0"), "reference/ppo-HumanoidBulletEnv-v0");
        assert_eq!(last("ppo", "LunarLanderContinuous-v2"), "zoo/ppo-LunarLanderContinuous-v3");
        assert_eq!(last("ppo", "PongNoFrameskip-v4"), "zoo/ppo-atari");
        assert_eq!(last("ppo", "MyOwn-v0"), "zoo/ppo");
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
    }
}
