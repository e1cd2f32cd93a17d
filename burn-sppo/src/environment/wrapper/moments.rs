use serde::{Deserialize, Serialize};

/// Mean and variance of numbers that come in batches, for several features (Chan, Golub & LeVeque, 1979).
///
/// In files the numbers are texts, because readers of JSON and TOML may be off in the last digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct RunningMoments {
    mean: Vec<f64>,
    variance: Vec<f64>,
    count: f64,
}

/// Weight of the mean 0 and variance 1 from which everything starts.
const INITIAL_COUNT: f64 = 1e-4;

impl RunningMoments {
    pub fn new(features: usize) -> Self {
        Self { mean: vec![0.0; features], variance: vec![1.0; features], count: INITIAL_COUNT }
    }

    /// Statistics that were taken elsewhere.
    ///
    /// # Errors
    /// A sentence, if their lengths differ, a variance is negative or something is not finite.
    pub fn from_parts(mean: Vec<f64>, variance: Vec<f64>, count: f64) -> Result<Self, String> {
        if mean.len() != variance.len() {
            return Err(format!(
                "{} means and {} variances: give one of each for a feature",
                mean.len(),
                variance.len()
            ));
        }
        let all = || mean.iter().chain(&variance).copied();
        let wrong =
            all().find(|number| !number.is_finite()).or(variance.iter().copied().find(|variance| *variance < 0.0));
        if let Some(wrong) = wrong.or(Some(count).filter(|count| !count.is_finite() || *count <= 0.0)) {
            return Err(format!("running statistics with {wrong}: they were damaged, take them anew"));
        }
        Ok(Self { mean, variance, count })
    }

    pub fn features(&self) -> usize {
        self.mean.len()
    }

    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The population variance.
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    pub fn count(&self) -> f64 {
        self.count
    }

    /// Takes in `rows` rows, given the number at each entry `row * features + feature`.
    pub fn update(&mut self, rows: usize, entry: impl Fn(usize) -> f64) {
        if rows == 0 {
            return;
        }
        let (width, n) = (self.features(), rows as f64);
        let total = self.count + n;
        for (feature, (mean, variance)) in self.mean.iter_mut().zip(&mut self.variance).enumerate() {
            let column = || (0..rows).map(|row| entry(row * width + feature));
            let batch_mean = column().sum::<f64>() / n;
            let batch_variance = column().map(|x| (x - batch_mean) * (x - batch_mean)).sum::<f64>() / n;
            let delta = batch_mean - *mean;
            let squares = *variance * self.count + batch_variance * n + delta * delta * self.count * n / total;
            *mean += delta * n / total;
            *variance = squares / total;
        }
        self.count = total;
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    mean: Vec<String>,
    variance: Vec<String>,
    count: String,
}

impl From<RunningMoments> for Written {
    fn from(moments: RunningMoments) -> Self {
        let texts = |numbers: &[f64]| numbers.iter().map(|number| format!("{number:?}")).collect();
        Self { mean: texts(&moments.mean), variance: texts(&moments.variance), count: format!("{:?}", moments.count) }
    }
}

impl TryFrom<Written> for RunningMoments {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let number =
            |text: &String| text.parse::<f64>().map_err(|_| format!("{text:?} in running statistics is no number"));
        let numbers = |texts: &[String]| texts.iter().map(number).collect::<Result<Vec<f64>, String>>();
        Self::from_parts(numbers(&written.mean)?, numbers(&written.variance)?, number(&written.count)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up_to_the_moments_of_all_rows() {
        let rows: Vec<f64> = (0..40).map(|i| f64::from(i * i % 17) - 3.0).collect();
        let mut moments = RunningMoments::new(1);
        for batch in [&rows[..1], &rows[1..8], &rows[8..40]] {
            moments.update(batch.len(), |row| batch[row]);
        }
        let mean = rows.iter().sum::<f64>() / 40.0;
        let variance = rows.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40.0;
        // The row of weight 1e-4 from which they start is felt to about 1e-4 / 40 of each.
        assert!(
            (moments.mean()[0] - mean).abs() < 1e-4 && (moments.variance()[0] - variance).abs() < 1e-3,
            "{moments:?}"
        );
    }

    #[test]
    fn a_file_keeps_every_bit() {
        let mut moments = RunningMoments::new(3);
        moments.update(2, |entry| (entry as f64 + 0.1).ln_1p() * 1e-7);
        let text = serde_json::to_string(&moments).unwrap();
        assert_eq!(serde_json::from_str::<RunningMoments>(&text).unwrap(), moments);
        assert_eq!(toml::from_str::<RunningMoments>(&toml::to_string(&moments).unwrap()).unwrap(), moments);
    }

    #[test]
    fn damaged_statistics_are_refused() {
        for text in [
            r#"{"mean": ["0"], "variance": [], "count": "1"}"#,
            r#"{"mean": ["nan"], "variance": ["1"], "count": "1"}"#,
            r#"{"mean": ["0"], "variance": ["-1"], "count": "1"}"#,
            r#"{"mean": ["0"], "variance": ["1"], "count": "0"}"#,
            r#"{"mean": ["zero"], "variance": ["1"], "count": "1"}"#,
        ] {
            assert!(serde_json::from_str::<RunningMoments>(text).is_err(), "{text}");
        }
    }
}
