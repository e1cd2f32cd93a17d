//! Against a server on this machine.

mod server;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::model::load::load_gpt2;
use server::{Reply, Request, Server};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn hub(endpoint: &str, cache: &Path) -> Hub {
    Hub::new(settings(endpoint, cache)).unwrap()
}

fn settings(endpoint: &str, cache: &Path) -> HubSettings {
    HubSettings {
        endpoint: endpoint.into(),
        token: Some("secret".into()),
        cache: cache.into(),
        offline: false,
        retry_delay: Duration::from_millis(1),
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * i / 7) as u8).collect()
}

/// The answer of the Hub to a question for the files of a repository.
fn listing(files: &[&str]) -> Reply {
    let siblings: Vec<_> = files.iter().map(|file| serde_json::json!({ "rfilename": file })).collect();
    Reply::ok(serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string())
}

/// The part of a file that a request asks for.
fn file(request: &Request, bytes: &[u8]) -> Reply {
    let reply = match request.range() {
        None => Reply::ok(bytes),
        Some(start) if start < bytes.len() => Reply::new(206, &bytes[start..])
            .header("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())),
        Some(_) => Reply::new(416, ""),
    };
    reply.header("ETag", format!("\"{}\"", bytes.len())).header("X-Repo-Commit", COMMIT)
}

/// A repository `someone/thing` with one data file, as `answer` gives it.
fn one_file(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/api/datasets/someone/thing/revision/main" => listing(&["README.md", "train.parquet"]),
        path if path == format!("/datasets/someone/thing/resolve/{COMMIT}/train.parquet") => answer(request),
        _ => Reply::new(404, "not found"),
    })
}

fn fetch(hub: &Hub) -> Result<Vec<u8>, HubError> {
    let files = hub.dataset_files("someone/thing", None, None, "train")?;
    assert_eq!(files.len(), 1);
    Ok(std::fs::read(&files[0]).unwrap())
}

/// Every file below the cache that a reader could take for a whole one.
fn finished(cache: &Path) -> Vec<PathBuf> {
    let mut finished = Vec::new();
    let mut folders = vec![cache.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_content =
                path.components().any(|part| matches!(part.as_os_str().to_str(), Some("blobs" | "snapshots")));
            match () {
                () if path.is_dir() => folders.push(path),
                () if is_content && path.extension().is_none_or(|extension| extension != "incomplete") => {
                    finished.push(path)
                }
                () => {}
            }
        }
    }
    finished
}

#[test]
fn golden_sharded_model_is_downloaded_and_loads() {
    let folder = golden::directory().join("models").join("gpt2_sharded");
    let names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let server = Server::start(move |request| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match request.path.strip_prefix(&format!("/someone/model/resolve/{COMMIT}/")) {
            Some(name) => file(request, &std::fs::read(folder.join(name)).unwrap()),
            None if request.path == "/api/models/someone/model/revision/v1%2Fx" => listing(&names),
            None => Reply::new(404, ""),
        }
    });
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server.address, cache.path()).model_folder("someone/model", Some("v1/x")).unwrap();
    assert_eq!(folder, cache.path().join("models--someone--model/snapshots").join(COMMIT));
    load_gpt2(&folder, &burn::tensor::Device::flex()).unwrap();
    // Only what a model needs.
    assert!(!folder.join("expected.json").exists());

    let requests = server.requests().len();
    let again = hub(&server.address, cache.path()).find_model("someone/model", Some("v1/x")).unwrap();
    assert_eq!(again, folder);
    assert_eq!(server.requests().len(), requests + 1, "only the listing is asked for again");
}

#[test]
fn a_model_with_pytorch_weights_and_vocabulary_files_is_downloaded() {
    let files = ["config.json", "pytorch_model.bin", "vocab.json", "merges.txt", "flax_model.msgpack"];
    let server = Server::start(move |request| match request.path.rsplit_once('/') {
        Some(("/api/models/old/revision", "main")) => listing(&files),
        Some((_, name)) if files.contains(&name) => {
            file(request, name.as_bytes()).header("ETag", format!("\"{name}\"").replace('.', "-"))
        }
        _ => Reply::new(404, ""),
    });
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server.address, cache.path()).model_folder("old", None).unwrap();
    for name in &files[..4] {
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), *name);
    }
    assert!(!folder.join(files[4]).exists());
}

