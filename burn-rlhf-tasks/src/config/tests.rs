use super::*;
use burn_sppo::{advantage::Normalization, loss::ReverseForm};
use std::fs;
use std::path::PathBuf;

fn overrides(set: &[&str]) -> Overrides {
    Overrides { set: set.iter().map(|text| text.to_string()).collect(), ..Overrides::default() }
}

fn resolve(set: &[&str]) -> Result<RunConfig, ConfigError> {
    RunConfig::resolve(&overrides(set))
}

fn message(set: &[&str]) -> String {
    resolve(set).unwrap_err().to_string()
}

fn from_file(text: &str, set: &[&str]) -> (PathBuf, Result<RunConfig, ConfigError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, text).unwrap();
    let result = RunConfig::resolve(&Overrides { file: Some(path.clone()), ..overrides(set) });
    (path, result)
}

#[test]
fn every_task_algorithm_size_and_compatibility_resolves_and_is_saved_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for task in TaskName::ALL {
        for algorithm in AlgorithmName::ALL {
            for size in ["none", "tiny", "small", "medium", "gpt2"] {
                for compat in ["recommended", "reference"] {
                    let (task, algorithm) = (task.as_str(), algorithm.as_str());
                    let set = [
                        format!("task.name={task}"),
                        format!("algorithm.name={algorithm}"),
                        format!("size={size}"),
                        format!("compat={compat}"),
                        "model.from_scratch=true".into(),
                    ];
                    let overrides = Overrides { set: set.to_vec(), ..Overrides::default() };
                    let config = RunConfig::resolve(&overrides).unwrap_or_else(|error| panic!("{set:?}: {error}"));
                    assert_eq!((config.task.name.as_str(), config.algorithm.name.as_str()), (task, algorithm));
                    fs::write(&path, to_toml(&config).unwrap()).unwrap();
                    assert_eq!(RunConfig::load(&path).unwrap(), config);
                }
            }
        }
    }
}

