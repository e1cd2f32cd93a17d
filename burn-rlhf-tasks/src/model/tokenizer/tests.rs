use std::path::PathBuf;

use golden::Case;
use serde_json::{Value, json};

use super::*;

/// The folders of the tokenizers that GPT-2 and DistilBERT need.
fn folders() -> [PathBuf; 2] {
    ["bpe_gpt2", "wordpiece_bert"].map(|name| golden::directory().join("tokenizers").join(name))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    golden::integers(value).into_iter().map(|id| id as u32).collect()
}

fn side(value: &Value) -> Option<Side> {
    value.as_str().map(|side| match side {
        "left" => Side::Left,
        "right" => Side::Right,
        other => panic!("{other:?} is no side"),
    })
}

fn options(case: &Case) -> EncodeOptions {
    let length = |key: &str| case.input(key).as_u64().map(|length| length as usize);
    EncodeOptions {
        special_tokens: case.input("add_special_tokens").as_bool().unwrap_or(true),
        truncation: side(case.input("truncation_side"))
            .map(|side| Truncation { max_length: length("max_length").unwrap(), side }),
        padding: side(case.input("pad_side")).map(|side| Padding { length: length("pad_length"), side }),
    }
}

fn as_json(row: &Encoding) -> Value {
    json!({
        "ids": row.get_ids(),
        "tokens": row.get_tokens(),
        "attention_mask": row.get_attention_mask(),
        "type_ids": row.get_type_ids(),
        "special_tokens_mask": row.get_special_tokens_mask(),
        "offsets": row.get_offsets(),
    })
}

fn check_rows(case: &Case, rows: &[Encoding]) {
    let expected = case.expected("encodings").as_array().unwrap();
    assert_eq!(expected.len(), rows.len(), "{}: number of rows", case.name());
    for (index, (want, got)) in expected.iter().zip(rows).enumerate() {
        let got = as_json(got);
        for (part, want) in want.as_object().unwrap() {
            assert_eq!(&got[part], want, "{}: {part} of row {index}", case.name());
        }
    }
}

fn check_text(case: &Case, key: &str, texts: &[String]) {
    if !case.expected(key).is_null() {
        assert_eq!(strings(case.expected(key)), texts, "{}: {key}", case.name());
    }
}

fn check_case(tokenizer: &Tokenizer, case: &Case) {
    match case.input("kind").as_str().unwrap() {
        "encode" => {
            let rows: Vec<_> = strings(case.input("texts"))
                .into_iter()
                .map(|text| tokenizer.encode(text, &options(case)).unwrap())
                .collect();
            check_rows(case, &rows);
            let ids: Vec<_> = rows.iter().map(Encoding::get_ids).collect();
            check_text(case, "decoded_skip_special", &tokenizer.decode_batch(&ids, true).unwrap());
            check_text(case, "decoded_keep_special", &tokenizer.decode_batch(&ids, false).unwrap());
        }
        "batch" => {
            if case.input("pad_side").is_string() {
                assert_eq!(case.input("pad_id"), tokenizer.pad_id().unwrap(), "{}: pad id", case.name());
            }
            check_rows(case, &tokenizer.encode_batch(&strings(case.input("texts")), &options(case)).unwrap());
        }
        "pairs" => {
            let pairs = case.input("pairs").as_array().unwrap();
            let rows: Vec<_> = pairs
                .iter()
                .map(|pair| {
                    let [first, second] = strings(pair)[..] else { panic!("{}: no pair", case.name()) };
                    tokenizer.encode_pair(first, second, &options(case)).unwrap()
                })
                .collect();
            check_rows(case, &rows);
        }
        "decode" => {
            let rows: Vec<_> = case.input("ids").as_array().unwrap().iter().map(ids).collect();
            check_text(case, "skip_special", &tokenizer.decode_batch(&rows, true).unwrap());
            check_text(case, "keep_special", &tokenizer.decode_batch(&rows, false).unwrap());
        }
        "vocab" => {
            assert_eq!(case.expected("size"), tokenizer.vocab_size(), "{}: size", case.name());
            for (token, id) in case.expected("ids").as_object().unwrap() {
                assert_eq!(tokenizer.token_to_id(token).map(Value::from).as_ref(), Some(id), "{token:?}");
                assert_eq!(tokenizer.id_to_token(id.as_u64().unwrap() as u32).as_deref(), Some(token.as_str()));
            }
        }
        other => panic!("{}: unknown kind {other:?}", case.name()),
    }
}

fn fixture(folder: &Path) -> golden::Fixture {
    let name = folder.file_name().unwrap().to_str().unwrap();
    golden::load(&format!("tokenizers/{name}/expected.json"))
}

#[test]
fn golden_tokenizer_json() {
    for folder in folders() {
        let tokenizer = Tokenizer::from_folder(&folder).unwrap_or_else(|error| panic!("{error}"));
        fixture(&folder).cases().iter().for_each(|case| check_case(&tokenizer, case));
    }
}

