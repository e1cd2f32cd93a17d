use burn::{
    module::Param,
    tensor::{TensorData, Tolerance},
};
use burn_sppo::run::{Purpose, Streams};
use golden::Case;

use super::*;
use crate::model::{load::load_gpt2, value_head::ValueHeadConfig};

fn stream() -> Stream {
    Streams::new(3).stream(Purpose::Initialization, 0, 0)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn spread(values: &[f32]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Log-probabilities, entropies and values of the last tokens of left-padded rows.
fn check_actions(model: &Gpt2, case: &Case) {
    let device = Device::flex();
    let number = |key: &str| golden::integers(case.input(key))[0];
    let (actions, pad) = (number("gen_len") as usize, number("pad_id"));
    let tokens = golden::integers(case.input("tokens"));
    let &[rows, width] = golden::shape(case.input("tokens")).as_slice() else { panic!("tokens are rows") };
    let seen: Vec<i64> = tokens.chunks(width).flat_map(|row| &row[..width - 1]).copied().collect();
    let real: Vec<bool> = seen.iter().map(|&token| token != pad).collect();
    let positions: Vec<i64> = real
        .chunks(width - 1)
        .flat_map(|row| {
            let mut count = 0;
            row.iter().map(move |&real| {
                count += i64::from(real);
                if real { count - 1 } else { 1 }
            })
        })
        .collect();
    let shape = [rows, width - 1];
    let hidden = model.hidden(
        Tensor::from_data(TensorData::new(seen, shape), &device),
        Tensor::from_data(TensorData::new(positions, shape), &device),
        Tensor::from_data(TensorData::new(real, shape), &device),
    );
    let hidden = hidden.slice(s![.., width - 1 - actions..]).reshape([(rows * actions) as i64, -1]);
    let targets: Vec<i64> = tokens.chunks(width).flat_map(|row| &row[width - actions..]).copied().collect();
    let scored = model.log_prob(hidden.clone(), Tensor::from_data(targets.as_slice(), &device), true);
    let full = numbers(model.full_log_prob(hidden.clone()));

    let mut head = ValueHeadConfig::new(model.hidden_size()).init(&mut stream(), &device);
    let weight = TensorData::new(golden::numbers_f32(case.input("value_weight")), [model.hidden_size(), 1]);
    head.output.weight = Param::from_data(weight, &device);
    head.output.bias = Some(Param::from_data([0.0], &device));

    let mask = golden::flags(case.input("action_mask"));
    // Padding is not compared: the expected number stands there.
    let compare = |key: &str, got: Vec<f32>| {
        let want = golden::numbers_f32(case.expected(key));
        let shown: Vec<f32> =
            mask.iter().zip(got.iter().zip(want)).map(|(&m, (&got, want))| if m { got } else { want }).collect();
        case.check_f32(key, &shown);
    };
    let from_full = targets.iter().enumerate().map(|(row, &token)| full[row * model.vocab_size() + token as usize]);
    compare("log_prob", from_full.collect());
    compare("log_prob", numbers(scored.log_prob));
    compare("entropy", numbers(scored.entropy.unwrap()));
    compare("values", numbers(head.forward(hidden)));
}

#[test]
fn golden_log_probabilities_entropies_and_values_of_actions() {
    let model = load_gpt2(golden::directory().join("models/gpt2"), &Device::flex()).unwrap();
    let fixture = golden::load("models/gpt2/expected.json");
    let checked = fixture.cases_of("kind", "action_log_probs").map(|case| check_actions(&model, case)).count();
    assert!(checked > 0, "no case of kind action_log_probs");
}

#[test]
fn new_weights_have_the_spread_of_gpt2() {
    let config =
        Gpt2Config { vocab_size: 500, n_positions: 64, n_embd: 64, n_layer: 8, n_head: 4, ..Gpt2Config::default() };
    let model = config.init(&mut stream(), &Device::flex());
    let block = &model.h[7];
    for (weight, deviation) in [
        (&model.wte.weight, 0.02),
        (&model.wpe.weight, 0.02),
        (&block.attn.c_attn.weight, 0.02),
        (&block.mlp.c_fc.weight, 0.02),
        (&block.attn.c_proj.weight, 0.02 / 4.0),
        (&block.mlp.c_proj.weight, 0.02 / 4.0),
    ] {
        let (mean, spread) = spread(&numbers(weight.val()));
        assert!(
            mean.abs() < deviation / 10.0 && (spread / deviation - 1.0).abs() < 0.05,
            "{mean} {spread} {deviation}"
        );
    }
    for zeros in [&block.attn.c_attn.bias, &block.mlp.c_proj.bias, &block.ln_1.beta, &model.ln_f.beta] {
        assert!(numbers(zeros.as_ref().unwrap().val()).iter().all(|&x| x == 0.0));
    }
    assert!(numbers(block.ln_2.gamma.val()).iter().all(|&x| x == 1.0));
}

#[test]
fn the_same_stream_gives_the_same_weights_on_every_kind_of_device() {
    let config =
        Gpt2Config { vocab_size: 20, n_positions: 8, n_embd: 8, n_layer: 1, n_head: 2, ..Gpt2Config::default() };
    let weights = |device: Device| {
        let model = config.init(&mut stream(), &device).valid();
        (numbers(model.wte.weight.val()), numbers(model.h[0].mlp.c_proj.weight.val()))
    };
    assert_eq!(weights(Device::flex()), weights(Device::flex().autodiff()));
}

#[test]
fn a_token_changes_nothing_before_it() {
    let config = Gpt2Config {
        vocab_size: 20,
        n_positions: 8,
        n_embd: 8,
        n_layer: 2,
        n_head: 2,
        initializer_range: 0.3,
        ..Gpt2Config::default()
    };
    let model = config.init(&mut stream(), &Device::flex());
    let positions = Tensor::<2, Int>::from_data([[0, 1, 2, 3]], &Device::flex());
    let hidden = |tokens: [i64; 4]| model.hidden(Tensor::from_data([tokens], &Device::flex()), positions.clone(), None);
    let (first, second) = (hidden([3, 4, 5, 6]), hidden([3, 4, 5, 7]));
    first
        .clone()
        .slice(s![.., 0..3])
        .into_data()
        .assert_approx_eq::<f32>(&second.clone().slice(s![.., 0..3]).into_data(), Tolerance::absolute(1e-6));
    let difference = (first.slice(s![.., 3]) - second.slice(s![.., 3])).abs().max().into_scalar::<f32>();
    assert!(difference > 0.1, "{difference}");
}

#[test]
fn impossible_shapes_are_refused() {
    let refused = |change: fn(&mut Gpt2Config)| {
        let mut config = Gpt2Config::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    for (message, word) in [
        (refused(|c| c.n_head = 7), "n_head = 7"),
        (refused(|c| c.n_layer = 0), "n_layer"),
        (refused(|c| c.layer_norm_epsilon = f64::NAN), "layer_norm_epsilon"),
        (refused(|c| c.activation_function = "relu".into()), "activation_function = relu"),
        (refused(|c| c.tie_word_embeddings = false), "tie_word_embeddings"),
    ] {
        assert!(message.contains(word), "{message}");
    }
}
