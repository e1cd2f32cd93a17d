use serde_json::Value;

/// How far a result may be from the expected number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// `|got - want| <= abs + rel * |want|` for every element.
    Element {
        abs: f64,
        rel: f64,
    },
    /// `|got - want| <= abs + rel_max * max |want|`.
    Largest {
        abs: f64,
        rel_max: f64,
    },
    Exact,
    /// Never compared.
    InformationOnly,
}

impl Tolerance {
    pub(crate) fn parse(rule: &Value) -> Self {
        match rule {
            Value::String(word) if word == "exact" => Self::Exact,
            Value::String(word) if word == "information only" => Self::InformationOnly,
            Value::Object(map) => {
                let abs = map.get("abs").and_then(Value::as_f64).unwrap_or(0.0);
                match map.get("rel_max").and_then(Value::as_f64) {
                    Some(rel_max) => Self::Largest { abs, rel_max },
                    None => Self::Element { abs, rel: map.get("rel").and_then(Value::as_f64).unwrap_or(0.0) },
                }
            }
            other => panic!("{other} is not a tolerance"),
        }
    }

    /// A sentence about the first place where `got` is too far from `want`.
    pub fn mismatch(&self, want: &[f64], got: &[f64]) -> Option<String> {
        let largest = want.iter().filter(|x| x.is_finite()).fold(0.0f64, |a, x| a.max(x.abs()));
        want.iter().zip(got).enumerate().find_map(|(place, (&want, &got))| {
            let bound = match *self {
                Self::InformationOnly => return None,
                Self::Exact => 0.0,
                Self::Element { abs, rel } => abs + rel * want.abs(),
                Self::Largest { abs, rel_max } => abs + rel_max * largest,
            };
            let same = if want.is_finite() && got.is_finite() {
                (got - want).abs() <= bound
            } else {
                got == want || (got.is_nan() && want.is_nan())
            };
            (!same).then(|| format!("entry {place} is {got}, expected {want} within {bound:e}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_its_bound_is_reported() {
        let rule = Tolerance::Element { abs: 0.1, rel: 0.0 };
        assert_eq!(rule.mismatch(&[1.0, 2.0], &[1.05, 2.0]), None);
        assert!(rule.mismatch(&[1.0, 2.0], &[1.0, 2.2]).unwrap().contains("entry 1"));
    }

    #[test]
    fn non_finite_numbers_match_only_themselves() {
        let rule = Tolerance::Element { abs: 1.0, rel: 1.0 };
        assert_eq!(rule.mismatch(&[f64::NAN, f64::INFINITY], &[f64::NAN, f64::INFINITY]), None);
        assert!(rule.mismatch(&[f64::INFINITY], &[1e300]).is_some());
        assert!(rule.mismatch(&[1.0], &[f64::NAN]).is_some());
    }
}
