use rand::RngExt;

use crate::run::Stream;

/// Flips the sign of each advantage with `probability`: noise that teaches the wrong direction.
pub fn flip(advantage: &mut [f32], probability: f64, stream: &mut Stream) {
    let flags: Vec<bool> = advantage.iter().map(|_| stream.random::<f64>() < probability).collect();
    flip_where(advantage, &flags);
}

/// Flips the sign of each advantage whose flag is set.
///
/// # Panics
/// If the lengths differ.
pub fn flip_where(advantage: &mut [f32], flags: &[bool]) {
    assert_eq!(advantage.len(), flags.len(), "there is one flag an advantage");
    for (x, &flag) in advantage.iter_mut().zip(flags) {
        if flag {
            *x = -*x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};

    #[test]
    fn the_share_of_flips_is_the_probability() {
        let mut advantage = vec![1.0; 20_000];
        flip(&mut advantage, 0.3, &mut Streams::new(1).stream(Purpose::Noise, 0, 0));
        let share = advantage.iter().filter(|&&x| x < 0.0).count() as f64 / 20_000.0;
        assert!((share - 0.3).abs() < 0.015, "{share}");
    }
}
