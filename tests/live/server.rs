//! The server that is tested against, and a package of one's own on it.

use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::harness::{Job, print_skipped};

/// The variables that say where the server is and who publishes there.
const URL: &str = "GENERIC_PACKAGES_LIVE_URL";
const OWNER: &str = "GENERIC_PACKAGES_LIVE_OWNER";
const USERNAME: &str = "GENERIC_PACKAGES_LIVE_USERNAME";
const TOKEN: &str = "GENERIC_PACKAGES_LIVE_TOKEN";

/// The version that a job publishes to: the tag that it runs on.
const VERSION: &str = "v1.0.0";

/// A package that is only there for one test. It is deleted when it is dropped.
pub(crate) struct Package {
    /// The base URL of the server, without a slash at its end.
    url: String,
    owner: String,
    username: String,
    token: String,
    name: String,
}

impl Package {
    /// A package of a name that nobody has; `None` where no server is given.
    ///
    /// # Panics
    /// If the server is given, and not who may write there.
    pub(crate) fn new(tested: &str) -> Option<Self> {
        let Some(url) = variable(URL) else {
            print_skipped(&format!("{tested} on a real server: {URL} is not set"));
            return None;
        };
        let given = |name| variable(name).unwrap_or_else(|| panic!("{URL} is set, so {name} is needed too"));
        let random = getrandom::u64().expect("the system has random numbers");
        Some(Self {
            url: url.trim_end_matches('/').to_owned(),
            owner: given(OWNER),
            username: given(USERNAME),
            token: given(TOKEN),
            name: format!("generic-packages-test-{random:016x}"),
        })
    }

    /// Where the server is.
    pub(crate) fn server(&self) -> Url {
        Url::parse(&self.url).unwrap_or_else(|error| panic!("{URL} is no URL: {error}"))
    }

    /// A job that publishes to this package.
    pub(crate) fn job(&self) -> Job {
        let mut job = Job::without_server();
        job.input("server-url", &self.url).input("owner", &self.owner).input("repo", &self.name);
        job.input("username", &self.username).token(&self.token);
        job
    }

    /// So many bytes that are nowhere else: what a server has stored before, it does not store again.
    pub(crate) fn content(&self, length: usize) -> Vec<u8> {
        self.name.bytes().rev().cycle().take(length).collect()
    }

    /// Panics unless the version has exactly these files, with identical content, in its list and in downloads.
    #[track_caller]
    pub(crate) fn holds<N: AsRef<str>, C: AsRef<[u8]>>(&self, files: &[(N, C)]) {
        let mut expected: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_ref(), bytes.as_ref())).collect();
        expected.sort_unstable();
        let mut listed = self.listed();
        listed.sort_unstable_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
        let names = |files: &[Value]| files.iter().map(|file| text(&file["name"])).collect::<Vec<_>>();
        assert_eq!(names(&listed), expected.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
        for ((name, bytes), file) in expected.into_iter().zip(listed) {
            // Gitea spells it `size` from 1.24 on.
            let size = file["size"].as_u64().or(file["Size"].as_u64());
            assert_eq!(size, Some(bytes.len() as u64), "the listed size of {name}");
            assert_eq!(text(&file["sha256"]), sha256(bytes), "the listed SHA-256 of {name}");
            let (status, downloaded) = self.curl("GET", &format!("{}/{}", self.version_path(), encoded(name)));
            assert_eq!(status, 200, "the download of {name}");
            assert!(downloaded == bytes, "{} bytes of {name} come back otherwise", downloaded.len());
        }
    }

    /// Ends the test where the version has any file.
    #[track_caller]
    pub(crate) fn is_empty(&self) {
        assert_eq!(self.listed(), [] as [Value; 0]);
    }

    /// Returns the files that the server lists, or none if the server does not know the version.
    #[track_caller]
    fn listed(&self) -> Vec<Value> {
        let path = format!("api/v1/packages/{}/generic/{}/{VERSION}/files", encoded(&self.owner), self.name);
        match self.curl("GET", &path) {
            (200, body) => serde_json::from_slice(&body).expect("the list is a JSON array"),
            (404, _) => Vec::new(),
            (status, body) => panic!("{status} for the list: {}", String::from_utf8_lossy(&body)),
        }
    }

    fn version_path(&self) -> String {
        format!("api/packages/{}/generic/{}/{VERSION}", encoded(&self.owner), self.name)
    }

    /// Status and body of an answer. The token goes in by standard input: arguments can be seen by everybody.
    fn curl(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut config = String::from("silent\nshow-error\ngloboff\nwrite-out = \"%{http_code}\"\n");
        for (name, value) in [
            ("user", format!("{}:{}", self.username, self.token)),
            ("request", method.to_owned()),
            ("url", format!("{}/{path}", self.url)),
        ] {
            let value = value.replace('\\', r"\\").replace('"', r#"\""#);
            writeln!(config, "{name} = \"{value}\"").expect("text can be written");
        }
        let mut curl = Command::new("curl")
            .args(["--disable", "--config", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl runs");
        let mut stdin = curl.stdin.take().expect("it is a pipe");
        stdin.write_all(config.as_bytes()).expect("curl reads it");
        drop(stdin);
        let mut body = curl.wait_with_output().expect("curl ends").stdout;
        let status = body.split_off(body.len().saturating_sub(3));
        (String::from_utf8_lossy(&status).parse().expect("curl says the status"), body)
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        // The last version takes the package with it. A test that fails has said more already; where it failed at a
        // broken connection, the server may store the file after this, and the package stays.
        let (status, body) = self.curl("DELETE", &self.version_path());
        let is_gone = matches!(status, 204 | 404);
        assert!(is_gone || thread::panicking(), "{status} for the deletion: {}", String::from_utf8_lossy(&body));
    }
}

/// A variable of the environment; an empty one is as good as none.
fn variable(name: &str) -> Option<String> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    Some(value.into_string().unwrap_or_else(|_| panic!("{name} is no UTF-8")))
}

fn encoded(segment: &str) -> String {
    utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// In lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("text can be written");
        hex
    })
}
