use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One text of a data set, cut into what the model is given and what it may be compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Number of the sample in its source. Unique within a split.
    pub id: u64,
    /// The whole text.
    pub text: String,
    /// What generation starts from.
    pub prompt: String,
    /// A wanted answer to the prompt, where the data have one. A continuation keeps its leading space, so that
    /// `prompt + reference` is the text.
    pub reference: Option<String>,
    /// The class of the text, where it is known: 0 negative, 1 positive.
    pub label: Option<u8>,
}

/// The three parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// A name that is not one of a split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no split {0:?}: use train, validation (or val) or test")]
pub struct UnknownSplit(pub String);

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(name: &str) -> Result<Self, UnknownSplit> {
        match name {
            "train" => Ok(Self::Train),
            "validation" | "val" => Ok(Self::Validation),
            "test" => Ok(Self::Test),
            other => Err(UnknownSplit(other.to_string())),
        }
    }
}

/// A data set in its three parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Splits {
    pub train: Vec<Sample>,
    pub validation: Vec<Sample>,
    pub test: Vec<Sample>,
}

impl Splits {
    pub fn get(&self, split: Split) -> &[Sample] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_found_by_the_name_it_prints() {
        for split in Split::ALL {
            assert_eq!(split.to_string().parse(), Ok(split));
        }
        assert_eq!("val".parse(), Ok(Split::Validation));
        let error = "dev".parse::<Split>().unwrap_err();
        assert!(error.to_string().contains("\"dev\"") && error.to_string().contains("validation"));
    }
}
