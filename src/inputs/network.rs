//! The inputs about the connection: certificates, headers, and the proxy variables of the environment.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;

use super::{InputError, Reader, workspace_file};
use crate::certificate::TrustedCertificate;
use crate::client_certificate::ClientCertificate;
use crate::network::{Exception, Network, Proxies, Proxy};
use crate::package::{Owner, PackageName, ServerUrl};
use crate::runner::Environment;
use crate::secret::{Redactor, Secret};
use crate::unexpanded::unexpanded;

const CLIENT_CERTIFICATE: &str = "client-certificate";

/// The largest PEM file, in bytes. The root certificates of a browser take 0.25 MiB.
const LARGEST_BUNDLE: u64 = 4 * 1024 * 1024;

/// The shortest header value that is a secret, in characters. A shorter one is a switch or a common word.
const SHORTEST_SECRET: usize = 8;

/// The shortest part of a header value that is a secret by itself, in characters: the token after `Bearer`, the content
/// of a cookie.
const SHORTEST_PART: usize = 16;

/// Headers that users cannot set, and why.
const RESERVED: &[(&str, &str)] = &[
    ("authorization", "carries the token"),
    ("content-length", "describes the uploaded file"),
    ("content-type", "describes the uploaded file"),
    ("expect", "controls how a file is sent"),
    ("host", "comes from `server-url`"),
    ("user-agent", "names this program"),
    ("connection", HOP_BY_HOP),
    ("keep-alive", HOP_BY_HOP),
    ("proxy-authenticate", HOP_BY_HOP),
    ("proxy-authentication-info", HOP_BY_HOP),
    ("proxy-authorization", "is for a proxy. Put its credentials into the URL in `HTTPS_PROXY` or `HTTP_PROXY`"),
    ("proxy-connection", HOP_BY_HOP),
    ("te", HOP_BY_HOP),
    ("trailer", HOP_BY_HOP),
    ("transfer-encoding", HOP_BY_HOP),
    ("upgrade", HOP_BY_HOP),
];

/// RFC 9110, section 7.6.1.
const HOP_BY_HOP: &str = "applies to one connection and does not reach the server";

