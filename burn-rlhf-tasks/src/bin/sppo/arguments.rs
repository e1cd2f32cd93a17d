use std::{num::NonZero, path::PathBuf};

use burn_sppo::training::Family;
use clap::{Args, Parser, Subcommand};

use crate::failure::Failure;

/// Trains language models from rewards, and policies in environments, with symmetric PPO and its relatives.
///
/// `sppo train` runs the built-in job: it writes its own film reviews, trains a small language model and two judges on
/// them, and then teaches the model to write favourable reviews. No download, a few minutes on two cores.
///
/// Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration, 3 stopped by a health check,
/// 130 interrupted after writing a checkpoint.
#[derive(Parser)]
#[command(name = "sppo", version, max_term_width = 110)]
pub struct Arguments {
    #[command(flatten)]
    pub device: DeviceArguments,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Train a model: `sppo train`, `sppo train imdb --data reviews/ --from-scratch`
    Train(TrainArguments),
    /// Measure the policy of a run: `sppo eval outputs/builtin/2026-11-24_10-00-00 --split test`
    Eval(EvalArguments),
    /// Watch the policy of a run in an environment: `sppo enjoy outputs/CartPole-v1/… --gif cartpole.gif`
    Enjoy(EnjoyArguments),
    /// Let the policy of a run write: `sppo sample outputs/builtin/… --prompt "A quiet film about"`
    Sample(SampleArguments),
    /// Draw metrics of one or several runs as SVG
    Curves(CurvesArguments),
    /// Run a table of the results over its seeds: `sppo repro discrete`, `sppo repro imdb --data reviews/`
    Repro(ReproArguments),
    /// Measure speed: of a language model's iteration, of a whole training in an environment, or of stepping
    Bench(BenchArguments),
    /// Check devices, disk and Hub
    Doctor(DoctorArguments),
}

/// Where the numbers come from, shared by all commands that compute.
#[derive(Args, Clone)]
pub struct DeviceArguments {
    /// Backend: flex, wgpu, vulkan, cuda, metal, rocm or cpu, of those this program was built with
    #[arg(long, value_name = "NAME", global = true)]
    pub backend: Option<String>,
    /// Number of threads on CPU backends; all cores by default
    #[arg(long, value_name = "N", global = true)]
    pub threads: Option<usize>,
}

#[derive(Args)]
pub struct TrainArguments {
    /// What to train on: builtin (default) or imdb, or an environment: CartPole-v1, HalfCheetah-v4, PongNoFrameskip-v4
    #[arg(default_value = "builtin")]
    pub task: String,
    /// sppo, ppo, sa2c or a2c; bc or reward-model on texts; dsppo, dppo, dsa2c or da2c where actions are numbers, and
    /// matched-ppo, in environments
    #[arg(long, short, value_name = "NAME", default_value = "sppo")]
    pub algorithm: String,
    /// A TOML file whose values replace those of the preset
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replace one value, for example `--set algorithm.beta=0.4`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// A file or folder of jsonl, csv or parquet (optionally .gz or .zst) instead of the data set on the Hub
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Column of the texts in `--data`
    #[arg(long, value_name = "NAME")]
    pub text_column: Option<String>,
    /// Column of the labels in `--data`
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
    /// Train the language model and the reward model on the data first, instead of taking finished ones
    #[arg(long)]
    pub from_scratch: bool,
    /// Seed of everything that is random
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Whose settings, in an environment: best takes those of the zoo where there are any
    #[arg(long, value_enum, default_value_t = FamilyArgument::Best)]
    pub family: FamilyArgument,
    /// Add the paper's noise to the rewards of an environment
    #[arg(long)]
    pub noise: bool,
    /// Take advantages in an environment as they are estimated: the paper's ablation without normalisation
    #[arg(long)]
    pub unnormalized: bool,
    /// Environment steps to take
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Python that has gymnasium, for environments that need it; by default $BURN_SPPO_PYTHON, an active virtual
    /// environment, ./.venv or python3
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Folder that runs and finished stages go to
    #[arg(long, value_name = "FOLDER", default_value = "outputs")]
    pub output: PathBuf,
    /// Folder of this run; by default OUTPUT/TASK/DATE_TIME
    #[arg(long, value_name = "FOLDER", conflicts_with = "resume")]
    pub run: Option<PathBuf>,
    /// Go on with a run that was stopped; its configuration is taken from it
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "task", "algorithm", "config", "data", "text_column", "label_column", "from_scratch", "seed", "family", "noise",
        "unnormalized",
    ])]
    pub resume: Option<PathBuf>,
    /// Print what would be done, with an estimate of memory, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Print errors and the result only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print lines even where a terminal could show the dashboard
    #[arg(long)]
    pub plain: bool,
}

