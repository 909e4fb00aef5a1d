//! Connections that break, at any byte of an upload and after it.

use crate::proxy::{Cut, Proxy};
use crate::server::Package;

/// Over 1 MiB, so that the right to write is asked for before; the servers' limit is seldom under 4.
const LENGTH: usize = 3_000_000;

/// Publishes a file of that length whose first upload is cut there, alone or into a version that another file has made.
/// Returns its status.
#[track_caller]
fn published_though_cut(package: &Package, length: usize, cut: Cut, alone: bool) -> Option<String> {
    let proxy = Proxy::that_cuts(package, "cut", cut)?;
    let content = package.content(length);
    let mut job = package.job();
    job.input("server-url", proxy.url()).file("dist/cut", &content);
    let mut files = vec![("cut", content.as_slice())];
    if !alone {
        job.file("dist/small", "makes the version");
        files.push(("small", b"makes the version"));
    }
    let ran = job.run();
    assert!(proxy.has_acted(), "{cut:?} has been:\n{}", ran.log);
    let status = ran.exits_with(0).statuses()["cut"].clone();
    package.holds(&files);
    Some(status)
}

#[test]
fn an_upload_that_breaks_off_is_sent_again() {
    for alone in [true, false] {
        for bytes in [0, 1, LENGTH / 2, LENGTH - 1] {
            let Some(package) = Package::new("an upload that breaks off") else { return };
            let Some(status) = published_though_cut(&package, LENGTH, Cut::BodyAt(bytes), alone) else { return };
            assert_eq!(status, "uploaded", "cut at byte {bytes}, alone: {alone}");
        }
    }
}

#[test]
fn an_upload_whose_connection_breaks_right_after_the_last_byte_is_published() {
    for alone in [true, false] {
        // The end of a long body may be lost on the way; a short one has arrived, and is stored in a while.
        for length in [1, LENGTH] {
            let Some(package) = Package::new("a connection that breaks before the answer") else { return };
            let Some(status) = published_though_cut(&package, length, Cut::BodyAt(length), alone) else { return };
            // It may be stored later than we look, so that only a second upload finds it there.
            assert!(matches!(status.as_str(), "uploaded" | "unchanged"), "{status}: {length} bytes, alone: {alone}");
        }
    }
}

#[test]
fn an_upload_whose_answer_is_lost_is_looked_up_and_counts_as_uploaded() {
    for alone in [true, false] {
        let Some(package) = Package::new("an answer that is lost") else { return };
        let Some(status) = published_though_cut(&package, LENGTH, Cut::Answer, alone) else { return };
        assert_eq!(status, "uploaded", "alone: {alone}");
    }
}
