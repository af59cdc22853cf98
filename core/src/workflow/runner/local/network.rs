//! The one way out of a sandbox: a socket in the file system that leads to the station.

use std::path::Path;

use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::station::short_path;

/// Passes connections on to the station as long as it is not dropped.
pub(super) struct Bridge(#[expect(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

/// Listens at `socket` and passes everything on to `address`.
pub(super) fn open(socket: &Path, address: String) -> std::io::Result<Bridge> {
    let _ = std::fs::remove_file(socket);
    let (folder, name) = (socket.parent(), socket.file_name());
    let (folder, name) = folder.zip(name).ok_or(std::io::ErrorKind::InvalidInput)?;
    let (short, _open) = short_path(folder, &name.to_string_lossy())?;
    let listener = UnixListener::bind(short)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, address));
    Ok(Bridge(tasks))
}

async fn accept(listener: UnixListener, address: String) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((near, _)) => drop(connections.spawn(pass(near, address.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "a step could not reach the station");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn pass(mut near: UnixStream, address: String) {
    match TcpStream::connect(&address).await {
        Ok(mut far) => {
            let _ = far.set_nodelay(true);
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        }
        Err(error) => tracing::warn!(%error, address, "a step could not reach the station"),
    }
}
