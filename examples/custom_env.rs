//! A task and a network of one's own: a rover learns to drive to a beacon, with a network that knows what it looks at.
//!
//! `cargo run --release --example custom_env`: seconds on two CPU cores; nothing is written.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation::silu},
};
use burn_sppo::{
    distribution::{ActionDistribution, Categorical},
    environment::{
        ActionSpace, CheckOptions, Discrete, NativeEnvironments, SingleEnvironment, TaskSpec, Transition,
        VectorEnvironment, check,
    },
    loss::Algorithm,
    policy::ActorCritic,
    run::Stream,
    training::{
        AlgorithmSection, ControlConfig, ControlObserver, ControlReport, ControlTraining, EnvironmentSection,
        ScheduleName, UpdateSection,
    },
};
use rand::RngExt;

/// A rover on a plane, at most 1 away from the origin, and a beacon. It can accelerate in four directions or do nothing.
#[derive(Default)]
struct Rover {
    position: [f32; 2],
    velocity: [f32; 2],
    beacon: [f32; 2],
}

impl Rover {
    fn show(&self, observation: &mut [f32]) {
        observation[..2].copy_from_slice(&self.position);
        observation[2..4].copy_from_slice(&self.velocity);
        observation[4..].copy_from_slice(&self.beacon);
    }

    fn distance(&self) -> f32 {
        (self.position[0] - self.beacon[0]).hypot(self.position[1] - self.beacon[1])
    }
}

impl SingleEnvironment for Rover {
    type Action = Discrete;

    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "Rover".into(),
            observation_shape: vec![6],
            action_space: ActionSpace::Discrete { n: 5 },
            max_episode_steps: Some(100),
        }
    }

    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        let mut place = || [stream.random_range(-1.0..1.0), stream.random_range(-1.0..1.0)];
        (self.position, self.beacon, self.velocity) = (place(), place(), [0.0; 2]);
        self.show(observation);
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Transition {
        let force = [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]][action];
        for (axis, force) in force.into_iter().enumerate() {
            self.velocity[axis] = 0.9 * self.velocity[axis] + 0.02 * force;
            self.position[axis] = (self.position[axis] + self.velocity[axis]).clamp(-1.0, 1.0);
        }
        self.show(observation);
        let arrived = self.distance() < 0.1;
        let reward = if arrived { 1.0 } else { -0.01 - 0.02 * self.distance() };
        Transition { reward: f64::from(reward), terminated: arrived }
    }
}

/// Rover and beacon are looked at by one and the same layer, wherever they are.
#[derive(Module, Debug)]
struct RoverPolicy {
    place: Linear,
    motion: Linear,
    hidden: Linear,
    actions: Linear,
    value: Linear,
}

impl RoverPolicy {
    fn init(device: &Device) -> Self {
        let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let (place, motion, hidden) = (layer(2, 32), layer(2, 32), layer(96, 64));
        Self { place, motion, hidden, actions: layer(64, 5), value: layer(64, 1) }
    }

    fn features(&self, observations: Tensor<2>) -> Tensor<2> {
        let [rover, motion, beacon] = [0, 2, 4].map(|first| observations.clone().slice_dim(1, first..first + 2));
        let seen = [self.place.forward(rover), self.motion.forward(motion), self.place.forward(beacon)];
        silu(self.hidden.forward(silu(Tensor::cat(seen.to_vec(), 1))))
    }
}

impl ActorCritic for RoverPolicy {
    fn forward(&self, observations: Tensor<2>) -> (ActionDistribution, Tensor<1>) {
        let features = self.features(observations);
        let value = self.value.forward(features.clone()).squeeze_dim(1);
        (ActionDistribution::Categorical(Categorical::new(self.actions.forward(features))), value)
    }

    fn value(&self, observations: Tensor<2>) -> Tensor<1> {
        self.value.forward(self.features(observations)).squeeze_dim(1)
    }
}

struct Printer;

impl ControlObserver for Printer {
    fn on_iteration(&mut self, report: &ControlReport) {
        if let (Some(episodes), true) = (report.episodes, report.iteration.is_multiple_of(10)) {
            let (steps, mean, length) = (report.steps, episodes.mean_return, episodes.mean_length);
            println!("after {steps:6} steps: return {mean:5.2}, {length:5.1} steps to the beacon");
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::default();
    let mut environments = NativeEnvironments::new(16, |_| Rover::default())?;
    for finding in check(&mut environments, &CheckOptions::default()) {
        println!("{finding}");
    }
    let config = ControlConfig {
        seed: 3,
        environment: EnvironmentSection { num_envs: 16, ..EnvironmentSection::default() },
        algorithm: AlgorithmSection { name: Algorithm::Sppo, alpha: 0.5, beta: 0.5, ..AlgorithmSection::default() },
        update: UpdateSection {
            rollout_steps: 128,
            minibatch: Some(256),
            epochs: 6,
            learning_rate: 1e-3,
            schedule: ScheduleName::Linear,
            gamma: 0.98,
            ent_coef: 0.005,
            ..UpdateSection::default()
        },
        ..ControlConfig::default()
    };
    let learner = config.learner(RoverPolicy::init(&device.autodiff()));
    let id = environments.spec().id.clone();
    let training = ControlTraining::new(Box::new(environments)).total_steps(200_000).observer(Printer);
    let result = training.launch(learner)?;
    println!("{} steps in {id}", result.steps);
    Ok(())
}
