use strsim::{jaro_winkler, normalized_damerau_levenshtein};

/// The candidate that a misspelt name most likely means, if any is close.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
    let name_last = name.rsplit('.').next().unwrap_or(name);
    let likeness = |candidate: &'a str| {
        let whole = alike(name, candidate);
        // A right name in a wrong section, or without one.
        let end = 0.95 * alike(name_last, last(candidate)) + 0.05 * whole;
        whole.max(end)
    };
    let best = candidates.into_iter().map(|candidate| (likeness(candidate), candidate));
    best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.7).map(|(_, candidate)| candidate)
}

fn alike(a: &str, b: &str) -> f64 {
    let (a, b) = (a.to_lowercase().replace(['-', ' '], "_"), b.to_lowercase().replace(['-', ' '], "_"));
    0.5 * (jaro_winkler(&a, &b) + normalized_damerau_levenshtein(&a, &b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 7] = [
        "seed",
        "update.rollouts",
        "update.minibatch",
        "update.microbatch",
        "optimizer.learning_rate",
        "bc.optimizer.learning_rate",
        "kl.coef",
    ];

    #[test]
    fn slips_of_the_hand_are_understood() {
        for (slip, meant) in [
            ("update.rolouts", "update.rollouts"),
            ("updte.minibatch", "update.minibatch"),
            ("rollouts", "update.rollouts"),
            ("optimizer.learning-rate", "optimizer.learning_rate"),
            ("optimiser.learning_rate", "optimizer.learning_rate"),
            ("learning_rate", "optimizer.learning_rate"),
            ("bc.learning_rate", "bc.optimizer.learning_rate"),
            ("kl.coeff", "kl.coef"),
            ("Seed", "seed"),
        ] {
            assert_eq!(nearest(slip, KEYS), Some(meant), "{slip}");
        }
    }

    #[test]
    fn nothing_is_suggested_where_nothing_is_alike() {
        assert_eq!(nearest("wandb.project", KEYS), None);
        assert_eq!(nearest("x", []), None);
    }
}
