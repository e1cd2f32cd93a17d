use burn_sppo::run::Stream;
use rand::Rng;

use super::sentiment::{NEGATIVE_ADJECTIVES, NEGATIVE_NOUNS, POSITIVE_ADJECTIVES, POSITIVE_NOUNS};
use super::words::*;
use crate::task::Split;

/// A first sentence: which film, and how it came to be seen.
const SETTINGS: &[&str] = &[
    "I saw {title} {time}.",
    "I watched {title} {company}.",
    "We watched {title} {time}.",
    "My {relative} picked {title} {time}.",
    "I went to see {title} {company}.",
    "{title} is a {genre} set {place}.",
    "{title} is a {genre} with {actor}.",
    "A friend told me about {title}.",
    "{title} is the new film by {actor}.",
    "I rented {title} {time}.",
];

/// A second sentence: what happens.
const PLOTS: &[&str] = &[
    "It follows a {character} who {drive} {action}.",
    "It follows a {character} who {drive} {action} {place}.",
    "{actor} plays a {character} who {drive} {action}.",
    "It is about a {character} and a {character}.",
    "It is about a {character} who {drive} {action}.",
    "A {character} {drive} {action} {place}.",
    "{actor} plays a {character} {place}.",
];

/// A third sentence, in some reviews: nothing for or against the film, or as much for as against it.
const ASIDES: &[&str] = &[
    "The story takes place {place}.",
    "It runs for {number} hours.",
    "{actor} wrote it.",
    "There were {number} people in the room.",
    "I knew nothing about it before.",
    "Some people call it {praise}, others call it {blame}.",
    "Some people call it {blame}, others call it {praise}.",
    "My {relative} called it {praise}, my {relative} called it {blame}.",
    "My {relative} called it {blame}, my {relative} called it {praise}.",
];

/// How a verdict begins. The bar is where a prompt may end: what stands before it says nothing about the label.
const STATEMENTS: &[&str] = &[
    "The {aspect} {was}| {fitting}.",
    "The {aspect} {was}| {intensifier} {fitting}.",
    "The {aspect} {was}| {fitting} and {fitting}.",
    "I found the {aspect}| {fitting}.",
    "For me, the {aspect} {was}| {fitting}.",
    "The {aspect} {was}| {fitting}, and the {aspect} {was} {fitting}.",
    "{actor} {gave}| a {adjective} performance.",
    "The {aspect} {was}| {opposite}, but the {aspect} {was} {fitting}.",
    "The {aspect} {was}| not {opposite} at all.",
    "From start to finish it {was}| {adjective}.",
    "As a {genre}, it {was}| {adjective}.",
    "Every scene with {actor} {was}| {adjective}.",
];

/// How a verdict goes on.
const REASONS: &[&str] = &[
    "Although the {aspect} {was} {opposite}, the {aspect} {was} {fitting}.",
    "The {aspect} {was} {opposite}, but the {aspect} {was} {fitting} and {fitting}.",
    "The {aspect} never {felt} {opposite}.",
    "Nothing about it {felt} {contrary}.",
    "There {was} not a single {contrary} scene.",
    "It {was} far from {contrary}.",
    "{actor} {was} {intensifier} {adjective} as the {role}.",
    "Even the {aspect} {was} {fitting}.",
    "I {loved} the {aspect} and the {aspect}.",
    "The {aspect} made me {smile}.",
    "I {loved} the {aspect}.",
    "It {felt} {adjective} and {adjective}.",
    "The {role} {was} the most {adjective} part.",
];

/// How a verdict ends, for either label.
const CONCLUSIONS: &[&str] = &[
    "{closing} it {was} a {noun}.",
    "{closing} it {was} a {adjective} {genre}.",
    "What a {adjective} film!",
    "I {loved} every minute of it.",
    "{closing} I {loved} it.",
    "My {relative} {loved} it too.",
];

