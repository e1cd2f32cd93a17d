use burn::tensor::{Int, Tensor, activation::log_softmax};
use rand::Rng;

use crate::distribution::base::{entropy_of, gumbel};
use crate::distribution::{Distribution, DistributionError};
use crate::loss::samples::at_least_f32;

/// One choice in each of `D` dimensions, independent of each other.
///
/// The probability of an action is that of the *joint* choice: [`Distribution::other_prob`] is the probability that
/// any dimension differs.
#[derive(Clone, Debug)]
pub struct MultiCategorical {
    /// Consecutive dimensions of equal size lie in one block, so that the usual case is a single operation.
    blocks: Vec<Block>,
    width: usize,
}

#[derive(Clone, Debug)]
struct Block {
    /// `[N, dimensions, choices]`
    log_prob: Tensor<3>,
    first_dimension: usize,
    first_column: usize,
}

impl MultiCategorical {
    /// Makes the distribution; `sizes` are the numbers of choices, one for each dimension.
    ///
    /// # Shapes
    /// - logits: `[N, sum of sizes]`, the dimensions side by side
    ///
    /// # Errors
    /// If the sizes do not add up to the width of the logits, or one is 0, or there are none.
    pub fn new(logits: Tensor<2>, sizes: &[usize]) -> Result<Self, DistributionError> {
        let [rows, width] = logits.dims();
        if sizes.iter().sum::<usize>() != width || sizes.contains(&0) || sizes.is_empty() {
            return Err(DistributionError::Sizes { sizes: sizes.to_vec(), width });
        }
        let logits = at_least_f32(logits);
        let mut blocks = vec![];
        let (mut first_dimension, mut first_column) = (0, 0);
        for run in sizes.chunk_by(|a, b| a == b) {
            let columns = run.len() * run[0];
            let block = logits.clone().slice([0..rows, first_column..first_column + columns]);
            let log_prob = log_softmax(block.reshape([rows, run.len(), run[0]]), 2);
            blocks.push(Block { log_prob, first_dimension, first_column });
            first_dimension += run.len();
            first_column += columns;
        }
        Ok(Self { blocks, width })
    }

    fn sum_over_blocks(&self, of_block: impl Fn(&Block) -> Tensor<3>) -> Tensor<1> {
        let values = self.blocks.iter().map(|block| {
            let [rows, dimensions, _] = block.log_prob.dims();
            of_block(block).reshape([rows, dimensions])
        });
        let values = Tensor::cat(values.collect(), 1);
        let [rows, _] = values.dims();
        values.sum_dim(1).reshape([rows])
    }

    fn argmax(&self, scores: impl Fn(&Block) -> Tensor<3>) -> Tensor<2, Int> {
        let chosen = self.blocks.iter().map(|block| {
            let [rows, dimensions, _] = block.log_prob.dims();
            scores(block).argmax(2).reshape([rows, dimensions])
        });
        Tensor::cat(chosen.collect(), 1)
    }
}

impl Distribution for MultiCategorical {
    /// `[N, D]`
    type Actions = Tensor<2, Int>;

    const NAME: &'static str = "multi-categorical";
    const HAS_OTHER: bool = true;

    fn log_prob(&self, actions: Tensor<2, Int>) -> Tensor<1> {
        self.sum_over_blocks(|block| {
            let [rows, dimensions, _] = block.log_prob.dims();
            let range = block.first_dimension..block.first_dimension + dimensions;
            let actions = actions.clone().slice([0..rows, range]);
            block.log_prob.clone().gather(2, actions.unsqueeze_dim(2))
        })
    }

    fn entropy(&self) -> Option<Tensor<1>> {
        Some(self.sum_over_blocks(|block| entropy_of(block.log_prob.clone())))
    }

    fn mode(&self) -> Tensor<2, Int> {
        self.argmax(|block| block.log_prob.clone())
    }

    fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<2, Int>, DistributionError> {
        let first = &self.blocks[0].log_prob;
        let noise = gumbel(streams, first.dims()[0], self.width, &first.device())?;
        Ok(self.argmax(|block| {
            let [rows, dimensions, choices] = block.log_prob.dims();
            let range = block.first_column..block.first_column + dimensions * choices;
            let noise = noise.clone().slice([0..rows, range]).reshape([rows, dimensions, choices]);
            block.log_prob.clone() + noise
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};
    use burn::tensor::Device;

    fn number(tensor: Tensor<1>) -> f64 {
        f64::from(tensor.into_data().try_into_vec::<f32>().unwrap()[0])
    }

    #[test]
    fn worked_values() {
        let device = Device::flex();
        let logits = Tensor::from_data([[0.1, 0.2, -0.3, 1.0, 0.0, -1.0]], &device);
        let distribution = MultiCategorical::new(logits, &[3, 3]).unwrap();
        let action = Tensor::from_data([[1, 0]], &device);
        assert!((number(distribution.log_prob(action.clone())) + 1.3284336200).abs() < 1e-6);
        assert!((number(distribution.other_prob(action).unwrap()) - 0.7351081422).abs() < 1e-6);
        assert!((number(distribution.entropy().unwrap()) - 1.9100099208).abs() < 1e-6);
    }

    #[test]
    fn dimensions_of_unequal_sizes_are_drawn_at_their_probability() {
        let device = Device::flex();
        let rows = 20_000;
        let probabilities: [&[f32]; 3] = [&[0.2, 0.8], &[0.5, 0.2, 0.3], &[0.9, 0.0, 0.1]];
        let logits: Vec<f32> = probabilities.concat().iter().map(|p| p.ln()).collect();
        let logits = Tensor::<1>::from_data(logits.as_slice(), &device).unsqueeze::<2>().expand([rows, 8]);
        let distribution = MultiCategorical::new(logits, &[2, 3, 3]).unwrap();
        let mut streams: Vec<_> =
            (0..rows).map(|lane| Streams::new(9).stream(Purpose::Sampling, 0, lane as u64)).collect();
        let drawn = distribution.sample(&mut streams).unwrap();
        let drawn: Vec<i32> = drawn.into_data().convert::<i32>().try_into_vec().unwrap();
        for (dimension, probabilities) in probabilities.iter().enumerate() {
            for (choice, probability) in probabilities.iter().enumerate() {
                let hits = drawn.chunks(3).filter(|action| action[dimension] == choice as i32).count();
                let share = hits as f32 / rows as f32;
                assert!((share - probability).abs() < 0.015, "{dimension} {choice}: {share}, not {probability}");
            }
        }
        let mode: Vec<i32> = distribution.mode().narrow(0, 0, 1).into_data().convert::<i32>().try_into_vec().unwrap();
        assert_eq!(mode, [1, 0, 0]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let logits = || Tensor::<2>::zeros([2, 5], &Device::flex());
        for sizes in [&[2, 2][..], &[5, 0], &[]] {
            let error = MultiCategorical::new(logits(), sizes).unwrap_err();
            assert_eq!(error, DistributionError::Sizes { sizes: sizes.to_vec(), width: 5 });
        }
        let distribution = MultiCategorical::new(logits(), &[2, 3]).unwrap();
        let error = distribution.full_log_prob().unwrap_err();
        assert_eq!(error, DistributionError::NotEnumerable { distribution: "multi-categorical" });
    }
}
