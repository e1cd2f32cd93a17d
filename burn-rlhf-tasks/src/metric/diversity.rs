use std::collections::{BTreeMap, BTreeSet};

/// How varied texts are, with the keys and definitions of GEM-metrics (Gehrmann et al. 2021, arXiv 2102.01672).
///
/// `texts` are words; they are lower-cased. Without texts the mean, standard deviation, median, least and greatest
/// length are not numbers. Every measure comes for all words and, with `nopunct` in its key, without
/// those that are a single ASCII punctuation mark.
///
/// - `msttr-W`: share of different words in consecutive stretches of `window` = W words of all texts together, the
///   mean over the stretches, to five decimals. Not a number where no stretch is full.
/// - `total_length`, and `mean_`, `std_`, `median_`, `min_`, `max_pred_length`: words of a text.
/// - for n = 1, 2, 3, over the n-grams inside the texts: `distinct-n` (different ones as a share of all),
///   `vocab_size-n` (different ones), `unique-n` (those seen once), `entropy-n` (bits); for n = 2, 3, where there are
///   any, `cond_entropy-n` = `-sum p(x, y) log2(p(x, y) / p(x))` with x the first n - 1 words.
pub fn diversity<T: AsRef<[S]>, S: AsRef<str>>(texts: &[T], window: usize) -> BTreeMap<String, f64> {
    let words: Vec<Vec<String>> =
        texts.iter().map(|text| text.as_ref().iter().map(|word| word.as_ref().to_lowercase()).collect()).collect();
    let all: Vec<Vec<&str>> = words.iter().map(|text| text.iter().map(String::as_str).collect()).collect();
    let is_mark = |word: &str| word.len() == 1 && word.as_bytes()[0].is_ascii_punctuation();
    let bare: Vec<Vec<&str>> =
        all.iter().map(|text| text.iter().copied().filter(|word| !is_mark(word)).collect()).collect();
    let mut measures = BTreeMap::new();
    for (texts, msttr_suffix, suffix) in [(&all, "", ""), (&bare, "_nopunct", "-nopunct")] {
        measures.insert(format!("msttr-{window}{msttr_suffix}"), segmental_type_token_ratio(texts, window));
        for (key, value) in lengths(texts).into_iter().chain(n_grams(texts)) {
            measures.insert(format!("{key}{suffix}"), value);
        }
    }
    measures
}

/// Different n-grams as a share of all n-grams inside the texts: `distinct-n` of [`diversity`]. 0 where there are none.
pub fn distinct<T: AsRef<[S]>, S: AsRef<str> + Ord>(texts: &[T], n: usize) -> f64 {
    let grams = || texts.iter().flat_map(|text| text.as_ref().windows(n.max(1)));
    let different: BTreeSet<&[S]> = grams().collect();
    different.len() as f64 / grams().count().max(1) as f64
}

fn segmental_type_token_ratio(texts: &[Vec<&str>], window: usize) -> f64 {
    let words: Vec<&str> = texts.iter().flatten().copied().collect();
    let ratios: Vec<f64> = words
        .chunks_exact(window.max(1))
        .map(|stretch| stretch.iter().collect::<BTreeSet<_>>().len() as f64 / window as f64)
        .collect();
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    (mean * 1e5).round() / 1e5
}

fn lengths(texts: &[Vec<&str>]) -> Vec<(String, f64)> {
    let mut lengths: Vec<f64> = texts.iter().map(|text| text.len() as f64).collect();
    lengths.sort_by(f64::total_cmp);
    let (count, total) = (lengths.len() as f64, lengths.iter().sum::<f64>());
    let mean = total / count;
    let variance = lengths.iter().map(|length| (length - mean).powi(2)).sum::<f64>() / count;
    let at = |place: usize| lengths.get(place).copied().unwrap_or(f64::NAN);
    let half = lengths.len() / 2;
    let median = if lengths.len() % 2 == 1 { at(half) } else { (at(half.saturating_sub(1)) + at(half)) / 2.0 };
    [
        ("total_length", total),
        ("mean_pred_length", mean),
        ("std_pred_length", variance.sqrt()),
        ("median_pred_length", median),
        ("min_pred_length", at(0)),
        ("max_pred_length", at(lengths.len().saturating_sub(1))),
    ]
    .map(|(key, value)| (key.to_string(), value))
    .to_vec()
}

