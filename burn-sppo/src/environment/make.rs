use serde_json::{Map, Value};
use std::path::PathBuf;
use strsim::jaro_winkler;

use super::classic::{Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum};
use super::gymnasium::{GymnasiumEnvironments, GymnasiumError};
use super::{EnvironmentError, NativeEnvironments, SingleEnvironment, VectorEnvironment};

/// How environments are made.
#[derive(Clone, Debug, PartialEq)]
pub struct MakeOptions {
    /// How many environments step together.
    pub num_envs: usize,
    /// How many processes share those that are not native; by default as many as suit the task.
    pub workers: Option<usize>,
    /// The Python interpreter of those that are not native; by default the first that is found.
    pub python: Option<PathBuf>,
    /// Keyword arguments of those that are not native.
    pub arguments: Map<String, Value>,
    /// Another time limit than that of the task.
    pub max_episode_steps: Option<usize>,
    /// Make pictures available where that is not free.
    pub render: bool,
    /// Start a process anew when it dies, instead of failing: the episodes it was in are cut off.
    pub respawn: bool,
}

impl MakeOptions {
    pub fn new(num_envs: usize) -> Self {
        Self {
            num_envs,
            workers: None,
            python: None,
            arguments: Map::new(),
            max_episode_steps: None,
            render: false,
            respawn: false,
        }
    }
}

/// Makes environments of the task `id`: native ones, or those of gymnasium in worker processes.
///
/// # Errors
/// If there is no such task (with the names most like it), the options do not suit it, or Python or a package is missing.
pub fn make(id: &str, options: &MakeOptions) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    native(id, options).unwrap_or_else(|| match GymnasiumEnvironments::start(id, &options.into()) {
        Ok(environments) => Ok(Box::new(environments)),
        Err(EnvironmentError::Gymnasium(GymnasiumError::UnknownTask { nearest: registered, .. })) => {
            let nearest = nearest_ids(id);
            let nearest = if nearest.is_empty() { registered } else { nearest };
            Err(EnvironmentError::UnknownId { id: id.to_string(), nearest })
        }
        // Nobody should install Python for a slip of the hand.
        Err(EnvironmentError::Gymnasium(
            GymnasiumError::NoInterpreter { .. } | GymnasiumError::MissingPackage { .. },
        )) if is_slip(id) => Err(unknown_id(id)),
        Err(error) => Err(error),
    })
}

/// Makes environments of a task that needs nothing but this crate; `None` if it is not one of them.
pub fn native(id: &str, options: &MakeOptions) -> Option<Result<Box<dyn VectorEnvironment>, EnvironmentError>> {
    if NATIVE_IDS.contains(&id) && !options.arguments.is_empty() {
        let reason = "it is native, and takes none; a task of your own can take what you like".into();
        return Some(Err(EnvironmentError::Arguments { id: id.into(), reason }));
    }
    Some(match id {
        "Acrobot-v1" => boxed::<Acrobot>(options),
        "CartPole-v1" => boxed::<CartPole>(options),
        "MountainCar-v0" => boxed::<MountainCar>(options),
        "MountainCarContinuous-v0" => boxed::<MountainCarContinuous>(options),
        "Pendulum-v1" => boxed::<Pendulum>(options),
        _ => return None,
    })
}

fn boxed<E: SingleEnvironment + Default>(
    options: &MakeOptions,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    let environments = NativeEnvironments::new(options.num_envs, |_| E::default())?;
    Ok(Box::new(match options.max_episode_steps {
        Some(limit) => environments.with_max_episode_steps(limit)?,
        None => environments,
    }))
}

/// The tasks that [`native`] makes.
pub const NATIVE_IDS: [&str; 5] =
    ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];

/// Tasks of gymnasium that the paper's experiments use, for suggestions; any other of its names works too.
pub const GYMNASIUM_IDS: [&str; 12] = [
    "Ant-v4",
    "BipedalWalker-v3",
    "HalfCheetah-v4",
    "Hopper-v4",
    "Humanoid-v4",
    "HumanoidStandup-v4",
    "InvertedDoublePendulum-v4",
    "LunarLander-v3",
    "LunarLanderContinuous-v2",
    "LunarLanderContinuous-v3",
    "Swimmer-v4",
    "Walker2d-v4",
];

/// The games of the Arcade Learning Environment; `NoFrameskip-v4` comes after each.
#[rustfmt::skip] // one line each would hide the file behind them
pub const ATARI_GAMES: [&str; 62] = [
    "Adventure", "AirRaid", "Alien", "Amidar", "Assault", "Asterix", "Asteroids", "Atlantis", "BankHeist",
    "BattleZone", "BeamRider", "Berzerk", "Bowling", "Boxing", "Breakout", "Carnival", "Centipede", "ChopperCommand",
    "CrazyClimber", "Defender", "DemonAttack", "DoubleDunk", "ElevatorAction", "Enduro", "FishingDerby", "Freeway",
    "Frostbite", "Gopher", "Gravitar", "Hero", "IceHockey", "Jamesbond", "JourneyEscape", "Kangaroo", "Krull",
    "KungFuMaster", "MontezumaRevenge", "MsPacman", "NameThisGame", "Phoenix", "Pitfall", "Pong", "Pooyan",
    "PrivateEye", "Qbert", "Riverraid", "RoadRunner", "Robotank", "Seaquest", "Skiing", "Solaris", "SpaceInvaders",
    "StarGunner", "Tennis", "TimePilot", "Tutankham", "UpNDown", "Venture", "VideoPinball", "WizardOfWor",
    "YarsRevenge", "Zaxxon",
];

