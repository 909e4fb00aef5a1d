//! TLS: the trusted certificates, and the reasons for a rejection.
//!
//! No option turns verification off. A certificate of `ca-certificate` adds to the system's roots if it is an authority's.
//! A server that presents exactly such a certificate is trusted too. webpki rejects an authority's certificate as a
//! server's, and `openssl req -x509` marks each certificate as an authority's.

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
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_cert::der::DateTime;

use super::failure::{Transport, for_every_file};
use crate::certificate::{self, NoAuthority, TrustedCertificate};
use crate::client_certificate::ClientCertificate;
use crate::package::ServerUrl;
use crate::sanitize::Sanitized;

/// Returns a TLS configuration with the system's roots, if there are any, and the given certificates that are valid
/// authorities. Without any root, every certificate is rejected, which is a clearer error than a failed setup.
pub(super) fn config(given: &[TrustedCertificate]) -> ClientConfig {
    let now = UnixTime::now();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(of_system());
    let authorities = given.iter().filter(|given| given.check_authority(now).is_ok());
    roots.add_parsable_certificates(authorities.map(|given| given.der.clone()));
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(roots, given)))
        .with_no_client_auth()
}

/// Adds a client certificate to a configuration, with separate TLS sessions, because only the server may use them.
pub(super) fn with_client_certificate(config: &ClientConfig, certificate: &ClientCertificate) -> ClientConfig {
    let mut config = config.clone();
    config.client_auth_cert_resolver = certificate.0.clone();
    config.resumption = Resumption::default();
    config
}

/// Returns the system's root certificates. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them. If a job sets these for
/// its host, the paths may not exist in the action's container, so its usual path is read then.
fn of_system() -> Vec<CertificateDer<'static>> {
    let named = rustls_native_certs::load_native_certs().certs;
    if !named.is_empty() {
        return named;
    }
    rustls_native_certs::load_certs_from_paths(Some(Path::new("/etc/ssl/certs/ca-certificates.crt")), None).certs
}

/// Verifies as rustls does by default, except that a server that presents a given certificate needs no authority. Its
/// name, dates and the signature of the handshake must still be valid.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    given: Vec<TrustedCertificate>,
}

impl Verifier {
    fn new(mut roots: RootCertStore, given: &[TrustedCertificate]) -> Self {
        // rustls rejects an empty set of roots. This root has no key, so it cannot have signed anything.
        let (subject, subject_public_key_info) = (Der::from_slice(b"nobody"), Der::from_slice(b""));
        roots.roots.push(TrustAnchor { subject, subject_public_key_info, name_constraints: None });
        let provider = Arc::new(ring::default_provider());
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Self { webpki: webpki.expect("there is a root"), given: given.to_vec() }
    }

