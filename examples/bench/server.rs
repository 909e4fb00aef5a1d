//! The server: nginx, with the part of the registry's API that the program needs, or the embedded registry.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, net};

use anyhow::ensure;
use embedded_registry::{Persona, Registry};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// The delay of each byte in the relay, in each direction.
const DELAY: Duration = Duration::from_millis(20);

/// SHA-256 of each file by its name.
pub(crate) type Hashes = HashMap<String, String>;

/// A server without packages. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) token: String,
    _process: (Option<Nginx>, Option<Registry>),
    /// Serves the API and the relay.
    _runtime: Runtime,
}

impl Server {
    /// Starts nginx if it is installed, and otherwise the embedded registry.
    pub(crate) fn start(folder: &Path, hashes: &Arc<Hashes>, is_far: bool) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        // Ctrl-C also ends nginx and the measured program. Their failure ends this process, which deletes its files first.
        runtime.spawn(tokio::signal::ctrl_c());
        let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        fs::write(folder.join("workspace/ca.pem"), certificate.cert.pem())?;
        fs::write(folder.join("key.pem"), certificate.signing_key.serialize_pem())?;
        let is_installed = |program: &&str| Command::new(program).arg("-v").output().is_ok();
        let (name, mut url, token, process) =
            if let Some(program) = ["nginx", "/usr/sbin/nginx"].into_iter().find(is_installed) {
                let shared = Arc::new((folder.join("stored"), Arc::clone(hashes)));
                let api_port = serve(&runtime, move |stream| answer(stream, Arc::clone(&shared)))?;
                let port = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
                let nginx = runtime.block_on(Nginx::start(program, folder, port, api_port))?;
                let url = format!("https://127.0.0.1:{port}");
                ("nginx with TLS", url, "not-checked".to_owned(), (Some(nginx), None))
            } else {
                let registry = Registry::start(Persona::Forgejo15);
                let (url, token) = (registry.url(), registry.token("alice_write"));
                ("the embedded registry without TLS", url, token, (None, Some(registry)))
            };
        if is_far && let Some((start, port)) = url.rsplit_once(':') {
            let port = port.parse()?;
            url = format!("{start}:{}", serve(&runtime, move |stream| relay(stream, port))?);
        }
        Ok(Self { name, url, token, _process: process, _runtime: runtime })
    }
}

/// Serves the connections to a free port, and returns the port.
fn serve<F: Future<Output = io::Result<()>> + Send + 'static>(
    runtime: &Runtime,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> io::Result<u16> {
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let port = listener.local_addr()?.port();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Ok(port)
}

/// A running nginx. It ends when it is dropped.
struct Nginx(Child);

impl Nginx {
    async fn start(program: &str, folder: &Path, port: u16, api_port: u16) -> anyhow::Result<Self> {
        let _ = fs::remove_dir_all(folder.join("stored"));
        fs::create_dir(folder.join("stored"))?;
        let config = include_str!("nginx.conf").replace("PORT", &port.to_string());
        fs::write(folder.join("nginx.conf"), config.replace("API", &api_port.to_string()))?;
        let log = folder.join("nginx.log");
        let mut nginx = Command::new(program);
        nginx.arg("-p").arg(folder).args(["-c", "nginx.conf"]).stderr(fs::File::create(&log)?);
        let mut nginx = Self(nginx.spawn()?);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            ensure!(nginx.0.try_wait()?.is_none(), "nginx failed: {}", fs::read_to_string(log)?);
            sleep(Duration::from_millis(10)).await;
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, because SIGKILL would not end its workers. If it has ended, its number may be that of another process.
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

/// Answers like the registry's API. It knows the hashes, because hashing would take time from the programs.
async fn answer(mut stream: TcpStream, shared: Arc<(PathBuf, Arc<Hashes>)>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await? > 0 {}
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches("/api/v1/packages/");
    let (version, is_list) = path.strip_suffix("/files").map_or((path, false), |version| (version, true));
    let (stored, hashes) = &*shared;
    let (status, body) = match fs::read_dir(stored.join("api/packages").join(version)) {
        Err(_) => ("404 Not Found", json!({ "message": "package does not exist" })),
        Ok(files) if is_list => {
            let describe = |file: fs::DirEntry| {
                let name = file.file_name().to_string_lossy().into_owned();
                Ok(json!({ "size": file.metadata()?.len(), "sha256": hashes.get(&name), "name": name }))
            };
            ("200 OK", files.map(|file| describe(file?)).collect::<io::Result<Vec<_>>>()?.into())
        }
        Ok(_) => {
            let page = version.replace("/generic/", "/-/packages/generic/");
            ("200 OK", json!({ "html_url": format!("https://127.0.0.1/{page}"), "repository": null }))
        }
    };
    stream.write_all(format!("HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}").as_bytes()).await
}

/// Relays a connection to the port of the server.
async fn relay(near: TcpStream, port: u16) -> io::Result<()> {
    // The TCP handshake takes a round trip.
    sleep(2 * DELAY).await;
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::try_join!(copy_late(from_near, to_far), copy_late(from_far, to_near)).map(|_| ())
}

async fn copy_late(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let (sender, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let copied = tokio::spawn(async move {
        while let Some((due, piece)) = pieces.recv().await {
            sleep_until(due).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    });
    let mut piece = Vec::with_capacity(64 << 10);
    while from.read_buf(&mut piece).await? > 0 {
        let _ = sender.send((Instant::now() + DELAY, piece));
        piece = Vec::with_capacity(64 << 10);
    }
    drop(sender);
    copied.await?
}
