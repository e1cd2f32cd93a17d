//! A number in a file of JSON that must come back to the last bit: written as its bits, since a parser may round the last
//! digit of a decimal number.
//!
//! ```
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct State {
//!     #[serde(with = "burn_sppo::run::float_bits")]
//!     coefficient: f64,
//! }
//! ```

use serde::{Deserialize, Deserializer, Serializer};

pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(number.to_bits())
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    u64::deserialize(deserializer).map(f64::from_bits)
}

#[cfg(test)]
mod tests {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct State(#[serde(with = "super")] f64);

    #[test]
    fn every_number_comes_back_to_the_last_bit() {
        // A parser that rounds once too often gives the neighbours of some of these.
        let hard = (0..2000_u64).map(|i| f64::from_bits(0x3ff0_0000_0000_0000 + i.wrapping_mul(0x9_e377_9b97_f4a7)));
        for number in hard.chain([0.1, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NAN]) {
            let text = serde_json::to_string(&State(number)).unwrap();
            let State(back) = serde_json::from_str(&text).unwrap();
            assert_eq!(back.to_bits(), number.to_bits(), "{text}");
        }
    }
}
