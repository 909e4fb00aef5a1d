//! TLS: whom we trust, and why somebody is not trusted.
//!
//! No option turns verification off. A certificate of `ca-certificate` adds to the system's roots if it is an authority's.
//! Any of them also makes the server trusted that shows this very certificate: webpki refuses an authority's
//! certificate as a server's, and `openssl req -x509` marks each certificate as an authority's.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, Der, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use x509_cert::der::DateTime;

use crate::certificate::{self, NoAuthority, TrustedCertificate};
use crate::client_certificate::{ClientAlert, ClientCertificate};
use crate::sanitize::Sanitized;

/// TLS with the system's roots, if there are any, and the given certificates that are authorities now. Without any
/// root every certificate is refused, which says more than a client that cannot be built.
pub(super) fn config(given: &[TrustedCertificate]) -> ClientConfig {
    let now = UnixTime::now();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(of_system());
    let authorities = given.iter().filter(|given| given.check_authority(now).is_ok());
    roots.add_parsable_certificates(authorities.map(|given| given.der().clone()));
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(roots, given)))
        .with_no_client_auth()
}

/// Adds a client certificate to a configuration, with sessions of its own, because only the server may see them.
pub(super) fn with_client_certificate(config: &ClientConfig, certificate: &ClientCertificate) -> ClientConfig {
    let mut config = config.clone();
    config.client_auth_cert_resolver = certificate.resolver();
    config.resumption = Resumption::default();
    config
}

/// The system's roots. `SSL_CERT_FILE` and `SSL_CERT_DIR` take their place; if a job has these for its own machine, they
/// lead nowhere in the action's container, which has its roots in the usual place all the same.
fn of_system() -> Vec<CertificateDer<'static>> {
    let named = rustls_native_certs::load_native_certs().certs;
    if !named.is_empty() {
        return named;
    }
    rustls_native_certs::load_certs_from_paths(Some(Path::new("/etc/ssl/certs/ca-certificates.crt")), None).certs
}

/// Verifies as rustls does by itself, except that a server that shows a given certificate needs no authority. Its name,
/// its dates and the signature of the handshake have to be right all the same.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    given: Vec<TrustedCertificate>,
}

impl Verifier {
    fn new(mut roots: RootCertStore, given: &[TrustedCertificate]) -> Self {
        // rustls makes no verifier without a root. This one has no key, so that it can have signed nothing.
        let (subject, subject_public_key_info) = (Der::from_slice(b"nobody"), Der::from_slice(b""));
        roots.roots.push(TrustAnchor { subject, subject_public_key_info, name_constraints: None });
        let provider = Arc::new(ring::default_provider());
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Self { webpki: webpki.expect("there is a root"), given: given.to_vec() }
    }

