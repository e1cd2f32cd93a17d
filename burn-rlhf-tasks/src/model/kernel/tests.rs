//! Each operation on flex against the same one made of Burn's own operations, with gradients.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::{
    AttentionMask, Compute, Precision, TokenLogProb, attention, gelu, gelu_tanh, layer_norm, plain, self_attention,
};

/// Numbers in [-1, 1) without pattern, the same each time.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn tensor<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    Tensor::from_data(TensorData::new(noise(shape.iter().product(), seed), shape), &Device::flex())
}

/// The output of a function, then the gradients of its inputs for an arbitrary gradient of the output.
fn differentiate<const D: usize>(inputs: &[Tensor<1>], function: impl Fn(&[Tensor<1>]) -> Tensor<D>) -> Vec<Vec<f32>> {
    let leaves: Vec<_> = inputs.iter().map(|input| input.clone().autodiff().require_grad()).collect();
    let output = function(&leaves);
    let values = output.to_data().try_to_vec::<f32>().unwrap();
    let shape = output.dims();
    let weights = Tensor::<D>::from_data(TensorData::new(noise(shape.iter().product(), 99), shape), &Device::flex());
    let gradients = (output * weights.autodiff()).sum().backward();
    let gradients = leaves.iter().map(|leaf| leaf.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap());
    std::iter::once(values).chain(gradients).collect()
}

/// Both functions agree in output and gradients to `tolerance`, relative to the largest number of each; the first one
/// repeats itself bit by bit, and says the same without tracking.
fn agree<const D: usize>(
    name: &str,
    inputs: &[Tensor<1>],
    tolerance: f32,
    fused: impl Fn(&[Tensor<1>]) -> Tensor<D>,
    reference: impl Fn(&[Tensor<1>]) -> Tensor<D>,
) {
    let found = differentiate(inputs, &fused);
    for (part, (found, expected)) in found.iter().zip(differentiate(inputs, reference)).enumerate() {
        assert_eq!(found.len(), expected.len(), "{name}, part {part}");
        let largest = expected.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected).abs();
            assert!(error <= tolerance * largest, "{name}, part {part}, element {index}: {found} not {expected}");
        }
    }
    assert_eq!(found, differentiate(inputs, &fused), "{name} is not the same twice");
    let untracked = fused(inputs).into_data().try_to_vec::<f32>().unwrap();
    assert_eq!(found[0], untracked, "{name} without tracking");
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    tensor.reshape([count])
}

#[test]
fn gelu_agrees_with_plain_operations() {
    for shape in [[0, 3], [1, 1], [3, 5], [40, 1024]] {
        let x = [flat(tensor(shape, 1) * 6.0)];
        let of = |function: fn(Tensor<2>) -> Tensor<2>| {
            move |inputs: &[Tensor<1>]| function(inputs[0].clone().reshape(shape))
        };
        agree("gelu", &x, 2e-6, of(gelu), of(plain::gelu));
        agree("gelu_tanh", &x, 2e-6, of(gelu_tanh), of(plain::gelu_tanh));
    }
}

#[test]
fn gelu_of_a_large_number_is_finite() {
    let x = Tensor::<2>::from_data([[-1e4f32, -50.0, 50.0, 1e4]], &Device::flex());
    for function in [gelu, gelu_tanh] {
        let found = function(x.clone()).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(found.iter().map(|value| value.abs()).collect::<Vec<_>>(), [0.0, 0.0, 50.0, 1e4]);
    }
}

#[test]
fn layer_norm_agrees_with_plain_operations() {
    for [rows, width] in [[0, 8], [1, 1], [3, 5], [1, 64], [130, 33], [200, 256]] {
        let inputs = [flat(tensor([rows, width], 1) + 0.5), tensor([width], 2), tensor([width], 3)];
        type Function = fn(Tensor<2>, Tensor<1>, Tensor<1>, f64) -> Tensor<2>;
        let of = |function: Function| {
            move |inputs: &[Tensor<1>]| {
                function(inputs[0].clone().reshape([rows, width]), inputs[1].clone(), inputs[2].clone(), 1e-5)
            }
        };
        agree("layer_norm", &inputs, 1e-5, of(layer_norm), of(plain::layer_norm));
    }
}

#[test]
fn linear_agrees_with_plain_operations() {
    for [rows, width, outputs] in [[0, 4, 3], [1, 1, 1], [3, 5, 7], [65, 33, 129], [200, 128, 256]] {
        let inputs = [flat(tensor([rows, width], 1)), flat(tensor([width, outputs], 2)), tensor([outputs], 3)];
        type Function = fn(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>;
        let of = |function: Function| {
            move |inputs: &[Tensor<1>]| {
                let (x, weight) = (inputs[0].clone(), inputs[1].clone());
                function(x.reshape([rows, width]), weight.reshape([width, outputs]), inputs.get(2).cloned())
            }
        };
        agree("linear", &inputs, 1e-5, of(linear), of(plain::linear));
        agree("linear without bias", &inputs[..2], 1e-5, of(linear), of(plain::linear));
    }
}

fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    Compute::default().linear(x, weight, bias)
}

