//! Requests to the Hub. Redirects are followed here, so that the token never leaves the Hub's own address.

use std::time::Duration;

use ureq::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, LOCATION, RANGE,
    TRANSFER_ENCODING,
};
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body};

use super::{HubError, HubSettings};

const REDIRECTS: usize = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may stay silent.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
const LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");

pub(super) struct Client {
    agent: Agent,
    endpoint: Origin,
    token: Option<String>,
}

/// The last answer of a chain of redirects, with what all of them say of the file.
pub(super) struct Answer {
    pub url: String,
    pub response: Response<Body>,
    /// The checksum that the Hub keeps for a large file.
    pub linked_etag: Option<String>,
    linked_size: Option<u64>,
}

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The server's name for this content.
    pub fn etag(&self) -> Option<String> {
        self.linked_etag.clone().or_else(|| text(self.response.headers(), &ETAG).map(unquoted))
    }

    /// The length of the whole file, if the server says it.
    pub fn total(&self) -> Option<u64> {
        let headers = self.response.headers();
        let content = match self.status() {
            StatusCode::PARTIAL_CONTENT => self.range().map(|(_, total)| total),
            _ => text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        };
        self.linked_size.or(content)
    }

    /// Whether the end of the body can be told from a cut connection, even if its length is not known.
    pub fn is_delimited(&self) -> bool {
        let encoding = text(self.response.headers(), &TRANSFER_ENCODING);
        encoding.is_some_and(|encoding| encoding.to_lowercase().contains("chunked"))
    }

    /// Where the part that is sent begins, and the length of the whole: `bytes 5-9/10`.
    pub fn range(&self) -> Option<(u64, u64)> {
        let range = text(self.response.headers(), &CONTENT_RANGE)?;
        let (start, rest) = range.strip_prefix("bytes ")?.split_once('-')?;
        let (_, total) = rest.split_once('/')?;
        Some((start.parse().ok()?, total.parse().ok()?))
    }
}

impl Client {
    pub fn new(settings: &HubSettings) -> Result<Self, HubError> {
        let invalid = || HubError::InvalidEndpoint { endpoint: settings.endpoint.clone() };
        let uri: Uri = settings.endpoint.parse().map_err(|_| invalid())?;
        let endpoint = Origin::of(&uri).ok_or_else(invalid)?;
        let mut config = Agent::config_builder()
            .user_agent(concat!("burn-rlhf-tasks/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT));
        if endpoint.is_this_machine() {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), endpoint, token: settings.token.clone() })
    }

    /// Asks for `url`, from byte `start` on.
    pub fn get(&self, url: &str, start: Option<u64>) -> Result<Answer, HubError> {
        let unreachable = |message: String| HubError::Unreachable { url: url.into(), message };
        let mut target = url.to_owned();
        let (mut linked_etag, mut linked_size) = (None, None);
        for _ in 0..=REDIRECTS {
            // Compressed answers would have other lengths and could not be resumed.
            let mut request = self.agent.get(&target).header(ACCEPT_ENCODING, "identity");
            if let Some(start) = start {
                request = request.header(RANGE, format!("bytes={start}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| self.endpoint.is_origin_of(&target)) {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| unreachable(error.to_string()))?;
            let headers = response.headers();
            linked_etag = linked_etag.or_else(|| text(headers, &LINKED_ETAG).map(unquoted));
            linked_size = linked_size.or_else(|| text(headers, &LINKED_SIZE)?.parse().ok());
            let location = text(headers, &LOCATION).filter(|_| response.status().is_redirection());
            match location.map(|location| follow(&target, location)) {
                Some(Some(next)) => target = next,
                Some(None) => {
                    return Err(HubError::Malformed { url: target, message: "a redirect without address".into() });
                }
                None => return Ok(Answer { url: target, response, linked_etag, linked_size }),
            }
        }
        Err(HubError::TooManyRedirects { url: url.into(), limit: REDIRECTS })
    }
}

/// Scheme, host and port: what a token belongs to.
#[derive(PartialEq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_lowercase();
        let port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        Some(Self { host: uri.host()?.to_lowercase(), port: uri.port_u16().unwrap_or(port), scheme })
    }

    fn is_origin_of(&self, url: &str) -> bool {
        url.parse().ok().and_then(|uri| Self::of(&uri)).is_some_and(|origin| origin == *self)
    }

    fn is_this_machine(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }
}

/// The address that `location`, absolute or relative, means in an answer from `url`.
fn follow(url: &str, location: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    if location.starts_with("http://") || location.starts_with("https://") {
        Some(location.to_owned())
    } else if location.starts_with("//") {
        Some(format!("{}:{location}", uri.scheme_str()?))
    } else if location.starts_with('/') {
        Some(format!("{origin}{location}"))
    } else {
        let (folder, _) = uri.path().rsplit_once('/')?;
        Some(format!("{origin}{folder}/{location}"))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn unquoted(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_redirects_stay_on_the_server() {
        let follow = |location| follow("https://hub.example:8443/a/b?x=1", location).unwrap();
        assert_eq!(follow("/c/d"), "https://hub.example:8443/c/d");
        assert_eq!(follow("c"), "https://hub.example:8443/a/c");
        assert_eq!(follow("//cdn.example/c"), "https://cdn.example/c");
        assert_eq!(follow("http://cdn.example/c"), "http://cdn.example/c");
    }

    #[test]
    fn a_token_belongs_to_one_scheme_host_and_port() {
        let origin = Origin::of(&"https://huggingface.co".parse().unwrap()).unwrap();
        assert!(origin.is_origin_of("https://HuggingFace.co:443/gpt2"));
        for other in ["http://huggingface.co/", "https://huggingface.co:444/", "https://cdn.huggingface.co/"] {
            assert!(!origin.is_origin_of(other), "{other}");
        }
    }
}
