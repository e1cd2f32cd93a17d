//! What a worker is told, and what it tells of its environments, before the first step.

use super::error::GymnasiumError;
use super::interpreter::install_hint;
use super::options::GymnasiumOptions;
use crate::environment::ActionSpace;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

/// The program of a worker; it goes through a pipe, because a command line is too short for it on some systems.
const WORKER: &str = include_str!("../../../python/worker.py");

/// Reads the program from the pipe that brings the requests later.
pub(super) const BOOTSTRAP: &str =
    "import sys;i=sys.stdin.buffer;exec(compile(i.read(int(i.readline())),'burn-sppo worker','exec'))";

const GREETING: &str = "burn-sppo worker 1 ";
const LONGEST_ANSWER: usize = 16 << 20;

/// Versions of what runs the environments, as the first worker reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Versions {
    pub python: String,
    pub gymnasium: Option<String>,
    pub numpy: Option<String>,
    pub mujoco: Option<String>,
    #[serde(rename = "ale-py")]
    pub ale_py: Option<String>,
    pub box2d: Option<String>,
}

impl Versions {
    /// All of them in a line; `None` if nothing was reported.
    pub fn sentence(&self) -> Option<String> {
        let packages = [
            ("gymnasium", &self.gymnasium),
            ("numpy", &self.numpy),
            ("mujoco", &self.mujoco),
            ("ale-py", &self.ale_py),
            ("box2d", &self.box2d),
        ];
        let packages = packages.into_iter().filter_map(|(name, version)| Some(format!("{name} {}", version.as_ref()?)));
        let named: Vec<String> = packages.collect();
        (!self.python.is_empty()).then(|| format!("Python {} with {}", self.python, named.join(", ")))
    }
}

/// The version of MuJoCo whose numbers are those of the paper.
const PAPER_MUJOCO: &str = "2.3.7";

#[derive(Serialize)]
pub(super) struct Request<'a> {
    id: &'a str,
    count: usize,
    arguments: &'a Map<String, Value>,
    max_episode_steps: Option<usize>,
    render: bool,
}

impl<'a> Request<'a> {
    pub(super) fn new(id: &'a str, count: usize, options: &'a GymnasiumOptions) -> Self {
        let GymnasiumOptions { arguments, max_episode_steps, render, .. } = options;
        Self { id, count, arguments, max_episode_steps: *max_episode_steps, render: *render }
    }

    /// The program and the configuration, each with its length on a line before it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let config = serde_json::json!(self).to_string();
        format!("{}\n{WORKER}{}\n{config}", WORKER.len(), config.len()).into_bytes()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    U8,
    F32,
    F64,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct ObservationMeta {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
}

/// An action space; a bound that is absent is infinite.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum ActionMeta {
    Discrete { n: usize },
    MultiDiscrete { sizes: Vec<usize> },
    MultiBinary { n: usize },
    Continuous { low: Vec<Option<f32>>, high: Vec<Option<f32>> },
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Meta {
    pub(super) id: String,
    pub(super) versions: Versions,
    pub(super) notes: Vec<String>,
    /// Whether the task runs on MuJoCo.
    pub(super) mujoco: bool,
    pub(super) observation: ObservationMeta,
    pub(super) action: ActionMeta,
}

impl Meta {
    pub(super) fn has_spaces_of(&self, other: &Self) -> bool {
        (&self.observation, &self.action) == (&other.observation, &other.action)
    }

    pub(super) fn action_space(&self) -> ActionSpace {
        let bounds = |side: &[Option<f32>], absent: f32| side.iter().map(|bound| bound.unwrap_or(absent)).collect();
        match &self.action {
            ActionMeta::Discrete { n } => ActionSpace::Discrete { n: *n },
            ActionMeta::MultiDiscrete { sizes } => ActionSpace::MultiDiscrete { sizes: sizes.clone() },
            ActionMeta::MultiBinary { n } => ActionSpace::MultiBinary { n: *n },
            ActionMeta::Continuous { low, high } => {
                ActionSpace::Continuous { low: bounds(low, f32::NEG_INFINITY), high: bounds(high, f32::INFINITY) }
            }
        }
    }

