//! TLS: whom we trust, and why somebody is not trusted.
//!
//! No option turns verification off. A certificate of `ca-certificate` adds to the system's roots if it is an authority's.
//! Any of them also makes the server trusted that shows this very certificate: webpki refuses an authority's
//! certificate as a server's, and `openssl req -x509` marks each certificate as an authority's.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use x509_cert::der::DateTime;

use crate::certificate::{self, NoAuthority, TrustedCertificate};
use crate::client_certificate::{ClientAlert, ClientCertificate};
use crate::untrusted::Untrusted;

/// TLS with the system's roots, if there are any, and the given certificates that are authorities now. Without any
/// root every certificate is refused, which says more than a client that cannot be built.
pub(super) fn config(given: &[TrustedCertificate]) -> ClientConfig {
    let now = UnixTime::now();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(of_system());
    let authorities = given.iter().filter(|given| given.check_authority(now).is_ok());
    roots.add_parsable_certificates(authorities.map(|given| given.der().clone()));
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

/// The same TLS with a certificate of the client, and with sessions of its own: one of the server is nobody else's.
pub(super) fn with_client_certificate(config: &ClientConfig, certificate: &ClientCertificate) -> ClientConfig {
    let mut config = config.clone();
    config.client_auth_cert_resolver = certificate.resolver();
    config.resumption = Resumption::default();
    config
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
    given: Vec<TrustedCertificate>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(roots: RootCertStore, given: &[TrustedCertificate], provider: &CryptoProvider) -> Self {
        Self { roots, given: given.to_vec(), algorithms: provider.signature_verification_algorithms }
    }

    /// Says why a chain is refused, if it is because a given certificate is not an authority's.
    fn explain(
        &self,
        error: Error,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Error {
        // Many servers send their authority too, and webpki says what is wrong with it as if it were anybody's.
        let sends_a_given_one = intermediates.iter().any(|sent| self.given.iter().any(|given| given.der() == sent));
        if error != Error::InvalidCertificate(CertificateError::UnknownIssuer) && !sends_a_given_one {
            return error;
        }
        let issuers: Vec<_> = [shown].into_iter().chain(intermediates).filter_map(certificate::issuer).collect();
        let mut issuers = self.given.iter().filter(|given| issuers.contains(given.subject()));
        let why = issuers.find_map(|issuer| issuer.check_authority(now).err());
        why.map_or(error, |why| CertificateError::Other(OtherError(Arc::new(why))).into())
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
        if let Some(given) = self.given.iter().find(|given| given.der() == shown) {
            given.check_dates_and_purpose(now)?;
        } else {
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)
                .map_err(|error| self.explain(error, shown, intermediates, now))?;
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

/// Why somebody is not trusted.
#[derive(Debug, thiserror::Error)]
#[error("no trusted connection to {host}: {reason}")]
pub(crate) struct TlsFault {
    host: Untrusted,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    UnknownAuthority,
    /// The issuer is in `ca-certificate`, but cannot be trusted as an authority.
    NoAuthority(NoAuthority),
    /// An authority's certificate as a server's.
    Authority,
    /// A server's certificate as an authority's.
    EndEntity,
    Expired(String),
    NotYetValid {
        since: String,
        now: String,
    },
    OtherNames(Vec<Untrusted>),
    NoNames,
    Purpose,
    Signature,
    /// The server refuses us, most likely for our certificate.
    Client {
        alert: ClientAlert,
        shows_certificate: bool,
    },
    Other(Untrusted),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("its certificate comes from an authority that is not known here"),
            Self::NoAuthority(why) => {
                f.write_str("its issuer is in `ca-certificate`, but cannot be trusted as an authority: ")?;
                match why {
                    NoAuthority::Certificate(error) => Self::of(error).fmt(f),
                    NoAuthority::NotMarked | NoAuthority::KeyUsage => why.fmt(f),
                }
            }
            Self::Authority => f.write_str(
                "its certificate is marked as an authority's, which is good for a server only if it is given",
            ),
            Self::EndEntity => f.write_str("a certificate that is not an authority's has signed its certificate"),
            Self::Expired(when) => write!(f, "its certificate has expired, on {when}"),
            Self::NotYetValid { since, now } => {
                write!(f, "its certificate is not valid before {since}, and it is {now} on the runner")
            }
            Self::OtherNames(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                write!(f, "its certificate is for other names: {}", names.join(", "))
            }
            Self::NoNames => f.write_str("its certificate names no host, since it has no subjectAltName"),
            Self::Purpose => {
                f.write_str("its certificate is not for servers: its extended key usage does not include serverAuth")
            }
            Self::Signature => f.write_str(
                "a signature does not fit: its authority has the name of one that is known here but another key, or it \
                 has not the key of its certificate",
            ),
            Self::Client { alert, shows_certificate: false } if !alert.is_vague() => {
                write!(f, "it requires a client certificate (TLS alert {alert})")
            }
            Self::Client { alert, shows_certificate: false } => {
                write!(
                    f,
                    "it refused the handshake, perhaps because it requires a client certificate (TLS alert {alert})"
                )
            }
            Self::Client { alert, shows_certificate: true } if !alert.is_vague() => {
                write!(f, "it rejected the client certificate (TLS alert {alert})")
            }
            Self::Client { alert, shows_certificate: true } => {
                write!(f, "it refused the handshake, perhaps because of the client certificate (TLS alert {alert})")
            }
            Self::Other(reason) => reason.fmt(f),
        }
    }
}

impl Reason {
    fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(date(*not_after)),
            CertificateError::NotValidYetContext { time, not_before } => {
                Self::NotYetValid { since: date(*not_before), now: date(*time) }
            }
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => Self::NoNames,
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::OtherNames(presented.iter().map(|name| bare(name)).collect())
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::Purpose,
            CertificateError::BadSignature => Self::Signature,
            // rustls 0.23 has no word of its own for it.
            CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => Self::Authority,
            CertificateError::Other(other) if other.0.to_string() == "EndEntityUsedAsCa" => Self::EndEntity,
            CertificateError::Other(other) if let Some(why) = other.0.downcast_ref::<NoAuthority>() => {
                Self::NoAuthority(why.clone())
            }
            other => Self::Other(Untrusted::new(&format!("its certificate is not good: {other}"))),
        }
    }
}

