//! Measures the program against curl: `cargo run --release --example bench -- [ROUNDS] [PART OF A NAME]...`
//!
//! It makes files and starts a server on the loopback interface. In each round, all programs do the same work in turn.
//! `BASELINE=PATH` adds another build of the program. It requires no speed. `docs/performance.md` explains the table.

#[path = "../program/mod.rs"]
mod program;
mod server;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use std::{env, thread};

use anyhow::{Context as _, ensure};
use generic_packages::checksum::Hasher;
use server::{Hashes, Server};
use wait4::Wait4 as _;

/// The name of a program in the table, and the script that starts it.
type Program = (&'static str, &'static str);

const PUBLISH: Program = ("ours", r#"exec "$PROGRAM" publish"#);
const DOWNLOAD: Program = ("ours", r#"export INPUT_FILES='*'; exec "$PROGRAM" download"#);
const FAIL: Program =
    ("ours", r#"export INPUT_RETRIES=no; for i in $(seq 100); do "$PROGRAM" publish; [ $? = 2 ] || exit 1; done"#);
const CURL_EACH: Program = ("curl for each file", "for file in $FOLDER/*; do $CURL -T $file $URL || exit 1; done");
const CURL: Program = ("curl", r#"exec $CURL -T "$FOLDER/$NAMES" $URL"#);
const CURL_Z: Program = ("curl -Z", r#"exec $CURL_Z -T "$FOLDER/$NAMES" $URL"#);
const CURL_DOWNLOAD: Program = ("curl", r#"exec $CURL -O --output-dir downloaded "$URL$NAMES""#);
const CURL_Z_DOWNLOAD: Program = ("curl -Z", r#"exec $CURL_Z -O --output-dir downloaded "$URL$NAMES""#);
const CURL_FAIL: Program = ("curl", "for i in $(seq 100); do curl; [ $? = 2 ] || exit 1; done");
const OPENSSL: Program = ("openssl dgst -sha256", "exec openssl dgst -sha256 $FOLDER/*");

/// Random files.
#[derive(Clone, Copy, Default)]
struct Files {
    folder: &'static str,
    count: usize,
    size: usize,
}

const TINY: Files = Files { folder: "tiny", count: 10_000, size: 4 << 10 };
const SMALL: Files = Files { folder: "small", count: 500, size: 64 << 10 };
const MEDIUM: Files = Files { folder: "medium", count: 50, size: 1 << 20 };
const LARGE: Files = Files { folder: "large", count: 1, size: 1 << 30 };

/// A benchmark task for several programs. Our program comes first.
#[derive(Default)]
struct Work {
    name: &'static str,
    files: Files,
    concurrency: usize,
    programs: &'static [Program],
    /// Whether the files are published before.
    is_published: bool,
    /// Whether each round trip to the server takes 40 ms.
    is_far: bool,
}

fn all_works() -> Vec<Work> {
    let work = |name, files, concurrency, programs| Work { name, files, concurrency, programs, ..Work::default() };
    let published = |work| Work { is_published: true, ..work };
    let far = |work| Work { is_far: true, ..work };
    vec![
        work("publish 500 x 64 KiB, 4 at a time", SMALL, 4, &[PUBLISH, CURL_EACH, CURL_Z]),
        work("publish 500 x 64 KiB, 8 at a time", SMALL, 8, &[PUBLISH, CURL_EACH, CURL_Z]),
        work("publish 500 x 64 KiB, 16 at a time", SMALL, 16, &[PUBLISH, CURL_EACH, CURL_Z]),
        work("publish 10,000 x 4 KiB, 4 at a time", TINY, 4, &[PUBLISH, CURL_Z]),
        work("publish 1 GiB", LARGE, 4, &[PUBLISH, CURL]),
        far(work("publish 50 x 1 MiB, 4 at a time, 40 ms away", MEDIUM, 4, &[PUBLISH, CURL_Z])),
        far(work("publish 50 x 1 MiB, 8 at a time, 40 ms away", MEDIUM, 8, &[PUBLISH, CURL_Z])),
        published(work("publish 500 x 64 KiB again, unchanged", SMALL, 4, &[PUBLISH, OPENSSL])),
        published(work("download 500 x 64 KiB, 4 at a time", SMALL, 4, &[DOWNLOAD, CURL_Z_DOWNLOAD])),
        published(work("download 1 GiB", LARGE, 4, &[DOWNLOAD, CURL_DOWNLOAD])),
        work("start 100 times, with a bad input", SMALL, 4, &[FAIL, CURL_FAIL]),
    ]
}

const MEASURE: &str = "--measure";
/// Seconds, CPU seconds (user and system), and the peak memory of the largest process in MiB.
type Usage = [f64; 3];

#[expect(clippy::print_stdout, reason = "the table is for the person who runs it")]
fn main() -> anyhow::Result<()> {
    if env::args_os().nth(1).is_some_and(|first| first == MEASURE) {
        return measure(env::args_os().skip(2));
    }
    let mut arguments = env::args().skip(1).peekable();
    let rounds = arguments.next_if(|first| first.parse::<usize>().is_ok()).map_or(Ok(5), |rounds| rounds.parse())?;
    let parts: Vec<String> = arguments.collect();
    let is_wanted = |work: &Work| parts.is_empty() || parts.iter().any(|part| work.name.contains(part));
    let works: Vec<Work> = all_works().into_iter().filter(is_wanted).collect();
    ensure!(rounds > 0 && !works.is_empty(), "nothing to measure in {rounds} rounds of {parts:?}");

    let (ours, baseline) = (program::build(true)?, env::var_os("BASELINE").map(fs::canonicalize).transpose()?);
    let folder = tempfile::tempdir()?;
    let workspace = folder.path().join("workspace");
    let hashes = Arc::new(make_files(&workspace, &works)?);
    println!("{}\n", describe_machine(Server::start(folder.path(), &hashes, false)?.name)?);
    println!("| work, median of {rounds} | program | time | ours / this | CPU time | peak memory |");
    println!("|---|---|---:|---:|---:|---:|");
    for work in &works {
        let mut programs: Vec<_> = work.programs.iter().map(|(name, script)| (*name, *script, &*ours)).collect();
        programs.extend(baseline.as_deref().map(|path| ("BASELINE", programs[0].1, path)));
        let mut usages = vec![vec![Usage::default(); programs.len()]; rounds];
        for (round, usages) in usages.iter_mut().enumerate() {
            // Each round starts with another program, because the first one may find other caches.
            for index in (0..programs.len()).map(|index| (index + round) % programs.len()) {
                let (_, script, program) = programs[index];
                let server = Server::start(folder.path(), &hashes, work.is_far)?;
                usages[index] = run(work, script, program, &server, &workspace)?;
            }
        }
        for (index, (program, ..)) in programs.iter().enumerate() {
            let median = |value: &dyn Fn(&[Usage]) -> f64| {
                let mut values: Vec<f64> = usages.iter().map(|usages| value(usages)).collect();
                values.sort_by(f64::total_cmp);
                f64::midpoint(values[(rounds - 1) / 2], values[rounds / 2])
            };
            let [time, cpu, memory] = [0, 1, 2].map(|value| median(&|usages| usages[index][value]));
            // Both times are of the same round, because the load of the machine changes.
            let ratio = median(&|usages| usages[0][0] / usages[index][0]);
            let name = if index == 0 { work.name } else { "" };
            println!("| {name} | {program} | {time:.2} s | {ratio:.2} | {cpu:.2} s | {memory:.1} MiB |");
        }
    }
    Ok(())
}

/// Makes the files, with the same content in each run.
fn make_files(workspace: &Path, works: &[Work]) -> anyhow::Result<Hashes> {
    let mut hashes = Hashes::new();
    for Files { folder: name, count, size } in works.iter().map(|work| work.files) {
        let folder = workspace.join(name);
        if folder.exists() {
            continue;
        }
        fs::create_dir_all(&folder)?;
        let mut random = fastrand::Rng::with_seed(0);
        let mut piece = vec![0; size.min(1 << 20)];
        for number in 0..count {
            let name = format!("{name}-{number:05}");
            let (mut file, mut sha256) = (File::create(folder.join(&name))?, Hasher::default());
            for _ in 0..size / piece.len() {
                random.fill(&mut piece);
                sha256.update(&piece);
                file.write_all(&piece)?;
            }
            hashes.insert(name, sha256.finish().to_string());
        }
    }
    Ok(hashes)
}

/// Returns the date, the processor, the server and the version of curl.
fn describe_machine(server: &str) -> anyhow::Result<String> {
    let (date, cores) = (httpdate::fmt_http_date(SystemTime::now()), thread::available_parallelism()?);
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
    let curl = Command::new("curl").arg("--version").output().context("curl is required")?;
    let curl = String::from_utf8_lossy(&curl.stdout).split(" (").next().unwrap_or_default().to_owned();
    Ok(format!("{date}: {cores} cores ({model}), {server}, {curl}"))
}

/// Runs the script of a program in a process that measures it.
fn run(work: &Work, script: &str, program: &Path, server: &Server, workspace: &Path) -> anyhow::Result<Usage> {
    let Server { url, token, .. } = server;
    let _ = fs::remove_dir_all(workspace.join("downloaded"));
    fs::create_dir(workspace.join("downloaded"))?;
    let Work { files: Files { folder, count, .. }, concurrency, .. } = work;
    let curl = format!("curl --silent --show-error --fail --cacert ca.pem --user alice:{token}");
    let output = Command::new(env::current_exe()?)
        .arg(MEASURE)
        .args(work.is_published.then_some(PUBLISH.1))
        .arg(script)
        .current_dir(workspace)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("PROGRAM", program)
        .env("CURL_Z", format!("{curl} -Z --parallel-max {concurrency}"))
        .env("CURL", curl)
        .env("URL", format!("{url}/api/packages/alice/generic/widget/1.0.0/"))
        .env("FOLDER", folder)
        .env("NAMES", format!("{folder}-[00000-{:05}]", count - 1))
        .env("INPUT_FILES", format!("{folder}/*"))
        .env("INPUT_CONCURRENCY", concurrency.to_string())
        .envs([("INPUT_SERVER_URL", url), ("INPUT_TOKEN", token)])
        .envs([("INPUT_OWNER", "alice"), ("INPUT_REPO", "widget"), ("INPUT_VERSION", "1.0.0")])
        .envs([("INPUT_PATH", "downloaded"), ("INPUT_CA_CERTIFICATE", "ca.pem")])
        .stderr(Stdio::inherit())
        .output()?;
    let log = fs::read_to_string(workspace.join("log")).unwrap_or_default();
    ensure!(output.status.success(), "failed to {}: {script}\n{log}", work.name);
    let usage: Vec<f64> = String::from_utf8(output.stdout)?.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    usage.try_into().ok().context("a usage is three numbers")
}

/// Runs scripts, and prints the usage of the last one. This needs a small process of its own: Linux counts the memory of the
/// process that starts a program as memory of the program.
#[expect(clippy::print_stdout, reason = "another process reads it")]
fn measure(scripts: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let mut usage = String::new();
    for script in scripts {
        let log = File::create("log")?;
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        let used = shell.spawn()?.wait4()?;
        let time = started.elapsed().as_secs_f64();
        ensure!(used.status.success(), "{}", used.status);
        let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
        let memory = f64::from(u32::try_from(used.rusage.maxrss >> 10)?) / 1024.0;
        usage = format!("{time} {cpu} {memory}");
    }
    print!("{usage}");
    Ok(())
}
