mod golden;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use burn_sppo::run::{Purpose, Stream, Streams};

use super::*;
use crate::model::gpt2::{Gpt2, Gpt2Config};

const VOCAB_SIZE: usize = 61;
const NONE: SpecialTokens = SpecialTokens { pad: 0, eos: u32::MAX };

fn config() -> Gpt2Config {
    Gpt2Config {
        vocab_size: VOCAB_SIZE,
        n_positions: 40,
        n_embd: 24,
        n_layer: 2,
        n_head: 3,
        // Wide enough that tokens differ much in probability.
        initializer_range: 0.3,
        ..Gpt2Config::default()
    }
}

fn model() -> Gpt2 {
    config().init(&mut Streams::new(5).stream(Purpose::Initialization, 0, 0), &Device::flex())
}

fn streams(rows: usize) -> Vec<Stream> {
    (0..rows as u64).map(|row| Streams::new(9).stream(Purpose::Sampling, 0, row)).collect()
}

fn sampled(max_new_tokens: usize) -> SamplingConfig {
    SamplingConfig { top_k: 20, top_p: 0.95, temperature: 0.8, max_new_tokens, ..SamplingConfig::default() }
}

fn run(
    model: &Gpt2,
    prompts: &[&[u32]],
    sampling: &SamplingConfig,
    special: SpecialTokens,
) -> Result<Vec<Generated>, GenerateError> {
    generate(model, prompts, sampling, special, &mut streams(prompts.len()), &Device::flex())
}

fn close(a: &Generated, b: &Generated) {
    assert_eq!((&a.tokens, a.finished), (&b.tokens, b.finished));
    for (a, b) in a.log_prob.iter().chain(&a.entropy).zip(b.log_prob.iter().chain(&b.entropy)) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}

