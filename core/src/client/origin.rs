//! Origins that the operator allows.

use reqwest::Url;
use serde::Deserialize;

/// An origin of the setting `server.request_origins`: `https://host`, `https://host:8443`, a bare
/// `host` for both schemes, `https://*.example.org` for every host below a name, or `*` for any.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin {
    scheme: Option<String>,
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    This(String),
    Below(String),
    Any,
}

/// How a URL fits what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The operator named its very host, so it may be one of the station's own network.
    Named,
    /// It fits a pattern: public addresses only.
    Pattern,
}

impl Origin {
    /// How a URL fits this origin, if it does.
    pub(super) fn fit(&self, url: &Url) -> Option<Fit> {
        let scheme = self.scheme.as_deref();
        let default_port = url.scheme() == "https" || url.scheme() == "http";
        let fits = scheme.is_none_or(|scheme| scheme == url.scheme())
            && match self.port {
                Some(port) => url.port_or_known_default() == Some(port),
                // `Url` leaves out the port that the scheme has anyway.
                None => default_port && url.port().is_none(),
            };
        let host = url.host_str()?;
        match &self.host {
            _ if !fits => None,
            Host::This(name) => (name == host).then_some(Fit::Named),
            Host::Below(name) => {
                let below = host.strip_suffix(name.as_str())?;
                below.ends_with('.').then_some(Fit::Pattern)
            }
            Host::Any => Some(Fit::Pattern),
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refused = || {
            format!(
                "{text:?} is no origin: https://host, https://host:port, host, https://*.domain or *"
            )
        };
        let trimmed = text.trim();
        let (scheme, rest) = match trimmed.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (Some(scheme.to_owned()), rest),
            Some(_) => return Err(refused()),
            None => (None, trimmed),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (wild, name) = match rest.strip_prefix('*') {
            Some(rest) => (true, rest.strip_prefix('.').unwrap_or(rest)),
            None => (false, rest),
        };
        // A name stands in for the star, so that the rest is read as any URL is.
        let place = if name.is_empty() || name.starts_with(':') {
            format!("http://any{name}")
        } else {
            format!("http://{name}")
        };
        let url = Url::parse(&place).map_err(|_| refused())?;
        let plain = !name.contains(['/', '\\', '?', '#', '@', '*']);
        let host = url.host_str().filter(|_| plain).ok_or_else(refused)?;
        let host = match (wild, name.is_empty() || name.starts_with(':')) {
            (false, true) => return Err(refused()),
            (false, false) => Host::This(host.to_owned()),
            (true, true) => Host::Any,
            (true, false) => Host::Below(host.to_owned()),
        };
        // What the URL leaves out is 80, or was not there.
        let port = url.port().or_else(|| name.ends_with(":80").then_some(80));
        Ok(Self { scheme, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::{Fit, Origin};

    fn fit(origin: &str, url: &str) -> Option<Fit> {
        let origin = Origin::try_from(origin.to_owned()).unwrap();
        origin.fit(&reqwest::Url::parse(url).unwrap())
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let named = Some(Fit::Named);
        assert_eq!(fit("https://a.org", "https://a.org/x?y"), named);
        assert_eq!(fit("https://A.org/", "https://a.org:443/x"), named);
        assert_eq!(fit("a.org", "http://a.org/x"), named);
        assert_eq!(fit("a.org:80", "http://a.org/x"), named);
        assert_eq!(fit("a.org:80", "https://a.org/x"), None);
        assert_eq!(fit("http://127.0.0.1:9000", "http://127.1:9000/"), named);
        assert_eq!(fit("http://[::1]:9000", "http://[0:0::1]:9000/"), named);
        for url in [
            "http://a.org/",
            "https://a.org:8443/",
            "https://a.org.evil.net/",
            "https://evil-a.org/",
            "https://b.a.org/",
            "https://a.org@evil.net/",
            "file://a.org/etc/passwd",
        ] {
            assert_eq!(fit("https://a.org", url), None, "{url}");
        }
        assert_eq!(fit("a.org", "ftp://a.org/"), None);
        assert_eq!(fit("*", "file:///etc/passwd"), None);
    }

    #[test]
    fn a_star_stands_for_hosts() {
        let pattern = Some(Fit::Pattern);
        assert_eq!(fit("https://*.a.org", "https://b.a.org/x"), pattern);
        assert_eq!(fit("https://*.a.org", "https://c.b.a.org/x"), pattern);
        assert_eq!(fit("https://*.a.org", "https://a.org/x"), None);
        assert_eq!(fit("https://*.a.org", "https://evila.org/x"), None);
        assert_eq!(fit("*", "http://a.org/x"), pattern);
        assert_eq!(fit("*:9000", "http://a.org:9000/x"), pattern);
        assert_eq!(fit("*", "http://a.org:9000/x"), None);
        assert_eq!(fit("https://*", "http://a.org/x"), None);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            " ",
            "ftp://a.org",
            "https://",
            "https://a.org/path",
            "https://me@a.org",
            "a.org?x",
            ":80",
            "a b",
            "a.*.org",
            "**",
        ] {
            assert!(Origin::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