/// How many names an error offers.
const SUGGESTIONS: usize = 3;

/// The known tasks whose names are most like `id`, the likest first.
pub fn nearest_ids(id: &str) -> Vec<String> {
    let atari = ATARI_GAMES.iter().map(|game| format!("{game}NoFrameskip-v4"));
    let others = NATIVE_IDS.iter().chain(&GYMNASIUM_IDS).map(|id| id.to_string());
    let wanted = bare(id);
    let mut alike: Vec<(f64, String)> = others
        .chain(atari)
        .map(|known| (jaro_winkler(&wanted, &bare(&known)), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    // One that is nearly right leaves no room for those that only begin alike.
    let bound = alike.first().map_or(0.0, |(best, _)| best - 0.1);
    alike.into_iter().take_while(|(likeness, _)| *likeness >= bound).take(SUGGESTIONS).map(|(_, known)| known).collect()
}

/// A name without version, punctuation and case: these are where names are mistaken most.
fn bare(id: &str) -> String {
    let name = id.rsplit_once("-v").map_or(id, |(name, _)| name);
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    name.strip_suffix("NoFrameskip")
        .unwrap_or(name)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect::<String>()
        .to_lowercase()
}

/// Whether `id` is not a known task, but like one.
fn is_slip(id: &str) -> bool {
    let game = id.strip_suffix("NoFrameskip-v4").is_some_and(|game| ATARI_GAMES.contains(&game));
    let is_known = game || GYMNASIUM_IDS.contains(&id) || id.contains([':', '/']);
    !is_known && !nearest_ids(id).is_empty()
}

/// The error of a task that nobody knows.
pub fn unknown_id(id: &str) -> EnvironmentError {
    EnvironmentError::UnknownId { id: id.to_string(), nearest: nearest_ids(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_native_task_is_made_under_its_name() {
        for id in NATIVE_IDS {
            let environments = make(id, &MakeOptions::new(3)).unwrap();
            assert_eq!((environments.spec().id.as_str(), environments.spec().num_envs), (id, 3));
        }
    }

    #[test]
    fn slips_of_the_hand_are_understood() {
        for (slip, meant) in [
            ("CartPol-v1", "CartPole-v1"),
            ("cartpole-v1", "CartPole-v1"),
            ("CartPole-v9", "CartPole-v1"),
            ("CartPole", "CartPole-v1"),
            ("MountainCarContinous-v0", "MountainCarContinuous-v0"),
            ("HalfCheeta-v4", "HalfCheetah-v4"),
            ("Breakout-v4", "BreakoutNoFrameskip-v4"),
            ("ALE/Pong-v5", "PongNoFrameskip-v4"),
            ("LunarLanderContinous-v2", "LunarLanderContinuous-v2"),
        ] {
            let nearest = nearest_ids(slip);
            assert_eq!(nearest.first().map(String::as_str), Some(meant), "{slip}: {nearest:?}");
        }
        assert_eq!(nearest_ids("Xyzzy"), Vec::<String>::new());
    }

    #[test]
    fn without_python_a_slip_is_told_from_a_task_that_needs_it() {
        let options = MakeOptions { python: Some("/nowhere/python".into()), ..MakeOptions::new(1) };
        let made = |id: &str| make(id, &options).map(|_| ()).unwrap_err();
        assert!(
            matches!(made("CartPol-v1"), EnvironmentError::UnknownId { nearest, .. } if nearest[0] == "CartPole-v1")
        );
        for id in ["Ant-v4", "PongNoFrameskip-v4", "my_tasks:CartPole-v1", "Xyzzy-v0"] {
            let error = made(id);
            assert!(
                matches!(error, EnvironmentError::Gymnasium(GymnasiumError::NoInterpreter { .. })),
                "{id}: {error}"
            );
        }
    }

    #[test]
    fn a_native_task_takes_no_arguments() {
        let arguments = Map::from_iter([("gravity".to_owned(), Value::from(-5.0))]);
        let options = MakeOptions { arguments, ..MakeOptions::new(1) };
        let error = make("CartPole-v1", &options).map(|_| ()).unwrap_err();
        assert!(matches!(error, EnvironmentError::Arguments { .. }), "{error}");
    }

    #[test]
    fn a_time_limit_of_0_and_no_environments_are_refused() {
        let options = MakeOptions { max_episode_steps: Some(0), ..MakeOptions::new(1) };
        assert!(matches!(
            make("CartPole-v1", &options),
            Err(EnvironmentError::Setting { name: "max_episode_steps", .. })
        ));
        assert!(matches!(make("CartPole-v1", &MakeOptions::new(0)), Err(EnvironmentError::ZeroSize { .. })));
    }
}
