//! Bytes of files that the kernel hands to a connection, without a copy through this program.
//!
//! Bodies of answers are made of `Bytes`, and an HTTP library writes them to the connection. A piece
//! of a file travels on this way as a *token*: bytes of one [`PAGE`] that everybody knows by its
//! place in memory, as long as the piece, while the piece itself waits at the connection's
//! [`Outlet`]. The connection ([`Direct`]) writes `sendfile` where it meets a token, in order.
//!
//! A token that somebody copied would send the page's own bytes. So only connections that speak
//! HTTP/1 get any ([`Peer::let_in`]): there bodies are written as they are, while HTTP/2 cuts and copies
//! them. And every token holds a whole mark, which is looked for in everything that is written while
//! pieces wait: the connection breaks rather than send it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::http::{Extensions, Version};
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use memchr::memmem;
use rustix::io::{ReadWriteFlags, preadv2};
use rustix::net::sockopt::set_tcp_cork;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The longest piece, in bytes: long enough that a connection that takes all at once is seldom turned to.
pub const MOST: u64 = 4 << 20;
/// How far apart bytes of a piece are looked at.
const LOOK_EVERY: u64 = 512 << 10;
/// The shortest piece that a token stands for, in bytes: it holds a whole mark, wherever it was cut out of the page.
const LEAST: u64 = 2 * MARK.len() as u64;
/// What the page is made of; nobody else's bytes are like this.
const MARK: &[u8; 32] = b"\x9d\x02[a piece of a file is here]\x03\xe7.";

/// Bytes that stand for pieces of files. They are never read but to be recognised.
static PAGE: LazyLock<Bytes> = LazyLock::new(|| MARK.repeat(MOST as usize / MARK.len()).into());

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && PAGE.as_ptr_range().contains(&bytes.as_ptr())
}

/// Pieces of files that are to go out on one connection, in this order.
#[derive(Debug, Clone, Default)]
pub struct Outlet(Arc<Mutex<VecDeque<Piece>>>);

#[derive(Debug)]
struct Piece {
    file: Arc<File>,
    left: Range<u64>,
}

impl Outlet {
    /// Whether a range of a file may go out this way: where the kernel has it in memory, as far as its last byte and some
    /// others tell. Who waits for a connection must not wait for a disk.
    pub fn takes(&self, file: &File, range: &Range<u64>) -> bool {
        let is_long = range.end.saturating_sub(range.start) >= LEAST;
        let mut looked_at = range.clone().step_by(LOOK_EVERY as usize);
        is_long && looked_at.all(|at| is_at_hand(file, at)) && is_at_hand(file, range.end - 1)
    }

    /// Bytes that stand for a range of a file, of at most [`MOST`] bytes, on this connection.
    pub fn token(&self, file: Arc<File>, range: Range<u64>) -> Bytes {
        let length = (range.end.saturating_sub(range.start)).min(MOST);
        let left = range.start..range.start + length;
        self.waiting().push_back(Piece { file, left });
        PAGE.slice(..length as usize)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Piece>> {
        self.0.lock().expect("no holder panics")
    }

    /// Sends as much of the first piece as the connection takes, at most so many bytes.
    fn send(&self, stream: &TcpStream, most: usize) -> io::Result<usize> {
        let mut waiting = self.waiting();
        let Some(piece) = waiting.front_mut() else {
            return Err(lost("no piece waits for a token"));
        };
        let left = piece.left.end - piece.left.start;
        let count = (most as u64).min(left) as usize;
        // Full segments only, until the piece has an end: else every few of them wake the reader, which is through with them
        // before the next ones come and sleeps again.
        set_tcp_cork(stream, true)?;
        let sent = rustix::fs::sendfile(stream, &piece.file, Some(&mut piece.left.start), count);
        set_tcp_cork(stream, false)?;
        let sent = sent?;
        if sent == 0 {
            return Err(lost("the file has become shorter"));
        }
        if piece.left.is_empty() {
            waiting.pop_front();
        }
        Ok(sent)
    }

    /// Errors when a copy of a token is among bytes that are about to be written.
    fn check(&self, bytes: &[u8]) -> io::Result<()> {
        if !self.waiting().is_empty() && memmem::find(bytes, MARK).is_some() {
            return Err(lost("a token was copied"));
        }
        Ok(())
    }
}

fn lost(why: &str) -> io::Error {
    io::Error::other(format!("a piece of a file cannot be sent: {why}"))
}

fn is_at_hand(file: &File, at: u64) -> bool {
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    let read = preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT);
    matches!(read, Ok(1))
}

/// Reads a range of a file whole.
pub fn read_range(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The client's address.
    pub address: SocketAddr,
    /// Where pieces of files go straight to the connection; none for one that is encrypted.
    outlet: Option<Outlet>,
}

