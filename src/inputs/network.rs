//! The inputs about the connection: certificates, headers, and the proxy variables of the environment.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;

use super::{InputError, RawInputs, Reader};
use crate::certificate::TrustedCertificate;
use crate::client_certificate::ClientCertificate;
use crate::files::{FileFault, LocalFile};
use crate::network::{Exception, Network, Proxies, Proxy};
use crate::package::{Owner, PackageName, ServerUrl};
use crate::runner::{Environment, Runner};
use crate::secret::{Redactor, Secret};
use crate::unexpanded::unexpanded;

/// The public parts of the target, as far as they are known.
pub(super) struct Address<'a> {
    pub(super) server: Option<&'a ServerUrl>,
    pub(super) owner: Option<&'a Owner>,
    pub(super) package: Option<&'a PackageName>,
}

impl Address<'_> {
    fn has(&self, text: &str) -> bool {
        let server = self.server.map(ToString::to_string).unwrap_or_default();
        let names = [self.owner.map(Owner::as_str), self.package.map(PackageName::as_str)];
        [server.as_str()].into_iter().chain(names.into_iter().flatten()).any(|part| part.contains(text))
    }
}

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

impl Reader {
    pub(super) fn network(
        &mut self,
        raw: &RawInputs,
        runner: &Runner,
        environment: &Environment,
        address: &Address<'_>,
    ) -> Option<Network> {
        let certificates = self.certificates(raw, runner);
        let client_certificate = self.client_certificate(raw, runner);
        let headers = self.headers(raw, address);
        let proxies = address.server.map(|server| self.proxies(environment, server)).unwrap_or_default();
        if client_certificate.is_some()
            && let Some(proxy) = address.server.and_then(|server| proxies.for_url(&server.join([])))
            && proxy.url.scheme() == "https"
        {
            let problem = format!("cannot be used with {proxy}, because an https proxy could receive it too");
            let hint = format!("Set `{}` to an http:// URL, or add the server's host to `NO_PROXY`", proxy.variable);
            self.problem("client-certificate", None, problem, hint);
        }
        if client_certificate.is_some() && address.server.is_some_and(|server| !server.is_https()) {
            let hint = "Set `server-url` to an https:// URL, or remove `client-certificate`";
            self.problem("client-certificate", None, "is set, but `server-url` starts with `http://`", hint);
        }
        Some(Network { certificates: certificates?, client_certificate, proxies, headers: headers? })
    }

    fn certificates(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Vec<TrustedCertificate>> {
        const INPUT: &str = "ca-certificate";
        let hint = "Set `ca-certificate` to PEM text, from BEGIN CERTIFICATE to END CERTIFICATE, or to the path of \
                        a PEM file in the workspace";
        let Some(given) = raw.ca_certificate.as_ref().map(|given| given.expose().trim()) else {
            return Some(Vec::new());
        };
        let pem = self.pem(INPUT, given, runner, hint)?;
        // No part of the text may be shown.
        if pem.contains("PRIVATE KEY-----") {
            let hint = "Set `ca-certificate` to the certificate only. If others can read the workflow or the \
                            workspace, create a new key";
            self.problem(INPUT, None, "contains a private key, which only the server should have", hint);
            return None;
        }
        let lines = pem.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        let mut certificates = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(lines.as_bytes()).enumerate() {
            // The error of the PEM reader can contain parts of the text.
            let Some(certificate) = certificate.ok().and_then(TrustedCertificate::parse) else {
                let problem = format!("contains an invalid certificate (number {})", index + 1);
                self.problem(INPUT, None, problem, hint);
                return None;
            };
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            self.problem(INPUT, None, "contains no certificate", hint);
            return None;
        }
        Some(certificates)
    }

    /// Reads the client certificate. The lines of its key are secrets, and so is the whole text.
    fn client_certificate(&mut self, raw: &RawInputs, runner: &Runner) -> Option<ClientCertificate> {
        const INPUT: &str = "client-certificate";
        let hint = "Set `client-certificate` to the certificate and its private key in PEM, or to the path of a file in \
                        the workspace with both";
        let given = raw.client_certificate.as_ref()?.expose().trim();
        let pem = self.pem(INPUT, given, runner, hint)?;
        self.hide(&pem);
        let mut is_key = false;
        for line in pem.lines().map(str::trim) {
            if line.starts_with("-----") {
                is_key = line.ends_with("PRIVATE KEY-----") && line.starts_with("-----BEGIN");
            } else if is_key && line.len() >= SHORTEST_SECRET {
                self.hide(line);
            }
        }
        match ClientCertificate::parse(&pem) {
            Ok(certificate) => Some(certificate),
            Err(bad) => {
                self.problem(INPUT, None, bad.to_string(), bad.hint());
                None
            }
        }
    }

    /// Returns the given PEM text, or reads it from a file with the same checks as for published files.
    fn pem(&mut self, input: &'static str, given: &str, runner: &Runner, hint: &str) -> Option<String> {
        if given.contains("-----") {
            return Some(given.to_owned());
        }
        let path = given;
        // A text without a dot can be base64 of a key, so it is not shown.
        let shown = Some(path).filter(|path| path.contains('.'));
        if path.contains(char::is_control) || path.len() > 255 {
            self.problem(input, None, "is neither PEM text nor the path of a file", hint);
            return None;
        }
        // A workspace that cannot be opened is reported for another input.
        let workspace = runner.workspace.canonicalize().ok()?;
        let within = Path::new(path).strip_prefix(&runner.workspace).unwrap_or(Path::new(path));
        let mut bytes = Vec::new();
        let read = LocalFile::check(&workspace, within).and_then(|file| {
            if input == "client-certificate" {
                self.secret_file = Some(Box::new(file.clone()));
            }
            if file.size > LARGEST_BUNDLE {
                return Ok(false);
            }
            file.read(|chunk| {
                bytes.extend_from_slice(&chunk);
                true
            })
        });
        let problem = match read {
            Ok(true) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(_) => {
                    "is not text, so it is not PEM. Convert DER with `openssl x509 -inform der -in IT -out cert.pem`"
                        .to_owned()
                }
            },
            Ok(false) => "is larger than 4 MiB".to_owned(),
            Err(error) => match error.fault {
                FileFault::System(error) => format!("cannot be read: {error}"),
                FileFault::Outside => "is outside the workspace".to_owned(),
                FileFault::Git => "is inside `.git`".to_owned(),
                other => other.to_string(),
            },
        };
        let problem =
            if shown.is_some() { problem } else { format!("is not PEM text, and as a file path it {problem}") };
        self.problem(input, shown, problem, hint);
        None
    }

