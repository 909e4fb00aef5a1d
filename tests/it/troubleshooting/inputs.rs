//! Inputs that are rejected before anything is sent.

use super::{Case, rejected};
use crate::network::{Identity, naming};

pub(super) const CASES: &[Case] = &[
    ("Inputs are missing", || rejected(|job| job.without("INPUT_TOKEN").without("INPUT_FILES"))),
    ("No version on a branch", || {
        rejected(|job| job.without("INPUT_VERSION").variable("GITHUB_REF", "refs/heads/main"))
    }),
    ("A version that changes the path of a URL", || rejected(|job| job.input("version", ".."))),
    ("A git ref that is not a tag in `version`", || rejected(|job| job.input("version", "refs/heads/main"))),
    ("A variable in an input", || rejected(|job| job.input("version", "$GITHUB_REF_NAME"))),
    ("An input of another action", || rejected(|job| job.without("INPUT_REPO").input("package_name", "widget"))),
    ("The token is too short", || rejected(|job| job.token("hunter2"))),
    ("The workflow's server is GitHub", || rejected(|job| job.variable("GITHUB_SERVER_URL", "https://github.com"))),
    ("`server-url` is not a URL", || rejected(|job| job.input("server-url", "git.example.com"))),
    ("`server-url` has a password", || rejected(|job| job.input("server-url", "https://alice:pw@git.example.com"))),
    ("An unknown value", || rejected(|job| job.input("if-no-files-found", "wran"))),
    ("A number out of range", || rejected(|job| job.input("concurrency", "99"))),
    ("The token is in another input", || {
        let token = "0123456789abcdef0123456789abcdef01234567";
        rejected(|job| job.token(token).input("username", token))
    }),
    ("`ca-certificate` is not a certificate", || rejected(|job| job.input("ca-certificate", "certs/ca.pem"))),
    ("`ca-certificate` contains a private key", || rejected(|job| job.input("ca-certificate", identity().key_pem))),
    ("`client-certificate` has no private key", || rejected(|job| job.input("client-certificate", identity().pem))),
    ("`headers` has bad lines", || {
        rejected(|job| job.input("headers", "X-Gate\nHost: a.example.com\nX-Empty:\nX-Id: 1\nx-id: 2"))
    }),
    ("The value of a header is in another input", || {
        rejected(|job| job.input("headers", "X-Gate: 0123456789").input("version", "0123456789"))
    }),
    ("A proxy that cannot be used", || {
        rejected(|job| job.variable("HTTP_PROXY", "socks5://bob:a-password@proxy.example.com:1080"))
    }),
];

fn identity() -> Identity {
    Identity::self_signed(&naming(&["localhost"]))
}
