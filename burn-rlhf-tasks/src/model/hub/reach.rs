use super::{Hub, HubError};

/// Says who a token belongs to, and refuses those without.
const WHO_AM_I: &str = "api/whoami-v2";

impl Hub {
    /// Whether the Hub answers, and takes the token if there is one.
    ///
    /// # Errors
    /// [`HubError::Unreachable`] or [`HubError::Server`] if it does not answer, and [`HubError::Status`] with 401 if
    /// it refuses the token.
    pub fn reach(&self) -> Result<(), HubError> {
        let answer = self.client.get(&format!("{}/{WHO_AM_I}", self.settings.endpoint), None)?;
        let (url, status) = (answer.url.clone(), answer.status().as_u16());
        match status {
            408 | 429 | 500.. => Err(HubError::Server { url, status }),
            401 if self.settings.token.is_some() => Err(HubError::Status { url, status }),
            // A mirror need not know this address.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        time::Duration,
    };

    use super::*;
    use crate::model::hub::HubSettings;

    fn reach(endpoint: String, token: Option<&str>) -> Result<(), HubError> {
        let settings = HubSettings {
            endpoint,
            token: token.map(str::to_owned),
            cache: "unused".into(),
            offline: false,
            retry_delay: Duration::ZERO,
        };
        Hub::new(settings)?.reach()
    }

    /// Asks a server that answers once, with `status`; gives what it was asked, too.
    fn answered(status: &'static str, token: Option<&str>) -> (Result<(), HubError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut block = [0; 1024];
            while !asked.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut block).unwrap();
                assert_ne!(count, 0, "the request ends with an empty line");
                asked.extend_from_slice(&block[..count]);
            }
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            String::from_utf8(asked).unwrap()
        });
        let result = reach(endpoint, token);
        (result, server.join().unwrap())
    }

    #[test]
    fn an_answer_means_that_the_hub_is_there() {
        for status in ["200 OK", "401 Unauthorized", "404 Not Found"] {
            let (result, asked) = answered(status, None);
            result.unwrap();
            assert!(asked.starts_with("GET /api/whoami-v2 "), "{asked}");
        }
    }

    #[test]
    fn a_token_is_shown_and_may_be_refused() {
        let (result, asked) = answered("200 OK", Some("secret"));
        result.unwrap();
        assert!(asked.to_lowercase().contains("authorization: bearer secret"), "{asked}");
        let (result, _) = answered("401 Unauthorized", Some("secret"));
        assert!(matches!(result, Err(HubError::Status { status: 401, .. })));
    }

    #[test]
    fn a_hub_in_trouble_or_out_of_reach_is_an_error() {
        assert!(matches!(answered("503 Service Unavailable", None).0, Err(HubError::Server { status: 503, .. })));
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(reach(format!("http://{free}"), None), Err(HubError::Unreachable { .. })));
    }
}
