//! Running a station: from the lock to the last request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::lock::{self, Lock, SERVE, Taken};
use super::{control, folder, retention};
use crate::config::Settings;
use crate::context::Context;
use crate::error::{Chain, Error, Result};
use crate::http;
use crate::media::{indexer, inspector};
use crate::storage::direct::{Peer, Port};
use crate::storage::s3;

/// How long a station waits for a passing command to let go of its folder.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the database may take to close once nothing uses it.
const CLOSING: Duration = Duration::from_secs(10);
/// How often abandoned uploads and expired files are looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// Serves the folder until SIGTERM or SIGINT, then drains and closes it.
///
/// Calls `ready` with the station's URL once it answers. Errors: `Busy` if somebody else holds the
/// folder; `Invalid` for settings that cannot be followed; those of opening the engines.
pub async fn serve(data: &Path, mut settings: Settings, ready: impl FnOnce(&str)) -> Result<()> {
    let data = folder::prepare(data)?;
    let mut lock = take(&data).await?;
    let mut asked = Asked::new()?;
    let listener = bind(&settings.server.listen).await?;
    let address = listener.local_addr()?;
    let url = url_of(address);
    settings.server.listen = address.to_string();
    let s3_door = s3::bind(&mut settings.storage).await?;
    let drain = Duration::from_secs(settings.server.drain_secs);

    let cx = tokio::select! {
        cx = Context::open(settings, data.clone()) => cx?,
        () = asked.next() => return Ok(()),
    };
    crate::storage::free_names(&cx).await;
    let stopping = CancellationToken::new();
    let socket = control::listen(&data)?;
    let router = http::router(cx.clone()).into_make_service_with_connect_info::<Peer>();
    let web = axum::serve(Port(listener), router)
        .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let commands = control::serve(socket, cx.clone(), stopping.clone());
    let background = background(cx.clone(), stopping.clone());
    let s3_url = s3::endpoint(&cx.settings.storage);
    let store = s3::serve(cx.clone(), s3_door, stopping.clone());
    let streams = cx.frames.close_streams(stopping.clone());
    let mut serving = Box::pin(async { tokio::join!(web, commands, background, store, streams) });
    lock.set_address(&url);
    tracing::info!(url, s3 = s3_url, data = %data.display(), database = ?cx.database.dialect(), "the station answers");
    ready(&url);

    tokio::select! {
        _ = &mut serving => {}
        () = asked.next() => {
            tracing::info!("stopping: no new requests; those that run may take {} s", drain.as_secs());
            stopping.cancel();
            tokio::select! {
                _ = &mut serving => {}
                () = tokio::time::sleep(drain) => tracing::warn!("requests still ran after {} s and were cut off", drain.as_secs()),
                () = asked.next() => tracing::warn!("asked again to end: running requests were cut off"),
            }
        }
    }
    drop(serving);
    cx.search.stop();
    if tokio::time::timeout(CLOSING, cx.database.close())
        .await
        .is_err()
    {
        tracing::warn!("the database did not close in time; what was acknowledged is in it");
    }
    tracing::info!("the station has ended");
    Ok(())
}

/// What a station does besides answering: indexes new media and their words, does jobs, lets abandoned
/// uploads and expired files go.
async fn background(cx: Arc<Context>, stopping: CancellationToken) {
    let confining = async {
        // A worker that does not start is told to whoever asks for pictures.
        match crate::frames::try_sandbox(cx.frames.binary()).await {
            Ok(sandbox) if !sandbox.holds() => tracing::warn!(
                landlock = sandbox.landlock,
                seccomp = sandbox.seccomp,
                "frame workers are not fully confined on this machine; `transect doctor` says more"
            ),
            _ => {}
        }
        std::future::pending::<()>().await;
    };
    let sweeping = async {
        let mut hour = tokio::time::interval(SWEEP);
        loop {
            hour.tick().await;
            if let Err(error) = crate::storage::expire(&cx).await {
                tracing::warn!(error = %Chain(&error), "abandoned uploads could not be removed");
            }
            if let Err(error) = s3::sweep(&cx).await {
                tracing::warn!(error = %Chain(&error), "objects whose time is over could not be removed");
            }
            if let Err(error) = retention::purge(&cx).await {
                tracing::warn!(error = %Chain(&error), "what was deleted long ago could not be removed");
            }
            if let Err(error) = crate::temporary_file::expire(&cx).await {
                tracing::warn!(error = %Chain(&error), "expired temporary files could not be removed");
            }
            crate::media::sweep(&cx);
            if let Err(error) = crate::transcode::sweep(&cx).await {
                tracing::warn!(error = %Chain(&error), "abandoned work files could not be removed");
            }
            if let Err(error) = crate::recording::sweep(&cx).await {
                tracing::warn!(error = %Chain(&error), "folders of removed recordings could not be removed");
            }
            if let Err(error) = crate::workflow::tidy(&cx).await {
                tracing::warn!(error = %Chain(&error), "folders of forgotten workflows could not be removed");
            }
        }
    };
    tokio::select! {
        () = indexer::run(cx.clone()) => {}
        () = inspector::run(cx.clone()) => {}
        () = crate::jobs::run(cx.clone()) => {}
        () = crate::search::indexer::run(cx.clone()) => {}
        () = crate::storage::collect_behind(&cx) => {}
        () = crate::transcode::make_proxies(cx.clone()) => {}
        () = crate::storage::settle_behind(&cx) => {}
        () = crate::storage::back_up_behind(&cx) => {}
        () = crate::media::archive::run(&cx) => {}
        () = sweeping => {}
        () = confining => {}
        () = stopping.cancelled() => {}
    }
}

/// Takes the lock; waits for a passing command, but not for another station.
async fn take(data: &Path) -> Result<Lock> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match Lock::take(data, SERVE)? {
            Taken::Ours(lock) => return Ok(lock),
            Taken::Held(holder) if holder.serves() || tokio::time::Instant::now() > until => {
                return Err(lock::held(data, &holder));
            }
            Taken::Held(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn bind(listen: &str) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        Error::invalid(format!(
            "cannot listen: {error}; the address is HOST:PORT (port 0 means any free one) and must not be in use by \
             another program: {listen}"
        ))
    })
}

/// A URL that reaches the address from this machine.
pub(crate) fn url_of(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

/// The signals that ask a station to end.
struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns at the next of them.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_every_interface_is_one_that_can_be_opened() {
        let url = |text: &str| url_of(text.parse().unwrap());
        assert_eq!(url("0.0.0.0:80"), "http://127.0.0.1:80");
        assert_eq!(url("[::]:80"), "http://[::1]:80");
        assert_eq!(url("10.0.0.2:8080"), "http://10.0.0.2:8080");
    }
}