    /// Explains a rejected chain if a given certificate with the issuer's name is not an authority. If another one with
    /// that name is, the error of webpki stays.
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
        let Some(given) = self.given.iter().find(|given| given.der == *shown) else {
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

/// A TLS failure with its reason and hint. `{host}` in the hint is replaced by the host.
struct Fault {
    code: &'static str,
    reason: String,
    hint: String,
}

impl Fault {
    fn new(code: &'static str, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), hint: hint.into() }
    }

    fn other(reason: &str) -> Self {
        let hint = "Check that the port in `server-url` uses https, and check the certificate of {host}";
        Self::new("tls-error", Sanitized::new(reason).to_string(), hint)
    }
}

/// Classifies a TLS error. `shows_certificate` is whether the client has a certificate. `elsewhere` is the server that
/// redirected to this host, if there was a redirect. Then no text of the host's certificate is shown.
pub(super) fn fault(error: &Error, host: &str, shows_certificate: bool, elsewhere: Option<&ServerUrl>) -> Transport {
    let mut fault = match (error, client_alert(error)) {
        (Error::InvalidCertificate(error), _) => of_certificate(error, host, elsewhere.is_none()),
        (_, Some(alert)) => of_client(alert, shows_certificate),
        (other, None) => Fault::other(&other.to_string()),
    };
    if let Some(server) = elsewhere
        && fault.code == CLIENT_CERTIFICATE_REJECTED
    {
        fault.hint =
            format!("Configure {{host}}, where {server} keeps its files, to accept clients without a certificate");
    }
    let host = Sanitized::new(host);
    let failure = for_every_file(fault.code, fault.hint.replace("{host}", &host.to_string()));
    // A retry would get the same certificate.
    Transport::not_sent(format!("TLS error for {host}: {}", fault.reason), failure)
}

/// Explains why the certificate of a host is rejected.
fn of_certificate(error: &CertificateError, host: &str, shows_names: bool) -> Fault {
    match error {
        CertificateError::UnknownIssuer => Fault::new(
            "unknown-authority",
            "the certificate is signed by an unknown authority",
            "Set `ca-certificate` to the authority's certificate. If the authority is public, configure the server to send \
             its intermediate certificates",
        ),
        CertificateError::ExpiredContext { not_after, .. } => {
            let reason = format!("the certificate expired on {}", date(*not_after));
            Fault::new("expired-certificate", reason, "Renew the certificate of {host}")
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let (since, now) = (date(*not_before), date(*time));
            let reason = format!("the certificate is not valid before {since}, and the runner's clock shows {now}");
            let hint = "Correct the clock of the runner, or renew the certificate of {host}";
            Fault::new("certificate-not-yet-valid", reason, hint)
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            // In a URL brackets are around an address of version 6.
            let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
            let name = address.map_or_else(|_| "DNS:{host}".to_owned(), |address| format!("IP:{address}"));
            let hint = format!(
                "Create a certificate with a subjectAltName, and set `ca-certificate` to it: `openssl req -x509 -newkey rsa:3072 -nodes \
                 -days 365 -subj /CN={{host}} -addext subjectAltName={name} -keyout key.pem -out cert.pem`"
            );
            Fault::new("certificate-name-mismatch", "the certificate has no subjectAltName", hint)
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().map(|name| bare(name).to_string()).collect();
            let names = if shows_names { format!(": {}", names.join(", ")) } else { String::new() };
            let hint = "Use one of these names in `server-url`, or create a certificate for {host}";
            Fault::new("certificate-name-mismatch", format!("its certificate is for other names{names}"), hint)
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Fault::new(
            "unsuitable-certificate",
            "the certificate is not for servers: its extended key usage lacks serverAuth",
            "Renew the certificate of {host} with serverAuth in its extended key usage",
        ),
        CertificateError::BadSignature => Fault::new(
            "invalid-signature",
            "invalid signature. The authority has a known name but a different key, or the server lacks the certificate's \
             private key",
            "Update `ca-certificate` with the current certificate of {host} or its authority. A reissued certificate has the \
             old name and a new key",
        ),
        // rustls 0.23 has no word of its own for it.
        CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => Fault::new(
            "unsuitable-certificate",
            "the server uses a CA certificate, which is accepted only if `ca-certificate` contains it",
            "Set `ca-certificate` to the certificate of {host}. `openssl s_client -connect HOST:PORT </dev/null | openssl \
             x509` shows it; compare it with the one on the server",
        ),
        CertificateError::Other(other) if other.0.to_string() == "EndEntityUsedAsCa" => Fault::new(
            "unsuitable-certificate",
            "the certificate is signed by a certificate that is not a CA",
            "Sign the certificate of {host} with a CA certificate (CA:TRUE)",
        ),
        CertificateError::Other(other) if let Some(why) = other.0.downcast_ref::<NoAuthority>() => {
            // The issuer is in `ca-certificate`, but cannot be trusted as an authority.
            let (why, hint) = match why {
                NoAuthority::NotMarked | NoAuthority::KeyUsage => (
                    why.to_string(),
                    "Set `ca-certificate` to the current certificate of {host}, or to a CA certificate: with CA:TRUE, and \
                     with keyCertSign if it has a key usage",
                ),
                NoAuthority::Certificate(error @ CertificateError::InvalidPurpose) => (
                    of_certificate(error, host, shows_names).reason,
                    "Set `ca-certificate` to a CA certificate whose extended key usage, if it has one, includes serverAuth",
                ),
                NoAuthority::Certificate(error) => (
                    of_certificate(error, host, shows_names).reason,
                    "Set `ca-certificate` to a valid certificate of that authority, or correct the clock of the runner",
                ),
            };
            let reason = format!("the issuer is in `ca-certificate`, but is not usable as an authority: {why}");
            Fault::new("unsuitable-certificate", reason, hint)
        }
        other => Fault::other(&format!("invalid certificate: {other}")),
    }
}

/// Explains why the server rejects the client, most likely because of the client certificate.
fn of_client(alert: &str, shows_certificate: bool) -> Fault {
    let (reason, hint) = match (shows_certificate, alert == VAGUE) {
        (false, false) => (
            "the server requires a client certificate",
            "Set `client-certificate` to a certificate that {host} accepts, with its private key, in PEM",
        ),
        (false, true) => (
            "the server rejected the handshake, perhaps because it requires a client certificate",
            "Set `client-certificate` to a certificate that {host} accepts, with its private key, in PEM. If the server \
             requires none, check its TLS versions and ciphers",
        ),
        (true, is_vague) => (
            if is_vague {
                "the server rejected the handshake, perhaps because of the client certificate"
            } else {
                "the server rejected the client certificate"
            },
            "Check `client-certificate`. It has to be valid, be for clients (clientAuth), and be signed by an authority that \
             {host} accepts",
        ),
    };
    Fault::new(CLIENT_CERTIFICATE_REJECTED, format!("{reason} (TLS alert {alert})"), hint)
}

const CLIENT_CERTIFICATE_REJECTED: &str = "client-certificate-rejected";

/// The TLS alert that can have other reasons, such as ciphers.
const VAGUE: &str = "handshake_failure";

/// Returns the TLS alert of a server that rejects the client's certificate or its absence, with its name in RFC 8446, 6.2.
pub(super) fn client_alert(error: &Error) -> Option<&'static str> {
    let Error::AlertReceived(alert) = error else { return None };
    Some(match alert {
        AlertDescription::CertificateRequired => "certificate_required",
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::HandshakeFailure => VAGUE,
        _ => return None,
    })
}

/// Returns the name in a certificate without webpki's type around it: `DnsName("a")`, `IpAddress(..)`.
fn bare(presented: &str) -> Sanitized {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(presented);
    Sanitized::new(inner.trim_matches('"'))
}

/// Formats a time as a date in RFC 3339.
fn date(time: UnixTime) -> String {
    DateTime::from_unix_duration(Duration::from_secs(time.as_secs()))
        .map_or_else(|_| format!("{} s after 1970", time.as_secs()), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_root_only_a_given_certificate_is_trusted() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let shown = made.cert.der().clone();
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
