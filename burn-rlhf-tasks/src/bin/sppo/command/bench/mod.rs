//! `sppo bench`: how fast this program is, as one line of JSON that a script can compare.

mod control;
mod convolution;
mod language;
mod stepping;

use crate::{
    arguments::{BenchArguments, DeviceArguments},
    console::Console,
    failure::Failure,
};

pub fn run(arguments: BenchArguments, device: &DeviceArguments, console: Console) -> Result<(), Failure> {
    match arguments.what.as_str() {
        "tiny" | "small" => language::run(arguments, device, console),
        "stepping" => stepping::run(&arguments, console),
        "cartpole" | "halfcheetah" | "pong" => control::run(&arguments, device, console),
        other => Err(Failure::usage(format!(
            "there is nothing called {other} to measure: there are the language models tiny and small, the trainings \
             cartpole, halfcheetah and pong, and stepping"
        ))),
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
