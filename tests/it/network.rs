//! Servers between the program and the embedded registry: a TLS server and a proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A certificate authority.
pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// Makes an authority, each under a name of its own.
pub(crate) fn authority() -> Authority {
    authority_with(|_| {})
}

/// Makes an authority with other parameters.
pub(crate) fn authority_with(change: impl FnOnce(&mut CertificateParams)) -> Authority {
    let (mut params, key) = authority_params();
    change(&mut params);
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// Parameters of an authority with a name of its own, and its key.
pub(crate) fn authority_params() -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let name = format!("Authority {}", STANDARD.encode(&key.public_key_raw()[..12]));
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    (params, key)
}

/// A certificate of a server, with its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    /// The intermediate certificates that the server sends with it.
    pub(crate) intermediates: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) key_pem: String,
}

impl Identity {
    /// A certificate that an authority has signed.
    pub(crate) fn signed(authority: &Authority, params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, authority).expect("a certificate");
        Self::new(&certificate, &key)
    }

    /// A certificate that nobody else has signed.
    pub(crate) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self::new(&params.self_signed(&key).expect("a certificate"), &key)
    }

    pub(crate) fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.der().clone(),
            intermediates: Vec::new(),
            pem: certificate.pem(),
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            key_pem: key.serialize_pem(),
        }
    }
}

/// Parameters of a certificate for these names.
pub(crate) fn naming(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("good names")
}

/// A server on a port of its own, which ends with it.
struct Server {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Server {
    fn start<F: Future<Output = io::Result<()>> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // What goes wrong with a connection is what a test looks for at the other end.
                tokio::spawn(serve(stream));
            }
        });
        Self { address, _runtime: runtime }
    }
}

/// Which certificate a server wants of its clients.
pub(crate) enum Clients<'a> {
    Anybody,
    /// It asks for one of that authority, and lets those in who have none.
    Asked(&'a Authority),
    /// It lets in nobody without one of that authority.
    Required(&'a Authority),
}

impl Clients<'_> {
    fn verifier(self, provider: &Arc<CryptoProvider>) -> Arc<dyn ClientCertVerifier> {
        let (authority, is_required) = match self {
            Self::Anybody => return WebPkiClientVerifier::no_client_auth(),
            Self::Asked(authority) => (authority, false),
            Self::Required(authority) => (authority, true),
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = if is_required { builder } else { builder.allow_unauthenticated() };
        builder.build().expect("a verifier")
    }
}

/// Speaks TLS, and hands on to another server what it is sent.
pub(crate) struct TlsFront {
    server: Server,
    /// For each connection, how many certificates the client showed; `None` while the handshake goes on or if it fails.
    shown: Arc<Mutex<Vec<Option<usize>>>>,
}

impl TlsFront {
    pub(crate) fn start(identity: Identity, behind: SocketAddr) -> Self {
        Self::start_with(identity, behind, rustls::DEFAULT_VERSIONS)
    }

    /// Like `start`, but with these TLS versions only.
    pub(crate) fn start_with(
        identity: Identity,
        behind: SocketAddr,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        Self::start_for(identity, behind, versions, Clients::Anybody)
    }

    /// Like `start_with`, but with these requirements for client certificates.
    pub(crate) fn start_for(
        identity: Identity,
        behind: SocketAddr,
        versions: &[&'static rustls::SupportedProtocolVersion],
        clients: Clients<'_>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = clients.verifier(&provider);
        let key = provider.key_provider.load_private_key(identity.key).expect("a key");
        // Not held against each other: a thief has the certificate, but not its key.
        let chain = [identity.certificate].into_iter().chain(identity.intermediates).collect();
        let shown = CertifiedKey::new(chain, key);
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("protocol versions")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shown = Arc::<Mutex<Vec<Option<usize>>>>::default();
        let seen = Arc::clone(&shown);
        let server = Server::start(move |stream| {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            async move {
                let connection = {
                    let mut seen = seen.lock().expect("no connection panics");
                    seen.push(None);
                    seen.len() - 1
                };
                let mut stream = acceptor.accept(stream).await?;
                let chain = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
                seen.lock().expect("no connection panics")[connection] = Some(chain);
                copy_bidirectional(&mut stream, &mut TcpStream::connect(behind).await?).await.map(drop)
            }
        });
        Self { server, shown }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Its address by that name of this machine.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.server.address.port())
    }

    /// For each connection, how many certificates the client showed; `None` if the handshake failed.
    pub(crate) fn shown(&self) -> Vec<Option<usize>> {
        self.shown.lock().expect("no connection panics").clone()
    }
}

/// The behavior of a proxy.
#[derive(Clone)]
pub(crate) enum Manners {
    /// It lets everybody through.
    Open,
    /// It lets those through who give this, base64 of user and password.
    Wants(String),
    /// It answers everybody with this status line.
    Answers(&'static str),
    /// It hangs up.
    HangsUp,
}

/// A proxy, whatever host it is asked for: behind it there is only one.
pub(crate) struct Proxy {
    server: Server,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start(manners: Manners, behind: SocketAddr) -> Self {
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let server = Server::start(move |stream| {
            let seen = Arc::clone(&seen);
            let manners = manners.clone();
            async move { pass(stream, manners, behind, &seen).await }
        });
        Self { server, heads }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The heads of the requests that it was sent, without those inside of tunnels.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no connection panics").clone()
    }
}

async fn pass(
    mut client: TcpStream,
    manners: Manners,
    behind: SocketAddr,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut read = Vec::new();
    let end = loop {
        if client.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    seen.lock().expect("no connection panics").push(head.clone());
    let answer = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let is_known = |wanted: &str| {
        let given = header(&head, "proxy-authorization").and_then(|given| given.strip_prefix("Basic "));
        given == Some(wanted)
    };
    match manners {
        Manners::HangsUp => return Ok(()),
        Manners::Answers(status) => return client.write_all(answer(status).as_bytes()).await,
        Manners::Wants(credentials) if !is_known(&credentials) => {
            return client.write_all(answer("407 Proxy Authentication Required").as_bytes()).await;
        }
        Manners::Wants(_) | Manners::Open => {}
    }
    let mut server = TcpStream::connect(behind).await?;
    if head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    // One request a connection: the address as a server wants it, and nothing that is for the proxy.
    let (method, rest) = head.split_once(" http://").expect("a proxy is asked for whole addresses");
    let path = &rest[rest.find('/').expect("a path")..];
    let lines = path.split("\r\n").filter(|line| !line.to_lowercase().starts_with("proxy-"));
    let body: usize = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    server.write_all(format!("{method} {}", lines.collect::<Vec<_>>().join("\r\n")).as_bytes()).await?;
    server.write_all(&read[end..]).await?;
    let mut left = (body - (read.len() - end)) as u64;
    while left > 0 {
        let mut piece = vec![0; 64 * 1024];
        let count = client.read(&mut piece).await?;
        server.write_all(&piece[..count]).await?;
        left -= count as u64;
    }
    server.shutdown().await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let line = answer.windows(2).position(|two| two == b"\r\n").map_or(0, |line| line + 2);
    client.write_all(&[&answer[..line], b"Connection: close\r\n", &answer[line..]].concat()).await
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