fn token_log_prob(
    hidden: Tensor<2>,
    vocabulary: Tensor<2>,
    targets: Tensor<1, Int>,
    want_entropy: bool,
) -> TokenLogProb {
    Compute::default().token_log_prob(hidden, vocabulary, targets, want_entropy)
}

#[test]
fn logits_agree_with_plain_operations() {
    for [rows, width, vocabulary] in [[0, 3, 5], [1, 1, 1], [5, 7, 130], [70, 33, 65]] {
        let inputs = [flat(tensor([rows, width], 1)), flat(tensor([vocabulary, width], 2))];
        let of = |function: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
            move |inputs: &[Tensor<1>]| {
                let (hidden, words) = (inputs[0].clone(), inputs[1].clone());
                function(hidden.reshape([rows, width]), words.reshape([vocabulary, width]))
            }
        };
        let fused = of(|hidden, words| Compute::default().logits(hidden, words));
        agree("logits", &inputs, 1e-5, fused, of(|hidden, words| hidden.matmul(words.transpose())));
    }
}

/// Products of factors rounded to 8 bits err by at most 2^-8 of the sum of their terms' sizes, plus the f32 sum's own.
#[test]
fn bf16_products_are_within_their_rounding() {
    let compute = Compute::new(Precision::Bf16);
    for [rows, width, outputs] in [[1, 1, 1], [3, 5, 7], [16, 33, 200], [65, 130, 129], [100, 1500, 70]] {
        let inputs = [flat(tensor([rows, width], 1)), flat(tensor([width, outputs], 2)), tensor([outputs], 3)];
        let of = |compute: Compute| {
            move |inputs: &[Tensor<1>]| {
                let (x, weight) = (inputs[0].clone(), inputs[1].clone());
                compute.linear(x.reshape([rows, width]), weight.reshape([width, outputs]), Some(inputs[2].clone()))
            }
        };
        let found = differentiate(&inputs, of(compute.clone()));
        let exact = differentiate(&inputs, of(Compute::default()));
        // All factors are at most 1 in size; the sums have `width`, `outputs`, `rows` and `rows` terms.
        for (part, terms) in [width, outputs, rows, rows].into_iter().enumerate() {
            let bound = terms as f32 * 2f32.powi(-8) + 1e-4;
            let errors = found[part].iter().zip(&exact[part]).map(|(found, exact)| (found - exact).abs());
            let worst = errors.fold(0.0f32, f32::max);
            assert!(worst <= bound, "part {part} of {:?} errs by {worst}, not {bound}", [rows, width, outputs]);
        }
        assert_eq!(found, differentiate(&inputs, of(compute.clone())));
    }
}

#[test]
fn bf16_log_probabilities_are_near_those_of_f32() {
    let [rows, width, vocabulary] = [20, 64, 300];
    let inputs = [flat(tensor([rows, width], 1)), flat(tensor([vocabulary, width], 2))];
    let targets = Tensor::<1, Int>::from_data(TensorData::new(vec![7i64; rows], [rows]), &Device::flex());
    let of = |precision| {
        let (compute, targets) = (Compute::new(precision), targets.clone());
        move |inputs: &[Tensor<1>]| {
            let (hidden, words) = (inputs[0].clone(), inputs[1].clone());
            let hidden = hidden.reshape([rows, width]);
            compute.token_log_prob(hidden, words.reshape([vocabulary, width]), targets.clone(), false).log_prob
        }
    };
    let (found, exact) = (differentiate(&inputs, of(Precision::Bf16)), differentiate(&inputs, of(Precision::F32)));
    for (found, exact) in found.iter().flatten().zip(exact.iter().flatten()) {
        assert!((found - exact).abs() < width as f32 * 2f32.powi(-8), "{found} not {exact}");
    }
}

#[test]
fn rounding_to_bf16_keeps_what_is_not_finite() {
    let compute = Compute::new(Precision::Bf16);
    let device = Device::flex();
    let x = Tensor::<2>::from_data([[f32::NAN], [f32::INFINITY], [f32::NEG_INFINITY], [3.0]], &device);
    let output = compute.linear(x, Tensor::from_data([[1.0f32]], &device), None).into_data();
    let output = output.try_to_vec::<f32>().unwrap();
    assert!(output[0].is_nan());
    assert_eq!(output[1..], [f32::INFINITY, f32::NEG_INFINITY, 3.0]);
}

