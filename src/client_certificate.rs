//! The certificate of `client-certificate`, for TLS client authentication.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// A certificate chain and its private key, for a server that requests them. `Debug` shows neither.
#[derive(Clone)]
pub(crate) struct ClientCertificate(pub(crate) Arc<SingleCertAndKey>);

/// Why a PEM text is not a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadClientCertificate {
    /// The private key has a passphrase.
    #[error("contains an encrypted private key")]
    Encrypted,
    /// Invalid PEM, or PEM with invalid content.
    #[error("contains an invalid certificate or private key")]
    Unreadable,
    /// No certificate.
    #[error("contains no certificate")]
    NoCertificate,
    /// No private key.
    #[error("contains no private key")]
    NoKey,
    /// A key that the cryptography library does not support.
    #[error("contains a private key of an unsupported type")]
    UnsupportedKey,
    /// The key of another certificate.
    #[error("contains a private key that does not belong to its first certificate")]
    OtherKey,
}

impl BadClientCertificate {
    /// Returns how to correct the text.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Encrypted => {
                "Remove the passphrase with `openssl pkey -in key.pem -out decrypted.pem`, and store the result in a secret"
            }
            Self::Unreadable => "Include all lines of the PEM text from BEGIN to END, each on its own line",
            Self::NoCertificate => "Add the certificate before its private key, both in PEM",
            Self::NoKey => "Add the private key after its certificate, in PEM (PKCS#8, PKCS#1 or SEC1)",
            Self::UnsupportedKey => "Use an RSA key with 2048 bits or more, ECDSA P-256, ECDSA P-384 or Ed25519",
            Self::OtherKey => {
                "Put the certificate of the key first and the certificates of its issuers after it, or use the matching key"
            }
        }
    }
}

impl ClientCertificate {
    /// Reads a chain, the client's own certificate first, and its private key, in any order of the two.
    pub(crate) fn parse(pem: &str) -> Result<Self, BadClientCertificate> {
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(BadClientCertificate::Encrypted);
        }
        let lines = pem.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        let (mut chain, mut parsed) = (Vec::new(), Vec::new());
        let mut key = None;
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(lines.as_bytes()) {
            // The error of the PEM reader can contain parts of the text.
            let (kind, der) = section.map_err(|_| BadClientCertificate::Unreadable)?;
            if kind == SectionKind::Certificate {
                // Not webpki, which cannot read the version 1 certificates of `openssl x509 -req`.
                parsed.push(Certificate::from_der(&der).map_err(|_| BadClientCertificate::Unreadable)?);
                chain.push(CertificateDer::from(der));
            } else if let Some(found) = PrivateKeyDer::from_pem(kind, der) {
                key.get_or_insert(found);
            }
        }
        let own = parsed.first().ok_or(BadClientCertificate::NoCertificate)?;
        let key = key.ok_or(BadClientCertificate::NoKey)?;
        let CryptoProvider { key_provider, .. } = ring::default_provider();
        let key = key_provider.load_private_key(key).map_err(|_| BadClientCertificate::UnsupportedKey)?;
        let public_key = own.tbs_certificate().subject_public_key_info().to_der();
        if public_key.ok().as_deref() != key.public_key().as_deref() {
            return Err(BadClientCertificate::OtherKey);
        }
        Ok(Self(Arc::new(CertifiedKey::new(chain, key).into())))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(***)")
    }
}
