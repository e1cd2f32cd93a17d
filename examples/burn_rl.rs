//! An environment written for Burn's own reinforcement learning, and PPO in it through `burn::train::RLTraining`.
//!
//! `cargo run --release -p burn-rlhf-tasks --example burn_rl`: some seconds; with `--features tui`, in Burn's dashboard.
//! A spacecraft has to stop at its dock. What Burn's `Environment` does not say of itself, its spaces, is in
//! `FlatEnvironment`. An environment of burn-sppo needs nothing of this: `ToBurn::new(make("CartPole-v1", …)?, seed)?`.

use std::sync::Arc;

use burn::{
    rl::{Environment, Policy, StepResult, ToAction, ToObservation},
    tensor::{Device, Tensor},
    train::{
        RLStrategies, RLTraining,
        metric::{CumulativeRewardMetric, EpisodeLengthMetric},
    },
};
use burn_sppo::{
    environment::{ActionSpace, Actions, TaskSpec, burn_rl::FlatEnvironment},
    strategy::{OnPolicyStrategy, PolicyAction, PolicyObservation, ReportMetric},
    training::{CheckpointConfig, ControlConfig, EnvironmentSection, EvaluationSection, UpdateSection},
};

#[derive(Clone, Default)]
struct Spacecraft {
    distance: f32,
    speed: f32,
    steps: usize,
    flights: usize,
}

/// Fire backwards, drift, or fire forwards.
#[derive(Clone)]
struct Thrust(f32);

impl Environment for Spacecraft {
    type State = Self;
    type Action = Thrust;
    const MAX_STEPS: usize = 60;

    fn state(&self) -> Self {
        self.clone()
    }

    fn step(&mut self, action: Thrust) -> StepResult<Self> {
        self.speed += 0.1 * action.0;
        self.distance += 0.1 * self.speed;
        self.steps += 1;
        let reward = -f64::from(self.distance.abs()) - 0.05 * f64::from(action.0.abs());
        let lost = self.distance.abs() > 2.0;
        let reward = if lost { -60.0 } else { reward };
        StepResult { next_state: self.clone(), reward, done: lost, truncated: self.steps == Self::MAX_STEPS }
    }

    fn reset(&mut self) {
        self.flights += 1;
        // Every flight begins at another place, in a fixed order.
        let start = (self.flights * 7 % 11) as f32 / 5.0 - 1.0;
        (self.distance, self.speed, self.steps) = (start, 0.0, 0);
    }
}

impl FlatEnvironment for Spacecraft {
    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "Spacecraft".into(),
            observation_shape: vec![2],
            action_space: ActionSpace::Discrete { n: 3 },
            max_episode_steps: Some(Self::MAX_STEPS),
        }
    }

    fn write(state: &Self, observation: &mut [f32]) {
        observation.copy_from_slice(&[state.distance, state.speed]);
    }

    fn action(numbers: Actions<'_>) -> Thrust {
        Thrust(numbers.to_f32()[0] - 1.0)
    }
}

impl ToObservation<PolicyObservation> for Spacecraft {
    fn to_observation(&self, device: &Device) -> PolicyObservation {
        PolicyObservation(Tensor::from_data([[self.distance, self.speed]], device))
    }
}

impl From<PolicyAction> for Thrust {
    fn from(action: PolicyAction) -> Self {
        Self(action.values()[0] - 1.0)
    }
}

impl ToAction<PolicyAction> for Thrust {
    fn to_action(&self, device: &Device) -> PolicyAction {
        PolicyAction(Tensor::from_data([[self.0 + 1.0]], device))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("burn-sppo-burn-rl-{}", std::process::id()));
    let config = ControlConfig {
        environment: EnvironmentSection { num_envs: 8, normalize: true, ..EnvironmentSection::default() },
        update: UpdateSection { rollout_steps: 120, minibatch: Some(240), learning_rate: 1e-3, ..Default::default() },
        evaluation: EvaluationSection { every: 9600, episodes: 11, ..EvaluationSection::default() },
        ..ControlConfig::default()
    };
    let strategy = OnPolicyStrategy::new(config)
        .directory(folder.join("run"))
        .with_checkpoints(CheckpointConfig { every: 20_000, keep: 1 });
    let strategy = Arc::new(strategy);
    let agent = strategy.agent(&Spacecraft::default, &Device::default())?;
    let mut policy = RLTraining::new(folder.join("burn"), Spacecraft::default)
        .metrics_train(ReportMetric::usual())
        .metrics_episode((CumulativeRewardMetric::new(), EpisodeLengthMetric::new()))
        .num_steps(57_600)
        .with_learning_strategy(RLStrategies::Custom(strategy.clone()))
        .launch(agent)
        .policy;
    for evaluation in strategy.outcome()?.evaluations {
        println!("after {} steps: return {:.1}", evaluation.steps, evaluation.mean_return);
    }

    let mut spacecraft = Spacecraft::default();
    spacecraft.reset();
    for _ in 0..Spacecraft::MAX_STEPS {
        let observation = spacecraft.state().to_observation(&Device::default());
        let (action, _) = policy.action(observation, true);
        spacecraft.step(action.into());
    }
    println!("a flight ends {:.2} from the dock, at a speed of {:.2}", spacecraft.distance, spacecraft.speed);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
