//! The sentiment of a text by counting words: a judge that nobody trained.

/// Adjectives of praise. They fit every noun of `words::ASPECTS`.
pub const POSITIVE_ADJECTIVES: &[&str] = &[
    "great",
    "superb",
    "lovely",
    "brilliant",
    "clever",
    "charming",
    "sharp",
    "fresh",
    "warm",
    "rich",
    "perfect",
    "moving",
    "touching",
    "gripping",
    "stunning",
    "wonderful",
    "excellent",
    "delightful",
    "elegant",
    "graceful",
    "bright",
    "tender",
    "splendid",
    "magical",
    "inspired",
    "funny",
    "beautiful",
    "flawless",
];

/// Adjectives of blame, as many as of praise.
pub const NEGATIVE_ADJECTIVES: &[&str] = &[
    "dull",
    "bland",
    "flat",
    "weak",
    "lazy",
    "silly",
    "stale",
    "clumsy",
    "boring",
    "awful",
    "terrible",
    "dreadful",
    "lifeless",
    "hollow",
    "forced",
    "tired",
    "cheap",
    "messy",
    "wooden",
    "shallow",
    "tedious",
    "painful",
    "annoying",
    "sloppy",
    "dreary",
    "pointless",
    "horrible",
    "ugly",
];

pub const POSITIVE_NOUNS: &[&str] = &["gem", "masterpiece", "triumph", "delight", "treat", "joy", "winner", "success"];

pub const NEGATIVE_NOUNS: &[&str] = &["mess", "disaster", "failure", "bore", "flop", "letdown", "mistake", "waste"];

const POSITIVE_VERBS: &[&str] = &[
    "love",
    "loved",
    "loves",
    "enjoy",
    "enjoyed",
    "enjoys",
    "admire",
    "admired",
    "adore",
    "adored",
    "praise",
    "praised",
    "recommend",
    "recommended",
    "smile",
    "smiled",
    "worth",
];

const NEGATIVE_VERBS: &[&str] = &[
    "hate",
    "hated",
    "hates",
    "dislike",
    "disliked",
    "dislikes",
    "regret",
    "regretted",
    "resent",
    "resented",
    "blame",
    "blamed",
    "avoid",
    "avoided",
    "yawn",
    "yawned",
    "skip",
    "wasted",
];

const NEGATORS: &[&str] = &[
    "not", "no", "never", "nothing", "nobody", "hardly", "cannot", "without", "neither", "nor", "isn't", "wasn't",
    "doesn't", "didn't", "don't", "can't", "won't",
];

/// How many words a negation reaches forward.
const REACH: usize = 4;

/// How many words of a text speak for and against what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sentiment {
    pub positive: usize,
    pub negative: usize,
}

impl Sentiment {
    /// Counts the words of the corpus' own lexicon. A word counts for the other side if a negation ("not", "never",
    /// "far from", …) stands at most four words before it in the same clause.
    pub fn count(text: &str) -> Self {
        let mut sentiment = Self::default();
        for clause in text.split([',', '.', ';', ':', '!', '?', '\n']) {
            // Words since the last negation, where there was one.
            let mut since: Option<usize> = None;
            let mut previous = String::new();
            for word in clause.split_whitespace() {
                let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
                if word == "but" {
                    since = None;
                } else if NEGATORS.contains(&word.as_str()) || (previous == "far" && word == "from") {
                    since = Some(0);
                } else {
                    since = since.map(|words| words + 1);
                    if let Some(praise) = polarity(&word) {
                        let negated = since.is_some_and(|words| words <= REACH);
                        if praise != negated {
                            sentiment.positive += 1;
                        } else {
                            sentiment.negative += 1;
                        }
                    }
                }
                previous = word;
            }
        }
        sentiment
    }

    /// The share of positive words among all that count, in `[0, 1]`. `None` where no word counts.
    pub fn share(&self) -> Option<f64> {
        let total = self.positive + self.negative;
        (total > 0).then(|| self.positive as f64 / total as f64)
    }
}

/// The share of positive words among the sentiment words of `text`; see [`Sentiment::count`]. `None` if it has none.
pub fn sentiment_of(text: &str) -> Option<f64> {
    Sentiment::count(text).share()
}

/// Whether a lower-case word praises (`true`) or blames.
fn polarity(word: &str) -> Option<bool> {
    let is_in = |lists: [&[&str]; 3]| lists.iter().any(|list| list.contains(&word));
    if is_in([POSITIVE_ADJECTIVES, POSITIVE_NOUNS, POSITIVE_VERBS]) {
        Some(true)
    } else if is_in([NEGATIVE_ADJECTIVES, NEGATIVE_NOUNS, NEGATIVE_VERBS]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::builtin::words;

    fn counts(text: &str) -> (usize, usize) {
        let Sentiment { positive, negative } = Sentiment::count(text);
        (positive, negative)
    }

    #[test]
    fn the_share_of_positive_words_is_the_score() {
        assert_eq!(sentiment_of("The acting was wooden, but the music was superb and warm."), Some(2.0 / 3.0));
        assert_eq!(sentiment_of("A film about a pilot."), None);
        assert_eq!(sentiment_of(""), None);
    }

    #[test]
    fn a_negation_turns_the_words_after_it_in_its_clause() {
        assert_eq!(counts("not dull"), (1, 0));
        assert_eq!(counts("There was not a single clever moment."), (0, 1));
        assert_eq!(counts("Nothing about it felt cheap."), (1, 0));
        assert_eq!(counts("It was far from boring."), (1, 0));
        assert_eq!(counts("I do not recommend it."), (0, 1));
        assert_eq!(counts("It was not dull, it was clever."), (2, 0));
        assert_eq!(counts("It was not dull but clever."), (2, 0));
        assert_eq!(counts("no one in the whole theater was dull"), (0, 1));
    }

    #[test]
    fn case_and_punctuation_do_not_matter() {
        assert_eq!(counts("BRILLIANT! (superb) \"lovely\""), (3, 0));
    }

    #[test]
    fn no_word_has_two_meanings() {
        let lists = [
            (POSITIVE_ADJECTIVES, true),
            (POSITIVE_NOUNS, true),
            (POSITIVE_VERBS, true),
            (NEGATIVE_ADJECTIVES, false),
            (NEGATIVE_NOUNS, false),
            (NEGATIVE_VERBS, false),
        ];
        let mut seen = std::collections::HashSet::new();
        for (list, praise) in lists {
            for word in list {
                assert!(seen.insert(word), "{word} is listed twice");
                assert_eq!(polarity(word), Some(praise), "{word}");
            }
        }
        assert_eq!(POSITIVE_ADJECTIVES.len(), NEGATIVE_ADJECTIVES.len());
        assert_eq!(POSITIVE_NOUNS.len(), NEGATIVE_NOUNS.len());
    }

    #[test]
    fn neutral_words_do_not_count() {
        let neutral = [
            words::TITLE_ADJECTIVES,
            words::TITLE_NOUNS,
            words::FIRST_NAMES,
            words::LAST_NAMES,
            words::GENRES,
            words::TRAITS,
            words::ROLES,
            words::ACTIONS,
            words::OBJECTS,
            words::PLACES,
            words::DRIVES,
            words::TIMES,
            words::COMPANY,
            words::RELATIVES,
            words::NUMBERS,
            words::ASPECTS,
            words::INTENSIFIERS,
            words::CLOSINGS,
        ];
        for phrase in neutral.into_iter().flatten() {
            assert_eq!(sentiment_of(phrase), None, "{phrase}");
        }
    }
}
