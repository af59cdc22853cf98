//! Where S3 clients come in: a port that speaks plain HTTP, or TLS with the certificate of the settings.
//!
//! A certificate that is renewed on the disk is read again; nothing has to be started anew for it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::config;
use crate::error::{Chain, Error, Result};
use crate::storage::direct::{Direct, Peer, Port};

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that have agreed on keys and wait to be served.
const WAITING: usize = 64;
/// How often the certificate's files are looked at.
const LOOKING: Duration = Duration::from_secs(60);

/// A connection, plain or encrypted.
pub type Io = Either<Direct, Encrypted>;

type Encrypted = Box<TlsStream<TcpStream>>;

/// The open port.
pub struct Door {
    address: SocketAddr,
    way: Way,
}

enum Way {
    Plain(Port),
    /// Connections that have agreed on keys: a slow client holds up nobody else.
    Encrypted(mpsc::Receiver<(Encrypted, SocketAddr)>),
}

impl Door {
    /// Opens a port that is listened on; with TLS if the settings name a certificate.
    ///
    /// Errors: `Invalid` for a certificate that cannot be used.
    pub fn open(listener: TcpListener, settings: &config::Storage) -> Result<Self> {
        let address = listener.local_addr()?;
        let way = match Certificate::of(settings)? {
            None => Way::Plain(Port(listener)),
            Some(certificate) => {
                let (ready, waiting) = mpsc::channel(WAITING);
                tokio::spawn(agree(listener, certificate, ready));
                Way::Encrypted(waiting)
            }
        };
        Ok(Self { address, way })
    }
}

impl Listener for Door {
    type Io = Io;
    type Addr = Peer;

    async fn accept(&mut self) -> (Io, Peer) {
        match &mut self.way {
            Way::Plain(port) => {
                let (stream, peer) = port.accept().await;
                (Either::Left(stream), peer)
            }
            Way::Encrypted(waiting) => match waiting.recv().await {
                Some((stream, address)) => (Either::Right(stream), Peer::behind_a_cipher(address)),
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::behind_a_cipher(self.address))
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Whether the certificate of the settings can be used; none where they name none.
///
/// Errors: `Invalid`, naming the file.
pub fn check(settings: &config::Storage) -> Result<Option<&str>> {
    let certificate = Certificate::of(settings)?;
    Ok(certificate.map(|_| settings.s3_certificate.as_str()))
}

/// Takes connections in and agrees with each on keys, until nobody serves them any more.
async fn agree(
    mut listener: TcpListener,
    certificate: Certificate,
    ready: mpsc::Sender<(Encrypted, SocketAddr)>,
) {
    loop {
        let (stream, address) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = ready.closed() => return,
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, ready) = (TlsAcceptor::from(certificate.current()), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let _ = ready.send((Box::new(stream), address)).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, %address, "no keys were agreed on"),
                Err(_) => tracing::debug!(%address, "a client took too long to agree on keys"),
            }
        });
    }
}

/// The certificate of the settings, as its files stand.
struct Certificate {
    certificate: PathBuf,
    private_key: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    config: Arc<ServerConfig>,
    changed: Option<SystemTime>,
    looked: Instant,
}

impl Certificate {
    fn of(settings: &config::Storage) -> Result<Option<Self>> {
        let (certificate, private_key) = (&settings.s3_certificate, &settings.s3_private_key);
        match (certificate.is_empty(), private_key.is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => {}
            _ => {
                return Err(Error::invalid(
                    "TLS needs both storage.s3_certificate and storage.s3_private_key (PEM files)",
                ));
            }
        }
        let (certificate, private_key) = (PathBuf::from(certificate), PathBuf::from(private_key));
        let known = Known {
            changed: changed(&certificate),
            config: read(&certificate, &private_key)?,
            looked: Instant::now(),
        };
        Ok(Some(Self {
            certificate,
            private_key,
            known: Mutex::new(known),
        }))
    }

    fn current(&self) -> Arc<ServerConfig> {
        let mut known = self.known.lock().expect("no holder panics");
        if known.looked.elapsed() >= LOOKING {
            known.looked = Instant::now();
            let changed = changed(&self.certificate);
            if changed != known.changed {
                match read(&self.certificate, &self.private_key) {
                    Ok(config) => (known.config, known.changed) = (config, changed),
                    Err(error) => tracing::warn!(
                        error = %Chain(&error),
                        "the new certificate cannot be used; the S3 service goes on with the old one"
                    ),
                }
            }
        }
        Arc::clone(&known.config)
    }
}

fn changed(certificate: &Path) -> Option<SystemTime> {
    std::fs::metadata(certificate).ok()?.modified().ok()
}

fn read(certificate: &Path, private_key: &Path) -> Result<Arc<ServerConfig>> {
    let unusable = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        Error::invalid(format!(
            "the {what} of the S3 service cannot be used: {error}: {}",
            path.display()
        ))
    };
    let (of_chain, of_key) = (
        "certificate (storage.s3_certificate)",
        "private key (storage.s3_private_key)",
    );
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(of_chain, certificate, &error))?;
    if chain.is_empty() {
        let nothing = "there is no certificate in PEM form in it";
        return Err(unusable(of_chain, certificate, &nothing));
    }
    let key = PrivateKeyDer::from_pem_file(private_key).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let nothing = "there is no private key in PEM form in it, or it has a passphrase";
            unusable(of_key, private_key, &nothing)
        }
        other => unusable(of_key, private_key, &other),
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|error| unusable("certificate, or its private key,", certificate, &error))?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate and its key, made on the spot.
    fn make(folder: &Path) -> config::Storage {
        let (certificate, private_key) = (folder.join("one.pem"), folder.join("one.key"));
        let made = std::process::Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", "/CN=station", "-keyout"])
            .arg(&private_key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl runs");
        assert!(made.status.success());
        let settings = config::read(None, [], &[]).expect("the defaults are settings");
        let mut settings = settings.storage;
        settings.s3_certificate = certificate.display().to_string();
        settings.s3_private_key = private_key.display().to_string();
        settings
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = make(folder.path());
        let certificate = Certificate::of(&settings).expect("usable").expect("there");
        let look = || {
            let mut known = certificate.known.lock().expect("no holder panics");
            known.looked = Instant::now() - LOOKING;
            drop(known);
            certificate.current()
        };
        let first = look();
        assert!(Arc::ptr_eq(&first, &look()));
        std::fs::write(&settings.s3_certificate, "no certificate").expect("written");
        assert!(Arc::ptr_eq(&first, &look()));
        make(folder.path());
        let second = look();
        assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &certificate.current()));
    }
}
