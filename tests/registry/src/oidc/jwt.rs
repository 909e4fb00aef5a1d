//! JSON Web Tokens with RS256, and the keys that sign them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use serde_json::{Map, Value, json};

/// A key that signs tokens.
pub(super) struct SigningKey {
    /// Its name in the header of tokens.
    id: &'static str,
    pair: KeyPair,
}

impl SigningKey {
    fn read(id: &'static str, pkcs8: &[u8]) -> Self {
        Self { id, pair: KeyPair::from_pkcs8(pkcs8).expect("the test keys are RSA keys in PKCS#8") }
    }

    /// Signs claims.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> String {
        let header = json!({"alg": "RS256", "kid": self.id, "typ": "JWT"});
        let claims = Value::Object(claims.clone());
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signing = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
        signing.expect("the signature has the length of the modulus");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the public key as a JSON Web Key.
    pub(super) fn public(&self) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.pair.public());
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": n, "e": e})
    }
}

/// The key of the issuer, the same in all registries. It protects nothing.
///
/// Both keys are from `openssl genpkey -algorithm RSA | openssl pkcs8 -topk8 -nocrypt -outform DER`.
pub(super) static ISSUER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::read("embedded-registry-issuer", include_bytes!("../../keys/issuer.der")));

/// A key that no issuer has published.
pub(super) static OTHER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::read("embedded-registry-other", include_bytes!("../../keys/other.der")));

/// A token whose parts were read. Its signature is not verified yet.
pub(super) struct Jwt<'a> {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

/// The error for text that is no token, in the words of `golang-jwt`.
pub(super) const WRONG_NUMBER_OF_PARTS: &str = "token is malformed: token contains an invalid number of segments";
/// The error for a signature of another key, in its words.
pub(super) const WRONG_SIGNATURE: &str = "token signature is invalid: crypto/rsa: verification error";

impl<'a> Jwt<'a> {
    /// Reads a token.
    pub(super) fn parse(token: &'a str) -> Result<Self, String> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { return Err(WRONG_NUMBER_OF_PARTS.to_owned()) };
        let decode = |part: &str, name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part);
            bytes.map_err(|_| format!("token is malformed: could not base64 decode {name}: illegal base64 data"))
        };
        let object = |part: &str, name: &str| {
            let bytes = decode(part, name)?;
            let object = serde_json::from_slice::<Map<String, Value>>(&bytes);
            object.map_err(|_| format!("token is malformed: could not JSON decode {name}"))
        };
        let (header, claims) = (object(header, "header")?, object(claims, "claim")?);
        let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        if algorithm != "RS256" {
            return Err(format!("token signature is invalid: signing method {algorithm} is invalid"));
        }
        let signed = &token[..token.len() - signature.len() - 1];
        Ok(Self { header, claims, signed, signature: decode(signature, "signature")? })
    }

    /// Returns a claim that is a text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// Returns the audiences, which are one text or a list.
    pub(super) fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Checks that the issuer has signed the token.
    pub(super) fn verify_signature(&self) -> Result<(), String> {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, ISSUER.pair.public().as_ref());
        let verified = key.verify(self.signed.as_bytes(), &self.signature);
        verified.map_err(|_| WRONG_SIGNATURE.to_owned())
    }
}
