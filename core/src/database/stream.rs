//! Answers too long to be held: a job hands them on batch by batch, in bounded memory.
//!
//! A job begins as an ordinary reader. Only when it has filled its channel, so that it would have
//! to wait for whoever takes the batches, does it go over to the *long readers*: a few of their own,
//! so that slow takers never keep short reads waiting. Where no long reader is free, what was read
//! is dropped, and the job begins anew when one is. A long reader keeps its snapshot until its last
//! batch is taken, and gives up on a taker that takes nothing for a while.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::{Answer, Companions, Engine, Job, Tx};
use crate::error::{Error, Result};

/// Long readers that may run at once.
const LONG_READERS: usize = 6;
/// Batches that may wait to be taken.
const BATCHES: usize = 8;
/// How long a taker may take nothing.
const STALL: Duration = Duration::from_secs(60);
/// How long a job waits for a long reader.
const PATIENCE: Duration = Duration::from_secs(30);

/// The right to read, which a job may exchange for another while it runs.
pub(super) type Pass = Arc<Mutex<Option<OwnedSemaphorePermit>>>;

/// A job that can begin anew.
pub(super) type Work<T> =
    dyn for<'t> Fn(&'t mut Tx, &'t mut Sink<T>) -> BoxFuture<'t, Result<()>> + Send + Sync;

/// Where a job puts its batches.
pub struct Sink<T> {
    sender: mpsc::Sender<T>,
    pass: Pass,
    long_readers: Arc<Semaphore>,
    /// Told once the job is a long reader's.
    flows: Arc<Notify>,
    long: bool,
    refused: Arc<Mutex<bool>>,
}

impl<T: Send + 'static> Sink<T> {
    /// Hands on a batch; waits while too many wait to be taken.
    ///
    /// Errors: the job has to end, because nobody takes its batches or it has to begin anew.
    pub async fn send(&mut self, batch: T) -> Result<()> {
        match self.offer(batch)? {
            None => Ok(()),
            Some(batch) => sent(tokio::time::timeout(STALL, self.sender.send(batch)).await),
        }
    }

    /// The same, on a thread that may block.
    pub(super) fn send_blocking(&mut self, batch: T) -> Result<()> {
        match self.offer(batch)? {
            None => Ok(()),
            Some(batch) => {
                let sending = tokio::time::timeout(STALL, self.sender.send(batch));
                sent(tokio::runtime::Handle::current().block_on(sending))
            }
        }
    }

    /// Hands on a batch if there is room; gives it back if a long reader has to wait for room.
    fn offer(&mut self, batch: T) -> Result<Option<T>> {
        let batch = match self.sender.try_send(batch) {
            Ok(()) => return Ok(None),
            Err(TrySendError::Closed(_)) => return Err(nobody()),
            Err(TrySendError::Full(batch)) => batch,
        };
        if !self.long {
            let Ok(permit) = Arc::clone(&self.long_readers).try_acquire_owned() else {
                *self.refused.lock().expect("it is only set") = true;
                return Err(too_many());
            };
            *self.pass.lock().expect("it is only set") = Some(permit);
            self.begin();
        }
        Ok(Some(batch))
    }

    fn begin(&mut self) {
        self.long = true;
        self.flows.notify_one();
    }
}

fn sent<T, E>(
    outcome: std::result::Result<std::result::Result<(), mpsc::error::SendError<T>>, E>,
) -> Result<()> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(nobody()),
        Err(_) => Err(Error::Busy(format!(
            "the caller took nothing of the answer for {} s",
            STALL.as_secs()
        ))),
    }
}

fn nobody() -> Error {
    Error::Busy("the caller has gone".into())
}

fn too_many() -> Error {
    Error::Busy(format!(
        "{LONG_READERS} long lists are being read already; try again in a moment, or ask for pages (start, stop)"
    ))
}