#[test]
fn a_redirect_to_another_server_is_followed_without_the_token() {
    let bytes = content(3_000_000);
    let (sent, etag) = (bytes.clone(), sha256_of(&bytes));
    let other = Server::start(move |request| file(request, &sent));
    let address = other.address.clone();
    let length = bytes.len();
    let server = one_file(move |_| {
        Reply::new(302, "")
            .header("Location", format!("{address}/far/away?signature=1"))
            .header("X-Linked-Etag", format!("\"{etag}\""))
            .header("X-Linked-Size", length.to_string())
    });
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(fetch(&hub(&server.address, cache.path())).unwrap(), bytes);
    assert!(server.requests().iter().all(|request| request.header("authorization") == Some("Bearer secret")));
    let there = other.requests();
    assert_eq!((there.len(), there[0].header("authorization")), (1, None));
    let blob = cache.path().join("datasets--someone--thing/blobs").join(sha256_of(&bytes));
    assert_eq!(std::fs::read(blob).unwrap(), bytes);
}

#[test]
fn a_redirect_on_the_same_server_keeps_the_token() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/datasets/someone/thing/revision/main" => listing(&["train.parquet"]),
        "/elsewhere" if request.header("authorization") == Some("Bearer secret") => file(request, b"here"),
        "/elsewhere" => Reply::new(401, ""),
        _ => Reply::new(307, "").header("Location", "/elsewhere"),
    });
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(fetch(&hub(&server.address, cache.path())).unwrap(), b"here");
}

/// The first bytes are those of a TLS handshake, without anything in plain text before them.
#[test]
fn https_is_spoken() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let first = std::thread::spawn(move || {
        let mut bytes = [0; 3];
        std::io::Read::read_exact(&mut listener.accept().unwrap().0, &mut bytes).map(|()| bytes)
    });
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&hub(&address, cache.path())).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let [kind, version, _] = first.join().unwrap().unwrap();
    assert_eq!([kind, version], [22, 3]);
}

#[test]
fn endless_redirects_end() {
    let server = one_file(|request| Reply::new(302, "").header("Location", request.path.clone()));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&hub(&server.address, cache.path())).unwrap_err();
    assert!(matches!(error, HubError::TooManyRedirects { .. }), "{error}");
}

