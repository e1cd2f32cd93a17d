//! Generalised advantage estimation (arXiv 1506.02438).

/// A control rollout, time-major: entry `t * environments + e` belongs to step `t` of environment `e`.
#[derive(Clone, Copy, Debug)]
pub struct ControlRollout<'a> {
    /// Rewards, with the bootstrap of truncated episodes already added.
    pub rewards: &'a [f32],
    /// Predictions of the critic before each step.
    pub values: &'a [f32],
    /// Whether a new episode started with this step.
    pub episode_starts: &'a [bool],
    /// Predictions after the last step, one an environment.
    pub last_values: &'a [f32],
    /// Whether the last step ended an episode, one an environment.
    pub last_dones: &'a [bool],
}

/// Advantages and returns of a control rollout.
///
/// `delta_t = r_t + gamma V_{t+1} n_t - V_t` and `A_t = delta_t + gamma lambda n_t A_{t+1}`, where `n_t` is 0 if an
/// episode ended with step `t` and 1 otherwise; returns are `A + V`.
///
/// # Panics
/// If the lengths are not those of one rollout.
pub fn control(rollout: ControlRollout, gamma: f64, lambda: f64) -> (Vec<f32>, Vec<f32>) {
    let environments = rollout.last_values.len();
    let count = rollout.rewards.len();
    for length in [rollout.values.len(), rollout.episode_starts.len()] {
        assert_eq!(length, count, "values and episode starts are as many as rewards");
    }
    assert_eq!(rollout.last_dones.len(), environments, "there is one last flag an environment");
    assert!(environments > 0 && count.is_multiple_of(environments), "every step has all environments");
    let mut advantages = vec![0.0; count];
    for environment in 0..environments {
        let mut next_value = f64::from(rollout.last_values[environment]);
        let mut ended = rollout.last_dones[environment];
        let mut next_advantage = 0.0;
        for step in (0..count / environments).rev() {
            let place = step * environments + environment;
            let value = f64::from(rollout.values[place]);
            let goes_on = f64::from(u8::from(!ended));
            let delta = f64::from(rollout.rewards[place]) + gamma * next_value * goes_on - value;
            next_advantage = delta + gamma * lambda * goes_on * next_advantage;
            advantages[place] = next_advantage as f32;
            next_value = value;
            ended = rollout.episode_starts[place];
        }
    }
    let returns = add(&advantages, rollout.values);
    (advantages, returns)
}

/// Adds `gamma * V(final observation)` to the reward of every step that was cut off without a terminal state.
///
/// # Panics
/// If the lengths differ.
pub fn bootstrap_truncations(rewards: &mut [f32], truncated: &[bool], final_values: &[f32], gamma: f64) {
    assert!(rewards.len() == truncated.len() && rewards.len() == final_values.len(), "one flag and value a reward");
    for ((reward, &cut), &value) in rewards.iter_mut().zip(truncated).zip(final_values) {
        if cut {
            *reward = (f64::from(*reward) + gamma * f64::from(value)) as f32;
        }
    }
}

/// Advantages and returns of responses, each a row of `length` tokens. Rewards and values where the mask is false
/// count as 0; there is nothing after the last token.
///
/// # Panics
/// If the lengths are not those of whole rows.
pub fn tokens(
    rewards: &[f32],
    values: &[f32],
    mask: &[bool],
    length: usize,
    gamma: f64,
    lambda: f64,
) -> (Vec<f32>, Vec<f32>) {
    assert!(rewards.len() == values.len() && rewards.len() == mask.len(), "one value and flag a reward");
    assert!(length > 0 && rewards.len().is_multiple_of(length), "rows are complete");
    let kept = |numbers: &[f32]| -> Vec<f32> {
        numbers.iter().zip(mask).map(|(&number, &keep)| if keep { number } else { 0.0 }).collect()
    };
    let (rewards, values) = (kept(rewards), kept(values));
    let mut advantages = vec![0.0; rewards.len()];
    for ((advantages, rewards), values) in
        advantages.chunks_mut(length).zip(rewards.chunks(length)).zip(values.chunks(length))
    {
        let (mut next_value, mut next_advantage) = (0.0, 0.0);
        for place in (0..length).rev() {
            let value = f64::from(values[place]);
            let delta = f64::from(rewards[place]) + gamma * next_value - value;
            next_advantage = delta + gamma * lambda * next_advantage;
            advantages[place] = next_advantage as f32;
            next_value = value;
        }
    }
    let returns = add(&advantages, &values);
    (advantages, returns)
}

fn add(left: &[f32], right: &[f32]) -> Vec<f32> {
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use golden::{flags, numbers_f32, shape};

    #[test]
    fn golden_control_advantages_and_returns() {
        for case in golden::load("gae.json").cases_of("kind", "control") {
            let number = |key: &str| case.input(key).as_f64().unwrap();
            let mut rewards = numbers_f32(case.input("rewards"));
            let truncated = flags(case.input("truncated"));
            bootstrap_truncations(
                &mut rewards,
                &truncated,
                &numbers_f32(case.input("terminal_values")),
                number("gamma"),
            );
            case.check_f32("rewards_bootstrapped", &rewards);
            let rollout = ControlRollout {
                rewards: &rewards,
                values: &numbers_f32(case.input("values")),
                episode_starts: &flags(case.input("episode_starts")),
                last_values: &numbers_f32(case.input("last_values")),
                last_dones: &flags(case.input("last_dones")),
            };
            let (advantages, returns) = control(rollout, number("gamma"), number("gae_lambda"));
            case.check_f32("advantages", &advantages);
            case.check_f32("returns", &returns);
        }
    }

    #[test]
    fn golden_token_advantages_and_returns() {
        for case in golden::load("gae.json").cases_of("kind", "token") {
            let number = |key: &str| case.input(key).as_f64().unwrap();
            let (advantages, returns) = tokens(
                &numbers_f32(case.input("rewards")),
                &numbers_f32(case.input("values")),
                &flags(case.input("mask")),
                shape(case.input("rewards"))[1],
                number("gamma"),
                number("gae_lambda"),
            );
            case.check_f32("advantages", &advantages);
            case.check_f32("returns", &returns);
        }
    }
}