/// What a job handed on, in order.
pub enum Streamed<T> {
    /// All of it.
    Whole(Vec<T>),
    /// Batches as they come; an error ends them.
    Flowing(BoxStream<'static, Result<T>>),
}

impl<T: Send + 'static> Streamed<T> {
    /// Turns each batch into something else.
    pub async fn then<U, F, W>(self, mut step: F) -> Result<Streamed<U>>
    where
        U: Send + 'static,
        F: FnMut(T) -> W + Send + 'static,
        W: Future<Output = Result<U>> + Send + 'static,
    {
        match self {
            Self::Whole(batches) => {
                let mut turned = Vec::with_capacity(batches.len());
                for batch in batches {
                    turned.push(step(batch).await?);
                }
                Ok(Streamed::Whole(turned))
            }
            Self::Flowing(batches) => {
                let turned = batches.then(move |batch| {
                    let turned = batch.map(&mut step);
                    async move { turned?.await }
                });
                Ok(Streamed::Flowing(turned.boxed()))
            }
        }
    }
}

/// Runs a job; returns once it has ended or its batches flow.
pub(super) async fn run<T: Send + 'static>(
    engine: &Arc<dyn Engine>,
    long_readers: &Arc<Semaphore>,
    companions: Option<Companions>,
    work: Arc<Work<T>>,
) -> Result<Streamed<T>> {
    if let Some(streamed) = attempt(engine, long_readers, companions.clone(), &work, None).await? {
        return Ok(streamed);
    }
    let waiting = tokio::time::timeout(PATIENCE, Arc::clone(long_readers).acquire_owned());
    let permit = waiting.await.map_err(|_| too_many())?;
    let permit = permit.map_err(|error| Error::internal("wait for a reader", error))?;
    let streamed = attempt(engine, long_readers, companions, &work, Some(permit)).await?;
    Ok(streamed.expect("who has the permit needs no other"))
}

/// Nothing if the job turned out to be long and no long reader was free.
async fn attempt<T: Send + 'static>(
    engine: &Arc<dyn Engine>,
    long_readers: &Arc<Semaphore>,
    companions: Option<Companions>,
    work: &Arc<Work<T>>,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<Option<Streamed<T>>> {
    let (sender, mut receiver) = mpsc::channel(BATCHES);
    let (flows, refused) = (Arc::new(Notify::new()), Arc::new(Mutex::new(false)));
    let mut sink = Sink {
        sender,
        long: false,
        pass: Pass::default(),
        long_readers: Arc::clone(long_readers),
        flows: Arc::clone(&flows),
        refused: Arc::clone(&refused),
    };
    let pass = Arc::clone(&sink.pass);
    if permit.is_some() {
        *pass.lock().expect("it is only set") = permit;
        sink.begin();
    }
    let (engine, work) = (Arc::clone(engine), Arc::clone(work));
    let mut reading = AbortOnDropHandle::new(tokio::spawn(async move {
        engine
            .read(job(work, companions, sink), pass)
            .await
            .map(drop)
    }));
    tokio::select! {
        biased;
        outcome = &mut reading => {
            match outcome.map_err(|error| Error::internal("read from the database", error))? {
                Err(_) if *refused.lock().expect("it is only set") => return Ok(None),
                outcome => outcome?,
            }
            let mut batches = Vec::new();
            while let Some(batch) = receiver.recv().await {
                batches.push(batch);
            }
            Ok(Some(Streamed::Whole(batches)))
        }
        () = flows.notified() => {
            let batches = Flow { receiver, reading: Some(reading) };
            Ok(Some(Streamed::Flowing(batches.boxed())))
        }
    }
}

fn job<T: Send + 'static>(
    work: Arc<Work<T>>,
    companions: Option<Companions>,
    mut sink: Sink<T>,
) -> Job {
    Box::new(move |tx| {
        tx.companions = companions;
        Box::pin(async move {
            work(tx, &mut sink).await?;
            Ok(Box::new(()) as Answer)
        })
    })
}

/// Batches of a long reader, and how it ended after the last one.
struct Flow<T> {
    receiver: mpsc::Receiver<T>,
    reading: Option<AbortOnDropHandle<Result<()>>>,
}

impl<T> Stream for Flow<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        if let Some(batch) = ready!(self.receiver.poll_recv(context)) {
            return Poll::Ready(Some(Ok(batch)));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let outcome = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let outcome = outcome.map_err(|error| Error::internal("read from the database", error));
        Poll::Ready(outcome.and_then(|outcome| outcome).err().map(Err))
    }
}

/// As many long readers as there may be.
pub(super) fn long_readers() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LONG_READERS))
}