#[test]
fn refusals_say_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let refused = |status, everything| {
        let server = match everything {
            true => Server::start(move |_| Reply::new(status, "")),
            false => one_file(move |_| Reply::new(status, "")),
        };
        fetch(&hub(&server.address, cache.path())).unwrap_err().to_string()
    };
    for everything in [true, false] {
        let unauthorized = refused(401, everything);
        assert!(unauthorized.contains("HF_TOKEN") && unauthorized.contains("someone/thing"), "{unauthorized}");
        assert!(refused(403, everything).contains("conditions"));
        assert!(refused(503, everything).contains("503"));
    }
    let missing = refused(404, true);
    assert!(missing.contains("datasets/someone/thing") && missing.contains("no such repository"), "{missing}");
    let missing = refused(404, false);
    assert!(missing.contains("datasets/someone/thing") && missing.contains("train.parquet"), "{missing}");
    assert_eq!(finished(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_connection_cut_half_way_is_resumed() {
    let bytes = content(200_000);
    for delimited in ["length", "chunked"] {
        let (sent, cuts) = (bytes.clone(), Mutex::new(2));
        let server = one_file(move |request| {
            let mut reply = file(request, &sent);
            if delimited == "chunked" {
                reply = reply.chunked();
            }
            let mut cuts = cuts.lock().unwrap();
            match *cuts {
                0 => reply,
                _ => {
                    *cuts -= 1;
                    reply.cut(70_000)
                }
            }
        });
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(fetch(&hub(&server.address, cache.path())).unwrap(), bytes, "{delimited}");
        let ranges: Vec<_> = server.requests().iter().filter_map(Request::range).collect();
        assert!(ranges.contains(&70_000), "{delimited}: {ranges:?}");
    }
}

#[test]
fn a_download_that_never_ends_fails_cleanly_and_goes_on_next_time() {
    let bytes = content(200_000);
    let cache = tempfile::tempdir().unwrap();
    let sent = bytes.clone();
    let server = one_file(move |request| match request.range() {
        None => file(request, &sent).cut(50_000),
        Some(_) => file(request, &sent).cut(0),
    });
    let error = fetch(&hub(&server.address, cache.path())).unwrap_err();
    assert!(matches!(error, HubError::Interrupted { received: 50_000, total: 200_000, .. }), "{error}");
    assert_eq!(finished(cache.path()), Vec::<PathBuf>::new());
    drop(server);

    let sent = bytes.clone();
    let server = one_file(move |request| file(request, &sent));
    assert_eq!(fetch(&hub(&server.address, cache.path())).unwrap(), bytes);
    assert_eq!(server.requests().iter().filter_map(Request::range).collect::<Vec<_>>(), [50_000]);
}

/// A server may ignore the question for a part, not know the part, or send another one.
#[test]
fn a_part_that_cannot_be_continued_is_started_anew() {
    let bytes = content(100_000);
    for answer in ["whole", "refused", "other part", "other file"] {
        let (sent, cut) = (bytes.clone(), Mutex::new(true));
        let server = one_file(move |request| match request.range() {
            None if std::mem::take(&mut *cut.lock().unwrap()) => file(request, &sent).cut(30_000),
            None => file(request, &sent),
            Some(start) => match answer {
                "whole" => Reply::ok(sent.clone()).header("ETag", "\"100000\""),
                "refused" => Reply::new(416, ""),
                "other part" => Reply::new(206, &sent[start + 5..])
                    .header("Content-Range", format!("bytes {}-99999/100000", start + 5))
                    .header("ETag", "\"100000\""),
                _ => file(request, &sent).header("ETag", "\"new\""),
            },
        });
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(fetch(&hub(&server.address, cache.path())).unwrap(), bytes, "{answer}");
    }
}

#[test]
fn content_that_is_not_what_was_announced_is_thrown_away() {
    let etag = sha256_of(b"good");
    let server = one_file(move |_| Reply::ok("evil").header("X-Linked-Etag", etag.clone()));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&hub(&server.address, cache.path())).unwrap_err();
    assert!(matches!(error, HubError::Checksum { .. }), "{error}");

    let server = one_file(|request| file(request, b"evil").header("X-Linked-Size", "3"));
    let error = fetch(&hub(&server.address, cache.path())).unwrap_err();
    assert!(matches!(error, HubError::Malformed { .. }), "{error}");

    let server = one_file(|_| Reply::ok("evil").without_length());
    let error = fetch(&hub(&server.address, cache.path())).unwrap_err();
    assert!(matches!(error, HubError::Malformed { .. }), "{error}");
    assert_eq!(finished(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn an_overloaded_server_is_asked_again() {
    let busy = Mutex::new(2);
    let server = one_file(move |request| {
        let mut busy = busy.lock().unwrap();
        match *busy {
            0 => file(request, b"at last"),
            _ => {
                *busy -= 1;
                Reply::new(503, "")
            }
        }
    });
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(fetch(&hub(&server.address, cache.path())).unwrap(), b"at last");
}

#[test]
fn the_cache_is_enough_without_network() {
    let cache = tempfile::tempdir().unwrap();
    let server = one_file(|request| file(request, b"rows"));
    let address = server.address.clone();
    assert_eq!(fetch(&hub(&address, cache.path())).unwrap(), b"rows");
    let asked = server.requests().len();

    let offline = Hub::new(HubSettings { offline: true, ..settings(&address, cache.path()) }).unwrap();
    assert_eq!(fetch(&offline).unwrap(), b"rows");
    assert_eq!(server.requests().len(), asked);
    let error = offline.dataset_files("someone/thing", None, None, "test").unwrap_err();
    assert!(matches!(error, HubError::NoSplit { .. }), "{error}");
    let error = offline.model_folder("someone/other", None).unwrap_err();
    assert!(matches!(error, HubError::NotCached { .. }) && error.to_string().contains("HF_HUB_OFFLINE"), "{error}");

    drop(server);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = seen.clone();
    let unreachable =
        hub(&address, cache.path()).with_observer(move |event| events.lock().unwrap().push(format!("{event:?}")));
    assert_eq!(fetch(&unreachable).unwrap(), b"rows");
    assert!(seen.lock().unwrap()[0].contains("UsingCache"));
    let error = unreachable.model_folder("someone/other", None).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("--data") && error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
}

/// What Hugging Face's own tools left in the cache, which keep no listing.
#[test]
fn a_cache_made_by_other_tools_is_read_offline() {
    let cache = tempfile::tempdir().unwrap();
    let root = cache.path().join("datasets--someone--thing");
    for (path, text) in [(format!("snapshots/{COMMIT}/a/train.parquet"), "rows"), ("refs/main".into(), COMMIT)] {
        std::fs::create_dir_all(root.join(&path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), text).unwrap();
    }
    let offline = Hub::new(HubSettings { offline: true, ..settings("http://127.0.0.1:9", cache.path()) }).unwrap();
    assert_eq!(fetch(&offline).unwrap(), b"rows");
    assert_eq!(offline.dataset_files("someone/thing", Some(COMMIT), None, "train").unwrap().len(), 1);
}

#[test]
fn a_file_missing_from_the_cache_is_named_offline() {
    let cache = tempfile::tempdir().unwrap();
    let server = one_file(|_| Reply::new(404, ""));
    fetch(&hub(&server.address, cache.path())).unwrap_err();
    let offline = Hub::new(HubSettings { offline: true, ..settings(&server.address, cache.path()) }).unwrap();
    let error = fetch(&offline).unwrap_err();
    assert!(matches!(&error, HubError::FileNotCached { file, .. } if file == "train.parquet"), "{error}");
}

#[test]
fn the_parquet_form_of_other_data_sets_is_found() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/datasets/someone/thing/revision/main" => listing(&["train.csv"]),
        "/api/datasets/someone/thing/revision/refs%2Fconvert%2Fparquet" => {
            listing(&["a/train/0000.parquet", "a/train/0001.parquet", "b/train/0000.parquet", "b/test/0000.parquet"])
        }
        path if path.ends_with(".parquet") => {
            file(request, path.as_bytes()).header("ETag", path.replace(['/', '.'], "-"))
        }
        _ => Reply::new(404, ""),
    });
    let cache = tempfile::tempdir().unwrap();
    let hub = hub(&server.address, cache.path());
    let files = hub.dataset_files("someone/thing", None, Some("a"), "train").unwrap();
    for (path, name) in files.iter().zip(["a/train/0000.parquet", "a/train/0001.parquet"]) {
        assert!(path.ends_with(name) && std::fs::read_to_string(path).unwrap().ends_with(name), "{name}");
    }
    assert_eq!(files.len(), 2);
    let error = hub.dataset_files("someone/thing", None, None, "train").unwrap_err();
    assert!(matches!(&error, HubError::SeveralConfigurations { found, .. } if found == &["a", "b"]), "{error}");
    let error = hub.dataset_files("someone/thing", None, None, "validation").unwrap_err();
    assert!(matches!(&error, HubError::NoSplit { found, .. } if found.len() == 4), "{error}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let hub = hub("http://127.0.0.1:9", cache.path());
    for name in ["", "..", "a/..", "../a", "a/b/c", "a b", "/etc", "a?b", "-a"] {
        let error = hub.model_folder(name, None).unwrap_err();
        assert!(matches!(error, HubError::InvalidRepository { .. }), "{name}: {error}");
    }
    for revision in ["", "..", "a/../b", "/a"] {
        let error = hub.model_folder("gpt2", Some(revision)).unwrap_err();
        assert!(matches!(error, HubError::InvalidRevision { .. }), "{revision}: {error}");
    }
    assert!(matches!(hub.find_model("./absent", None), Err(HubError::NoFolder { .. })));
    assert_eq!(hub.find_model(cache.path().to_str().unwrap(), None).unwrap(), cache.path());
    for file in ["../../evil.parquet", "/train.parquet", "a//train.parquet", "a\\train.parquet"] {
        let server = Server::start(move |_| listing(&[file]));
        let error = fetch(&self::hub(&server.address, cache.path())).unwrap_err();
        assert!(matches!(error, HubError::UnsafeFile { .. }), "{file}: {error}");
    }
    assert!(matches!(Hub::new(settings("ftp://x", cache.path())), Err(HubError::InvalidEndpoint { .. })));
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let server = one_file(|request| file(request, b"rows"));
    let error = fetch(&hub(&server.address, &folder.path().join("file/cache"))).unwrap_err();
    assert!(matches!(error, HubError::Write { .. }), "{error}");
}

#[test]
fn two_downloads_of_one_file_at_once_do_not_disturb_each_other() {
    let bytes = content(2_000_000);
    let sent = bytes.clone();
    let server = one_file(move |request| file(request, &sent));
    let cache = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let fetches: Vec<_> =
            (0..4).map(|_| scope.spawn(|| fetch(&hub(&server.address, cache.path())).unwrap())).collect();
        for fetched in fetches {
            assert!(fetched.join().unwrap() == bytes);
        }
    });
}

fn sha256_of(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
