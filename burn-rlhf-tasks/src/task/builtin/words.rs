//! The neutral words of the reviews. None of them is in the lexicon of `sentiment`.

pub const TITLE_ADJECTIVES: &[&str] = &[
    "Silent", "Golden", "Broken", "Hidden", "Frozen", "Distant", "Crimson", "Last", "Blue", "Empty", "Secret",
    "Burning", "Paper", "Glass", "Northern", "Midnight", "Winter", "Lost", "Second", "Iron", "Painted", "Little",
    "Black", "Electric",
];

pub const TITLE_NOUNS: &[&str] = &[
    "River", "Garden", "Tower", "Island", "Letter", "Mirror", "Bridge", "Station", "Harbor", "Forest", "Window",
    "Orchard", "Lantern", "Valley", "Clock", "Road", "Ocean", "Kingdom", "Bell", "Stranger", "Portrait", "House",
    "Door", "Crown",
];

pub const FIRST_NAMES: &[&str] =
    &["Clara", "Tomas", "Nadia", "Viktor", "Irene", "Omar", "Greta", "Felix", "Mabel", "Jonas", "Yuki", "Pilar"];

pub const LAST_NAMES: &[&str] = &[
    "Voss",
    "Marlow",
    "Okoro",
    "Lindqvist",
    "Tanaka",
    "Brandt",
    "Quill",
    "Novak",
    "Ferro",
    "Haddad",
    "Osei",
    "Winslow",
];

pub const GENRES: &[&str] = &[
    "western",
    "thriller",
    "comedy",
    "drama",
    "romance",
    "musical",
    "mystery",
    "war film",
    "road movie",
    "spy film",
    "ghost story",
    "heist film",
];

pub const TRAITS: &[&str] = &[
    "young", "old", "lonely", "quiet", "retired", "shy", "stubborn", "curious", "famous", "nervous", "proud",
    "restless", "wealthy", "sleepy", "jealous", "homesick",
];

pub const ROLES: &[&str] = &[
    "pilot",
    "teacher",
    "sheriff",
    "doctor",
    "farmer",
    "painter",
    "soldier",
    "nurse",
    "baker",
    "thief",
    "singer",
    "sailor",
    "detective",
    "lawyer",
    "boxer",
    "widow",
    "monk",
    "driver",
    "writer",
    "clerk",
    "spy",
    "gardener",
    "cook",
    "actor",
];

/// What a character does to one of the [`OBJECTS`].
pub const ACTIONS: &[&str] =
    &["find", "hide", "steal", "sell", "guard", "deliver", "destroy", "buy", "return", "bury", "burn", "give away"];

pub const OBJECTS: &[&str] = &[
    "a letter",
    "an old map",
    "a painting",
    "a silver watch",
    "a strange machine",
    "a diary",
    "a wedding ring",
    "a rare book",
    "a locked box",
    "a family photo",
    "a violin",
    "a bag of money",
];

pub const PLACES: &[&str] = &[
    "in a small town",
    "on an island",
    "in the city",
    "near the border",
    "at a hotel",
    "in the mountains",
    "during the war",
    "in the desert",
    "by the sea",
    "in the north",
    "on a train",
    "in a village",
];

/// What drives a character to an action.
pub const DRIVES: &[&str] = &["must", "wants to", "has to", "tries to", "decides to", "plans to"];

pub const TIMES: &[&str] = &[
    "last week",
    "on Sunday",
    "on a long flight",
    "late at night",
    "at a festival",
    "yesterday",
    "in June",
    "at home",
    "on an old screen",
    "last winter",
    "this morning",
    "after work",
];

pub const COMPANY: &[&str] = &[
    "with my sister",
    "with my brother",
    "with a friend",
    "with my parents",
    "with my class",
    "alone",
    "with my wife",
    "with my neighbor",
];

pub const RELATIVES: &[&str] =
    &["sister", "brother", "mother", "father", "wife", "husband", "neighbor", "boss", "cousin", "uncle"];

pub const NUMBERS: &[&str] = &["two", "three", "four", "five", "six", "ten"];

/// What a verdict is about. All singular.
pub const ASPECTS: &[&str] = &[
    "acting",
    "script",
    "plot",
    "music",
    "ending",
    "dialogue",
    "pacing",
    "camera work",
    "editing",
    "humor",
    "cast",
    "direction",
    "lighting",
    "opening scene",
    "final act",
    "story",
    "villain",
    "mood",
    "sound",
    "leading role",
];

pub const INTENSIFIERS: &[&str] = &["really", "truly", "simply", "quite", "very", "rather", "just", "so"];

/// Ways to begin a last sentence.
pub const CLOSINGS: &[&str] = &["In short,", "Overall,", "In the end,", "All in all,", "For me,", "Honestly,"];
