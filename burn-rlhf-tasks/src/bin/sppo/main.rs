//! `sppo`: trains language models from rewards.

mod arguments;
mod command;
mod console;
mod device;
mod failure;
mod run_model;
mod stage;
mod table;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Train(arguments) => command::train::run(arguments),
        Command::Sample(arguments) => command::sample::run(arguments),
        _ => Err(failure::Failure::usage("this command is not there yet")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