/// Hidden states of one sequence without padding.
fn hidden(model: &Gpt2, tokens: &[u32]) -> Tensor<2> {
    let shape = [1, tokens.len()];
    let device = Device::flex();
    let tokens: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
    let positions: Vec<i64> = (0..tokens.len() as i64).collect();
    let int = |values: Vec<i64>| Tensor::<2, Int>::from_data(TensorData::new(values, shape), &device);
    model.hidden(int(tokens), int(positions), None).squeeze_dim(0)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

const PROMPTS: [&[u32]; 4] = [&[1, 2, 3], &[7], &[4, 5, 6, 7, 8, 9, 10, 11, 12], &[60, 0, 0, 13]];

#[test]
fn the_cache_does_not_change_the_tokens() {
    let model = model();
    let generated = run(&model, &PROMPTS, &SamplingConfig::greedy(12), NONE).unwrap();
    for (prompt, generated) in PROMPTS.iter().zip(generated) {
        let mut sequence = prompt.to_vec();
        for (step, &token) in generated.tokens.iter().enumerate() {
            let last = hidden(&model, &sequence).slice(sequence.len() - 1..sequence.len());
            let logits = numbers(model.logits(last));
            let highest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            assert_eq!(token as usize, highest, "step {step} after {prompt:?}");
            sequence.push(token);
        }
        assert_eq!(generated.tokens.len(), 12);
    }
}

#[test]
fn log_probabilities_and_entropies_are_those_of_a_pass_over_the_whole_sequence() {
    let model = model();
    for (prompt, generated) in PROMPTS.iter().zip(run(&model, &PROMPTS, &sampled(10), NONE).unwrap()) {
        let sequence = [prompt, generated.tokens.as_slice()].concat();
        let hidden = hidden(&model, &sequence[..sequence.len() - 1]).slice(prompt.len() - 1..sequence.len() - 1);
        let targets: Vec<i64> = generated.tokens.iter().map(|&token| i64::from(token)).collect();
        let targets = Tensor::<1, Int>::from_data(targets.as_slice(), &Device::flex());
        let scored = model.log_prob(hidden, targets, true);
        let expected = Generated {
            log_prob: numbers(scored.log_prob),
            entropy: numbers(scored.entropy.unwrap()),
            ..generated.clone()
        };
        close(&generated, &expected);
    }
}

#[test]
fn a_response_does_not_depend_on_the_rows_beside_it() {
    let model = model();
    let together = run(&model, &PROMPTS, &sampled(10), NONE).unwrap();
    for (row, prompt) in PROMPTS.iter().enumerate() {
        let mut stream = [Streams::new(9).stream(Purpose::Sampling, 0, row as u64)];
        let alone = generate(&model, &[prompt], &sampled(10), NONE, &mut stream, &Device::flex()).unwrap();
        close(&together[row], &alone[0]);
    }
}

#[test]
fn a_response_does_not_depend_on_the_padding_token() {
    let model = model();
    let with = |pad| run(&model, &PROMPTS, &sampled(10), SpecialTokens { pad, ..NONE }).unwrap();
    for (a, b) in with(0).iter().zip(&with(33)) {
        close(a, b);
    }
}

#[test]
fn a_row_that_sees_no_token_stays_finite() {
    let model = model();
    let device = Device::flex();
    let tokens = Tensor::<2, Int>::from_data([[1, 2, 3]], &device);
    let attention = Tensor::<2, Bool>::from_data([[false, false, true]], &device);
    let hidden = model.hidden(tokens.clone(), Tensor::<2, Int>::from_data([[1, 1, 0]], &device), attention);
    assert!(numbers(hidden).iter().all(|x| x.is_finite()));
}

#[test]
fn a_response_ends_with_the_first_end_token() {
    let model = model();
    let open = run(&model, &PROMPTS, &sampled(20), NONE).unwrap();
    // An end token that the rows meet at different steps, if at all.
    let eos = open[1].tokens[7];
    let ended = run(&model, &PROMPTS, &sampled(20), SpecialTokens { pad: 0, eos }).unwrap();
    let mut lengths = vec![];
    for (mut open, ended) in open.into_iter().zip(ended) {
        let length = open.tokens.iter().position(|&token| token == eos).map(|end| end + 1);
        open.finished = length.is_some();
        open.tokens.truncate(length.unwrap_or(20));
        open.log_prob.truncate(length.unwrap_or(20));
        open.entropy.truncate(length.unwrap_or(20));
        close(&ended, &open);
        lengths.push(open.tokens.len());
    }
    assert!(lengths.iter().any(|&length| length != lengths[0]), "{lengths:?}");
}

#[test]
fn rows_that_remain_go_on_unchanged_when_others_end() {
    let model = model();
    let prompts: Vec<&[u32]> = PROMPTS.repeat(4);
    let open = run(&model, &prompts, &sampled(24), NONE).unwrap();
    let eos = open[0].tokens[2];
    let ended = run(&model, &prompts, &sampled(24), SpecialTokens { pad: 0, eos }).unwrap();
    let mut lengths: Vec<usize> = ended.iter().map(|generated| generated.tokens.len()).collect();
    lengths.sort();
    assert!(lengths[7] < 22 && lengths[15] == 24, "a scene where rows are dropped: {lengths:?}");
    for (open, ended) in open.iter().zip(&ended) {
        assert!(open.tokens.starts_with(&ended.tokens));
        for (a, b) in open.log_prob.iter().zip(&ended.log_prob) {
            assert!((a - b).abs() < 1e-4);
        }
    }
}

#[test]
fn no_response_ends_before_its_least_length() {
    let model = model();
    for eos in 0..VOCAB_SIZE as u32 {
        let special = SpecialTokens { pad: 0, eos };
        let sampling = SamplingConfig { min_length: 5, ..sampled(8) };
        for generated in run(&model, &PROMPTS, &sampling, special).unwrap() {
            assert!(generated.tokens.len() >= 5);
            assert!(!generated.tokens[..5].contains(&eos));
        }
    }
}

#[test]
fn a_stream_gives_the_same_response_again_and_another_stream_another() {
    let model = model();
    let prompts = [PROMPTS[0]; 2];
    let first = run(&model, &prompts, &sampled(12), NONE).unwrap();
    assert_eq!(first, run(&model, &prompts, &sampled(12), NONE).unwrap());
    assert_ne!(first[0].tokens, first[1].tokens);
}

/// Forces its tokens upon one row.
struct Force {
    row: usize,
    tokens: Vec<u32>,
}

impl LogitsProcessor for Force {
    fn process(&self, row: usize, generated: &[u32], _scores: &mut [f32]) -> Option<u32> {
        self.tokens.get(generated.len()).copied().filter(|_| row == self.row)
    }
}

/// Leaves one token.
struct Only(u32);

impl LogitsProcessor for Only {
    fn process(&self, _row: usize, _generated: &[u32], scores: &mut [f32]) -> Option<u32> {
        let kept = scores[self.0 as usize];
        scores.fill(f32::NEG_INFINITY);
        scores[self.0 as usize] = kept;
        None
    }
}

fn processed(processor: &dyn LogitsProcessor, sampling: &SamplingConfig) -> Result<Vec<Generated>, GenerateError> {
    let special = SpecialTokens { pad: 0, eos: 17 };
    generate_with(&model(), &PROMPTS, sampling, special, &[processor], &mut streams(4), &Device::flex())
}

#[test]
fn a_forced_token_wins_over_the_least_length() {
    let sampling = SamplingConfig { min_length: 8, ..sampled(8) };
    let forced = processed(&Force { row: 2, tokens: vec![5, 17] }, &sampling).unwrap();
    assert_eq!((forced[2].tokens.as_slice(), forced[2].finished), ([5, 17].as_slice(), true));
    assert_eq!(forced[1].tokens.len(), 8);
    let free = run(&model(), &PROMPTS, &sampling, SpecialTokens { pad: 0, eos: 17 }).unwrap();
    close(&forced[1], &free[1]);
    // Forced tokens keep the probability that the model gives them.
    assert!(forced[2].log_prob.iter().all(|log_prob| log_prob.is_finite() && *log_prob < 0.0));
}

#[test]
fn processors_come_before_the_filters() {
    for sampling in [sampled(6), SamplingConfig::greedy(6)] {
        for generated in processed(&Only(3), &sampling).unwrap() {
            assert_eq!(generated.tokens, [3; 6]);
            assert!(generated.entropy.iter().all(|&entropy| entropy > 0.1), "of the whole distribution");
        }
    }
}

/// Ends a response wherever its end is not impossible yet.
struct EndIfPossible;

impl LogitsProcessor for EndIfPossible {
    fn process(&self, _row: usize, _generated: &[u32], scores: &mut [f32]) -> Option<u32> {
        scores[17].is_finite().then_some(17)
    }
}

#[test]
fn processors_come_before_the_least_length() {
    let ended = processed(&EndIfPossible, &SamplingConfig { min_length: 4, ..sampled(8) }).unwrap();
    assert!(ended.iter().all(|generated| generated.tokens == [17]));
}

#[test]
fn a_processor_that_leaves_no_token_is_an_error() {
    let sampling = SamplingConfig { min_length: 4, ..sampled(8) };
    let error = processed(&Only(17), &sampling).unwrap_err();
    assert!(matches!(error, GenerateError::NothingAllowed { step: 0, .. }), "{error}");
    let beyond = Force { row: 1, tokens: vec![3, 1000] };
    assert_eq!(processed(&beyond, &sampling).unwrap_err(), GenerateError::NothingAllowed { row: 1, step: 1 });
}

#[test]
fn weights_that_are_not_numbers_are_an_error() {
    let mut broken = model();
    broken.ln_f.gamma = broken.ln_f.gamma.map(|gamma| gamma * f32::NAN);
    let error = run(&broken, &PROMPTS, &sampled(4), NONE).unwrap_err();
    assert!(matches!(error, GenerateError::NotFinite { step: 0, .. }), "{error}");
}

#[test]
fn nothing_to_do_is_no_error() {
    let model = model();
    assert_eq!(run(&model, &[], &sampled(4), NONE), Ok(vec![]));
    assert_eq!(run(&model, &PROMPTS, &sampled(0), NONE), Ok(vec![Generated::default(); 4]));
}

#[test]
fn the_whole_window_can_be_filled() {
    let prompt: Vec<u32> = (0..30).collect();
    let generated = run(&model(), &[&prompt, &[1]], &sampled(10), NONE).unwrap();
    assert!(generated.iter().all(|generated| generated.tokens.len() == 10));
}

#[test]
fn prompts_and_settings_out_of_range_are_errors() {
    let model = model();
    let long: Vec<u32> = vec![1; 31];
    let with = |change: fn(&mut SamplingConfig)| {
        let mut sampling = sampled(10);
        change(&mut sampling);
        sampling
    };
    let cases: Vec<(&[&[u32]], SamplingConfig, SpecialTokens, GenerateError)> = vec![
        (&[&[1]], with(|s| s.temperature = 0.0), NONE, GenerateError::Temperature(0.0)),
        (&[&[1]], with(|s| s.temperature = f64::INFINITY), NONE, GenerateError::Temperature(f64::INFINITY)),
        (&[&[1]], with(|s| s.top_p = 1.5), NONE, GenerateError::TopP(1.5)),
        (&[&[1]], with(|s| s.top_p = -0.1), NONE, GenerateError::TopP(-0.1)),
        (&[&[1]], with(|s| s.min_length = 11), NONE, GenerateError::MinLength { min_length: 11, max_new_tokens: 10 }),
        (&[&[1], &[]], sampled(10), NONE, GenerateError::EmptyPrompt { row: 1 }),
        (
            &[&[1], &[2, 61]],
            sampled(10),
            NONE,
            GenerateError::UnknownToken { row: 1, token: 61, vocab_size: VOCAB_SIZE },
        ),
        (
            &[&[1]],
            sampled(10),
            SpecialTokens { pad: 61, eos: 0 },
            GenerateError::UnknownPadding { pad: 61, vocab_size: VOCAB_SIZE },
        ),
    ];
    for (prompts, sampling, special, error) in cases {
        assert_eq!(run(&model, prompts, &sampling, special), Err(error));
    }
    let too_long = GenerateError::TooLong { row: 1, prompt: 31, max_new_tokens: 10, context_length: 40 };
    assert_eq!(run(&model, &[&[1], &long], &sampled(10), NONE), Err(too_long));
    let endless = SamplingConfig { max_new_tokens: usize::MAX, ..sampled(10) };
    assert!(matches!(run(&model, &[&[1]], &endless, NONE), Err(GenerateError::TooLong { .. })));
    let no_streams = generate(&model, &PROMPTS, &sampled(3), NONE, &mut streams(3), &Device::flex());
    assert_eq!(no_streams, Err(GenerateError::Streams { prompts: 4, streams: 3 }));
    let unknown = serde_json::from_str::<SamplingConfig>(r#"{"topk": 3}"#).unwrap_err().to_string();
    assert!(unknown.contains("topk") && unknown.contains("top_k"), "{unknown}");
}