impl TrainArguments {
    /// Checks that nothing is said of texts where an environment is meant.
    pub fn refuse_those_of_texts(&self) -> Result<(), Failure> {
        refuse(
            "is for language models: leave it out in an environment",
            [
                ("--data", self.data.is_some()),
                ("--text-column", self.text_column.is_some()),
                ("--label-column", self.label_column.is_some()),
                ("--from-scratch", self.from_scratch),
            ],
        )
    }

    /// Checks that nothing is said of environments where texts are meant.
    pub fn refuse_those_of_environments(&self) -> Result<(), Failure> {
        refuse(
            "is for environments: leave it out where texts are trained on",
            [
                ("--family", self.family != FamilyArgument::Best),
                ("--noise", self.noise),
                ("--unnormalized", self.unnormalized),
                ("--steps", self.steps.is_some()),
                ("--python", self.python.is_some()),
            ],
        )
    }
}

impl EvalArguments {
    /// Checks that nothing is said of texts where the run was one in an environment.
    pub fn refuse_those_of_texts(&self) -> Result<(), Failure> {
        let reason = "is for language models: leave it out for a run in an environment";
        refuse(reason, [("--split", self.split.is_some()), ("--rows", self.rows.is_some())])
    }

    /// Checks that nothing is said of environments where the run was one on texts.
    pub fn refuse_those_of_environments(&self) -> Result<(), Failure> {
        refuse(
            "is for environments: leave it out for a run on texts",
            [
                ("--episodes", self.episodes.is_some()),
                ("--deterministic", self.deterministic.is_some()),
                ("--python", self.python.is_some()),
            ],
        )
    }
}

fn refuse<const N: usize>(reason: &str, arguments: [(&str, bool); N]) -> Result<(), Failure> {
    match arguments.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::usage(format!("{name} {reason}"))),
        None => Ok(()),
    }
}

/// Whose settings a training in an environment starts from.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FamilyArgument {
    /// The zoo's for this very environment, else the reference's, else the zoo's for any
    Best,
    /// The published code's that accompanies the paper
    Reference,
    /// The tuned ones of rl-baselines3-zoo
    Zoo,
    /// Nobody's: every value is the default
    None,
}

impl From<FamilyArgument> for Family {
    fn from(family: FamilyArgument) -> Self {
        match family {
            FamilyArgument::Best => Self::Best,
            FamilyArgument::Reference => Self::Reference,
            FamilyArgument::Zoo => Self::Zoo,
            FamilyArgument::None => Self::None,
        }
    }
}

#[derive(Args)]
pub struct EvalArguments {
    /// Folder of the run
    pub run: PathBuf,
    /// validation (by default) or test, of a run on texts
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Most prompts to answer; all by default
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// Episodes to play, of a run in an environment; by default as many as its configuration says
    #[arg(long, value_name = "N")]
    pub episodes: Option<NonZero<usize>>,
    /// Draw actions as training did, or take the likeliest ones, in an environment; by default as its configuration says
    #[arg(long, value_name = "BOOL")]
    pub deterministic: Option<bool>,
    /// Python that has gymnasium, for environments that need it
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Evaluate the policy as training started, not as it ended
    #[arg(long)]
    pub start: bool,
    /// Folder that holds the finished stages
    #[arg(long, value_name = "FOLDER", default_value = "outputs")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct EnjoyArguments {
    /// Folder of the run
    pub run: PathBuf,
    /// Episodes to play
    #[arg(long, value_name = "N", default_value = "1")]
    pub episodes: NonZero<usize>,
    /// Write the pictures into this file, too
    #[arg(long, value_name = "PATH")]
    pub gif: Option<PathBuf>,
    /// Take the likeliest actions, even if the run's configuration evaluates drawn ones
    #[arg(long)]
    pub deterministic: bool,
    /// Python that has gymnasium, for environments that need it
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Pictures a second
    #[arg(long, value_name = "N", default_value = "30")]
    pub fps: NonZero<u8>,
}

