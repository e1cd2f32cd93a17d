use burn::module::Module;
use burn_rlhf_tasks::{
    algorithm::{Supervised, SupervisedConfig, TextRows, mean_negative_log_likelihood},
    model::{
        export::export_gpt2,
        gpt2::Gpt2,
        hub::Hub,
        kernel::Compute,
        load::{load_gpt2, read_gpt2_config},
        tokenizer::Tokenizer,
    },
};
use burn_sppo::run::{Checkpoints, Purpose, Streams};

use super::{
    Data, Fingerprint, Stages, Stored, is_finished,
    tokenizer::{encode_all, texts},
};
use crate::failure::Failure;

/// Rows of the validation split that perplexity is measured on.
const VALIDATION_ROWS: usize = 200;

/// Tokens of a prompt and of what follows it.
type Pair = (Vec<u32>, Vec<u32>);

impl Stages<'_> {
    /// The language model that training from rewards starts from: a finished one, or one trained on the data.
    pub fn policy(&self, data: &Data) -> Result<Stored<Gpt2>, Failure> {
        let model = &self.config.model;
        match &model.policy {
            Some(name) if !model.from_scratch => self.finished_policy(name),
            _ => self.cloned_policy(data),
        }
    }

    fn finished_policy(&self, name: &str) -> Result<Stored<Gpt2>, Failure> {
        self.console.line(&format!("loading the language model {name}"));
        let hub = Hub::from_env()?;
        let folder = hub.find_model(name, None)?;
        let tokenizer = match &self.config.model.tokenizer {
            Some(name) => Tokenizer::from_folder(hub.find_model(name, None)?)?,
            None => Tokenizer::from_folder(&folder)?,
        };
        tokenizer.check_model(read_gpt2_config(&folder)?.vocab_size)?;
        let model = load_gpt2(&folder, &self.device)?.with_compute(self.compute());
        Ok(Stored { model, tokenizer, folder })
    }

    fn cloned_policy(&self, data: &Data) -> Result<Stored<Gpt2>, Failure> {
        let (tokenizer, tokens) = self.tokenizer(data)?;
        let bc = &self.config.bc;
        let shape = self.config.model.gpt2(tokenizer.vocab_size());
        shape.check().map_err(Failure::usage)?;
        let settings = (bc, &shape, self.stage_precision(), self.seed());
        let fingerprint = Fingerprint::of("policy", &settings, &[&tokens])?;
        let folder = self.stage_folder("policy", &fingerprint);
        if is_finished(&folder) {
            self.console.line(&format!("language model: {}", folder.display()));
            let model = load_gpt2(&folder, &self.device)?.with_compute(self.compute());
            return Ok(Stored { model, tokenizer, folder });
        }
        let eos = tokenizer.eos_id().filter(|_| bc.append_end_token);
        let pad = tokenizer.pad_id()?;
        let rows = match bc.response_only {
            true => TextRows::responses(self.pairs(data, &tokenizer)?, bc.max_length, eos, pad),
            false => {
                let mut corpus = texts(&data.splits.train);
                corpus.extend(data.unlabelled.iter().map(String::as_str));
                corpus.truncate(bc.rows.unwrap_or(usize::MAX));
                TextRows::new(encode_all(&tokenizer, &corpus)?, bc.max_length, eos, pad)
            }
        };
        let mut stream = Streams::new(self.seed()).stream(Purpose::Initialization, 0, 0);
        let model = shape.init(&mut stream, &self.device).with_compute(Compute::new(self.stage_precision()));
        self.console.line(&format!("training a language model of {:.2} M parameters", model.num_params() as f64 / 1e6));
        let config = SupervisedConfig::new(bc.minibatch, bc.microbatch, bc.optimizer.learning_rate)
            .with_epochs(bc.epochs)
            .with_max_grad_norm(bc.max_grad_norm)
            .with_warmup(bc.warmup)
            .with_seed(self.seed());
        let model = self.supervised(config, &bc.scheduler, &bc.optimizer, model, &rows, &folder)?;
        let validation: Vec<&str> = texts(&data.splits.validation).into_iter().take(VALIDATION_ROWS).collect();
        let validation = TextRows::new(encode_all(&tokenizer, &validation)?, bc.max_length, eos, pad);
        let loss = mean_negative_log_likelihood(&model, &validation, bc.microbatch, &self.device);
        self.console.line(&format!("language model: perplexity {:.2} on the validation split", loss.exp()));
        self.finish(&folder, |partial| Ok(export_gpt2(&model, &shape, &tokenizer, partial)?))?;
        Ok(Stored { model: model.with_compute(self.compute()), tokenizer, folder })
    }

    /// Prompts of the training split with what follows them.
    fn pairs(&self, data: &Data, tokenizer: &Tokenizer) -> Result<Vec<Pair>, Failure> {
        let rows = data.splits.train.iter().take(self.config.bc.rows.unwrap_or(usize::MAX));
        let (prompts, references): (Vec<&str>, Vec<&str>) =
            rows.filter_map(|sample| Some((sample.prompt.as_str(), sample.reference.as_deref()?))).unzip();
        Ok(encode_all(tokenizer, &prompts)?.into_iter().zip(encode_all(tokenizer, &references)?).collect())
    }

    /// Trains on rows, with checkpoints beside the folder of the stage.
    pub(super) fn supervised<M: Module>(
        &self,
        config: SupervisedConfig,
        scheduler: &burn_rlhf_tasks::config::SchedulerSection,
        optimizer: &burn_rlhf_tasks::config::OptimizerSection,
        model: M,
        rows: &impl burn_rlhf_tasks::algorithm::SupervisedSource<M>,
        folder: &std::path::Path,
    ) -> Result<M, Failure> {
        let steps = (rows.rows() / config.minibatch.max(1)).max(1) as u64 * config.epochs as u64;
        let partial = folder.with_extension("partial");
        let device = self.device.clone().autodiff();
        let every = (steps / 10).max(1);
        let console = self.console;
        let mut progress = |progress: burn_rlhf_tasks::algorithm::SupervisedProgress| {
            if progress.step == 1 || progress.step.is_multiple_of(every) {
                console.line(&format!(
                    "  step {}/{}  loss {:.4}  learning rate {:.1e}",
                    progress.step, progress.steps, progress.loss, progress.learning_rate
                ));
            }
        };
        let result = Supervised {
            config: config.with_schedule(scheduler.build(steps)),
            checkpoints: Some(Checkpoints::new(&partial, 1)),
            interrupter: self.interrupter.clone(),
            progress: &mut progress,
        }
        .run(model.train(), optimizer.build(), rows, &device)?;
        if result.interrupted {
            return Err(self.interrupted());
        }
        if partial.exists() {
            std::fs::remove_dir_all(&partial)?;
        }
        Ok(result.model.valid())
    }
}
