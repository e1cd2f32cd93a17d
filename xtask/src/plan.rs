use crate::backend::{BackendError, Build};
use std::ffi::OsString;
use std::fmt;
use std::process::Command;

/// One call of cargo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    args: Vec<OsString>,
    env: Option<(&'static str, &'static str)>,
}

impl Step {
    fn new(line: &str) -> Self {
        Self { args: line.split_whitespace().map(OsString::from).collect(), env: None }
    }

    fn args(mut self, args: impl IntoIterator<Item = OsString>) -> Self {
        self.args.extend(args);
        self
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env = Some((name, value));
        self
    }

    /// With the cargo that runs this program, where it is known.
    pub fn command(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(&self.args).envs(self.env);
        command
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, value)) = self.env {
            write!(f, "{name}=\"{value}\" ")?;
        }
        write!(f, "cargo")?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// Builds `sppo` for the backend that its arguments name, and becomes it.
pub fn sppo(subcommand: &str, mut args: Vec<OsString>) -> Result<Step, BackendError> {
    let build = Build::take_from(&mut args)?;
    let run = format!("run --release --package burn-rlhf-tasks --bin sppo --features {} --", build.features());
    Ok(Step::new(&run).args([subcommand.into()]).args(args))
}

/// Every test, documentation's examples last; with arguments of one's own only what they select.
pub fn test(nextest: bool, args: Vec<OsString>) -> Vec<Step> {
    let run = if nextest { "nextest run --workspace" } else { "test --workspace --lib --bins --tests --examples" };
    let everything = args.is_empty();
    let mut steps = vec![Step::new(run).args(args)];
    if everything {
        steps.push(Step::new("test --workspace --doc"));
    }
    steps
}

/// What must hold of every change.
pub fn ci(nextest: bool) -> Vec<Step> {
    let mut steps = vec![
        Step::new("fmt --all --check"),
        Step::new("clippy --workspace --all-targets --locked -- -D warnings"),
        Step::new("doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings"),
    ];
    steps.extend(test(nextest, Vec::new()));
    steps
}

/// Whether `cargo nextest` is installed.
pub fn has_nextest() -> bool {
    Step::new("nextest --version").command().output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_command_of_sppo_is_built_in_release_and_run_with_its_own_arguments() {
        let step = sppo("train", words("imdb --backend cuda --no-fusion --set update.epochs=2 --help")).unwrap();
        assert_eq!(
            step.to_string(),
            "cargo run --release --package burn-rlhf-tasks --bin sppo --features tui,cuda,autotune -- \
             train imdb --backend cuda --set update.epochs=2 --help"
        );
    }

    #[test]
    fn an_argument_with_spaces_stays_one_argument() {
        let step = sppo("sample", vec!["--prompt".into(), "a film".into()]).unwrap();
        assert_eq!(step.command().get_args().last(), Some("a film".as_ref()));
    }

    #[test]
    fn tests_run_with_nextest_where_it_is_installed_and_documentation_follows() {
        let lines = |steps: Vec<Step>| steps.iter().map(Step::to_string).collect::<Vec<_>>();
        assert_eq!(lines(test(true, vec![])), ["cargo nextest run --workspace", "cargo test --workspace --doc"]);
        assert_eq!(
            lines(test(false, vec![])),
            ["cargo test --workspace --lib --bins --tests --examples", "cargo test --workspace --doc"]
        );
        assert_eq!(lines(test(true, words("-E test(golden)"))), ["cargo nextest run --workspace -E test(golden)"]);
    }

    #[test]
    fn ci_checks_format_lints_and_documentation_before_the_tests() {
        let lines = ci(true).iter().map(Step::to_string).collect::<Vec<_>>();
        assert_eq!(lines[0], "cargo fmt --all --check");
        assert!(lines[1].ends_with("-- -D warnings"));
        assert!(lines[2].starts_with("RUSTDOCFLAGS=\"-D warnings\" cargo doc"));
        assert_eq!(lines[3], "cargo nextest run --workspace");
        let doc = ci(true)[2].command();
        assert_eq!(doc.get_envs().next(), Some(("RUSTDOCFLAGS".as_ref(), Some("-D warnings".as_ref()))));
    }
}
