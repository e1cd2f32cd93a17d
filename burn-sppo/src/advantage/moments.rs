/// Mean and spread, in f64 and in two passes: cancellation would turn equal advantages into noise.
pub(crate) struct Moments {
    pub count: usize,
    pub mean: f64,
    squares: f64,
}

impl Moments {
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (count, sum) = values.clone().fold((0usize, 0.0), |(count, sum), x| (count + 1, sum + x));
        let mean = sum / count as f64;
        let squares = values.map(|x| (x - mean) * (x - mean)).sum();
        Self { count, mean, squares }
    }

    /// Divided by `n - 1`.
    pub fn unbiased_variance(&self) -> f64 {
        self.squares / (self.count as f64 - 1.0)
    }

    /// Divided by `n`.
    pub fn population_variance(&self) -> f64 {
        self.squares / self.count as f64
    }
}
