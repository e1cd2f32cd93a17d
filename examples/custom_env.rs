//! A task and a network of one's own: a rover learns to drive to a beacon, with a network that knows what it looks at.
//!
//! `cargo run --release --example custom_env`: seconds on two CPU cores; nothing is written.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation::silu},
};
use burn_sppo::{
    advantage::{AdvantageKind, Gae, Normalization},
    distribution::{ActionDistribution, Categorical},
    environment::{
        ActionSpace, CheckOptions, Discrete, NativeEnvironments, SingleEnvironment, TaskSpec, Transition,
        VectorEnvironment, check,
    },
    learner::{Schedule, UpdateConfig},
    loss::{Algorithm, PolicyLossConfig, ValueLoss},
    optim::FusedAdamWConfig,
    policy::ActorCritic,
    run::{HealthConfig, Stream},
    training::{ControlLearner, ControlObserver, ControlReport, ControlTraining},
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
        Self {
            place: layer(2, 32),
            motion: layer(2, 32),
            hidden: layer(96, 64),
            actions: layer(64, 5),
            value: layer(64, 1),
        }
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
    let loss = PolicyLossConfig::new(Algorithm::Sppo);
    let learner = ControlLearner {
        policy: RoverPolicy::init(&device.autodiff()),
        optimizer: FusedAdamWConfig::new().with_epsilon(1e-5).with_weight_decay(0.0).init(),
        rollout_steps: 128,
        resample_every: None,
        gae: Gae { gamma: 0.98, lambda: 0.95 },
        update: UpdateConfig::new(loss, ValueLoss::Mse, 256, 256, Normalization::Minibatch, AdvantageKind::Normal)
            .with_epochs(6)
            .with_ent_coef(0.005),
        learning_rate: Schedule::Linear(1e-3),
        clip_range: Schedule::Constant(0.2),
        clip_range_vf: None,
        health: HealthConfig::default(),
        seed: 3,
    };
    let id = environments.spec().id.clone();
    let training = ControlTraining::new(Box::new(environments)).total_steps(200_000).observer(Printer);
    let result = training.launch(learner)?;
    println!("{} steps in {id}", result.steps);
    Ok(())
}
