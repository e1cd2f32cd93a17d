use super::ResponseMask;
use crate::reward::Response;

/// What a reward says of each response.
#[derive(Clone, Debug, PartialEq)]
pub enum Rewards {
    /// One number a response, given at its last token.
    Sequence(Vec<f32>),
    /// One number a token of each response; shorter rows are filled with 0.
    Token(Vec<Vec<f32>>),
}

impl Rewards {
    pub fn len(&self) -> usize {
        match self {
            Self::Sequence(rewards) => rewards.len(),
            Self::Token(rewards) => rewards.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reward of each response as one number.
    pub fn totals(&self) -> Vec<f32> {
        match self {
            Self::Sequence(rewards) => rewards.clone(),
            Self::Token(rewards) => rewards.iter().map(|row| row.iter().sum()).collect(),
        }
    }

    /// Adds `amount` to the last token of every response that did not end by itself.
    pub(crate) fn add_at_end(&mut self, responses: &[Response], amount: f32) {
        for (row, response) in responses.iter().enumerate().filter(|(_, response)| !response.finished) {
            match self {
                Self::Sequence(rewards) => rewards[row] += amount,
                Self::Token(rewards) => {
                    let last = response.response_tokens.len().saturating_sub(1);
                    if rewards[row].len() <= last {
                        rewards[row].resize(last + 1, 0.0);
                    }
                    rewards[row][last] += amount;
                }
            }
        }
    }

    /// Rewards of the tokens of response `row`.
    ///
    /// # Shapes
    /// `[response_length]`
    pub fn tokens(&self, row: usize, mask: ResponseMask, length: usize, response_length: usize) -> Vec<f32> {
        let mut tokens = vec![0.0; response_length];
        match self {
            Self::Sequence(rewards) => {
                if let Some(place) = mask.reward_position(length, response_length) {
                    tokens[place] = rewards[row];
                }
            }
            Self::Token(rewards) => {
                for (token, &reward) in tokens.iter_mut().zip(&rewards[row]) {
                    *token = reward;
                }
            }
        }
        tokens
    }
}

/// KL estimate of each token, `log pi - log pi_ref`.
pub fn token_kl(log_prob: &[f32], reference_log_prob: &[f32]) -> Vec<f32> {
    log_prob.iter().zip(reference_log_prob).map(|(policy, reference)| policy - reference).collect()
}

/// Rewards less the KL penalty: `reward - coef * kl`.
pub fn shaped_rewards(rewards: &[f32], kl: &[f32], coef: f64) -> Vec<f32> {
    rewards.iter().zip(kl).map(|(&reward, &kl)| (f64::from(reward) - coef * f64::from(kl)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{attention_mask, position_ids};

    #[test]
    fn golden_token_rollouts_are_masked_and_rewarded_alike() {
        for case in golden::load("token_rollout.json").cases() {
            let width = golden::shape(case.input("tokens"))[1];
            let tokens: Vec<u32> =
                golden::integers(case.input("tokens")).into_iter().map(|token| token as u32).collect();
            let setting = |key: &str| case.input(key).as_u64().unwrap() as usize;
            let (prompt, length) = (setting("prompt_len"), setting("gen_len"));
            let (pad, eos) = (setting("pad_id") as u32, setting("eos_id") as u32);
            let (mut attention, mut positions) = (Vec::new(), Vec::new());
            for row in tokens.chunks(width) {
                let mask: Vec<bool> = attention_mask(&row[..width - 1], pad).collect();
                positions.extend(position_ids(&mask).iter().map(|&place| place as f64));
                attention.extend(mask.iter().map(|&real| f64::from(u8::from(real))));
            }
            case.check("attention_mask", &attention);
            case.check("position_ids", &positions);
            let kl = token_kl(&golden::numbers_f32(case.input("logp")), &golden::numbers_f32(case.input("ref_logp")));
            case.check_f32("kl", &kl);
            let terminal = Rewards::Sequence(golden::numbers_f32(case.input("terminal_rewards")));
            for (name, mode) in [("reference", ResponseMask::Reference), ("eos_inclusive", ResponseMask::EosInclusive)]
            {
                let (mut mask, mut lengths, mut rewards) = (Vec::new(), Vec::new(), Vec::new());
                for (index, row) in tokens.chunks(width).enumerate() {
                    let (row_mask, count) = mode.of(&row[prompt..], pad, eos);
                    mask.extend(row_mask.iter().map(|&keep| f64::from(u8::from(keep))));
                    lengths.push(count as f64);
                    rewards.extend(terminal.tokens(index, mode, count, length));
                }
                case.check(&format!("{name}.mask"), &mask);
                case.check(&format!("{name}.lengths"), &lengths);
                case.check_f32(&format!("{name}.rewards"), &rewards);
                let coef = case.input("kl_coef").as_f64().unwrap();
                case.check_f32(&format!("{name}.total_rewards"), &shaped_rewards(&rewards, &kl, coef));
            }
        }
    }
}
