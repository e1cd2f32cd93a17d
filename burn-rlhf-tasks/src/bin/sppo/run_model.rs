use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_rlhf_tasks::model::{gpt2::Gpt2, load::load_gpt2, tokenizer::Tokenizer};

use crate::{command::train::MODEL, failure::Failure};

/// The model of a run, or of a folder in Hugging Face layout.
pub fn load(folder: &Path, device: &Device) -> Result<(Gpt2, Tokenizer), Failure> {
    let folder = model_folder(folder)?;
    Ok((load_gpt2(&folder, device)?, Tokenizer::from_folder(&folder)?))
}

fn model_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let exported = folder.join(MODEL);
    match () {
        () if exported.is_dir() => Ok(exported),
        () if folder.join("config.json").is_file() => Ok(folder.to_path_buf()),
        () if folder.join("config.toml").is_file() => Err(Failure::failed(format!(
            "{} is a run that has not finished: go on with `sppo train --resume {}`",
            folder.display(),
            folder.display()
        ))),
        () => Err(Failure::usage(format!("{} is neither a run nor a model: it holds no config", folder.display()))),
    }
}
