use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;

use crate::Tolerance;

/// A fixture file: a list of named cases.
pub struct Fixture {
    cases: Vec<Case>,
}

impl Fixture {
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file["schema"] != 1 {
            return Err(format!("schema {} where 1 was expected", file["schema"]));
        }
        let cases = file["cases"].as_array().ok_or("no list of cases")?;
        Ok(Self { cases: cases.iter().cloned().map(Case::new).collect() })
    }

    /// All cases, in file order.
    pub fn cases(&self) -> &[Case] {
        assert!(!self.cases.is_empty(), "the fixture lists no case");
        &self.cases
    }

    /// The cases whose input `key` equals `value`, for files that hold several kinds.
    ///
    /// # Panics
    /// If there is none: a test over them would pass without having compared anything.
    pub fn cases_of(&self, key: &str, value: &str) -> impl Iterator<Item = &Case> {
        let cases: Vec<&Case> = self.cases().iter().filter(|case| case.input(key) == value).collect();
        assert!(!cases.is_empty(), "the fixture lists no case where {key} is {value}");
        cases.into_iter()
    }
}

/// One case: inputs, expected outputs and their tolerances.
pub struct Case {
    case: Value,
    compared: Mutex<BTreeSet<String>>,
}

impl Case {
    fn new(case: Value) -> Self {
        Self { case, compared: Mutex::default() }
    }

    pub fn name(&self) -> &str {
        self.case["name"].as_str().expect("a case has a name")
    }

    /// The input at `key`; dots descend (`settings.alpha`). `Null` where there is none.
    pub fn input(&self, key: &str) -> &Value {
        descend(&self.case["inputs"], key)
    }

    /// The expected output at `key`; dots descend. `Null` where there is none.
    pub fn expected(&self, key: &str) -> &Value {
        descend(&self.case["expected"], key)
    }

    /// The rule for the expected key: that of its last part, else the default.
    pub fn tolerance(&self, key: &str) -> Tolerance {
        let rules = &self.case["tolerance"];
        let last = key.rsplit('.').next().unwrap_or(key);
        Tolerance::parse(rules.get(key).or(rules.get(last)).unwrap_or(&rules["default"]))
    }

    /// Compares `got` with the expected value at `key`, scalar, list or tensor (flat, row-major).
    ///
    /// # Panics
    /// With the case, key, place and both numbers where they differ by more than the tolerance.
    pub fn check(&self, key: &str, got: &[f64]) {
        let first = key.split('.').next().unwrap_or(key).to_owned();
        self.compared.lock().expect("no other test failed within").insert(first);
        let want = numbers(self.expected(key));
        assert_eq!(want.len(), got.len(), "{}: {key} has the wrong length", self.name());
        if let Some(message) = self.tolerance(key).mismatch(&want, got) {
            panic!("{}: {key}: {message}", self.name());
        }
    }

    /// Checks that every expected number was compared, apart from those named in `except`: a test that skips what a
    /// case does not list would otherwise not notice a misspelt key.
    ///
    /// # Panics
    /// With the names of those that were not.
    pub fn assert_all_compared(&self, except: &[&str]) {
        let compared = self.compared.lock().expect("no other test failed within");
        let expected = self.case["expected"].as_object().expect("a case has expected outputs");
        let missed: Vec<&str> = expected
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, _)| key.as_str())
            .filter(|key| !compared.contains(*key) && !except.contains(key))
            .collect();
        assert!(missed.is_empty(), "{}: never compared: {}", self.name(), missed.join(", "));
    }

    /// [`check`](Self::check) for f32 results.
    pub fn check_f32(&self, key: &str, got: &[f32]) {
        self.check(key, &got.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
    }
}

fn descend<'a>(value: &'a Value, key: &str) -> &'a Value {
    key.split('.').fold(value, |value, part| match part.parse::<usize>() {
        Ok(index) if value.is_array() => &value[index],
        _ => &value[part],
    })
}

/// The shape of a value: `[]` for a scalar, the length of a list, the stated shape of a tensor.
pub fn shape(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(items) => vec![items.len()],
        Value::Object(tensor) => tensor["shape"]
            .as_array()
            .expect("a tensor has a shape")
            .iter()
            .map(|n| n.as_u64().expect("a dimension is a whole number") as usize)
            .collect(),
        _ => vec![],
    }
}

/// The numbers of a scalar, list or tensor in row-major order; non-finite ones are written as strings.
///
/// # Panics
/// If something in it is not a number.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(tensor) => numbers(&tensor["data"]),
        Value::Number(number) => vec![number.as_f64().expect("a JSON number fits f64")],
        Value::Bool(flag) => vec![f64::from(u8::from(*flag))],
        Value::String(text) => vec![match text.as_str() {
            "nan" => f64::NAN,
            "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            other => panic!("{other:?} is not a number"),
        }],
        Value::Null => panic!("null is not a number"),
    }
}

/// [`numbers`] as f32.
pub fn numbers_f32(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|x| x as f32).collect()
}

/// [`numbers`] as whole numbers.
pub fn integers(value: &Value) -> Vec<i64> {
    numbers(value).into_iter().map(|x| x as i64).collect()
}

/// [`numbers`] as flags.
pub fn flags(value: &Value) -> Vec<bool> {
    numbers(value).into_iter().map(|x| x != 0.0).collect()
}