impl Peer {
    /// The other end of a connection whose bytes are changed on their way.
    pub fn behind_a_cipher(address: SocketAddr) -> Self {
        let outlet = None;
        Self { address, outlet }
    }

    /// Whose connection a request came on; none where there was no connection.
    pub fn of(request: &Extensions) -> Option<&Self> {
        let ConnectInfo(peer) = request.get::<ConnectInfo<Self>>()?;
        Some(peer)
    }

    /// Lets the answer to a request send pieces of files, if its connection can: see [`outlet_of`].
    pub fn let_in(request: &mut Request) {
        let outlet = Self::of(request.extensions()).and_then(|peer| peer.outlet.clone());
        if let Some(outlet) = outlet
            && request.version() <= Version::HTTP_11
        {
            request.extensions_mut().insert(outlet);
        }
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.outlet.is_none()
    }
}

/// Where pieces of files go straight to the connection that a request came on, if they may.
pub fn outlet_of(request: &Extensions) -> Option<Outlet> {
    request.get().cloned()
}

/// An open port whose connections know tokens.
pub struct Port(pub TcpListener);

impl Listener for Port {
    type Io = Direct;
    type Addr = Peer;

    async fn accept(&mut self) -> (Direct, Peer) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // What is written is written whole; waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let outlet = Outlet::default();
        let peer = Peer {
            address,
            outlet: Some(outlet.clone()),
        };
        (Direct { stream, outlet }, peer)
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.0.local_addr().map(Peer::behind_a_cipher)
    }
}

impl Connected<IncomingStream<'_, Port>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection that knows tokens.
#[derive(Debug)]
pub struct Direct {
    stream: TcpStream,
    outlet: Outlet,
}

impl Direct {
    fn poll_send(&self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let sent = self
                .stream
                .try_io(Interest::WRITABLE, || self.outlet.send(&self.stream, most));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for Direct {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Direct {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_token(bytes) {
            return self.poll_send(context, bytes.len());
        }
        self.outlet.check(bytes)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let plain = slices.iter().take_while(|slice| !is_token(slice)).count();
        let (before, after) = slices.split_at(plain);
        if before.iter().all(|slice| slice.is_empty())
            && let Some(token) = after.first()
        {
            return self.poll_send(context, token.len());
        }
        for slice in before {
            self.outlet.check(slice)?;
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, before)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn pair() -> (Direct, Outlet, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let direct = Direct {
            stream: accepted.expect("a connection").0,
            outlet: Outlet::default(),
        };
        let outlet = direct.outlet.clone();
        (direct, outlet, client.expect("a connection"))
    }

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        Arc::new(file)
    }

    #[tokio::test]
    async fn tokens_become_bytes_of_files_between_other_bytes() {
        let (mut direct, outlet, mut client) = pair().await;
        let long: Vec<u8> = (0..9 << 20).map(|place: u32| (place % 251) as u8).collect();
        let one = file(&long);
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.map(|_| got)
        });
        let mut expected = Vec::new();
        for (range, text) in [(0..MOST, "a"), (5..9, "b"), (MOST..2 * MOST, "")] {
            let token = outlet.token(Arc::clone(&one), range.clone());
            expected.extend_from_slice(text.as_bytes());
            expected.extend_from_slice(&long[range.start as usize..range.end as usize]);
            let mut rest: &[u8] = &token;
            let mut text = text.as_bytes();
            while !rest.is_empty() {
                let slices = [IoSlice::new(text), IoSlice::new(rest)];
                let written = direct.write_vectored(&slices).await.expect("written");
                let of_text = written.min(text.len());
                text = &text[of_text..];
                rest = &rest[written - of_text..];
            }
        }
        direct.shutdown().await.expect("ended");
        assert!(reading.await.expect("read").expect("read") == expected);
        assert!(outlet.waiting().is_empty());
    }

    #[tokio::test]
    async fn a_copied_token_and_a_shorter_file_break_the_connection() {
        let (mut direct, outlet, _client) = pair().await;
        let token = outlet.token(file(b"four"), 0..4096);
        let copied = [b"headers", &token[..]].concat();
        assert!(direct.write(&copied).await.is_err());
        assert_eq!(direct.write(&token).await.expect("what is there"), 4);
        assert!(direct.write(&token[4..]).await.is_err());
    }

    #[test]
    fn bytes_at_hand_are_told() {
        let file = file(&[7; 10_000]);
        let outlet = Outlet::default();
        assert!(!outlet.takes(&file, &(20_000..30_000)) && !outlet.takes(&file, &(0..32)));
        assert_eq!(read_range(&file, 9_998..10_000).expect("read"), [7, 7]);
    }
}