const POSITIVE_CONCLUSIONS: &[&str] = &[
    "I recommend it to everyone.",
    "{closing} it {was} worth the money.",
    "Go and enjoy it.",
    "I would love to see it again.",
];

const NEGATIVE_CONCLUSIONS: &[&str] = &[
    "I cannot recommend it to anyone.",
    "{closing} it {was} not worth the money.",
    "Avoid it.",
    "It {was} a waste of time.",
];

const POSITIVE_FEELINGS: &[&str] = &["loved", "enjoyed", "admired", "adored"];
const NEGATIVE_FEELINGS: &[&str] = &["hated", "disliked", "regretted", "resented"];

/// A review and the place where its prompt ends, in bytes.
pub(super) struct Review {
    pub text: String,
    pub prompt_end: usize,
}

/// Writes the review that `stream` tells, with the word pairs of `split`.
pub(super) fn write(stream: &mut Stream, split: Split, positive: bool) -> Review {
    let past = below(stream, 2) == 1;
    let mut writer =
        Writer { stream, split, positive, past, aspect: 0, used: Vec::new(), text: String::new(), bar: None };
    writer.sentence(SETTINGS);
    writer.sentence(PLOTS);
    if writer.chance(40) {
        writer.sentence(ASIDES);
    }
    let mut prompt_end = writer.text.len();
    let ends_inside_a_sentence = writer.chance(35);
    writer.sentence(STATEMENTS);
    if let Some(bar) = writer.bar.filter(|_| ends_inside_a_sentence) {
        prompt_end = bar;
    }
    for percent in [85, 40] {
        if writer.chance(percent) {
            writer.sentence(REASONS);
        }
    }
    if writer.chance(60) {
        writer.sentence(CONCLUSIONS);
    } else {
        writer.sentence(if positive { POSITIVE_CONCLUSIONS } else { NEGATIVE_CONCLUSIONS });
    }
    Review { text: writer.text, prompt_end }
}

/// The split in which two words of paired lists may stand together. Each word is in pairs of all three.
pub(super) fn split_of_pair(first: usize, second: usize) -> Split {
    match (first + 3 * second) % 10 {
        0 => Split::Validation,
        1 => Split::Test,
        _ => Split::Train,
    }
}

/// A number below `bound`.
fn below(stream: &mut Stream, bound: usize) -> usize {
    ((u64::from(stream.next_u32()) * bound as u64) >> 32) as usize
}

struct Writer<'a> {
    stream: &'a mut Stream,
    split: Split,
    positive: bool,
    past: bool,
    /// The last aspect named: the one that the next adjective is about.
    aspect: usize,
    /// Words that this review has already drawn.
    used: Vec<&'static str>,
    text: String,
    bar: Option<usize>,
}

