use burn_rlhf_tasks::{
    generate::{SamplingConfig, generate},
    model::tokenizer::EncodeOptions,
};
use burn_sppo::run::{Purpose, Streams};

use crate::{
    arguments::{DeviceArguments, SampleArguments},
    console::Console,
    device,
    failure::Failure,
    run_model, text,
};

/// Beginnings for those who give none.
const PROMPTS: [&str; 3] = ["This film", "I watched it with friends.", "The story follows"];

pub fn run(arguments: SampleArguments, device: &DeviceArguments) -> Result<(), Failure> {
    let console = Console::new(false);
    let (_, device) = device::select(device)?;
    let (model, tokenizer) = run_model::load(&arguments.run, &device)?;
    let defaults = SamplingConfig::default();
    let sampling = SamplingConfig {
        do_sample: !arguments.greedy,
        temperature: arguments.temperature.unwrap_or(defaults.temperature),
        max_new_tokens: arguments.max_new_tokens.unwrap_or(defaults.max_new_tokens),
        ..defaults
    };
    let special = text::special_tokens(&tokenizer)?;
    let texts: Vec<String> = (0..arguments.number)
        .map(|index| arguments.prompt.clone().unwrap_or_else(|| PROMPTS[index % PROMPTS.len()].to_owned()))
        .collect();
    let prompts: Result<Vec<Vec<u32>>, _> =
        texts.iter().map(|text| tokenizer.ids(text, &EncodeOptions::default())).collect();
    let prompts = prompts?;
    let rows: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let streams = Streams::new(arguments.seed);
    let mut lanes: Vec<_> = (0..rows.len() as u64).map(|row| streams.stream(Purpose::Sampling, 0, row)).collect();
    let responses = generate(&model, &rows, &sampling, special, &mut lanes, &device).map_err(Failure::usage)?;
    for (text, response) in texts.iter().zip(responses) {
        console.result(&format!("{text}|{}", tokenizer.decode(&response.tokens, true)?));
    }
    Ok(())
}
