use serde::{Deserialize, Serialize};

/// Which tokens of a response count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMask {
    /// Everything up to and including the first end token, so that the policy is trained to stop.
    #[default]
    EosInclusive,
    /// Every token that is not the padding token, as in the reference implementation: where padding and end token are
    /// one (GPT-2), the end token does not count.
    Reference,
}

impl ResponseMask {
    /// The mask of one response padded to its full length, and how many tokens count.
    pub fn of(self, response: &[u32], pad: u32, eos: u32) -> (Vec<bool>, usize) {
        let mask: Vec<bool> = match self {
            Self::Reference => response.iter().map(|&token| token != pad).collect(),
            Self::EosInclusive => {
                let mut ended = false;
                let keep = response.iter().map(|&token| {
                    let keep = !ended && (token == eos || token != pad);
                    ended |= token == eos;
                    keep
                });
                keep.collect()
            }
        };
        let length = mask.iter().filter(|&&keep| keep).count();
        (mask, length)
    }

    /// Where the reward of the whole response goes: its last token that counts.
    ///
    /// For an empty response the reference implementation writes to the last position, which its mask then deletes;
    /// otherwise an empty response has no place for a reward.
    pub fn reward_position(self, length: usize, response_length: usize) -> Option<usize> {
        match (self, length) {
            (Self::Reference, 0) => response_length.checked_sub(1),
            (Self::EosInclusive, 0) => None,
            (_, length) => Some(length - 1),
        }
    }
}

/// Attention mask of a padded row: every token but padding.
pub fn attention_mask(tokens: &[u32], pad: u32) -> impl Iterator<Item = bool> {
    tokens.iter().map(move |&token| token != pad)
}

/// Position of each token: real tokens before it; 1 at padding.
pub fn position_ids(attention: &[bool]) -> Vec<i64> {
    let mut seen = 0;
    attention
        .iter()
        .map(|&real| {
            if !real {
                return 1;
            }
            seen += 1;
            seen - 1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_token_counts_and_nothing_after_it() {
        let (mask, length) = ResponseMask::EosInclusive.of(&[5, 0, 0, 0], 0, 0);
        assert_eq!((mask, length), (vec![true, true, false, false], 2));
        let (mask, length) = ResponseMask::Reference.of(&[5, 0, 0, 0], 0, 0);
        assert_eq!((mask, length), (vec![true, false, false, false], 1));
    }

    #[test]
    fn padding_takes_position_one_and_no_place_in_the_count() {
        assert_eq!(position_ids(&[false, false, true, true, true]), [1, 1, 0, 1, 2]);
    }
}