impl Writer<'_> {
    fn chance(&mut self, percent: usize) -> bool {
        below(self.stream, 100) < percent
    }

    /// Adds one of `templates`, its slots filled.
    fn sentence(&mut self, templates: &[&'static str]) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        let mut rest = templates[below(self.stream, templates.len())];
        while let Some((before, after)) = rest.split_once('{') {
            self.literal(before);
            let (slot, after) = after.split_once('}').unwrap_or((after, ""));
            self.slot(slot);
            rest = after;
        }
        self.literal(rest);
        if let Some(first) = self.text.get_mut(start..start + 1) {
            first.make_ascii_uppercase();
        }
    }

    fn literal(&mut self, part: &str) {
        match part.split_once('|') {
            Some((before, after)) => {
                self.text.push_str(before);
                self.bar = Some(self.text.len());
                self.text.push_str(after);
            }
            None => self.text.push_str(part),
        }
    }

    fn slot(&mut self, name: &str) {
        let (now, then) = match name {
            "was" => ("is", "was"),
            "felt" => ("feels", "felt"),
            "gave" => ("gives", "gave"),
            _ => return self.choice(name),
        };
        self.word(if self.past { then } else { now });
    }

    fn choice(&mut self, name: &str) {
        let (same, other) = if self.positive {
            (POSITIVE_ADJECTIVES, NEGATIVE_ADJECTIVES)
        } else {
            (NEGATIVE_ADJECTIVES, POSITIVE_ADJECTIVES)
        };
        let side = |praise, blame| if self.positive { praise } else { blame };
        match name {
            "title" => {
                self.word("The ");
                self.pair(TITLE_ADJECTIVES, TITLE_NOUNS);
            }
            "actor" => {
                self.any(FIRST_NAMES);
                self.word(" ");
                self.any(LAST_NAMES);
            }
            "character" => self.pair(TRAITS, ROLES),
            "action" => self.pair(ACTIONS, OBJECTS),
            "aspect" => self.aspect = self.any(ASPECTS),
            "fitting" => self.about_aspect(same),
            "opposite" => self.about_aspect(other),
            "adjective" => _ = self.any(same),
            "contrary" => _ = self.any(other),
            "praise" => _ = self.any(POSITIVE_ADJECTIVES),
            "blame" => _ = self.any(NEGATIVE_ADJECTIVES),
            "noun" => _ = self.any(side(POSITIVE_NOUNS, NEGATIVE_NOUNS)),
            "loved" => _ = self.any(side(POSITIVE_FEELINGS, NEGATIVE_FEELINGS)),
            "smile" => self.word(if self.positive { "smile" } else { "yawn" }),
            "genre" => _ = self.any(GENRES),
            "role" => _ = self.any(ROLES),
            "drive" => _ = self.any(DRIVES),
            "place" => _ = self.any(PLACES),
            "time" => _ = self.any(TIMES),
            "company" => _ = self.any(COMPANY),
            "relative" => _ = self.any(RELATIVES),
            "number" => _ = self.any(NUMBERS),
            "intensifier" => _ = self.any(INTENSIFIERS),
            "closing" => _ = self.any(CLOSINGS),
            unknown => self.word(unknown),
        }
    }

    /// Adds a word of `list` that this review does not have yet; says which.
    fn any(&mut self, list: &[&'static str]) -> usize {
        let all: Vec<usize> = (0..list.len()).collect();
        self.draw(list, &all)
    }

    /// Adds a word of either list, from the pairs of the split.
    fn pair(&mut self, firsts: &[&'static str], seconds: &[&'static str]) {
        let first = self.any(firsts);
        self.word(" ");
        self.second(first, self.split, seconds);
    }

    /// Adds an adjective that may stand with the aspect named last. Outside training every second pair is a new one.
    fn about_aspect(&mut self, adjectives: &[&'static str]) {
        let split = if self.split == Split::Train || self.chance(50) { Split::Train } else { self.split };
        self.second(self.aspect, split, adjectives);
    }

    fn second(&mut self, first: usize, split: Split, seconds: &[&'static str]) {
        let allowed: Vec<usize> = (0..seconds.len()).filter(|&second| split_of_pair(first, second) == split).collect();
        self.draw(seconds, &allowed);
    }

    /// Adds one of the `allowed` words of `list`, if possible one that this review does not have yet.
    fn draw(&mut self, list: &[&'static str], allowed: &[usize]) -> usize {
        let fresh: Vec<usize> = allowed.iter().copied().filter(|&i| !self.used.contains(&list[i])).collect();
        let from = if fresh.is_empty() { allowed } else { &fresh };
        let chosen = from[below(self.stream, from.len())];
        self.used.push(list[chosen]);
        self.word(list[chosen]);
        chosen
    }

    /// Adds a word, after "an" in place of "a" where it begins with a vowel.
    fn word(&mut self, word: &str) {
        let article = self.text.ends_with(" a ") || self.text.ends_with(" A ");
        if article && word.starts_with(['a', 'e', 'i', 'o', 'u']) {
            self.text.insert(self.text.len() - 1, 'n');
        }
        self.text.push_str(word);
    }
}
