//! `sppo`: trains language models from rewards.

mod arguments;
mod command;
mod console;
mod device;
mod failure;
mod history;
mod json_lines;
mod plot;
mod run_model;
mod stage;
mod system;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    survive_full_files();
    burn_rlhf_tasks::allocator::keep_freed_blocks();
    let arguments = Arguments::parse();
    let device = arguments.device;
    let result = match arguments.command {
        Command::Eval(arguments) => command::eval::run(arguments, &device),
        Command::Train(arguments) => command::train::run(arguments, &device),
        Command::Repro(arguments) => command::repro::run(arguments, &device),
        Command::Enjoy(arguments) => command::enjoy::run(arguments, &device),
        Command::Sample(arguments) => command::sample::run(arguments, &device),
        Command::Curves(arguments) => command::curves::run(arguments, console::Console::new(false)),
        Command::Bench(arguments) => command::bench::run(arguments, &device, console::Console::new(false)),
        Command::Doctor(arguments) => command::doctor::run(arguments, &device, console::Console::new(false)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// A file that has reached its size limit is an error to report, not a reason to be killed.
fn survive_full_files() {
    #[cfg(unix)]
    // SAFETY: ignoring a signal runs no code of this program, and no other thread exists yet.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}
