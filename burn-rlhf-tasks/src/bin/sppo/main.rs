//! `sppo`: trains language models from rewards.

mod arguments;
mod command;
mod console;
mod device;
mod failure;
mod history;
mod plot;
mod run_model;
mod stage;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let device = arguments.device;
    let result = match arguments.command {
        Command::Eval(arguments) => command::eval::run(arguments, &device),
        Command::Train(arguments) => command::train::run(arguments, &device),
        Command::Sample(arguments) => command::sample::run(arguments, &device),
        Command::Curves(arguments) => command::curves::run(arguments, console::Console::new(false)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
