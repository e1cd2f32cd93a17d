//! Environments of gymnasium, in worker processes of Python that are driven through pipes.
//!
//! Nothing of Python is needed to build this; an interpreter with the packages of [`PAPER_REQUIREMENTS`] is looked for
//! when environments are started. The simulators run beside this process, so that they use several cores, their crash
//! is an error here and not an end, and their licences stay theirs.

mod error;
mod handshake;
mod interpreter;
mod options;
mod process;
mod replies;
#[cfg(all(test, unix))]
mod worker_tests;

pub use error::GymnasiumError;
pub use handshake::Versions;
pub use interpreter::{LATEST_REQUIREMENTS, PAPER_REQUIREMENTS, PYTHON_VARIABLE, find_python, install_hint};
pub use options::GymnasiumOptions;

use super::batch::check_finite;
use super::{
    Actions, EnvironmentError, EnvironmentSpec, Frame, ObservationKind, Observations, Step, VectorEnvironment,
};
use handshake::{Answer, Kind, Meta, Request};
use process::{Failure, Header, Launcher, Starting, Worker};
use replies::{Layout, Outcome};
use std::fmt;
use std::ops::Range;
use std::slice;
use std::time::Instant;

/// Environments of a task of gymnasium.
///
/// `*NoFrameskip-v4` games of the Arcade Learning Environment come with the preprocessing of the DQN papers (no-ops,
/// frame skip, life loss, fire, 84 × 84 grey frames, clipped rewards): a frame is `[1, 84, 84]`, not stacked, and an
/// [`Episode`](super::Episode) is a full game with its raw score. Other pictures are channel-first. Discrete
/// observations are one-hot. Actions are handed on as they are, not clipped.
pub struct GymnasiumEnvironments {
    spec: EnvironmentSpec,
    task: String,
    meta: Meta,
    notes: Vec<String>,
    options: GymnasiumOptions,
    launcher: Launcher,
    slots: Vec<Slot>,
    outcome: Outcome,
    request: Vec<u8>,
    seed: Option<u64>,
    is_reset: bool,
    respawns: u64,
}

/// A worker and its share of the environments.
struct Slot {
    worker: Worker,
    environments: Range<usize>,
    layout: Layout,
    payload: Vec<u8>,
    /// Replies since it was started in the place of another.
    replies_since_respawn: Option<u64>,
}

/// A worker that dies again within so many steps will go on dying.
const SHORTEST_LIFE: u64 = 100;
const LONGEST_MESSAGE: usize = 1 << 20;
const LARGEST_PICTURE: usize = 1 << 28;

impl GymnasiumEnvironments {
    /// Starts the workers and makes the environments.
    ///
    /// # Errors
    ///
    /// A [`GymnasiumError`]: no interpreter, a package that is missing, an unknown task, spaces that cannot be trained
    /// on, or no answer in time.
    pub fn start(id: &str, options: &GymnasiumOptions) -> Result<Self, EnvironmentError> {
        let launcher = Launcher::python(find_python(options.python.as_deref()));
        Ok(Self::launch(id, options, launcher)?)
    }

    fn launch(id: &str, options: &GymnasiumOptions, launcher: Launcher) -> Result<Self, GymnasiumError> {
        for (name, size) in [("num_envs", Some(options.num_envs)), ("workers", options.workers)] {
            if size == Some(0) {
                return Err(GymnasiumError::ZeroSize { name });
            }
        }
        let shares = shares(options.num_envs, options.worker_count(id));
        let (workers, mut metas): (Vec<Worker>, Vec<Meta>) =
            start(id, options, &launcher, &shares)?.into_iter().unzip();
        let meta = metas.swap_remove(0);
        if !metas.iter().all(|other| other.has_spaces_of(&meta)) {
            return Err(GymnasiumError::SpacesDiffer { task: id.to_string() });
        }
        let (observation_kind, size) = match meta.observation.kind {
            Kind::U8 => (ObservationKind::U8, 1),
            Kind::F32 => (ObservationKind::F32, 4),
            Kind::F64 => (ObservationKind::F64, 8),
        };
        let features: usize = meta.observation.shape.iter().product();
        let slots = workers.into_iter().zip(shares).map(|(worker, environments)| Slot {
            worker,
            layout: Layout::new(environments.len(), features * size),
            environments,
            payload: Vec::new(),
            replies_since_respawn: None,
        });
        Ok(Self {
            spec: EnvironmentSpec {
                id: meta.id.clone(),
                num_envs: options.num_envs,
                observation_shape: meta.observation.shape.clone(),
                observation_kind,
                action_space: meta.action_space(),
            },
            task: id.to_string(),
            notes: meta.notes(),
            slots: slots.collect(),
            outcome: Outcome::new(options.num_envs, observation_kind, features),
            meta,
            options: options.clone(),
            launcher,
            request: Vec::new(),
            seed: None,
            is_reset: false,
            respawns: 0,
        })
    }

