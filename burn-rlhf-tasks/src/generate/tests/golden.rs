use burn::tensor::{Device, Int, Tensor, TensorData};
use golden::Case;

use super::{hidden, numbers, streams};
use crate::{
    generate::{Generated, SamplingConfig, SpecialTokens, generate},
    model::{gpt2::Gpt2, load::load_gpt2},
};

fn prompts(case: &Case) -> Vec<Vec<u32>> {
    let width = golden::shape(case.input("input_ids"))[1];
    let (tokens, real) = (golden::integers(case.input("input_ids")), golden::flags(case.input("attention_mask")));
    let rows = tokens.chunks(width).zip(real.chunks(width));
    rows.map(|(tokens, real)| tokens.iter().zip(real).filter(|row| *row.1).map(|row| *row.0 as u32).collect()).collect()
}

fn padded<T: Copy>(values: &[T], padding: T, length: usize) -> impl Iterator<Item = T> {
    values.iter().copied().chain(std::iter::repeat_n(padding, length - values.len()))
}

fn check(model: &Gpt2, case: &Case) {
    let pad = golden::integers(case.input("pad_id"))[0] as u32;
    let eos = case.input("eos_id").as_u64().map_or(u32::MAX, |eos| eos as u32);
    let length = golden::integers(case.input("max_new_tokens"))[0] as usize;
    let prompts = prompts(case);
    let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let special = SpecialTokens { pad, eos };
    let sampling = SamplingConfig::greedy(length);
    let generated = generate(model, &slices, &sampling, special, &mut streams(prompts.len()), &Device::flex()).unwrap();

    let width = golden::shape(case.expected("tokens"))[1];
    let tokens: Vec<f64> = generated.iter().flat_map(|row| padded(&row.tokens, pad, width).map(f64::from)).collect();
    let log_probs: Vec<f32> = generated.iter().flat_map(|row| padded(&row.log_prob, 0.0, width)).collect();
    case.check("tokens", &tokens);
    case.check_f32("step_log_prob", &log_probs);

    let uncached: Vec<f32> = prompts
        .iter()
        .zip(&generated)
        .flat_map(|(prompt, row)| padded(&uncached(model, prompt, row), 0.0, width).collect::<Vec<_>>())
        .collect();
    case.check_f32("step_log_prob", &uncached);
}

/// Log-probabilities of a response whose every token is the likeliest one after all tokens before it, from one pass.
fn uncached(model: &Gpt2, prompt: &[u32], generated: &Generated) -> Vec<f32> {
    let sequence = [prompt, &generated.tokens].concat();
    let last = sequence.len() - 1;
    let hidden = hidden(model, &sequence[..last]).slice(prompt.len() - 1..last);
    let targets: Vec<i64> = generated.tokens.iter().map(|&token| i64::from(token)).collect();
    let likeliest: Vec<i64> =
        model.logits(hidden.clone()).argmax(1).into_data().convert::<i64>().try_into_vec().unwrap();
    assert_eq!(likeliest, targets);
    let count = targets.len();
    let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [count]), &Device::flex());
    numbers(model.log_prob(hidden, targets, false).log_prob)
}

#[test]
fn golden_greedy_tokens_with_and_without_cache() {
    let mut checked = 0;
    for name in ["gpt2", "gpt2_sharded", "gpt2_fp16", "gpt2_bf16", "gpt2_bin", "gpt2_hub_keys"] {
        let model = load_gpt2(golden::directory().join("models").join(name), &Device::flex()).unwrap();
        let fixture = golden::load(&format!("models/{name}/expected.json"));
        // Not every folder has one.
        for case in fixture.cases().iter().filter(|case| case.input("kind") == "greedy") {
            check(&model, case);
            checked += 1;
        }
    }
    assert!(checked > 0, "no case of kind greedy");
}