impl Reader<'_> {
    pub(super) fn network(
        &mut self,
        server: Option<&ServerUrl>,
        owner: Option<&Owner>,
        package: Option<&PackageName>,
    ) -> Option<Network> {
        let certificates = self.certificates();
        let certificates = self.keep(certificates);
        let client_certificate = self.client_certificate();
        let client_certificate = self.keep(client_certificate).flatten();
        let server_url = server.map(ToString::to_string);
        let public = [server_url.as_deref(), owner.map(Owner::as_str), package.map(PackageName::as_str)];
        let headers = self.headers(&public.into_iter().flatten().collect::<Vec<_>>());
        let proxies = server.map(|server| self.proxies(server)).unwrap_or_default();
        if client_certificate.is_some()
            && let Some(proxy) = server.and_then(|server| proxies.for_url(&server.join([])))
            && proxy.url.scheme() == "https"
        {
            let problem = format!("cannot be used with {proxy}, because an https proxy could receive it too");
            let hint = format!("Set `{}` to an http:// URL, or add the server's host to `NO_PROXY`", proxy.variable);
            self.problems.push(InputError::new(CLIENT_CERTIFICATE, None, problem, hint));
        }
        if client_certificate.is_some() && server.is_some_and(|server| !server.is_https()) {
            let problem = "is set, but `server-url` starts with `http://`";
            let hint = "Set `server-url` to an https:// URL, or remove `client-certificate`";
            self.problems.push(InputError::new(CLIENT_CERTIFICATE, None, problem, hint));
        }
        Some(Network { certificates: certificates?, client_certificate, proxies, headers: headers? })
    }

    fn certificates(&mut self) -> Result<Vec<TrustedCertificate>, InputError> {
        const INPUT: &str = "ca-certificate";
        let hint = "Set `ca-certificate` to PEM text, from BEGIN CERTIFICATE to END CERTIFICATE, or to the path of \
                    a PEM file in the workspace";
        let Some(pem) = self.pem(INPUT, hint)? else { return Ok(Vec::new()) };
        // No part of the text may be shown.
        let error = |problem, hint| Err(InputError::new(INPUT, None, problem, hint));
        if pem.contains("PRIVATE KEY-----") {
            let hint = "Set `ca-certificate` to the certificate only. If others can read the workflow or the \
                        workspace, create a new key";
            return error("contains a private key, which only the server should have".to_owned(), hint);
        }
        let lines = pem.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        let mut certificates = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(lines.as_bytes()).enumerate() {
            // The error of the PEM reader can contain parts of the text.
            let Some(certificate) = certificate.ok().and_then(TrustedCertificate::parse) else {
                return error(format!("contains an invalid certificate (number {})", index + 1), hint);
            };
            certificates.push(certificate);
        }
        if certificates.is_empty() { error("contains no certificate".to_owned(), hint) } else { Ok(certificates) }
    }

    /// Reads the client certificate. The lines of its key are secrets, and so is the whole text.
    fn client_certificate(&mut self) -> Result<Option<ClientCertificate>, InputError> {
        let hint = "Set `client-certificate` to the certificate and its private key in PEM, or to the path of a file in \
                    the workspace with both";
        let Some(pem) = self.pem(CLIENT_CERTIFICATE, hint)? else { return Ok(None) };
        self.hide(&pem);
        let mut is_key = false;
        for line in pem.lines().map(str::trim) {
            if line.starts_with("-----") {
                is_key = line.ends_with("PRIVATE KEY-----") && line.starts_with("-----BEGIN");
            } else if is_key && line.len() >= SHORTEST_SECRET {
                self.hide(line);
            }
        }
        let certificate = ClientCertificate::parse(&pem);
        certificate.map(Some).map_err(|bad| InputError::new(CLIENT_CERTIFICATE, None, bad.to_string(), bad.hint()))
    }

    /// Returns the PEM text of an input, or reads it from a file with the same checks as for published files. A workspace that
    /// cannot be opened is reported for another input.
    fn pem(&mut self, input: &'static str, hint: &str) -> Result<Option<String>, InputError> {
        let Some(given) = self.raw.get(input) else { return Ok(None) };
        if given.contains("-----") {
            return Ok(Some(given.to_owned()));
        }
        if given.contains(char::is_control) || given.len() > 255 {
            return Err(InputError::new(input, None, "is neither PEM text nor the path of a file", hint));
        }
        let Ok(workspace) = self.runner.workspace.canonicalize() else { return Ok(None) };
        let within = Path::new(given).strip_prefix(&self.runner.workspace).unwrap_or(Path::new(given));
        let read = workspace_file::check(&workspace, within).and_then(|file| {
            if input == CLIENT_CERTIFICATE {
                self.secret_file = Some(Box::new(file.clone()));
            }
            workspace_file::read(&file, LARGEST_BUNDLE)
        });
        let problem = match read {
            Ok(Some(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => return Ok(Some(text)),
                Err(_) => {
                    return Err(InputError::new(
                        input,
                        Some(given).filter(|given| given.contains('.')),
                        "is not text, so it is not PEM",
                        "Convert DER to PEM with `openssl x509 -inform der -in FILE -out cert.pem`",
                    ));
                }
            },
            Ok(None) => "is larger than 4 MiB".to_owned(),
            Err(file) => file.problem,
        };
        // A text without a dot can be base64 of a key, so it is not shown.
        Err(if given.contains('.') {
            InputError::new(input, Some(given), problem, hint)
        } else {
            InputError::new(input, None, format!("is not PEM text, and as a file path it {problem}"), hint)
        })
    }

    /// Reads the headers. No part of a line is ever shown.
    fn headers(&mut self, public: &[&str]) -> Option<HeaderMap> {
        let hint = "Set `headers` to one `Name: value` per line, with each value from a secret: \
                    `CF-Access-Client-Secret: ${{ secrets.ACCESS_SECRET }}`";
        let before = self.problems.len();
        let mut headers = HeaderMap::new();
        let mut known = HashMap::new();
        let text = self.raw.untrimmed("headers").unwrap_or_default();
        for (number, line) in (1..).zip(text.split('\n')).filter(|(_, line)| !line.trim().is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or(("", line));
            let value = value.trim();
            self.hide_value(value, public);
            let is_variable = unexpanded(value) == Some(value);
            let mut hint = hint;
            let problem = match (HeaderName::from_bytes(name.trim().as_bytes()), HeaderValue::from_str(value)) {
                _ if !line.contains(':') => "has no colon".to_owned(),
                _ if is_variable => "has a variable as its value, which is not expanded".to_owned(),
                (Err(_), _) => "has an invalid header name".to_owned(),
                (Ok(name), _) if let Some((name, why)) = RESERVED.iter().find(|(known, _)| name == *known) => {
                    hint = "Remove this line";
                    format!("sets `{name}`, which {why}")
                }
                (Ok(name), _) if let Some(first) = known.insert(name.clone(), number) => {
                    hint = "Remove one of these lines";
                    format!("repeats the header of line {first}")
                }
                _ if value.is_empty() => "has no value, or its secret is empty".to_owned(),
                (Ok(name), Ok(mut header)) if value.is_ascii() => {
                    header.set_sensitive(true);
                    headers.insert(name, header);
                    continue;
                }
                _ => "has a control character or a non-ASCII character in its value".to_owned(),
            };
            self.problems.push(InputError::of_line("headers", number, problem, hint));
        }
        (self.problems.len() == before).then_some(headers)
    }

    /// Adds the value of a header and its longer parts to the secrets, unless they are short or public.
    fn hide_value(&mut self, value: &str, public: &[&str]) {
        let parts = value.split([' ', ';', ',', '=', '"']).filter(|part| part.chars().count() >= SHORTEST_PART);
        let whole = Some(value).filter(|value| value.chars().count() >= SHORTEST_SECRET);
        for secret in whole.into_iter().chain(parts) {
            if !public.iter().any(|part| part.contains(secret)) {
                self.hide(secret);
            }
        }
    }

    pub(super) fn hide(&mut self, secret: &str) {
        if self.secrets.iter().all(|known| known.expose() != secret) {
            self.secrets.push(Secret::new(secret));
        }
    }

    /// Reads the proxies for the server and its object storage. An invalid proxy for the server is a problem.
    ///
    /// Upper case comes before lower case, as in Go, the language of the runners. Empty means not set.
    fn proxies(&mut self, server: &ServerUrl) -> Proxies {
        let environment = self.environment;
        // In a CGI program, HTTP_PROXY is the header `Proxy` of a request, which anybody can send.
        let is_cgi = set(environment, &["REQUEST_METHOD"]).is_some();
        let names_for_http: &[_] = if is_cgi {
            &["http_proxy", "ALL_PROXY", "all_proxy"]
        } else {
            &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        };
        let names_for_https: &[_] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let list = set(environment, &["NO_PROXY", "no_proxy"]).map(|(_, list)| list).unwrap_or_default();
        let entries = list.split([',', ' ', '\t', '\n']).filter(|entry| !entry.is_empty());
        let exceptions = entries.map(Exception::of).collect();
        let mut proxies = Proxies { by_scheme: Vec::new(), exceptions };
        let server_url = server.join([]);
        for (scheme, names) in [("http", names_for_http), ("https", names_for_https)] {
            let Some((variable, value)) = set(environment, names) else { continue };
            match proxy_of(variable, &value, &server_url) {
                Ok(proxy) => {
                    self.hide_credentials(&proxy.url);
                    proxies.by_scheme.push((scheme, proxy));
                }
                // If the server needs no proxy, its object storage may not need one either.
                Err(_) if server_url.scheme() != scheme || proxies.is_exception(&server_url) => {}
                Err(problem) => {
                    let hint = format!(
                        "Set `{variable}` to a URL such as `http://proxy.example.com:3128`. If the proxy needs credentials, \
                         put percent-encoded `user:password@` before the host. Or add the server's host to `NO_PROXY`"
                    );
                    self.problems.push(InputError::new(variable, None, problem, hint));
                }
            }
        }
        proxies
    }

    /// Adds the credentials of a proxy to the secrets. The user name is a secret only if there is no password.
    fn hide_credentials(&mut self, proxy: &Url) {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (decoded(proxy.username()), decoded(proxy.password().unwrap_or_default()));
        if user.is_empty() && password.is_empty() {
            return;
        }
        let whole = format!("{user}:{password}");
        let secret = if password.is_empty() { user } else { password };
        for secret in [secret, STANDARD.encode(&whole), whole] {
            if secret.len() >= Redactor::SHORTEST {
                self.hide(&secret);
            }
        }
    }
}