/// A product of few rows uses weights packed before; changed weights must not be mistaken for the old ones.
#[test]
fn kept_weights_follow_the_weights() {
    for precision in [Precision::F32, Precision::Bf16] {
        let compute = Compute::new(precision);
        let x: Tensor<2> = tensor([4, 8], 1);
        let mut weight: Tensor<2> = tensor([8, 3], 2);
        for step in 0..4 {
            let found = compute.linear(x.clone(), weight.clone(), None).into_data();
            let again = compute.linear(x.clone(), weight.clone(), None).into_data();
            assert_eq!(found, again, "step {step}");
            let fresh = Compute::new(precision).linear(x.clone(), weight.clone(), None).into_data();
            assert_eq!(found, fresh, "step {step}");
            weight = weight * 2.0 + 1.0;
        }
    }
}

/// Right-aligned real keys, a different number in each row; the last row is padding only.
fn padding(rows: usize, keys: usize) -> Tensor<2, Bool> {
    let real: Vec<bool> = (0..rows * keys)
        .map(|index| {
            let (row, key) = (index / keys, index % keys);
            row + 1 < rows && key >= row * 3 % keys
        })
        .collect();
    Tensor::from_data(TensorData::new(real, [rows, keys]), &Device::flex())
}

#[test]
fn attention_agrees_with_plain_operations() {
    // Rows, heads, queries, keys, width.
    let shapes = [[1, 1, 1, 1, 4], [2, 3, 5, 5, 8], [2, 2, 1, 9, 32], [1, 2, 70, 70, 64], [2, 1, 66, 131, 16]];
    for [rows, heads, queries, keys, width] in shapes {
        let inputs = [
            flat(tensor([rows, heads, queries, width], 1) * 3.0),
            flat(tensor([rows, heads, keys, width], 2) * 3.0),
            flat(tensor([rows, heads, keys, width], 3)),
        ];
        for (causal, padded) in [(false, false), (true, false), (false, true), (true, true)] {
            // Only queries that see a key are compared: others mean nothing.
            let seen = padded.then(|| padding(rows + 1, keys).slice([0..rows, 0..keys]));
            let mask = AttentionMask { causal, keys: seen.clone() };
            let comparable = comparable(seen, [rows, queries, keys], causal);
            type Function = fn(Tensor<4>, Tensor<4>, Tensor<4>, &AttentionMask) -> Tensor<4>;
            let of = |function: Function| {
                let (mask, comparable) = (mask.clone(), comparable.clone());
                move |inputs: &[Tensor<1>]| {
                    let query = inputs[0].clone().reshape([rows, heads, queries, width]);
                    let [key, value] = [1, 2].map(|index| inputs[index].clone().reshape([rows, heads, keys, width]));
                    let hidden = comparable.clone().bool_not().reshape([rows, 1, queries, 1]);
                    function(query, key, value, &mask).mask_fill(hidden.expand([rows, heads, queries, width]), 0.0)
                }
            };
            let name = format!("attention {:?}, causal {causal}, padded {padded}", [rows, heads, queries, keys, width]);
            agree(&name, &inputs, 1e-5, of(attention), of(super::attention::plain_attention));
        }
    }
}

/// True where a query sees a key.
fn comparable(real: Option<Tensor<2, Bool>>, [rows, queries, keys]: [usize; 3], causal: bool) -> Tensor<2, Bool> {
    let real = real.map(|real| real.into_data().try_to_vec::<bool>().unwrap());
    let sees = |row: usize, query: usize| {
        let reach = if causal { keys - queries + query + 1 } else { keys };
        real.as_ref().is_none_or(|real| real[row * keys..][..reach].iter().any(|&real| real))
    };
    let seen: Vec<bool> = (0..rows * queries).map(|index| sees(index / queries, index % queries)).collect();
    Tensor::from_data(TensorData::new(seen, [rows, queries]), &Device::flex())
}

#[test]
fn a_query_that_sees_no_key_gives_finite_numbers_and_gradients() {
    let inputs = [1, 2, 3].map(|seed| flat(tensor([2, 1, 3, 4], seed) * 100.0));
    let mask = AttentionMask::causal(Some(Tensor::from_data([[false, false, true], [false; 3]], &Device::flex())));
    let parts = differentiate(&inputs, |inputs| {
        let [query, key, value] = [0, 1, 2].map(|index| inputs[index].clone().reshape([2, 1, 3, 4]));
        attention(query, key, value, &mask)
    });
    assert!(parts.iter().flatten().all(|value| value.is_finite()), "{parts:?}");
}

