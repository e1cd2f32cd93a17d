use std::path::PathBuf;
use std::time::Duration;

use super::HubError;

const ENDPOINT: &str = "https://huggingface.co";

/// Where the Hub is, and where downloads are kept; the environment variables are those of Hugging Face's own tools.
#[derive(Clone)]
pub struct HubSettings {
    /// The server, without a slash at the end.
    pub endpoint: String,
    /// Sent to the server and to no other.
    pub token: Option<String>,
    /// The folder of downloads, in the layout that Hugging Face's own tools use.
    pub cache: PathBuf,
    /// Use only what the cache holds.
    pub offline: bool,
    /// The wait before the first new attempt after a failure; it doubles each time.
    pub retry_delay: Duration,
}

impl HubSettings {
    /// Reads `HF_ENDPOINT`, `HF_TOKEN` (or the token file of `HF_TOKEN_PATH`, which a login leaves in `HF_HOME`),
    /// `HF_HUB_CACHE`, `HF_HOME` and `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// If neither of the folders is set and there is no home folder.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let set =
            |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()));
        let home = || match (set(&["HF_HOME"]), set(&["XDG_CACHE_HOME"])) {
            (Some(home), _) => Ok(PathBuf::from(home)),
            (None, Some(caches)) => Ok(PathBuf::from(caches).join("huggingface")),
            (None, None) => std::env::home_dir().map(|home| home.join(".cache/huggingface")).ok_or(HubError::NoHome),
        };
        let cache = match set(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]) {
            Some(cache) => cache.into(),
            None => home()?.join("hub"),
        };
        let token_file =
            set(&["HF_TOKEN_PATH"]).map(PathBuf::from).or_else(|| home().ok().map(|home| home.join("token")));
        let token = set(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
            .or_else(|| token_file.and_then(|path| std::fs::read_to_string(path).ok()))
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty());
        let endpoint = set(&["HF_ENDPOINT"]).unwrap_or_else(|| ENDPOINT.into());
        let offline = set(&["HF_HUB_OFFLINE"]).unwrap_or_default().to_lowercase();
        Ok(Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token,
            cache,
            offline: matches!(offline.as_str(), "1" | "on" | "yes" | "true"),
            retry_delay: Duration::from_secs(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> HubSettings {
        HubSettings::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
        .unwrap()
    }

    #[test]
    fn variables_are_those_of_hugging_face() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "from-login\n").unwrap();
        let home = home.path().to_str().unwrap();

        let plain = settings(&[("HF_HOME", home)]);
        assert_eq!(plain.endpoint, "https://huggingface.co");
        assert_eq!(plain.cache, PathBuf::from(home).join("hub"));
        assert_eq!(plain.token.as_deref(), Some("from-login"));
        assert!(!plain.offline);

        let all = settings(&[
            ("HF_HOME", home),
            ("HF_ENDPOINT", "http://127.0.0.1:80/"),
            ("HF_HUB_CACHE", "/cache"),
            ("HF_TOKEN", " secret "),
            ("HF_HUB_OFFLINE", "TRUE"),
        ]);
        assert_eq!((all.endpoint.as_str(), all.token.as_deref()), ("http://127.0.0.1:80", Some("secret")));
        assert_eq!((all.cache, all.offline), (PathBuf::from("/cache"), true));

        assert!(!settings(&[("HF_HOME", home), ("HF_HUB_OFFLINE", "0")]).offline);
        assert_eq!(settings(&[("XDG_CACHE_HOME", "/x")]).cache, PathBuf::from("/x/huggingface/hub"));
    }
}
