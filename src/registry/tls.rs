//! TLS: whom we trust, and why somebody is not trusted.
//!
//! No option turns verification off. A certificate that is given adds to the system's roots. It also stands for the
//! server that shows this very certificate: webpki refuses one that is marked as an authority's as a server's, and
//! `openssl req -x509` marks all that it makes.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::{DateTime, Decode as _};

use crate::untrusted::Untrusted;

/// TLS with the system's roots, where there are any, and the given certificates. Without any root every certificate is
/// refused, which says more than a client that cannot be built.
pub(super) fn config(given: &[CertificateDer<'static>]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(of_system());
    roots.add_parsable_certificates(given.iter().cloned());
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions");
    if given.is_empty() {
        return builder.with_root_certificates(roots).with_no_client_auth();
    }
    let verifier = Verifier::new(roots, given, &provider);
    builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
}

/// The system's roots. `SSL_CERT_FILE` and `SSL_CERT_DIR` take their place; where a job has these for its own machine, they
/// lead nowhere in the action's container, which has its roots in the usual place all the same.
fn of_system() -> Vec<CertificateDer<'static>> {
    let named = rustls_native_certs::load_native_certs().certs;
    if !named.is_empty() {
        return named;
    }
    rustls_native_certs::load_certs_from_paths(Some(Path::new("/etc/ssl/certs/ca-certificates.crt")), None).certs
}

/// Verifies as rustls does by itself, but for a server that shows a certificate that was given: that one needs no
/// authority. Name, dates and the signature of the handshake have to be right in both cases.
#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    given: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(roots: RootCertStore, given: &[CertificateDer<'static>], provider: &CryptoProvider) -> Self {
        Self { roots, given: given.to_vec(), algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(shown)?;
        if self.given.iter().any(|given| given.as_ref() == shown.as_ref()) {
            verify_dates(shown, now)?;
        } else {
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        }
        verify_server_name(&certificate, server)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The dates of a certificate, as webpki compares them: it does not offer them alone.
fn verify_dates(certificate: &CertificateDer<'_>, time: UnixTime) -> Result<(), CertificateError> {
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate().validity();
    let not_before = UnixTime::since_unix_epoch(validity.not_before.to_unix_duration());
    let not_after = UnixTime::since_unix_epoch(validity.not_after.to_unix_duration());
    if time < not_before {
        Err(CertificateError::NotValidYetContext { time, not_before })
    } else if time > not_after {
        Err(CertificateError::ExpiredContext { time, not_after })
    } else {
        Ok(())
    }
}

/// Why somebody is not trusted.
#[derive(Debug, thiserror::Error)]
#[error("no trusted connection to {host}: {reason}")]
pub struct TlsFault {
    host: Untrusted,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    UnknownAuthority,
    /// An authority's certificate as a server's.
    Authority,
    Expired(String),
    NotYetValid {
        since: String,
        now: String,
    },
    OtherNames(Vec<Untrusted>),
    NoNames,
    Signature,
    Other(Untrusted),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("its certificate comes from an authority that is not known here"),
            Self::Authority => f.write_str(
                "its certificate is marked as an authority's, which is good for a server only if it is given",
            ),
            Self::Expired(when) => write!(f, "its certificate has expired, on {when}"),
            Self::NotYetValid { since, now } => {
                write!(f, "its certificate is not valid before {since}, and it is {now} on the runner")
            }
            Self::OtherNames(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                write!(f, "its certificate is for other names: {}", names.join(", "))
            }
            Self::NoNames => f.write_str("its certificate names no host, since it has no subjectAltName"),
            Self::Signature => f.write_str(
                "a signature does not fit: its authority has the name of one that is known here but another key, or it \
                 has not the key of its certificate",
            ),
            Self::Other(reason) => reason.fmt(f),
        }
    }
}

impl TlsFault {
    /// Reads what rustls says.
    pub(super) fn of(error: &Error, host: &str) -> Self {
        let reason = match error {
            Error::InvalidCertificate(error) => match error {
                CertificateError::UnknownIssuer => Reason::UnknownAuthority,
                CertificateError::ExpiredContext { not_after, .. } => Reason::Expired(date(*not_after)),
                CertificateError::NotValidYetContext { time, not_before } => {
                    Reason::NotYetValid { since: date(*not_before), now: date(*time) }
                }
                CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => Reason::NoNames,
                CertificateError::NotValidForNameContext { presented, .. } => {
                    Reason::OtherNames(presented.iter().map(|name| bare(name)).collect())
                }
                CertificateError::BadSignature => Reason::Signature,
                // rustls 0.23 has no word of its own for it.
                CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => Reason::Authority,
                other => Reason::Other(Untrusted::new(&format!("its certificate is not good: {other}"))),
            },
            other => Reason::Other(Untrusted::new(&other.to_string())),
        };
        Self { host: Untrusted::new(host), reason }
    }

    /// Takes out the names in the certificate: another origin may be one that nobody should hear of.
    pub(super) fn hide_names(&mut self) {
        if let Reason::OtherNames(_) = self.reason {
            self.reason = Reason::Other(Untrusted::new("its certificate is for other names"));
        }
    }

    pub(super) fn advice(&self) -> String {
        let host = &self.host;
        match &self.reason {
            Reason::UnknownAuthority => "Give the certificate of that authority in `ca-certificate`; where it is a \
                                         public one, let the server send its intermediate certificates too"
                .to_owned(),
            Reason::Authority => format!(
                "Give the certificate of {host} in `ca-certificate`: `openssl s_client -connect HOST:PORT </dev/null | \
                 openssl x509` shows it, and its owner can tell whether that is the right one"
            ),
            Reason::Expired(_) => format!("Renew the certificate of {host}"),
            Reason::NotYetValid { .. } => {
                format!("Set the clock of the runner, or let the certificate of {host} be made anew")
            }
            Reason::OtherNames(_) => {
                format!("Take one of these names for the host, or let the certificate be made for {host}")
            }
            Reason::NoNames => format!(
                "Make one that does, and give it in `ca-certificate`: `openssl req -x509 -newkey rsa:3072 -nodes -days 365 \
                 -subj /CN={host} -addext subjectAltName={kind}:{name} -keyout key.pem -out cert.pem`",
                kind = if self.address().is_some() { "IP" } else { "DNS" },
                name = self.address().map_or_else(|| host.to_string(), |address| address.to_string()),
            ),
            Reason::Signature => format!(
                "Give the certificate of {host} or of its authority anew in `ca-certificate`: one that was made again \
                 has the old name and a new key"
            ),
            Reason::Other(_) => {
                format!("Check that the port in `server-url` speaks https, and the certificate of {host}")
            }
        }
    }

    /// The host as an address, where it is one; in a URL brackets are around that of version 6.
    fn address(&self) -> Option<IpAddr> {
        self.host.to_string().trim_matches(['[', ']']).parse().ok()
    }
}

/// A name of a certificate without the kind that webpki puts around it: `DnsName("a")`, `IpAddress(..)`.
fn bare(presented: &str) -> Untrusted {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(presented);
    Untrusted::new(inner.trim_matches('"'))
}

/// A time as people and other programs read it.
fn date(time: UnixTime) -> String {
    DateTime::from_unix_duration(Duration::from_secs(time.as_secs()))
        .map_or_else(|_| format!("{} s after 1970", time.as_secs()), |date| date.to_string())
}