/// Counts are kept in order, so that sums of floats do not depend on a hash.
fn n_grams(texts: &[Vec<&str>]) -> Vec<(String, f64)> {
    let mut measures = Vec::new();
    let mut shorter: BTreeMap<&[&str], usize> = BTreeMap::new();
    for n in 1..=3 {
        let mut counts: BTreeMap<&[&str], usize> = BTreeMap::new();
        for gram in texts.iter().flat_map(|text| text.windows(n)) {
            *counts.entry(gram).or_default() += 1;
        }
        let total = counts.values().sum::<usize>() as f64;
        let share = |count: usize| count as f64 / total;
        measures.push((format!("distinct-{n}"), counts.len() as f64 / total.max(1.0)));
        measures.push((format!("vocab_size-{n}"), counts.len() as f64));
        measures.push((format!("unique-{n}"), counts.values().filter(|&&count| count == 1).count() as f64));
        let entropy: f64 = counts.values().map(|&count| -share(count) * share(count).log2()).sum();
        // An empty sum of floats is -0.
        measures.push((format!("entropy-{n}"), entropy + 0.0));
        if n > 1 && !counts.is_empty() {
            let prefixes = shorter.values().sum::<usize>() as f64;
            let conditional = counts.iter().map(|(gram, &count)| {
                let prefix = shorter.get(&gram[..n - 1]).copied().unwrap_or_default() as f64 / prefixes;
                -share(count) * (share(count) / prefix).log2()
            });
            measures.push((format!("cond_entropy-{n}"), conditional.sum()));
        }
        shorter = counts;
    }
    measures
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn golden_diversity() {
        let fixture = golden::load("metrics_text.json");
        let mut cases = 0;
        for case in fixture.cases_of("kind", "items") {
            let texts: Vec<Vec<&str>> = (case.input("items").as_array().unwrap().iter())
                .map(|item| item["hypothesis_tokens"].as_array().unwrap())
                .map(|words| words.iter().map(|word| word.as_str().unwrap()).collect())
                .collect();
            let measures = diversity(&texts, 100);
            let expected: BTreeSet<String> = case.expected("diversity").as_object().unwrap().keys().cloned().collect();
            assert_eq!(measures.keys().cloned().collect::<BTreeSet<_>>(), expected, "{}", case.name());
            for (key, value) in measures {
                case.check(&format!("diversity.{key}"), &[value]);
            }
            cases += 1;
        }
        assert!(cases > 0);
    }

    #[test]
    fn repeated_words_are_less_diverse() {
        let text = |text: &'static str| text.split(' ').collect::<Vec<_>>();
        assert_eq!(distinct(&[text("a b c d")], 2), 1.0);
        assert_eq!(distinct(&[text("a b a b a")], 2), 0.5);
        assert_eq!(distinct(&[text("a b"), text("a b")], 2), 0.5);
        assert_eq!(distinct(&[text("a")], 2), 0.0);
        assert_eq!(distinct::<Vec<&str>, _>(&[], 1), 0.0);
        let texts = [text("a , b a"), text("b , a c")];
        for n in 1..=3 {
            assert_eq!(diversity(&texts, 100)[&format!("distinct-{n}")], distinct(&texts, n));
        }
    }

    #[test]
    fn a_shorter_window_has_its_own_key() {
        let measures = diversity(&["a b a . c c a".split(' ').collect::<Vec<_>>()], 2);
        // "a b", "a .", "c c" and without the mark "a b", "a c", "c a".
        assert_eq!(measures["msttr-2"], 0.83333);
        assert_eq!(measures["msttr-2_nopunct"], 1.0);
    }
}
