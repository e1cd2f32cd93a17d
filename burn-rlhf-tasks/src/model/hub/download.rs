//! One file from the Hub into the cache: as a whole or not at all, and from where a cut download stopped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use ureq::http::StatusCode;

use super::cache::{RepositoryCache, write_error};
use super::client::Answer;
use super::{Hub, HubError, HubEvent, Repository};

/// Attempts in a row without a single new byte.
const FRUITLESS_ATTEMPTS: u32 = 4;
const PROGRESS_STEP: u64 = 1 << 20;

/// A file at one commit of a repository.
pub(super) struct Wanted<'a> {
    pub repository: &'a Repository,
    pub commit: &'a str,
    pub name: &'a str,
}

impl Wanted<'_> {
    fn cache(&self) -> &RepositoryCache {
        &self.repository.cache
    }

    fn interrupted(&self, received: u64, total: Option<u64>) -> HubError {
        HubError::Interrupted {
            repository: self.repository.name.clone(),
            file: self.name.into(),
            received,
            total: total.unwrap_or(received),
        }
    }
}

impl Hub {
    /// Downloads a file, with new attempts where the connection breaks or the server is overloaded.
    pub(super) fn download(&self, wanted: &Wanted) -> Result<PathBuf, HubError> {
        let (mut fruitless, mut arrived) = (0, 0);
        loop {
            let before = arrived;
            let error = match self.attempt(wanted, &mut arrived) {
                Ok(path) => return Ok(path),
                Err(error) => error,
            };
            let again = match error {
                HubError::Interrupted { .. } | HubError::Server { .. } => true,
                HubError::Unreachable { .. } => arrived > 0,
                _ => false,
            };
            fruitless = if arrived > before { 0 } else { fruitless + 1 };
            if !again || fruitless == FRUITLESS_ATTEMPTS {
                return Err(error);
            }
            std::thread::sleep(self.settings.retry_delay * 2u32.pow(fruitless));
        }
    }

    fn attempt(&self, wanted: &Wanted, arrived: &mut u64) -> Result<PathBuf, HubError> {
        let url = wanted.repository.file_url(&self.settings.endpoint, wanted.commit, wanted.name);
        let mut answer = self.client.get(&url, None)?;
        self.check(&answer, wanted.repository, Some(wanted.name))?;
        let total = answer.total();
        if total.is_none() && !answer.is_delimited() {
            return Err(HubError::Malformed { url: answer.url, message: "a file without length".into() });
        }
        let etag = blob_name(&answer, wanted);
        let blob = wanted.cache().blob(&etag);
        if !blob.is_file() {
            let (path, mut part) = wanted.cache().open_part(&etag)?;
            if !blob.is_file() {
                let mut have = part.metadata().map_err(write_error(&path))?.len();
                if have > 0 && Some(have) != total {
                    let rest = self.client.get(&url, Some(have))?;
                    if continues(&rest, have, &answer) {
                        answer = rest;
                    } else {
                        part.set_len(0).map_err(write_error(&path))?;
                        have = 0;
                    }
                }
                if Some(have) != total {
                    self.receive(answer, (&path, &mut part), (have, total), wanted, arrived)?;
                }
                self.finish(&path, &part, &etag, wanted)?;
            }
        }
        wanted.cache().link(&etag, wanted.commit, wanted.name)
    }

    /// Appends the body to the part.
    fn receive(
        &self,
        answer: Answer,
        (path, part): (&Path, &mut File),
        (have, total): (u64, Option<u64>),
        wanted: &Wanted,
        arrived: &mut u64,
    ) -> Result<(), HubError> {
        let mut body = answer.response.into_body().into_with_config().limit(u64::MAX).reader();
        let (mut done, mut reported) = (have, have);
        let mut buffer = vec![0; 1 << 16];
        let ended = loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => count,
                Err(_) => break false,
            };
            part.write_all(&buffer[..count]).map_err(write_error(path))?;
            done += count as u64;
            *arrived += count as u64;
            if done - reported >= PROGRESS_STEP || Some(done) == total {
                reported = done;
                self.report(&HubEvent::Progress { file: wanted.name, done, total });
            }
        };
        match total {
            Some(total) if done > total => {
                part.set_len(0).map_err(write_error(path))?;
                Err(HubError::Malformed {
                    url: answer.url,
                    message: format!("{done} bytes where {total} were announced"),
                })
            }
            Some(total) if done < total => Err(wanted.interrupted(done, Some(total))),
            None if !ended => Err(wanted.interrupted(done, None)),
            _ => Ok(()),
        }
    }

    /// Makes the part the blob, if it is what was announced.
    fn finish(&self, path: &Path, part: &File, etag: &str, wanted: &Wanted) -> Result<(), HubError> {
        // The name of a large file is its checksum; that of a small one is made otherwise.
        if is_sha256(etag) && !sha256(path).map_err(write_error(path))?.eq_ignore_ascii_case(etag) {
            fs::remove_file(path).map_err(write_error(path))?;
            return Err(HubError::Checksum { repository: wanted.repository.name.clone(), file: wanted.name.into() });
        }
        part.sync_all().map_err(write_error(path))?;
        fs::rename(path, wanted.cache().blob(etag)).map_err(write_error(path))
    }
}

/// Whether `rest` goes on with the file of `first` from byte `have` on.
fn continues(rest: &Answer, have: u64, first: &Answer) -> bool {
    rest.status() == StatusCode::PARTIAL_CONTENT
        && rest.etag() == first.etag()
        && rest.range().is_some_and(|(start, total)| start == have && first.total().is_none_or(|first| first == total))
}

/// What the blob is called: the server's name for the content, else one made from where it comes from.
fn blob_name(answer: &Answer, wanted: &Wanted) -> String {
    let plain = |name: &String| {
        !name.is_empty() && name.len() <= 128 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    answer.linked_etag.clone().filter(plain).unwrap_or_else(|| match answer.etag().filter(plain) {
        // An ordinary server's name may look like a checksum without being one.
        Some(etag) if !is_sha256(&etag) => etag,
        _ => format!("{}-{}", wanted.commit, hex(&Sha256::digest(wanted.name))),
    })
}

fn is_sha256(name: &str) -> bool {
    name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit())
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