    /// What a user should know: what the worker says, and whether the physics is another than the paper's.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::from_iter(self.versions.sentence());
        notes.extend(self.notes.iter().cloned());
        if let Some(version) = self.versions.mujoco.as_ref().filter(|version| self.mujoco && *version != PAPER_MUJOCO) {
            notes.push(format!(
                "{} runs on MuJoCo {version}; the paper's numbers were made with {PAPER_MUJOCO}, whose trajectories differ",
                self.id
            ));
        }
        notes
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    error: RefusalKind,
    message: String,
    nearest: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RefusalKind {
    Package,
    Unknown,
    Space,
    Make,
}

impl Refusal {
    pub(super) fn into_error(self, task: &str, python: &Path) -> GymnasiumError {
        let (task, message) = (task.to_string(), self.message);
        match self.error {
            RefusalKind::Package => {
                GymnasiumError::MissingPackage { task, python: python.to_path_buf(), message, hint: install_hint() }
            }
            RefusalKind::Unknown => GymnasiumError::UnknownTask { task, nearest: self.nearest, message },
            RefusalKind::Space => GymnasiumError::UnsupportedSpace { task, message },
            RefusalKind::Make => GymnasiumError::Make { task, message },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Refusal(Refusal),
    Meta(Box<Meta>),
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum Silence {
    Ended,
    Garbage(String),
}

/// Sends a request and waits for the answer.
pub(super) fn shake_hands(
    requests: &mut impl Write,
    replies: &mut impl BufRead,
    request: &[u8],
) -> Result<Answer, Silence> {
    let ended = |_: io::Error| Silence::Ended;
    // A program that is no worker may have ended before it has read all this: what it has said tells more.
    let sent = requests.write_all(request).and_then(|()| requests.flush());
    let mut greeting = Vec::new();
    replies.take(64).read_until(b'\n', &mut greeting).map_err(ended)?;
    if greeting.is_empty() {
        return Err(Silence::Ended);
    }
    let text = String::from_utf8_lossy(&greeting).trim_end().to_string();
    let length = text.strip_prefix(GREETING).and_then(|length| length.parse::<usize>().ok());
    let Some(length) = length.filter(|length| *length <= LONGEST_ANSWER) else { return Err(Silence::Garbage(text)) };
    sent.map_err(ended)?;
    let mut answer = vec![0; length];
    replies.read_exact(&mut answer).map_err(ended)?;
    serde_json::from_slice(&answer).map_err(|error| Silence::Garbage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> Result<Answer, Silence> {
        shake_hands(&mut io::sink(), &mut io::BufReader::new(bytes), b"")
    }

    fn greeted(json: &str) -> Vec<u8> {
        format!("{GREETING}{}\n{json}", json.len()).into_bytes()
    }

    #[test]
    fn the_program_and_the_configuration_have_their_lengths_before_them() {
        let mut options = GymnasiumOptions::new(3);
        options.arguments.insert("gravity".into(), Value::from(-5.0));
        let sent = Request::new("Some-v0", 2, &options).encode();
        let (mut rest, mut parts) = (&sent[..], Vec::new());
        while !rest.is_empty() {
            let mut line = String::new();
            rest.read_line(&mut line).unwrap();
            let (part, after) = rest.split_at(line.trim().parse().unwrap());
            parts.push(part);
            rest = after;
        }
        let [program, config] = parts[..] else { panic!("two parts") };
        assert_eq!(program, WORKER.as_bytes());
        let config: Value = serde_json::from_slice(config).unwrap();
        assert_eq!((&config["id"], &config["count"]), (&Value::from("Some-v0"), &Value::from(2)));
        assert_eq!(config["arguments"]["gravity"], Value::from(-5.0));
    }

    #[test]
    fn spaces_and_versions_are_read_and_absent_bounds_stay_absent() {
        let json = r#"{"id": "A-v1", "versions": {"python": "3.11.7", "ale-py": "0.12.1"}, "notes": [], "mujoco": false,
            "observation": {"kind": "f64", "shape": [3]},
            "action": {"kind": "continuous", "low": [-1.5, null], "high": [0.1, null]}}"#;
        let Ok(Answer::Meta(meta)) = answer(&greeted(json)) else { panic!("an answer") };
        assert_eq!(meta.observation, ObservationMeta { kind: Kind::F64, shape: vec![3] });
        let action = ActionMeta::Continuous { low: vec![Some(-1.5), None], high: vec![Some(0.1), None] };
        assert_eq!(meta.action, action);
        assert_eq!((meta.versions.ale_py.as_deref(), meta.versions.mujoco), (Some("0.12.1"), None));
    }

    #[test]
    fn another_physics_than_the_papers_is_noted_where_it_matters() {
        let notes = |mujoco: bool, version: &str| {
            let json = format!(
                r#"{{"id": "Ant-v4", "versions": {{"mujoco": "{version}"}}, "notes": ["alias"], "mujoco": {mujoco},
                "observation": {{"kind": "f64", "shape": [3]}}, "action": {{"kind": "discrete", "n": 2}}}}"#
            );
            let Ok(Answer::Meta(meta)) = answer(&greeted(&json)) else { panic!("an answer") };
            meta.notes()
        };
        assert_eq!(notes(true, "2.3.7"), ["alias"]);
        assert_eq!(notes(false, "4.0.0"), ["alias"]);
        assert!(notes(true, "4.0.0")[1].contains("Ant-v4 runs on MuJoCo 4.0.0"));
    }

    #[test]
    fn each_refusal_has_its_error() {
        let refusal = |kind: &str| {
            let json = format!(r#"{{"error": "{kind}", "message": "because", "nearest": ["B-v1"]}}"#);
            let Ok(Answer::Refusal(refusal)) = answer(&greeted(&json)) else { panic!("a refusal") };
            refusal.into_error("A-v1", Path::new("python3"))
        };
        assert!(matches!(refusal("package"), GymnasiumError::MissingPackage { hint, .. } if hint.contains("pip")));
        assert!(matches!(refusal("unknown"), GymnasiumError::UnknownTask { nearest, .. } if nearest == ["B-v1"]));
        assert!(matches!(refusal("space"), GymnasiumError::UnsupportedSpace { .. }));
        assert!(matches!(refusal("make"), GymnasiumError::Make { .. }));
    }

    #[test]
    fn whatever_is_no_answer_is_told_from_an_end() {
        assert!(matches!(answer(b""), Err(Silence::Ended)));
        assert!(matches!(answer(b"burn-sppo worker 1 20\n{"), Err(Silence::Ended)));
        assert!(matches!(answer(b"Welcome to IPython\n"), Err(Silence::Garbage(text)) if text == "Welcome to IPython"));
        assert!(matches!(answer(b"burn-sppo worker 1 99999999999\n"), Err(Silence::Garbage(_))));
        assert!(matches!(answer(b"burn-sppo worker 2 2\n{}"), Err(Silence::Garbage(_))));
        assert!(matches!(answer(&greeted("{}")), Err(Silence::Garbage(_))));
        assert!(matches!(answer(&greeted("[1, 2")), Err(Silence::Garbage(_))));
    }
}
