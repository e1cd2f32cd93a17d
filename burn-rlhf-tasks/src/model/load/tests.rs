use std::path::PathBuf;

use burn::tensor::{Bool, Int, Tensor, TensorData, activation};
use burn_sppo::run::{Purpose, Streams};
use golden::Case;
use rand::RngExt;
use serde_json::Value;

use super::*;
use crate::model::ModelError;
use crate::model::export::{export_distilbert_classifier, export_gpt2};
use crate::model::tokenizer::{Tokenizer, train_byte_level_bpe};

const GPT2_FOLDERS: [&str; 6] = ["gpt2", "gpt2_sharded", "gpt2_fp16", "gpt2_bf16", "gpt2_bin", "gpt2_hub_keys"];

fn folder(name: &str) -> PathBuf {
    golden::directory().join("models").join(name)
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// The folder as it is, and with the configuration as older software wrote it.
fn config_styles(name: &str) -> Vec<tempfile::TempDir> {
    let mut folders = vec![copy(&folder(name))];
    if folder(name).join("config_v4.json").is_file() {
        let older = copy(&folder(name));
        std::fs::copy(folder(name).join("config_v4.json"), older.path().join("config.json")).unwrap();
        folders.push(older);
    }
    folders
}

fn cases(name: &str, kind: &str, check: impl Fn(&Case)) {
    let fixture = golden::load(&format!("models/{name}/expected.json"));
    let mut checked = 0;
    for case in fixture.cases_of("kind", kind) {
        check(case);
        checked += 1;
    }
    assert!(checked > 0, "{name} has no case of kind {kind}");
}

fn integers(value: &Value) -> Tensor<2, Int> {
    let shape: [usize; 2] = golden::shape(value).try_into().unwrap();
    Tensor::from_data(TensorData::new(golden::integers(value), shape), &Device::flex())
}

fn flags(value: &Value) -> Tensor<2, Bool> {
    let shape: [usize; 2] = golden::shape(value).try_into().unwrap();
    Tensor::from_data(TensorData::new(golden::flags(value), shape), &Device::flex())
}

/// The rows of `[B, T, C]` at the listed `[row, position]` pairs, and their numbers.
fn at_positions(case: &Case, x: Tensor<3>) -> Tensor<2> {
    let [_, steps, _] = x.dims();
    let places = golden::integers(case.expected("positions"));
    let flat: Vec<i64> = places.chunks_exact(2).map(|place| place[0] * steps as i64 + place[1]).collect();
    x.flatten(0, 1).select(0, Tensor::from_data(flat.as_slice(), &Device::flex()))
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

fn check_gpt2(model: &Gpt2, case: &Case) {
    let attention = flags(case.input("attention_mask"));
    let hidden = model.hidden(integers(case.input("input_ids")), integers(case.input("position_ids")), Some(attention));
    let hidden = at_positions(case, hidden);
    case.check_f32("last_hidden", &numbers(hidden.clone()));
    case.check_f32("logits", &numbers(model.logits(hidden)));
}

fn check_distilbert(model: &DistilBertClassifier, case: &Case) {
    let (tokens, attention) = (integers(case.input("input_ids")), flags(case.input("attention_mask")));
    let hidden = model.distilbert.hidden(tokens.clone(), Some(attention.clone()));
    case.check_f32("last_hidden", &numbers(at_positions(case, hidden)));
    let logits = model.forward(tokens, Some(attention));
    case.check_f32("logits", &numbers(logits.clone()));
    case.check_f32("probabilities", &numbers(activation::softmax(logits, 1)));
}

#[test]
fn golden_gpt2_checkpoints_of_every_layout() {
    for name in GPT2_FOLDERS {
        for folder in config_styles(name) {
            let model = load_gpt2(folder.path(), &Device::flex()).unwrap_or_else(|error| panic!("{name}: {error}"));
            cases(name, "forward", |case| check_gpt2(&model, case));
        }
    }
}

#[test]
fn golden_distilbert_classifier() {
    for folder in config_styles("distilbert") {
        let model = load_distilbert_classifier(folder.path(), &Device::flex()).unwrap();
        cases("distilbert", "classifier_forward", |case| check_distilbert(&model, case));
    }
}

#[test]
fn golden_loaded_weights_are_f32_and_can_be_trained() {
    for name in GPT2_FOLDERS {
        for device in [Device::flex(), Device::flex().autodiff()] {
            let model = load_gpt2(folder(name), &device).unwrap().train();
            for weight in [&model.wte.weight, &model.h[0].attn.c_attn.weight] {
                assert_eq!(weight.val().dtype(), DType::F32, "{name}");
                assert!(weight.is_require_grad(), "{name}");
            }
            let loss = model.wte.weight.val().powi_scalar(2).sum();
            assert!(model.wte.weight.val().grad(&loss.backward()).is_some(), "{name}");
        }
    }
}

#[test]
fn golden_broken_checkpoints_are_refused() {
    let text = std::fs::read_to_string(folder("broken").join("expect.json")).unwrap();
    let expect: Value = serde_json::from_str(&text).unwrap();
    let entries = expect["entries"].as_object().unwrap();
    assert!(!entries.is_empty());
    for (name, entry) in entries {
        let result = load_gpt2(folder("broken").join(name), &Device::flex());
        if entry["expect"] == "ok" {
            assert!(result.is_ok(), "{name}: {}", result.err().unwrap());
            continue;
        }
        let message = result.err().unwrap_or_else(|| panic!("{name}: loads, although {}", entry["about"])).to_string();
        let words: Vec<_> =
            entry["mention_any_of"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let lower = message.to_lowercase();
        assert!(
            words.iter().any(|word| lower.contains(&word.to_lowercase())),
            "{name}: {message:?} names none of {words:?}"
        );
    }
}

/// A tokenizer with an id for every row of the embedding, or as few as there can be.
fn tokenizer() -> Tokenizer {
    train_byte_level_bpe(["a b", "c d"].into_iter(), 257, &["<|endoftext|>"]).unwrap()
}

/// The names, dtypes, shapes and bytes of a safetensors file.
fn tensors(path: &Path) -> BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect()
}

fn metadata(path: &Path) -> Option<std::collections::HashMap<String, String>> {
    let bytes = std::fs::read(path).unwrap();
    safetensors::SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone()
}

#[test]
fn golden_exported_gpt2_is_the_file_it_was_loaded_from() {
    let original = folder("gpt2");
    let config = read_gpt2_config(&original).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let target = copy.path().join("new").join("folder");
    for name in GPT2_FOLDERS {
        let model = load_gpt2(folder(name), &Device::flex()).unwrap();
        export_gpt2(&model, &config, &tokenizer(), &target).unwrap();
        assert_eq!(read_gpt2_config(&target).unwrap(), config);
        assert_eq!(Tokenizer::from_folder(&target).unwrap().eos_id(), Some(0));
        let again = load_gpt2(&target, &Device::flex()).unwrap();
        cases(name, "forward", |case| check_gpt2(&again, case));
        // Half-precision files hold rounded weights.
        if !name.ends_with("16") {
            assert_eq!(
                tensors(&target.join("model.safetensors")),
                tensors(&original.join("model.safetensors")),
                "{name}"
            );
        }
    }
    assert_eq!(metadata(&target.join("model.safetensors")), metadata(&original.join("model.safetensors")));
}

#[test]
fn golden_exported_distilbert_is_the_file_it_was_loaded_from() {
    let original = folder("distilbert");
    let config = read_distilbert_config(&original).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let model = load_distilbert_classifier(&original, &Device::flex()).unwrap();
    export_distilbert_classifier(&model, &config, &tokenizer(), copy.path()).unwrap();
    assert_eq!(tensors(&copy.path().join("model.safetensors")), tensors(&original.join("model.safetensors")));
    let again = load_distilbert_classifier(copy.path(), &Device::flex()).unwrap();
    cases("distilbert", "classifier_forward", |case| check_distilbert(&again, case));
}

/// Rewrites the header of a safetensors file, with the data as they are.
fn edit_header(path: &Path, edit: impl FnOnce(&mut Value)) {
    let bytes = std::fs::read(path).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    edit(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    std::fs::write(path, [&(header.len() as u64).to_le_bytes(), header.as_slice(), data].concat()).unwrap();
}

fn broken_gpt2(edit: impl FnOnce(&Path)) -> ModelError {
    let folder = copy(&folder("gpt2"));
    edit(folder.path());
    load_gpt2(folder.path(), &Device::flex()).expect_err("a broken checkpoint loads")
}

fn edit_config(key: &str, value: Value) -> ModelError {
    broken_gpt2(|folder| {
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config[key] = value;
        std::fs::write(path, config.to_string()).unwrap();
    })
}

/// Each way in which a file can be broken has its own variant.
#[test]
fn golden_damage_is_told_apart() {
    macro_rules! assert_variant {
        ($error:expr, $variant:pat) => {
            let error = $error;
            assert!(matches!(error, $variant), "{error:?} where {} was expected", stringify!($variant));
        };
    }
    let weights = |edit: &dyn Fn(&Path)| broken_gpt2(|folder| edit(&folder.join("model.safetensors")));
    let header = |edit: &dyn Fn(&mut Value)| weights(&|path| edit_header(path, edit));
    let write = |bytes: &'static [u8]| weights(&|path| std::fs::write(path, bytes).unwrap());
    let tensor = "transformer.wpe.weight";

    assert_variant!(write(b""), ModelError::EmptyFile { .. });
    assert_variant!(write(b"abc"), ModelError::HeaderLengthMissing { length: 3, .. });
    assert_variant!(write(b"\xff\xff\xff\xff\xff\xff\xff\xff{}"), ModelError::HeaderLongerThanFile { .. });
    assert_variant!(write(b"\x02\0\0\0\0\0\0\0\xff\xff"), ModelError::HeaderNotUtf8 { .. });
    assert_variant!(write(b"\x02\0\0\0\0\0\0\0{]"), ModelError::HeaderMalformed { .. });
    assert_variant!(write(b"version https://git-lfs.github.com/spec/v1\n"), ModelError::LfsPointer { .. });
    assert_variant!(header(&|h| h[tensor]["dtype"] = "F7".into()), ModelError::UnknownDtype { .. });
    assert_variant!(header(&|h| h[tensor]["dtype"] = 7.into()), ModelError::HeaderMalformed { .. });
    assert_variant!(header(&|h| h[tensor]["dtype"] = "I32".into()), ModelError::Dtype { .. });
    assert_variant!(
        header(&|h| h[tensor]["shape"] = vec![1u64 << 40, 1 << 40].into()),
        ModelError::ShapeOverflow { .. }
    );
    assert_variant!(header(&|h| h[tensor]["shape"] = vec![1].into()), ModelError::OffsetsDisagreeWithShape { .. });
    assert_variant!(header(&|h| h[tensor]["data_offsets"] = vec![8, 4].into()), ModelError::OffsetsReversed { .. });
    assert_variant!(
        header(&|h| drop(h.as_object_mut().unwrap().remove(tensor))),
        ModelError::OffsetsNotContiguous { .. } | ModelError::TrailingData { .. }
    );
    assert_variant!(
        weights(&|path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        }),
        ModelError::DataTruncated { .. }
    );
    assert_variant!(
        weights(&|path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes.push(0);
            std::fs::write(path, bytes).unwrap();
        }),
        ModelError::TrailingData { extra: 1, .. }
    );
    assert_variant!(
        header(&|h| {
            let entry = h[tensor].take();
            let entries = h.as_object_mut().unwrap();
            entries.remove(tensor);
            entries.insert("transformer.other.weight".into(), entry);
        }),
        ModelError::MissingKeys { .. }
    );

    assert_variant!(edit_config("n_layer", 1.into()), ModelError::UnexpectedKeys { .. });
    assert_variant!(edit_config("n_layer", u64::MAX.into()), ModelError::MissingKeys { .. });
    assert_variant!(edit_config("n_embd", (u64::MAX - 3).into()), ModelError::Shape { .. });
    assert_variant!(edit_config("n_positions", (1u64 << 60).into()), ModelError::Shape { .. });
    assert_variant!(edit_config("n_embd", "wide".into()), ModelError::ConfigMalformed { .. });
    assert_variant!(edit_config("n_embd", (-1).into()), ModelError::ConfigMalformed { .. });
    assert_variant!(edit_config("n_head", 0.into()), ModelError::Architecture { .. });
    assert_variant!(edit_config("activation_function", "relu".into()), ModelError::Architecture { .. });
    assert_variant!(edit_config("model_type", "llama".into()), ModelError::OtherArchitecture { .. });
    assert_variant!(
        broken_gpt2(|folder| std::fs::remove_file(folder.join("config.json")).unwrap()),
        ModelError::ConfigMissing { .. }
    );
    assert_variant!(
        broken_gpt2(|folder| std::fs::remove_file(folder.join("model.safetensors")).unwrap()),
        ModelError::WeightsMissing { .. }
    );
}

/// Bytes changed at random, mostly where the files describe themselves, give an error or other weights, never a panic.
#[test]
fn golden_damaged_bytes_never_panic() {
    let mut random = Streams::new(7).stream(Purpose::Data, 0, 0);
    for (name, file) in [
        ("gpt2", "config.json"),
        ("gpt2", "model.safetensors"),
        ("gpt2_sharded", "model.safetensors.index.json"),
        ("gpt2_bin", "pytorch_model.bin"),
    ] {
        let folder = copy(&folder(name));
        let path = folder.path().join(file);
        let sound = std::fs::read(&path).unwrap();
        let mut refused = 0;
        for _ in 0..200 {
            let mut bytes = sound.clone();
            for _ in 0..random.random_range(1..4) {
                let near = random.random_range(0..sound.len().min(4096));
                let place = if random.random() { near } else { sound.len() - 1 - near };
                bytes[place] = random.random();
            }
            if random.random_range(0..8) == 0 {
                bytes.truncate(random.random_range(0..sound.len()));
            }
            std::fs::write(&path, bytes).unwrap();
            refused += usize::from(load_gpt2(folder.path(), &Device::flex()).is_err());
        }
        assert!(refused > 20, "{name}: only {refused} of 200 damaged files were refused");
    }
}

/// A message about a missing or misshapen tensor names it as the file does.
#[test]
fn golden_messages_name_tensors_as_the_file_does() {
    let error = edit_config("n_layer", 3.into()).to_string();
    assert!(error.contains("transformer.h.2.ln_1.weight") && error.contains("and 4 more"), "{error}");
    let hub = copy(&folder("gpt2_hub_keys"));
    edit_header(&hub.path().join("model.safetensors"), |header| {
        let entry = header["wpe.weight"].take();
        header.as_object_mut().unwrap().remove("wpe.weight");
        header["wpe.wait"] = entry;
    });
    let error = load_gpt2(hub.path(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains(": wpe.weight"), "{error}");
}

#[test]
fn exporting_below_a_file_fails_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let config = Gpt2Config { n_layer: 1, n_embd: 4, n_head: 2, n_positions: 4, vocab_size: 257, ..Default::default() };
    let model = config.uninitialized(&Device::flex());
    let error = export_gpt2(&model, &config, &tokenizer(), folder.path().join("file").join("model")).unwrap_err();
    assert!(matches!(error, ModelError::Write { .. }), "{error}");
}
