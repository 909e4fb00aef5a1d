//! The certificates of `ca-certificate`, and the rules for trusting them.
//!
//! webpki ignores basicConstraints, key usage and dates of a trust anchor, and cannot trust a server's certificate without an
//! authority. So both are decided here. webpki checks the rest.

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Error};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;

/// `id-kp-serverAuth` of RFC 5280.
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// A certificate of `ca-certificate`.
#[derive(Clone, Debug)]
pub(crate) struct TrustedCertificate {
    pub(crate) der: CertificateDer<'static>,
    parsed: Certificate,
}

/// Why a certificate cannot be trusted as an authority.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NoAuthority {
    /// basicConstraints are missing, or say CA:FALSE.
    #[error("it is not marked as an authority (CA:TRUE)")]
    NotMarked,
    /// There is a key usage without keyCertSign.
    #[error("its key usage does not include keyCertSign")]
    KeyUsage,
    /// Its dates or its extended key usage are wrong, as they would be for a server.
    #[error("{0}")]
    Certificate(CertificateError),
}

impl TrustedCertificate {
    /// Reads a certificate. Both libraries must understand it.
    pub(crate) fn parse(der: CertificateDer<'static>) -> Option<Self> {
        RootCertStore::empty().add(der.clone()).ok()?;
        let parsed = Certificate::from_der(&der).ok()?;
        Some(Self { der, parsed })
    }

    /// Checks that the certificate can be trusted as an authority of servers.
    pub(crate) fn check_authority(&self, now: UnixTime) -> Result<(), NoAuthority> {
        let bad = NoAuthority::Certificate;
        if !self.extension::<BasicConstraints>().map_err(bad)?.is_some_and(|constraints| constraints.ca) {
            return Err(NoAuthority::NotMarked);
        }
        if self.extension::<KeyUsage>().map_err(bad)?.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(NoAuthority::KeyUsage);
        }
        self.check_dates_and_purpose(now).map_err(bad)
    }

    /// Checks the dates and the extended key usage, as webpki does for the certificates below an anchor.
    pub(crate) fn check_dates_and_purpose(&self, time: UnixTime) -> Result<(), CertificateError> {
        let validity = self.parsed.tbs_certificate().validity();
        let not_before = UnixTime::since_unix_epoch(validity.not_before.to_unix_duration());
        let not_after = UnixTime::since_unix_epoch(validity.not_after.to_unix_duration());
        if time < not_before {
            return Err(CertificateError::NotValidYetContext { time, not_before });
        }
        if time > not_after {
            return Err(CertificateError::ExpiredContext { time, not_after });
        }
        if self.extension::<ExtendedKeyUsage>()?.is_some_and(|usage| !usage.0.contains(&SERVER_AUTH)) {
            return Err(CertificateError::InvalidPurpose);
        }
        Ok(())
    }

    /// Returns the subject of the certificate.
    pub(crate) fn subject(&self) -> &Name {
        self.parsed.tbs_certificate().subject()
    }

    fn extension<'a, T: Decode<'a, Error = Error> + AssociatedOid>(&'a self) -> Result<Option<T>, CertificateError> {
        let extension = self.parsed.tbs_certificate().get_extension::<T>();
        Ok(extension.map_err(|_| CertificateError::BadEncoding)?.map(|(_, extension)| extension))
    }
}

/// Returns the issuer of a certificate.
pub(crate) fn issuer(certificate: &CertificateDer<'_>) -> Option<Name> {
    Certificate::from_der(certificate).ok().map(|certificate| certificate.tbs_certificate().issuer().clone())
}