#[derive(Args)]
pub struct SampleArguments {
    /// Folder of the run, or of a model in Hugging Face layout
    pub run: PathBuf,
    /// The beginning of a text; without it, prompts of the run's validation data
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// How many texts to write
    #[arg(long, short, value_name = "N", default_value_t = 5)]
    pub number: usize,
    /// Most new tokens of a text
    #[arg(long, value_name = "N")]
    pub max_new_tokens: Option<usize>,
    /// Divides the scores before drawing; below 1, likely words become likelier
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Always take the likeliest token
    #[arg(long)]
    pub greedy: bool,
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Args, Default)]
pub struct CurvesArguments {
    /// Folders of runs
    #[arg(required = true)]
    pub runs: Vec<PathBuf>,
    /// A metric of metrics.jsonl or evaluation.jsonl; may be repeated
    #[arg(long = "metric", short, value_name = "KEY")]
    pub metrics: Vec<String>,
    /// Where to write; by default curves.svg in the first run
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// One line for runs that differ in their seed alone: their mean, and a band of its standard error
    #[arg(long)]
    pub average: bool,
    /// Smooth lines: the share of a point that is its own, above 0 and up to 1, the rest being that of the one before
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub smooth: Option<f64>,
    /// Write the numbers of the lines as CSV too
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// List the metrics that there are
    #[arg(long)]
    pub list: bool,
}

#[derive(Args)]
pub struct ReproArguments {
    /// Name of the table; without it, all are listed
    pub table: Option<String>,
    /// A file or folder of the task's data instead of the data set on the Hub
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Python that has gymnasium, for environments that need it
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Only this task; may be repeated
    #[arg(long = "task", value_name = "NAME")]
    pub tasks: Vec<String>,
    /// Only this arm; may be repeated
    #[arg(long = "arm", value_name = "NAME")]
    pub arms: Vec<String>,
    /// Only this seed; may be repeated
    #[arg(long = "seed", value_name = "N")]
    pub seeds: Vec<u64>,
    /// Replace one value of every row, for example `--set size=tiny`; rows with other values are other rows
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Rows that are run at the same time and share the cores; by default as many as there are cores, but one where a row
    /// fills a machine
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Folder that runs and finished stages go to
    #[arg(long, value_name = "FOLDER", default_value = "outputs")]
    pub output: PathBuf,
    /// File of finished rows, which are skipped; by default OUTPUT/repro/TABLE.jsonl
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Print the table of the finished rows and run nothing
    #[arg(long)]
    pub summary: bool,
}

#[derive(Args)]
pub struct BenchArguments {
    /// A language model: tiny (4 layers, width 256, 8192 tokens) or small (GPT-2 with 124 million parameters); a whole
    /// training: cartpole, halfcheetah or pong; or stepping, environments without a policy
    #[arg(value_name = "WHAT", default_value = "tiny")]
    pub what: String,
    /// Responses an iteration, of a language model
    #[arg(long, default_value_t = 16)]
    pub trajectories: usize,
    #[arg(long, default_value_t = 8)]
    pub minibatch: usize,
    #[arg(long, default_value_t = 1)]
    pub epochs: usize,
    /// Measured iterations, after one that is not
    #[arg(long, default_value_t = 3)]
    pub repeats: usize,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    pub precision: String,
    /// ppo or a2c, of a training
    #[arg(long, value_name = "NAME", default_value = "ppo")]
    pub algorithm: String,
    /// Environment steps to take
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Environments side by side
    #[arg(long, value_name = "N")]
    pub num_envs: Option<usize>,
    /// Python processes that share the environments
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Python that has gymnasium, for environments that need it
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
}

#[cfg(test)]
impl Default for BenchArguments {
    /// What the command line says when it says nothing.
    fn default() -> Self {
        match Arguments::parse_from(["sppo", "bench"]).command {
            Command::Bench(arguments) => arguments,
            _ => unreachable!("another command was parsed"),
        }
    }
}

#[derive(Args)]
pub struct DoctorArguments {
    /// Do not try to reach the Hub
    #[arg(long)]
    pub offline: bool,
    /// Folder that runs would go to
    #[arg(long, value_name = "FOLDER", default_value = "outputs")]
    pub output: PathBuf,
    /// Check the backend in this process and print what it computes as JSON
    #[arg(long, hide = true, requires = "backend")]
    pub probe: bool,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a number above 0, and 1 at the most".into()),
    }
}