/// The vocabulary files alone, under both their names, give the same tokenizer as `tokenizer.json`.
#[test]
fn golden_vocabulary_files() {
    let mut checked = 0;
    for (folder, renamed) in [
        ("bpe_gpt2", [("vocab.json", "vocab.json"), ("merges.txt", "merges.txt")].as_slice()),
        ("bpe_gpt2", &[("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")]),
        ("wordpiece_bert", &[("vocab.txt", "vocab.txt")]),
    ] {
        let folder = golden::directory().join("tokenizers").join(folder);
        for with_config in [true, false] {
            let copy = tempfile::tempdir().unwrap();
            let config = ("tokenizer_config.json", "tokenizer_config.json");
            for (from, to) in renamed.iter().chain(with_config.then_some(&config)) {
                std::fs::copy(folder.join(from), copy.path().join(to)).unwrap();
            }
            let tokenizer = Tokenizer::from_folder(copy.path()).unwrap_or_else(|error| panic!("{error}"));
            fixture(&folder).cases().iter().for_each(|case| check_case(&tokenizer, case));
            checked += 1;
        }
    }
    assert_eq!(checked, 6);
}

/// A saved tokenizer reads back as the same one, special tokens included.
#[test]
fn golden_saved_tokenizer() {
    for folder in folders() {
        let copy = tempfile::tempdir().unwrap();
        let original = Tokenizer::from_folder(&folder).unwrap();
        original.save(copy.path()).unwrap();
        let tokenizer = Tokenizer::from_folder(copy.path()).unwrap();
        assert_eq!(tokenizer.to_json().unwrap(), original.to_json().unwrap());
        assert_eq!((tokenizer.eos_id(), tokenizer.bos_id()), (original.eos_id(), original.bos_id()));
        fixture(&folder).cases().iter().for_each(|case| check_case(&tokenizer, case));
    }
}

fn corpus() -> impl Iterator<Item = String> + Send {
    (0..400).map(|i| format!("the {} film was {} and I {} it; review number {i}.", i % 7, i % 11, i % 5))
}

#[test]
fn training_twice_gives_the_same_tokenizer() {
    let train = |texts: Vec<String>| train_byte_level_bpe(texts.into_iter(), 400, &["<|endoftext|>"]).unwrap();
    let tokenizer = train(corpus().collect());
    let mut backwards: Vec<_> = corpus().collect();
    backwards.reverse();
    for again in [corpus().collect(), corpus().collect(), backwards] {
        assert_eq!(train(again).to_json().unwrap(), tokenizer.to_json().unwrap());
    }
    assert_eq!(tokenizer.token_to_id("<|endoftext|>"), Some(0));
    assert_eq!((tokenizer.eos_id(), tokenizer.pad_id().unwrap()), (Some(0), 0));
    assert!(tokenizer.vocab_size() <= 400 && tokenizer.vocab_size() > 257);
    let text = "the naïve 🐄 film was\n\tgreat";
    let ids = tokenizer.ids(text, &EncodeOptions::default()).unwrap();
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
    assert!(ids.len() < text.len());
}

#[test]
fn a_vocabulary_without_room_for_all_bytes_is_refused() {
    let error = train_byte_level_bpe(corpus(), 256, &["<|endoftext|>"]).unwrap_err();
    assert!(matches!(error, TokenizerError::VocabularyTooSmall { requested: 256, least: 257 }), "{error}");
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let tokenizer = train_byte_level_bpe(corpus(), 300, &["<|endoftext|>"]).unwrap();
    let size = tokenizer.vocab_size();
    tokenizer.check_model(size).unwrap();
    tokenizer.check_model(size + 47).unwrap();
    assert!(matches!(tokenizer.check_model(size - 1), Err(TokenizerError::LargerThanModel { .. })));
    assert!(matches!(tokenizer.check_model(50_257), Err(TokenizerError::SmallerThanModel { .. })));
}

#[test]
fn a_folder_without_tokenizer_says_what_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let error = Tokenizer::from_folder(folder.path()).unwrap_err();
    assert!(matches!(error, TokenizerError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("tokenizer.json"));
}

#[test]
fn malformed_files_are_named() {
    for (name, content) in [
        ("tokenizer.json", "{\"model\": {}"),
        ("vocab.json", "[1, 2]"),
        ("vocab.txt", "no special tokens\n"),
        ("tokenizer_config.json", "not json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), content).unwrap();
        let error = Tokenizer::from_folder(folder.path()).unwrap_err();
        assert!(matches!(&error, TokenizerError::Malformed { path, .. } if path.ends_with(name)), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vocab.json"), r#"{"a": 0, "b": 1, "ab": 2}"#).unwrap();
    std::fs::write(folder.path().join("merges.txt"), "#version: 0.2\na b\na b c\n").unwrap();
    let error = Tokenizer::from_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("merges.txt") && error.to_string().contains("line 3"), "{error}");
}

#[test]
fn an_end_token_that_is_not_in_the_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    train_byte_level_bpe(corpus(), 300, &["<|endoftext|>"]).unwrap().save(folder.path()).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"eos_token": {"content": "</s>"}}"#).unwrap();
    let error = Tokenizer::from_folder(folder.path()).unwrap_err();
    assert!(
        matches!(&error, TokenizerError::UnknownToken { role: "eos_token", token, .. } if token == "</s>"),
        "{error}"
    );
}

#[test]
fn padding_without_a_token_to_pad_with_is_refused() {
    let tokenizer = train_byte_level_bpe(corpus(), 300, &[]).unwrap();
    let padding = Some(Padding { length: Some(8), side: Side::Left });
    let error = tokenizer.encode("a", &EncodeOptions { padding, ..Default::default() }).unwrap_err();
    assert!(matches!(error, TokenizerError::NoPadToken), "{error}");
}