    /// Explains why a chain is refused, if it is because a given certificate is no authority's. If another one of that
    /// name is, webpki has the reason.
    fn explain(&self, error: Error, chain: &[&CertificateDer<'_>], now: UnixTime) -> Error {
        let issuers: Vec<_> = chain.iter().filter_map(|shown| certificate::issuer(shown)).collect();
        let given = self.given.iter().filter(|given| issuers.contains(given.subject()));
        match given.map(|given| given.check_authority(now)).reduce(Result::or) {
            Some(Err(why)) => CertificateError::Other(OtherError(Arc::new(why))).into(),
            _ => error,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(given) = self.given.iter().find(|given| given.der() == shown) else {
            let verdict = self.webpki.verify_server_cert(shown, intermediates, server, ocsp, now);
            let chain: Vec<_> = [shown].into_iter().chain(intermediates).collect();
            return verdict.map_err(|error| self.explain(error, &chain, now));
        };
        given.check_dates_and_purpose(now)?;
        verify_server_name(&ParsedCertificate::try_from(shown)?, server)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, shown, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Why somebody is not trusted, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("TLS error for {host}: {reason}")]
pub(crate) struct TlsFault {
    host: Sanitized,
    code: &'static str,
    reason: String,
    hint: String,
}

impl TlsFault {
    /// Reads what rustls says. `shows_certificate` is whether the client has one to show.
    pub(super) fn of(error: &Error, host: &str, shows_certificate: bool) -> Self {
        match (error, ClientAlert::of(error)) {
            (Error::InvalidCertificate(error), _) => Self::of_certificate(error, host),
            (_, Some(alert)) => Self::of_client(alert, host, shows_certificate),
            (other, None) => Self::other(host, &other.to_string()),
        }
    }

    /// `{host}` in the hint stands for the host.
    fn new(code: &'static str, host: &str, reason: impl Into<String>, hint: &str) -> Self {
        let host = Sanitized::new(host);
        Self { code, reason: reason.into(), hint: hint.replace("{host}", &host.to_string()), host }
    }

    fn other(host: &str, reason: &str) -> Self {
        let hint = "Check that the port in `server-url` uses https, and check the certificate of {host}";
        Self::new("tls-error", host, Sanitized::new(reason).to_string(), hint)
    }

    /// Explains why the certificate of the server is refused.
    fn of_certificate(error: &CertificateError, host: &str) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::new(
                "unknown-authority",
                host,
                "the certificate is signed by an unknown authority",
                "Set `ca-certificate` to the authority's certificate. If the authority is public, configure the server to send \
                 its intermediate certificates",
            ),
            CertificateError::ExpiredContext { not_after, .. } => {
                let reason = format!("the certificate expired on {}", date(*not_after));
                Self::new("expired-certificate", host, reason, "Renew the certificate of {host}")
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                let (since, now) = (date(*not_before), date(*time));
                let reason = format!("the certificate is not valid before {since}, and the runner's clock shows {now}");
                let hint = "Set the clock of the runner, or renew the certificate of {host}";
                Self::new("certificate-not-yet-valid", host, reason, hint)
            }
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                // In a URL brackets are around an address of version 6.
                let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
                let name = address.map_or_else(|_| "DNS:{host}".to_owned(), |address| format!("IP:{address}"));
                let hint = format!(
                    "Create a certificate with a subjectAltName, and set `ca-certificate` to it: `openssl req -x509 -newkey rsa:3072 -nodes \
                     -days 365 -subj /CN={{host}} -addext subjectAltName={name} -keyout key.pem -out cert.pem`"
                );
                let reason = "the certificate has no subjectAltName";
                Self::new("certificate-name-mismatch", host, reason, &hint)
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names: Vec<String> = presented.iter().map(|name| bare(name).to_string()).collect();
                let reason = format!("{OTHER_NAMES}: {}", names.join(", "));
                let hint = "Use one of these names in `server-url`, or create a certificate for {host}";
                Self::new("certificate-name-mismatch", host, reason, hint)
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::new(
                "unsuitable-certificate",
                host,
                "the certificate is not for servers: its extended key usage lacks serverAuth",
                "Renew the certificate of {host} with serverAuth in its extended key usage",
            ),
            CertificateError::BadSignature => Self::new(
                "invalid-signature",
                host,
                "invalid signature. The authority has a known name but a different key, or the server lacks the certificate's \
                 private key",
                "Update `ca-certificate` with the current certificate of {host} or its authority. A reissued certificate has the \
                 old name and a new key",
            ),
            // rustls 0.23 has no word of its own for it.
            CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => Self::new(
                "unsuitable-certificate",
                host,
                "the server uses a CA certificate, which is accepted only if `ca-certificate` contains it",
                "Set `ca-certificate` to the certificate of {host}. `openssl s_client -connect HOST:PORT </dev/null | openssl \
                 x509` shows it; compare it with the one on the server",
            ),
            CertificateError::Other(other) if other.0.to_string() == "EndEntityUsedAsCa" => Self::new(
                "unsuitable-certificate",
                host,
                "the certificate is signed by a certificate that is not a CA",
                "Sign the certificate of {host} with a CA certificate (CA:TRUE)",
            ),
            CertificateError::Other(other) if let Some(why) = other.0.downcast_ref::<NoAuthority>() => {
                Self::of_given(why, host)
            }
            other => Self::other(host, &format!("invalid certificate: {other}")),
        }
    }

    /// Explains why the issuer is in `ca-certificate`, but cannot be trusted as an authority.
    fn of_given(why: &NoAuthority, host: &str) -> Self {
        let hint = match why {
            NoAuthority::NotMarked | NoAuthority::KeyUsage => {
                "Set `ca-certificate` to the current certificate of {host}, or to a CA certificate: with CA:TRUE, and with \
                 keyCertSign if it has a key usage"
            }
            NoAuthority::Certificate(CertificateError::InvalidPurpose) => {
                "Set `ca-certificate` to a CA certificate whose extended key usage, if it has one, includes serverAuth"
            }
            NoAuthority::Certificate(_) => {
                "Set `ca-certificate` to a valid certificate of that authority, or correct the clock of the runner"
            }
        };
        let why = match why {
            NoAuthority::Certificate(error) => Self::of_certificate(error, host).reason,
            NoAuthority::NotMarked | NoAuthority::KeyUsage => why.to_string(),
        };
        let reason = format!("the issuer is in `ca-certificate`, but is not usable as an authority: {why}");
        Self::new("unsuitable-certificate", host, reason, hint)
    }

    /// Explains why the server refuses us, most likely for our certificate.
    fn of_client(alert: ClientAlert, host: &str, shows_certificate: bool) -> Self {
        let reason = match (shows_certificate, alert.is_vague()) {
            (false, false) => "the server requires a client certificate",
            (false, true) => "the server rejected the handshake, perhaps because it requires a client certificate",
            (true, false) => "the server rejected the client certificate",
            (true, true) => "the server rejected the handshake, perhaps because of the client certificate",
        };
        let hint = match (shows_certificate, alert.is_vague()) {
            (false, false) => {
                "Set `client-certificate` to a certificate that {host} accepts, with its private key, in PEM"
            }
            (false, true) => {
                "Set `client-certificate` to a certificate that {host} accepts, with its private key, in PEM. If the \
                 server requires none, check its TLS versions and ciphers"
            }
            (true, _) => {
                "Check `client-certificate`. It has to be valid, be for clients (clientAuth), and be signed by an authority that \
                 {host} accepts"
            }
        };
        Self::new(REFUSES_CLIENT, host, format!("{reason} (TLS alert {alert})"), hint)
    }

    /// Takes out the names in the certificate: another origin may be one that nobody should hear of.
    pub(super) fn hide_names(&mut self) {
        if self.reason.starts_with(OTHER_NAMES) {
            *self = Self::other(&self.host.to_string(), OTHER_NAMES);
        }
    }

    /// Whether the server refuses us, and not we the server.
    pub(super) fn is_about_client(&self) -> bool {
        self.code == REFUSES_CLIENT
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn hint(&self) -> String {
        self.hint.clone()
    }
}

const OTHER_NAMES: &str = "its certificate is for other names";
const REFUSES_CLIENT: &str = "client-certificate-rejected";

/// A name of a certificate without the kind that webpki puts around it: `DnsName("a")`, `IpAddress(..)`.
fn bare(presented: &str) -> Sanitized {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(presented);
    Sanitized::new(inner.trim_matches('"'))
}

/// A time as people and other programs read it.
fn date(time: UnixTime) -> String {
    DateTime::from_unix_duration(Duration::from_secs(time.as_secs()))
        .map_or_else(|_| format!("{} s after 1970", time.as_secs()), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    /// A self-signed certificate of `localhost`, valid for ten years, and no authority's.
    const SHOWN: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBbzCCARWgAwIBAgIUFq8YPYO/GW3gSR546o44Wt8OkkgwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MB4X\
        DTI2MTEyOTIzMjk1NFoXDTM2MTEyNjIzMjk1NFowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0D\
        AQcDQgAEKUQ87IGrhiXKlEQXBHJwJGd8QdLYbj1G1lJv7iHM2Y7yN8MHSu1SMR+H/duCACpMVjLzUwuiCqqx4t4R85lUA6NF\
        MEMwFAYDVR0RBA0wC4IJbG9jYWxob3N0MAwGA1UdEwEB/wQCMAAwHQYDVR0OBBYEFK2YIejLtV3KV33WZUr/63mfKfJuMAoG\
        CCqGSM49BAMCA0gAMEUCIQDEeddnxZOxsQOI3EQx5LjHuR51W+2WuoLR+mS1t1XdhAIgNCiAutifllj2s86aTAM1nKw0nqW+\
        Nc8I5NEs3KL3AHA=\
        \n-----END CERTIFICATE-----\n";

    #[test]
    fn without_any_root_only_a_given_certificate_is_trusted() {
        let shown = CertificateDer::from_pem_slice(SHOWN.as_bytes()).expect("a certificate");
        let given = TrustedCertificate::parse(shown.clone()).expect("a certificate");
        let server = ServerName::try_from("localhost").expect("a name");
        let in_2030 = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
        let verdict = |given: &[TrustedCertificate]| {
            Verifier::new(RootCertStore::empty(), given).verify_server_cert(&shown, &[], &server, &[], in_2030)
        };
        assert_eq!(verdict(&[]).expect_err("nobody"), CertificateError::UnknownIssuer.into());
        verdict(&[given]).expect("trust");
    }
}
