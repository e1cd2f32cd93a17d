use burn::tensor::{DType, Int, Tensor};
use burn_sppo::run::Exactness;
use serde::{Deserialize, Serialize};

#[cfg(feature = "flex")]
use super::flex::{
    linear::{Linear, LinearWithoutBias, Logits},
    operation::{is_f32_on_flex, run},
    packs::Packs,
    tile::Format,
    token_log_prob,
};
use super::{TokenLogProb, plain};

/// The numbers that matrix products are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Factors rounded to bf16, sums, weights and all other operations in f32.
    ///
    /// On flex this needs AVX-512 BF16, elsewhere a backend that has the type; f32 is used where it is missing.
    Bf16,
}

impl Precision {
    /// How exactly a model computes the same number twice.
    pub fn exactness(self) -> Exactness {
        match self {
            Self::F32 => Exactness::Single,
            Self::Bf16 => Exactness::Half,
        }
    }
}

/// How the matrix products of a model are computed.
///
/// On flex, while a model is only applied to a few rows (as in decoding), its weights are kept in the order in which
/// products read them; the first forward pass that is tracked drops them. A clone shares what is kept.
#[derive(Clone, Debug, Default)]
pub struct Compute {
    precision: Precision,
    #[cfg(feature = "flex")]
    packs: Packs,
}

impl Compute {
    pub fn new(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// `x · weight + bias`.
    ///
    /// # Shapes
    /// - x: `[N, in]`
    /// - weight: `[in, out]`
    /// - bias: `[out]`
    /// - output: `[N, out]`
    pub fn linear(&self, x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if is_f32_on_flex(&x) && is_f32_on_flex(&weight) && bias.as_ref().is_none_or(is_f32_on_flex) {
            let (format, packs) = (self.format(), self.packs.clone());
            let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
            return match bias {
                Some(bias) => run(Linear { format, packs }, [x, weight, bias.into_dispatch()]),
                None => run(LinearWithoutBias { format, packs }, [x, weight]),
            };
        }
        if self.precision == Precision::Bf16 && x.device().supports_dtype(DType::BF16) {
            let dtype = x.dtype();
            let product = plain::linear(x.cast(DType::BF16), weight.cast(DType::BF16), None).cast(dtype);
            return match bias {
                Some(bias) => product + bias.unsqueeze(),
                None => product,
            };
        }
        plain::linear(x, weight, bias)
    }

    /// `hidden · vocabularyᵀ`: the scores of all tokens of a tied output layer.
    ///
    /// # Shapes
    /// - hidden: `[N, H]`
    /// - vocabulary: `[V, H]`
    /// - output: `[N, V]`
    pub fn logits(&self, hidden: Tensor<2>, vocabulary: Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if is_f32_on_flex(&hidden) && is_f32_on_flex(&vocabulary) {
            let operation = Logits { format: self.format(), packs: self.packs.clone() };
            return run(operation, [hidden.into_dispatch(), vocabulary.into_dispatch()]);
        }
        hidden.matmul(vocabulary.transpose())
    }

    /// Log-probabilities of `targets` under a softmax, in f32, over the whole vocabulary with a tied output layer.
    ///
    /// # Shapes
    /// - hidden: `[N, H]`
    /// - vocabulary: `[V, H]`
    /// - targets: `[N]`, each below V
    pub fn token_log_prob(
        &self,
        hidden: Tensor<2>,
        vocabulary: Tensor<2>,
        targets: Tensor<1, Int>,
        want_entropy: bool,
    ) -> TokenLogProb {
        #[cfg(feature = "flex")]
        if is_f32_on_flex(&hidden) && is_f32_on_flex(&vocabulary) {
            let targets = targets.into_data().iter::<i64>().map(|target| target as usize).collect();
            let targets = std::sync::Arc::new(targets);
            let operation = token_log_prob::TokenLogProb { targets, want_entropy, format: self.format() };
            let output: Tensor<2> = run(operation, [hidden.into_dispatch(), vocabulary.into_dispatch()]);
            let [_, rows] = output.dims();
            let part = |row: usize| output.clone().slice([row..row + 1, 0..rows]).reshape([rows]);
            return TokenLogProb { log_prob: part(0), entropy: want_entropy.then(|| part(1)) };
        }
        plain::token_log_prob(hidden, vocabulary, targets, want_entropy)
    }

    #[cfg(feature = "flex")]
    fn format(&self) -> Format {
        match self.precision {
            Precision::Bf16 if Format::Bf16.available() => Format::Bf16,
            Precision::Bf16 | Precision::F32 => Format::F32,
        }
    }
}