impl TlsFault {
    /// Reads what rustls says. `shows_certificate` is whether the client has one to show.
    pub(super) fn of(error: &Error, host: &str, shows_certificate: bool) -> Self {
        let reason = match error {
            Error::InvalidCertificate(error) => Reason::of(error),
            other => match ClientAlert::of(other) {
                Some(alert) => Reason::Client { alert, shows_certificate },
                None => Reason::Other(Untrusted::new(&other.to_string())),
            },
        };
        Self { host: Untrusted::new(host), reason }
    }

    /// Takes out the names in the certificate: another origin may be one that nobody should hear of.
    pub(super) fn hide_names(&mut self) {
        if let Reason::OtherNames(_) = self.reason {
            self.reason = Reason::Other(Untrusted::new("its certificate is for other names"));
        }
    }

    /// Whether the server refuses us, and not we the server.
    pub(super) fn is_about_client(&self) -> bool {
        matches!(self.reason, Reason::Client { .. })
    }

    pub(super) fn code(&self) -> &'static str {
        match self.reason {
            Reason::UnknownAuthority => "unknown-authority",
            Reason::NoAuthority(_) | Reason::Authority | Reason::EndEntity | Reason::Purpose => {
                "unsuitable-certificate"
            }
            Reason::Expired(_) => "expired-certificate",
            Reason::NotYetValid { .. } => "certificate-not-yet-valid",
            Reason::OtherNames(_) | Reason::NoNames => "certificate-name-mismatch",
            Reason::Signature => "invalid-signature",
            Reason::Client { .. } => "client-certificate-rejected",
            Reason::Other(_) => "tls-error",
        }
    }

    pub(super) fn advice(&self) -> String {
        let host = &self.host;
        match &self.reason {
            Reason::UnknownAuthority => "Give the certificate of that authority in `ca-certificate`; where it is a \
                                         public one, let the server send its intermediate certificates too"
                .to_owned(),
            Reason::NoAuthority(NoAuthority::Certificate(CertificateError::InvalidPurpose)) => {
                "Give the certificate of an authority in `ca-certificate` whose extended key usage, if there is one, includes \
                 serverAuth"
                    .to_owned()
            }
            Reason::NoAuthority(NoAuthority::Certificate(_)) => {
                "Give a certificate of that authority in `ca-certificate` that is valid now, or set the clock of the \
                 runner if it is wrong"
                    .to_owned()
            }
            Reason::NoAuthority(NoAuthority::NotMarked | NoAuthority::KeyUsage) => format!(
                "Give the certificate that {host} shows now in `ca-certificate`, or the certificate of an authority: \
                 with CA:TRUE, and with keyCertSign if it has a key usage"
            ),
            Reason::Authority => format!(
                "Give the certificate of {host} in `ca-certificate`: `openssl s_client -connect HOST:PORT </dev/null | \
                 openssl x509` shows it, and its owner can tell whether that is the right one"
            ),
            Reason::EndEntity => format!("Renew the certificate of {host} with an authority that may sign certificates (CA:TRUE)"),
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
            Reason::Purpose => format!("Renew the certificate of {host} with serverAuth in its extended key usage"),
            Reason::Signature => format!(
                "Give the certificate of {host} or of its authority anew in `ca-certificate`: one that was made again \
                 has the old name and a new key"
            ),
            Reason::Client { alert, shows_certificate: false } => {
                let other = if alert.is_vague() {
                    "; if the server requires none, check its TLS versions and ciphers"
                } else {
                    ""
                };
                format!("Set `client-certificate` to a certificate that {host} accepts, with its private key, in PEM{other}")
            }
            Reason::Client { shows_certificate: true, .. } => format!(
                "Check `client-certificate`: it has to be valid now, be for clients (clientAuth), and come from an authority \
                 that {host} accepts"
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