    /// The versions of what runs the environments.
    pub fn versions(&self) -> &Versions {
        &self.meta.versions
    }

    /// How many workers were started in the place of others that had died.
    pub fn respawns(&self) -> u64 {
        self.respawns
    }

    /// Sends every worker a request, then reads every reply: so they all work at the same time.
    fn exchange(&mut self, compose: impl Fn(&Range<usize>, &mut Vec<u8>)) -> Result<(), GymnasiumError> {
        for slot in &mut self.slots {
            self.request.clear();
            compose(&slot.environments, &mut self.request);
            // A worker that is dead gives no reply either, and that is where it is dealt with.
            let _dead = slot.worker.send(&self.request);
        }
        let mut result = Ok(());
        for index in 0..self.slots.len() {
            let collected = self.collect(index);
            result = result.and(collected);
        }
        result
    }

    fn collect(&mut self, index: usize) -> Result<(), GymnasiumError> {
        let slot = &mut self.slots[index];
        match slot.receive() {
            Ok(true) => {
                self.outcome.read(slot.environments.start, &slot.layout, &slot.payload);
                Ok(())
            }
            Ok(false) => Err(self.raised(index)),
            Err(Failure::Garbled(found)) => Err(self.garbled(index, found)),
            Err(Failure::Died) => {
                let hopeless = slot.replies_since_respawn.is_some_and(|replies| replies < SHORTEST_LIFE);
                if self.options.respawn && !hopeless { self.respawn(index) } else { Err(self.died(index)) }
            }
        }
    }

    /// Puts a new worker in the place of a dead one. Its environments get seeds that were not used before: the old ones
    /// would lead to the same death.
    fn respawn(&mut self, index: usize) -> Result<(), GymnasiumError> {
        self.respawns += 1;
        let unused = self.respawns.wrapping_mul(self.spec.num_envs as u64);
        let slot = &mut self.slots[index];
        let started = start(&self.task, &self.options, &self.launcher, slice::from_ref(&slot.environments))?;
        for (worker, meta) in started {
            if !meta.has_spaces_of(&self.meta) {
                return Err(GymnasiumError::SpacesDiffer { task: self.task.clone() });
            }
            slot.worker = worker;
        }
        slot.replies_since_respawn = Some(0);
        self.request.clear();
        compose_reset(self.seed.map(|seed| seed.wrapping_add(unused)), &slot.environments, &mut self.request);
        let _dead = slot.worker.send(&self.request);
        match slot.receive() {
            Ok(true) => {
                self.outcome.read_after_loss(slot.environments.start, &slot.layout, &slot.payload);
                Ok(())
            }
            Ok(false) => Err(self.raised(index)),
            Err(Failure::Garbled(found)) => Err(self.garbled(index, found)),
            Err(Failure::Died) => Err(self.died(index)),
        }
    }

    fn died(&mut self, index: usize) -> GymnasiumError {
        let slot = &mut self.slots[index];
        let (status, stderr) = slot.worker.last_words();
        let environments = slot.environments.clone();
        GymnasiumError::Died { task: self.spec.id.clone(), environments, seed: self.seed, status, stderr }
    }

    fn garbled(&mut self, index: usize, found: String) -> GymnasiumError {
        let slot = &mut self.slots[index];
        slot.worker.kill();
        let environments = slot.environments.clone();
        GymnasiumError::Garbled { task: self.spec.id.clone(), environments, seed: self.seed, found }
    }

    fn raised(&self, index: usize) -> GymnasiumError {
        let slot = &self.slots[index];
        let told: Raised = serde_json::from_slice(&slot.payload).unwrap_or_else(|_| Raised {
            environment: 0,
            message: String::from_utf8_lossy(&slot.payload).into_owned(),
        });
        let environment = slot.environments.start + told.environment;
        let (task, seed) = (self.spec.id.clone(), self.seed_of(environment));
        GymnasiumError::Raised { task, environment, seed, message: told.message }
    }

    fn seed_of(&self, environment: usize) -> Option<u64> {
        self.seed.map(|seed| seed.wrapping_add(environment as u64))
    }
}

