//! `cargo xtask`: builds `sppo` with the right features and becomes it; tests and checks of the whole workspace.

mod backend;
mod plan;

use clap::{CommandFactory, Parser, Subcommand};
use plan::Step;
use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode};

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = ABOUT, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

const ABOUT: &str = "\
Symmetric PPO on language models and in environments.

The first commands build `sppo` in release mode and hand it everything that follows; `cargo xtask train --help` shows \
its options. Two more options, understood here, choose the build:

  --backend NAME   flex (CPU, the default), cpu, wgpu, vulkan, metal, cuda or rocm
  --no-fusion, --no-autotune   build a GPU backend without kernel fusion, or without tuning kernels at run time";

const EXAMPLES: &str = "\
Examples:
  cargo xtask train                            the built-in task: no download, minutes on a laptop
  cargo xtask train --dry-run                  what that would do, and how much memory it would take
  cargo xtask train imdb --backend cuda        movie reviews and GPT-2, on an NVIDIA GPU
  cargo xtask train --algorithm ppo --set update.epochs=2
  cargo xtask train CartPole-v1 --algorithm a2c
  cargo xtask train --resume outputs/RUN       go on with a run that was interrupted
  cargo xtask sample outputs/RUN               let the trained policy write
  cargo xtask test -E 'test(golden)'           some of the tests";

#[derive(Subcommand)]
enum Task {
    /// Train a policy, or one of the stages before it
    Train(Arguments),
    /// Measure a checkpoint
    Eval(Arguments),
    /// Let a policy continue prompts
    Sample(Arguments),
    /// Show episodes of a policy in the terminal: `cargo xtask enjoy outputs/CartPole-v1/… --gif pole.gif`
    Enjoy(Arguments),
    /// Draw the metrics of one or several runs
    Curves(Arguments),
    /// Run a table of the results over its seeds, skipping finished rows
    Repro(Arguments),
    /// Measure speed and memory
    Bench(Arguments),
    /// Look at devices, network, disk and versions
    Doctor(Arguments),
    /// Run the tests: arguments go to `cargo nextest run`, or `cargo test` where nextest is not installed
    Test(Arguments),
    /// Check format, lints and documentation, then run the tests
    Ci,
}

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// As in `sppo`: nothing was started, because the command was wrong.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let Some(task) = Cli::parse().task else {
        return match Cli::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    };
    let (subcommand, arguments) = match task {
        Task::Train(arguments) => ("train", arguments),
        Task::Eval(arguments) => ("eval", arguments),
        Task::Sample(arguments) => ("sample", arguments),
        Task::Enjoy(arguments) => ("enjoy", arguments),
        Task::Curves(arguments) => ("curves", arguments),
        Task::Repro(arguments) => ("repro", arguments),
        Task::Bench(arguments) => ("bench", arguments),
        Task::Doctor(arguments) => ("doctor", arguments),
        Task::Test(arguments) => return run_all(&plan::test(plan::has_nextest(), arguments.args)),
        Task::Ci => return run_all(&plan::ci(plan::has_nextest())),
    };
    match plan::sppo(subcommand, arguments.args) {
        Ok(step) => replace_with(&step),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// Runs steps until one fails.
fn run_all(steps: &[Step]) -> ExitCode {
    for step in steps {
        eprintln!("==> {step}");
        let code = run(step.command());
        if code != ExitCode::SUCCESS {
            eprintln!("failed: {step}");
            return code;
        }
    }
    ExitCode::SUCCESS
}

/// Hands this process over to cargo, which hands it over to `sppo`: exit code and Ctrl-C are then its own.
#[cfg(unix)]
fn replace_with(step: &Step) -> ExitCode {
    use std::os::unix::process::CommandExt;
    cannot_start(step.command().exec())
}

#[cfg(not(unix))]
fn replace_with(step: &Step) -> ExitCode {
    run(step.command())
}

fn run(mut command: Command) -> ExitCode {
    match command.status() {
        // A process that a signal ended has no exit code.
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => cannot_start(error),
    }
}

fn cannot_start(error: io::Error) -> ExitCode {
    eprintln!("error: cannot start cargo: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_behind_a_command_is_handed_on() {
        let cli = Cli::parse_from(["xtask", "train", "--help", "imdb", "--set", "a=b", "--", "-x"]);
        let Some(Task::Train(arguments)) = cli.task else { panic!("not train") };
        assert_eq!(arguments.args, ["--help", "imdb", "--set", "a=b", "--", "-x"]);
    }
}