#[test]
fn attention_reads_views_of_other_layouts() {
    let [rows, heads, tokens, width] = [2, 3, 7, 8];
    let x: Tensor<4> = tensor([rows, tokens, heads, width], 1);
    let mask = AttentionMask::causal(None);
    let views = attention(x.clone().swap_dims(1, 2), x.clone().swap_dims(1, 2), x.clone().swap_dims(1, 2), &mask);
    let mut copy = x.swap_dims(1, 2).into_data();
    copy = TensorData::new(copy.try_to_vec::<f32>().unwrap(), copy.shape().clone());
    let copy = Tensor::<4>::from_data(copy, &Device::flex());
    let copies = attention(copy.clone(), copy.clone(), copy, &mask);
    assert_eq!(views.into_data(), copies.into_data());
}

#[test]
fn self_attention_agrees_with_attention() {
    for [rows, heads, tokens, width] in [[1, 1, 1, 2], [2, 3, 5, 4], [3, 2, 70, 32]] {
        let inputs = [flat(tensor([rows * tokens, 3 * heads * width], 1) * 2.0)];
        let mask = AttentionMask::causal(Some(padding(rows + 1, tokens).slice([0..rows, 0..tokens])));
        let visible = comparable(mask.keys.clone(), [rows, tokens, tokens], true);
        let clean = |output: Tensor<2>| {
            let hidden = visible.clone().bool_not().reshape([rows * tokens, 1]);
            output.mask_fill(hidden.expand([rows * tokens, heads * width]), 0.0)
        };
        agree(
            "self_attention",
            &inputs,
            1e-5,
            |inputs| {
                let packed = inputs[0].clone().reshape([rows * tokens, 3 * heads * width]);
                clean(self_attention(packed, rows, heads, &mask))
            },
            |inputs| {
                let packed = inputs[0].clone().reshape([rows * tokens, 3 * heads * width]);
                clean(super::attention::plain_self_attention(packed, rows, heads, &mask))
            },
        );
    }
}

#[test]
fn token_log_prob_agrees_with_plain_operations() {
    for [rows, width, vocabulary] in [[1, 1, 1], [3, 4, 17], [140, 16, 50], [300, 8, 33]] {
        let inputs = [flat(tensor([rows, width], 1) * 4.0), flat(tensor([vocabulary, width], 2))];
        let targets: Vec<i64> = (0..rows).map(|row| (row * 7 % vocabulary) as i64).collect();
        let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [rows]), &Device::flex());
        type Function = fn(Tensor<2>, Tensor<2>, Tensor<1, Int>, bool) -> TokenLogProb;
        let of = |function: Function, want_entropy: bool| {
            let targets = targets.clone();
            move |inputs: &[Tensor<1>]| {
                let hidden = inputs[0].clone().reshape([rows, width]);
                let output =
                    function(hidden, inputs[1].clone().reshape([vocabulary, width]), targets.clone(), want_entropy);
                assert_eq!(output.entropy.is_some(), want_entropy);
                match output.entropy {
                    Some(entropy) => Tensor::cat(vec![output.log_prob, entropy], 0),
                    None => output.log_prob,
                }
            }
        };
        for want_entropy in [false, true] {
            let of = |function| of(function, want_entropy);
            agree("token_log_prob", &inputs, 2e-5, of(token_log_prob), of(plain::token_log_prob));
        }
    }
}

#[test]
fn inputs_that_are_not_tracked_get_no_gradient() {
    let x: Tensor<2> = tensor([3, 4], 1);
    let weight = tensor::<2>([4, 5], 2).autodiff().require_grad();
    let output = linear(x.clone(), weight.clone(), None);
    let gradients = output.sum().backward();
    let expected = x.sum_dim(0).transpose().expand([4, 5]);
    weight.grad(&gradients).unwrap().into_data().assert_approx_eq::<f32>(&expected.into_data(), Default::default());
}

#[test]
fn gradients_are_right_under_checkpointing() {
    let inputs = [flat(tensor([6, 4], 1)), flat(tensor([4, 4], 2)), tensor([4], 3)];
    let gradients = |checkpointing: bool| {
        let device = Device::flex().autodiff();
        let device = if checkpointing { device.gradient_checkpointing() } else { device };
        let leaves: Vec<_> =
            inputs.iter().map(|input| Tensor::<1>::from_data(input.to_data(), &device).require_grad()).collect();
        let hidden = linear(leaves[0].clone().reshape([6, 4]), leaves[1].clone().reshape([4, 4]), None) * 2.0;
        let output = layer_norm(gelu_tanh(hidden), leaves[2].clone(), leaves[2].clone(), 1e-5);
        let gradients = output.square().sum().backward();
        let of = |leaf: &Tensor<1>| leaf.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        leaves.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(gradients(false), gradients(true));
}