#[test]
fn a_value_of_a_preset_has_its_source_beside_it_or_above_all() {
    for preset in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/presets")).unwrap() {
        let path = preset.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let head = text.split("\n\n").next().unwrap();
        let said_above = head.contains("authors' choice") || head.contains("published GPT-2");
        let mut said_in_section = false;
        for line in text.lines() {
            said_in_section =
                if line.starts_with("# ") { line.contains("chosen by the authors") } else { said_in_section };
            let bare = line.contains(" = ") && !line.starts_with('#') && !line.contains(" # ");
            assert!(!bare || said_above || said_in_section, "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_movie_reviews_are_trained_on_as_in_the_reference() {
    let config = resolve(&["task.name=imdb"]).unwrap();
    let algorithm = &config.algorithm;
    assert_eq!((algorithm.alpha, algorithm.beta, algorithm.z, algorithm.form), (0.5, 0.4, -1.0, ReverseForm::Rce));
    assert_eq!(config.update.epochs, 5);
    assert_eq!(config.optimizer.learning_rate, 5e-6);
    let plain = resolve(&["task.name=imdb", "algorithm.name=ppo"]).unwrap().algorithm;
    assert_eq!((plain.alpha, plain.beta), (1.0, 0.0));
    for once in ["algorithm.name=a2c", "algorithm.name=sa2c"] {
        assert_eq!(resolve(&["task.name=imdb", once]).unwrap().update.epochs, 1);
    }
}

#[test]
fn compatibility_switches_to_the_behaviour_of_the_reference() {
    let config = resolve(&["task.name=imdb", "compat=reference"]).unwrap();
    assert_eq!(config.algorithm.advantage_norm, Normalization::AllTokens);
    assert_eq!(config.algorithm.mask, crate::rollout::ResponseMask::Reference);
    assert_eq!(config.task.target, Target::TextStart);
    let mine = resolve(&["compat=reference", "algorithm.advantage_norm=minibatch"]).unwrap();
    assert_eq!(mine.algorithm.advantage_norm, Normalization::Minibatch);
}

#[test]
fn a_file_goes_over_presets_an_argument_over_a_file_and_an_assignment_over_all() {
    let text = "seed = 5\niterations = 7\n[update]\nepochs = 3\n[task]\nname = \"imdb\"\n";
    let (_, config) = from_file(text, &["update.epochs=2"]);
    let config = config.unwrap();
    assert_eq!((config.seed, config.iterations, config.update.epochs), (5, 7, 2));
    assert_eq!(config.update.rollouts, 112);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, text).unwrap();
    let arguments = vec![Argument::new("--seed", "seed", "6"), Argument::new("TASK", "task.name", "builtin")];
    let overrides = Overrides { file: Some(path), arguments, set: vec!["seed=8".into()] };
    let config = RunConfig::resolve(&overrides).unwrap();
    assert_eq!((config.seed, config.iterations, config.task.name), (8, 7, TaskName::Builtin));
}

#[test]
fn a_value_is_a_literal_or_bare_text_or_a_bare_list() {
    let config = resolve(&[
        "model.policy=gpt2",
        "model.tokenizer=\"a b\"",
        "task.text_column=7",
        "task.data=2020-01-01",
        "optimizer.learning_rate=1e-4",
        "algorithm.alpha=1",
        "evaluation.splits=validation, test",
        "evaluation.metrics=[kl]",
        "task.train_rows=1e3",
        "update.max_grad_norm=none",
        "model.mlp_head = true",
    ])
    .unwrap();
    assert_eq!(config.model.policy.as_deref(), Some("gpt2"));
    assert_eq!(config.model.tokenizer.as_deref(), Some("a b"));
    assert_eq!(config.task.text_column, "7");
    assert_eq!(config.task.data, Some("2020-01-01".into()));
    assert_eq!((config.optimizer.learning_rate, config.algorithm.alpha), (1e-4, 1.0));
    assert_eq!(config.evaluation.splits.len(), 2);
    assert_eq!(config.evaluation.metrics, [EvaluationMetric::Kl]);
    assert_eq!((config.task.train_rows, config.update.max_grad_norm), (Some(1000), None));
    assert!(config.model.mlp_head);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_one() {
    let (path, result) = from_file("[update]\nrolouts = 4\n", &[]);
    let ConfigError::UnknownKey { key, origin, nearest, .. } = result.unwrap_err() else { panic!("another error") };
    assert_eq!((key.as_str(), nearest.as_deref()), ("update.rolouts", Some("update.rollouts")));
    assert_eq!(origin, Origin::File(path));

    let text = message(&["optimizer.lr=1"]);
    assert!(text.contains("`optimizer.lr`") && text.contains("--set optimizer.lr=1"), "{text}");
    assert!(text.contains("optimizer.learning_rate"), "{text}");
    assert!(message(&["rollouts=4"]).contains("did you mean `update.rollouts`"));
    assert!(message(&["health.max_log_ration=1"]).contains("did you mean `health.max_log_ratio`"));
    assert!(message(&["bc.optimizer.beta1=0.5"]).contains("did you mean `bc.optimizer.beta_1`"));
    assert!(message(&["wandb.project=x"]).contains("there are: seed"));
}

#[test]
fn an_ill_typed_value_is_named_with_its_place_and_the_expected_type() {
    let (path, result) = from_file("[update]\nrollouts = \"many\"\n", &[]);
    let ConfigError::Type { key, origin, expected, found } = result.unwrap_err() else { panic!("another error") };
    assert_eq!((key.as_str(), expected), ("update.rollouts", "a whole number, 0 or more"));
    assert_eq!((found.as_str(), origin), ("the text \"many\"", Origin::File(path)));
    for (set, expected) in [
        ("update.rollouts=-1", "a whole number"),
        ("update.rollouts=1.5", "a whole number"),
        ("health.max_skipped_in_a_row=5000000000", "a whole number"),
        ("algorithm.alpha=high", "a finite number"),
        ("algorithm.alpha=nan", "a finite number"),
        ("update.target_kl=inf", "a finite number"),
        ("model.mlp_head=1", "true or false"),
        ("update=3", "a section"),
        ("update.rollouts.x=3", "a whole number"),
        ("task.name=1", "one of the names"),
    ] {
        let text = message(&[set]);
        assert!(text.contains(&format!("must be {expected}")) && text.contains(&format!("--set {set}")), "{text}");
    }
}

#[test]
fn an_earlier_mistake_is_not_hidden_by_a_later_value() {
    let (path, result) = from_file("[update]\nrollouts = \"many\"\n", &["update.rollouts=112"]);
    assert!(result.unwrap_err().to_string().contains(path.to_str().unwrap()));
}

#[test]
fn an_unknown_choice_is_answered_with_the_known_ones() {
    let arguments = vec![Argument::new("--algorithm", "algorithm.name", "spo")];
    let error = RunConfig::resolve(&Overrides { arguments, ..Overrides::default() }).unwrap_err().to_string();
    assert!(error.contains("--algorithm spo") && error.contains("did you mean `sppo`"), "{error}");
    assert!(error.contains("sppo, ppo, sa2c, a2c, bc, reward-model"), "{error}");
    assert!(message(&["task.name=tldr"]).contains("there are: builtin, imdb"));
    assert!(message(&["size=huge"]).contains("there are: none, tiny, small, medium, gpt2"));
    assert!(message(&["evaluation.splits=[\"trian\"]"]).contains("did you mean `train`"));
}

#[test]
fn what_is_no_assignment_or_no_toml_or_not_there_is_said_to_be_so() {
    for set in ["seed", "=3", ".=3", "update..rollouts=3"] {
        assert!(matches!(resolve(&[set]), Err(ConfigError::Assignment { .. })), "{set}");
    }
    let (path, result) = from_file("[update\n", &[]);
    let text = result.unwrap_err().to_string();
    assert!(
        text.contains("not valid TOML") && text.contains(path.to_str().unwrap()) && text.contains("line 1"),
        "{text}"
    );
    let missing = RunConfig::resolve(&Overrides { file: Some("/nowhere/a.toml".into()), ..Overrides::default() });
    assert!(missing.unwrap_err().to_string().contains("/nowhere/a.toml"));
}

#[test]
fn batches_that_do_not_divide_are_refused_with_sizes_that_do() {
    let text = message(&["update.rollouts=100", "update.minibatch=28"]);
    assert!(text.contains("`update.rollouts` (100)") && text.contains("use 25 or 50"), "{text}");
    let text = message(&["update.minibatch=32", "update.microbatch=5", "update.rollouts=64"]);
    assert!(text.contains("`update.minibatch` (32)") && text.contains("use 4 or 8"), "{text}");
    let text = message(&["update.minibatch=64", "update.rollouts=32", "update.microbatch=1"]);
    assert!(text.contains("use 32 or less"), "{text}");
    assert!(message(&["update.microbatch=0"]).contains("at least 1"));
    assert!(message(&["bc.minibatch=7", "bc.microbatch=2"]).contains("bc.microbatch"));
    assert!(message(&["algorithm.name=a2c", "update.epochs=2"]).contains("update.epochs=1"));
}

#[test]
fn batches_are_summed_up_in_one_line() {
    let config = resolve(&["task.name=imdb", "update.microbatch=14"]).unwrap();
    assert_eq!(
        config.batch_arithmetic(),
        "112 rollouts = 4 x minibatch 28, minibatch 28 = 2 x microbatch 14, 5 epochs: 20 steps an iteration, 1200 in \
         60 iterations"
    );
}

#[test]
fn values_that_make_no_sense_are_refused_by_name() {
    for (set, key) in [
        ("iterations=0", "iterations"),
        ("optimizer.learning_rate=0", "optimizer.learning_rate"),
        ("optimizer.beta_2=1", "optimizer.beta_2"),
        ("algorithm.gamma=1.5", "algorithm.gamma"),
        ("algorithm.z=0", "algorithm.z"),
        ("algorithm.beta=-1", "algorithm.beta"),
        ("algorithm.clip_range=0", "algorithm.clip_range"),
        ("sampling.temperature=0", "sampling.temperature"),
        ("sampling.top_p=0", "sampling.top_p"),
        ("sampling.min_length=99", "sampling.min_length"),
        ("evaluation.sampling.max_new_tokens=0", "evaluation.sampling.max_new_tokens"),
        ("task.prompt_fraction=1", "task.prompt_fraction"),
        ("model.n_head=3", "model.n_embd"),
        ("model.vocab_size=256", "model.vocab_size"),
        ("model.n_positions=40", "task.max_prompt_length + sampling.max_new_tokens"),
        ("checkpoint.keep=0", "checkpoint.keep"),
        ("kl.control=pid kl.target=none", "kl.target"),
        ("evaluation.rows=0", "evaluation.rows"),
        ("model.reference=none", "kl.coef"),
        ("model.shared_layers=9", "model.shared_layers"),
    ] {
        let error = message(&set.split(' ').collect::<Vec<_>>());
        assert!(error.contains(&format!("`{key}`")), "{set}: {error}");
    }
}

#[test]
fn saved_text_is_ordered_complete_and_reads_back() {
    let config = resolve(&["task.name=imdb", "update.target_kl=0.02", "seed=9007199254740993"]).unwrap();
    let text = to_toml(&config).unwrap();
    assert!(text.starts_with("seed = 9007199254740993\niterations = 60\n"), "{text}");
    assert!(text.contains("\n[kl]\ncontrol = \"fixed\"\n") && text.contains("learning_rate = 5e-6\n"), "{text}");
    assert!(text.contains("max_log_ratio = \"none\"\n") && text.contains("target_kl = 0.02\n"), "{text}");
    let huge = RunConfig { seed: u64::MAX, ..config };
    assert!(matches!(to_toml(&huge), Err(ConfigError::TooLarge { .. })));
}

#[test]
fn changes_are_listed_key_by_key() {
    let before = resolve(&[]).unwrap();
    assert_eq!(changes(&before, &before).unwrap(), []);
    let after = resolve(&["seed=1", "bc.optimizer.epsilon=1e-6", "update.max_grad_norm=none"]).unwrap();
    let found: Vec<_> = changes(&before, &after).unwrap().iter().map(Change::to_string).collect();
    let expected = [
        "seed: 1 instead of 42",
        "update.max_grad_norm: \"none\" instead of 1.0",
        "bc.optimizer.epsilon: 1e-6 instead of 1e-8",
    ];
    assert_eq!(found, expected);
}