    /// Reads the headers. No part of a line is ever shown.
    fn headers(&mut self, raw: &RawInputs, address: &Address<'_>) -> Option<HeaderMap> {
        let hint = "Set `headers` to one `Name: value` per line, with each value from a secret: \
                        `CF-Access-Client-Secret: ${{ secrets.ACCESS_SECRET }}`";
        let before = self.problems.len();
        let mut headers = HeaderMap::new();
        let mut known = HashMap::new();
        let text = raw.headers.as_ref().map_or("", Secret::expose);
        for (number, line) in (1..).zip(text.split('\n')).filter(|(_, line)| !line.trim().is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or(("", line));
            let value = value.trim();
            self.hide_value(value, address);
            let is_variable = unexpanded(value) == Some(value);
            let problem = match (HeaderName::from_bytes(name.trim().as_bytes()), HeaderValue::from_str(value)) {
                _ if !line.contains(':') => "has no colon".to_owned(),
                _ if is_variable => "has a variable as its value, which is not expanded".to_owned(),
                (Err(_), _) => "has an invalid header name".to_owned(),
                (Ok(name), _) if let Some((name, why)) = RESERVED.iter().find(|(known, _)| name == *known) => {
                    format!("sets `{name}`, which {why}")
                }
                (Ok(name), _) if let Some(first) = known.insert(name.clone(), number) => {
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
            self.problems.push(InputError {
                code: "invalid-input",
                input: "headers",
                value: Some(format!("line {number}")),
                problem,
                hint: hint.to_owned(),
            });
        }
        (self.problems.len() == before).then_some(headers)
    }

    /// Adds the value of a header and its longer parts to the secrets, unless they are short or public.
    fn hide_value(&mut self, value: &str, address: &Address<'_>) {
        let parts = value.split([' ', ';', ',', '=', '"']).filter(|part| part.chars().count() >= SHORTEST_PART);
        let whole = Some(value).filter(|value| value.chars().count() >= SHORTEST_SECRET);
        for secret in whole.into_iter().chain(parts).filter(|secret| !address.has(secret)) {
            self.hide(secret);
        }
    }

    fn hide(&mut self, secret: &str) {
        if self.secrets.iter().all(|known| known.expose() != secret) {
            self.secrets.push(Secret::new(secret));
        }
    }

    /// Reads the proxies for the server and its object storage. An invalid proxy for the server is a problem.
    ///
    /// Upper case comes before lower case, as in Go, the language of the runners. Empty means not set.
    fn proxies(&mut self, environment: &Environment, server: &ServerUrl) -> Proxies {
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
                Err(_) if server_url.scheme() != scheme || proxies.has_none_for(&server_url) => {}
                Err(problem) => {
                    let hint = format!(
                        "Set `{variable}` to a URL such as `http://proxy.example.com:3128`. If the proxy needs credentials, \
                         put percent-encoded `user:password@` before the host. Or add the server's host to `NO_PROXY`"
                    );
                    self.problem(variable, None, problem, hint);
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

    /// Rejects the value of a header in another input: it would end up in URLs, outputs or errors.
    pub(super) fn reject_header_values(&mut self, given: &BTreeMap<&'static str, Secret>) {
        let Some(headers) = given.get("headers") else { return };
        let values = self.secrets.iter().filter(|secret| headers.expose().contains(secret.expose()));
        let redactor = Redactor::default().with(&values.cloned().collect::<Vec<_>>());
        for (name, _) in given.iter().filter(|(name, value)| {
            !matches!(**name, "token" | "headers" | "ca-certificate" | "client-certificate")
                && redactor.finds(value.expose())
        }) {
            self.problems.retain(|problem| problem.input != *name);
            let problem = "contains the value of a header from `headers`, which would become public";
            self.reject("secret-in-input", name, None, problem, "Remove the value from this input");
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