/// Returns the first of these variables that has a value.
fn set(environment: &Environment, names: &[&'static str]) -> Option<(&'static str, String)> {
    names.iter().find_map(|wanted| {
        let (_, value) = environment.variables().find(|(name, value)| name == wanted && !value.is_empty())?;
        Some((*wanted, value.to_string_lossy().trim().to_owned())).filter(|(_, value)| !value.is_empty())
    })
}

/// Reads the value of a proxy variable. No part of it is shown, because it can contain a password.
fn proxy_of(variable: &'static str, value: &str, server: &Url) -> Result<Proxy, String> {
    let url = if value.contains("://") { Url::parse(value) } else { Url::parse(&format!("http://{value}")) };
    // The HTTP client would ignore a proxy that it does not understand.
    let is_understood = |url: &Url| {
        let matcher = Matcher::builder().all(url.as_str()).build();
        server.as_str().parse().is_ok_and(|server| matcher.intercept(&server).is_some())
    };
    match url {
        Ok(url) if url.scheme().starts_with("socks") => {
            Err("names a SOCKS proxy, but only HTTP proxies are supported".to_owned())
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err("does not start with `http://` or `https://`".to_owned())
        }
        // A `/` in a password ends the host, so the password would be taken for the host.
        Ok(_)
            if value.rsplit_once('@').is_some_and(|(before, _)| {
                before.rsplit("://").next().is_some_and(|user| user.contains(['/', '?', '#']))
            }) =>
        {
            Err("contains a user name or a password with `/`, `?` or `#`, which must be percent-encoded".to_owned())
        }
        Ok(url) if url.has_host() && is_understood(&url) => Ok(Proxy { url, variable }),
        Err(error) => Err(format!("is not a valid URL: {error}")),
        Ok(_) => Err("is not the URL of a proxy".to_owned()),
    }
}