impl VectorEnvironment for GymnasiumEnvironments {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        (self.seed, self.is_reset) = (seed, false);
        self.exchange(|environments, request| compose_reset(seed, environments, request))?;
        check_finite(&self.spec, self.outcome.observations.view(), "observation")?;
        self.is_reset = true;
        Ok(self.outcome.observations.view())
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        if !self.is_reset {
            return Err(EnvironmentError::NotReset { id: self.spec.id.clone() });
        }
        self.spec.check_actions(actions)?;
        let width = self.spec.action_space.width();
        self.exchange(|environments, request| {
            let range = environments.start * width..environments.end * width;
            request.push(b'S');
            match actions {
                Actions::Discrete(all) => all[range].iter().for_each(|x| request.extend_from_slice(&x.to_le_bytes())),
                Actions::Continuous(all) => all[range].iter().for_each(|x| request.extend_from_slice(&x.to_le_bytes())),
            }
        })?;
        let Outcome { observations, finals, rewards, ends, episodes, .. } = &self.outcome;
        check_finite(&self.spec, Observations::F32(rewards), "reward")?;
        check_finite(&self.spec, observations.view(), "observation")?;
        if ends.iter().any(Option::is_some) {
            // Where no episode has ended lie those of older ones, which were checked then.
            check_finite(&self.spec, finals.view(), "final observation")?;
        }
        Ok(Step { observations: observations.view(), rewards, ends, final_observations: finals.view(), episodes })
    }

    /// A task that is found under another name, physics other than the paper's.
    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn render(&mut self, environment: usize) -> Result<Option<Frame>, EnvironmentError> {
        let has_pictures = self.options.render || matches!(self.meta.observation.kind, Kind::U8);
        let held_by = self.slots.iter().position(|slot| slot.environments.contains(&environment));
        let (true, Some(index)) = (has_pictures, held_by) else { return Ok(None) };
        let slot = &mut self.slots[index];
        self.request.clear();
        self.request.push(b'V');
        self.request.extend_from_slice(&((environment - slot.environments.start) as u32).to_le_bytes());
        let _dead = slot.worker.send(&self.request);
        match slot.worker.receive(&mut slot.payload, |header| header.is_message() || header.is_picture()) {
            Ok(header) if header.is_message() => Err(self.raised(index).into()),
            Ok(_) => match picture(&slot.payload) {
                Some(frame) => Ok(Some(frame)),
                None => Err(self.garbled(index, "a picture of another size".to_string()).into()),
            },
            Err(Failure::Garbled(found)) => Err(self.garbled(index, found).into()),
            Err(Failure::Died) => Err(self.died(index).into()),
        }
    }
}

impl fmt::Debug for GymnasiumEnvironments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("GymnasiumEnvironments");
        debug.field("spec", &self.spec).field("workers", &self.slots.len()).finish_non_exhaustive()
    }
}

impl Drop for GymnasiumEnvironments {
    fn drop(&mut self) {
        // All at once, before the end of each is waited for.
        self.slots.iter_mut().for_each(|slot| slot.worker.release());
    }
}

impl Slot {
    /// Reads a reply to a reset or a step: `true` for numbers, `false` for a message.
    fn receive(&mut self) -> Result<bool, Failure> {
        let layout = self.layout;
        let header = self.worker.receive(&mut self.payload, |header| match header.tag {
            b'k' => header.length == layout.short(),
            b'K' => header.length == layout.long(),
            _ => header.is_message(),
        })?;
        self.replies_since_respawn = self.replies_since_respawn.map(|replies| replies + 1);
        Ok(!header.is_message())
    }
}

impl Header {
    fn is_message(&self) -> bool {
        self.tag == b'E' && self.length <= LONGEST_MESSAGE
    }

    fn is_picture(&self) -> bool {
        self.tag == b'v' && (8..LARGEST_PICTURE).contains(&self.length)
    }
}

#[derive(serde::Deserialize)]
struct Raised {
    environment: usize,
    message: String,
}

fn compose_reset(seed: Option<u64>, environments: &Range<usize>, request: &mut Vec<u8>) {
    request.extend_from_slice(&[b'R', u8::from(seed.is_some())]);
    let seed = seed.unwrap_or_default().wrapping_add(environments.start as u64);
    request.extend_from_slice(&seed.to_le_bytes());
}

fn picture(payload: &[u8]) -> Option<Frame> {
    let (sizes, rgb) = payload.split_at_checked(8)?;
    let (sizes, _) = sizes.as_chunks::<4>();
    let [width, height] = [sizes[0], sizes[1]].map(|size| u32::from_le_bytes(size) as usize);
    let expected = width.checked_mul(height)?.checked_mul(3)?;
    (rgb.len() == expected).then(|| Frame { width, height, rgb: rgb.to_vec() })
}

/// Splits the environments among the workers, as evenly as it goes.
fn shares(num_envs: usize, workers: usize) -> Vec<Range<usize>> {
    (0..workers).map(|worker| worker * num_envs / workers..(worker + 1) * num_envs / workers).collect()
}

/// Starts a worker for each share, all at the same time, and waits for their answers.
fn start(
    id: &str,
    options: &GymnasiumOptions,
    launcher: &Launcher,
    shares: &[Range<usize>],
) -> Result<Vec<(Worker, Meta)>, GymnasiumError> {
    let started = Instant::now();
    let spawn = |share: &Range<usize>| Starting::spawn(launcher, id, Request::new(id, share.len(), options).encode());
    let starting = shares.iter().map(spawn).collect::<Result<Vec<_>, _>>()?;
    let wait = |worker: Starting| match worker.wait(id, started, options.handshake_timeout)? {
        (worker, Answer::Meta(meta)) => Ok((worker, *meta)),
        (_, Answer::Refusal(refusal)) => Err(refusal.into_error(id, &launcher.program)),
    };
    starting.into_iter().map(wait).collect()
}
