#![doc = include_str!("stream.md")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::future::BoxFuture;
use futures::stream::SplitSink;
use futures::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use transect_frame_client::{Format, Packets, Size};

use super::film::{self, Film, Seen};
use super::routes::configuration;
use super::service::{self, Wanted};
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};

/// Ranges that one message may ask for.
const MOST_RANGES: usize = 1000;
/// Credits that are counted; more are as good as these.
const MOST_CREDITS: u64 = 1 << 40;
/// How long a message may take to leave.
const LONGEST_SEND: Duration = Duration::from_secs(30);
/// How long the close frame may take to leave.
const LAST_SEND: Duration = Duration::from_secs(5);
/// How long the client's own close frame is waited for: what it has sent and nobody read would break the connection
/// before ours has arrived.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a client may say nothing.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);
/// What the reason of a close frame may have, in bytes.
const REASON_BYTES: usize = 123;
/// Coded frames that are fetched at a time, where groups of pictures are longer.
const GROUP_FRAMES: u64 = 300;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Jpeg,
    Webp,
    Packets,
}

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    want: Option<Vec<(u64, u64)>>,
    r#as: Option<Form>,
    height: Option<u32>,
    quality: Option<u8>,
    #[serde(default)]
    id: u32,
    #[serde(default)]
    credits: u64,
    bytes: Option<u64>,
    #[serde(default)]
    stop: bool,
}

/// What is wanted and was not sent yet.
#[derive(Debug)]
struct Want {
    ranges: VecDeque<(u64, u64)>,
    form: Form,
    height: Option<u32>,
    quality: u8,
    id: u32,
    /// The configuration that was sent last.
    configured: Option<Vec<u8>>,
}

/// What the client is ready to take.
#[derive(Debug, Default)]
struct Credits {
    messages: u64,
    bytes: Option<u64>,
}

impl Credits {
    fn grant(&mut self, messages: u64, bytes: Option<u64>) {
        self.messages = self.messages.saturating_add(messages).min(MOST_CREDITS);
        if let Some(bytes) = bytes {
            let all = self.bytes.unwrap_or(0).saturating_add(bytes);
            self.bytes = Some(all.min(MOST_CREDITS));
        }
    }

    /// Takes what a message of this size costs; false if it has to wait.
    fn take(&mut self, size: usize) -> bool {
        let size = size as u64;
        if self.messages == 0 || self.bytes.is_some_and(|bytes| bytes < size) {
            return false;
        }
        self.messages -= 1;
        self.bytes = self.bytes.map(|bytes| bytes - size);
        true
    }
}

/// One client's stream.
pub(super) struct Stream {
    pub cx: Arc<Context>,
    pub actor: Actor,
    pub media: i64,
    /// Its place among the streams that there may be.
    pub _place: OwnedSemaphorePermit,
}

/// The film that is streamed, as it was when it was last asked for.
struct Reel {
    seen: Seen,
    film: Film,
    pts: Vec<i64>,
    keys: Vec<usize>,
}

/// What was made: messages, and what is wanted behind them.
type Made = Result<(Vec<Vec<u8>>, Want)>;

impl Stream {
    /// Serves one socket to its end.
    pub(super) async fn run(self, socket: WebSocket) {
        let (mut sink, mut inbox) = socket.split();
        let mut credits = Credits::default();
        let mut ready: VecDeque<Vec<u8>> = VecDeque::new();
        let mut reel: Option<Arc<Reel>> = None;
        let mut want: Option<Want> = None;
        let mut making: Option<BoxFuture<'_, Made>> = None;
        let closing = &self.cx.frames.closing;
        let why = 'open: loop {
            while ready
                .front()
                .is_some_and(|message| credits.take(message.len()))
            {
                let message = ready.pop_front().unwrap_or_default();
                tokio::select! {
                    sent = send(&mut sink, Message::Binary(message.into())) => if !sent { return; },
                    () = closing.cancelled() => break 'open stopped(),
                }
            }
            if ready.is_empty()
                && making.is_none()
                && credits.messages > 0
                && let (Some(next), Some(reel)) = (want.take(), &reel)
            {
                making = Some(make(&self.cx, reel.clone(), next).boxed());
            }
            let made = async {
                match &mut making {
                    Some(making) => making.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = closing.cancelled() => break stopped(),
                said = tokio::time::timeout(LONGEST_SILENCE, inbox.next()) => {
                    let asked = match said {
                        Err(_) => break close(1000, "nothing was heard for ten minutes"),
                        Ok(None | Some(Err(_)) | Some(Ok(Message::Close(_)))) => return,
                        Ok(Some(Ok(Message::Text(text)))) => read(&text),
                        Ok(Some(Ok(Message::Binary(_)))) => Err(Error::invalid("say it as a text message with a JSON object")),
                        // Pings are answered by themselves.
                        Ok(Some(Ok(_))) => continue,
                    };
                    let asked = match asked {
                        Ok(asked) => asked,
                        Err(error) => break refusal(&error),
                    };
                    credits.grant(asked.credits, asked.bytes);
                    if asked.stop || asked.want.is_some() {
                        // What is on its way belongs to what is not wanted any more.
                        (making, want) = (None, None);
                        ready.clear();
                    }
                    if let Some(new) = wanted(asked) {
                        // Rights and files may have changed since.
                        match new.on_reel(&self).await {
                            Ok((new, opened)) => (want, reel) = (Some(new), Some(opened)),
                            Err(error) => break refusal(&error),
                        }
                    }
                }
                made = made => {
                    making = None;
                    match made {
                        Ok((messages, rest)) => {
                            let over = messages.is_empty();
                            ready.extend(messages);
                            if over {
                                ready.push_back(message(5, 0, rest.id, -1, 0, &[]));
                            } else {
                                want = Some(rest);
                            }
                        }
                        Err(error) => break refusal(&error),
                    }
                }
            }
        };
        let last = Message::Close(Some(why));
        let sent = tokio::time::timeout(LAST_SEND, sink.send(last)).await;
        if matches!(sent, Ok(Ok(()))) {
            let heard = async { while let Some(Ok(_)) = inbox.next().await {} };
            let _ = tokio::time::timeout(LAST_WORDS, heard).await;
        }
    }

    async fn open(&self) -> Result<Reel> {
        let seen = film::seen(&self.cx, &self.actor, self.media).await?;
        let film = film::whole(&self.cx, &seen).await?;
        let index = service::wire_index(&self.cx, &self.actor, self.media).await?;
        Ok(Reel {
            seen,
            film,
            pts: index.pts,
            keys: index.key_frames,
        })
    }
}

impl Want {
    /// Checks what is wanted against the film. Errors: `Invalid` for frames beyond the end.
    async fn on_reel(self, stream: &Stream) -> Result<(Self, Arc<Reel>)> {
        let reel = stream.open().await?;
        let count = reel.pts.len() as u64;
        let beyond = self
            .ranges
            .iter()
            .find(|(first, last)| *first.max(last) >= count);
        if let Some((first, last)) = beyond {
            return Err(Error::invalid(format!(
                "frames {first} to {last} are beyond the end: there are {count}"
            )));
        }
        let falls = self.ranges.iter().any(|(first, last)| last < first);
        if falls && self.form == Form::Packets {
            return Err(Error::invalid(
                "packets come forwards only; ask for pictures",
            ));
        }
        Ok((self, Arc::new(reel)))
    }
}

fn read(text: &str) -> Result<Asked> {
    let asked: Asked = serde_json::from_str(text)
        .map_err(|error| Error::invalid(format!("not understood: {error}")))?;
    let ranges = asked.want.as_ref().map_or(0, Vec::len);
    if ranges > MOST_RANGES {
        return Err(Error::invalid(format!(
            "at most {MOST_RANGES} ranges at a time"
        )));
    }
    if asked.want.is_some() && asked.r#as.is_none() {
        return Err(Error::invalid("say \"as\": jpeg, webp or packets"));
    }
    let quality = asked
        .quality
        .is_none_or(|quality| (1..=100).contains(&quality));
    let height = asked
        .height
        .is_none_or(|height| (1..=8192).contains(&height));
    if !quality || !height {
        return Err(Error::invalid("quality is 1 to 100, height 1 to 8192"));
    }
    Ok(asked)
}

fn wanted(asked: Asked) -> Option<Want> {
    Some(Want {
        ranges: asked.want?.into(),
        form: asked.r#as?,
        height: asked.height,
        quality: asked.quality.unwrap_or(85),
        id: asked.id,
        configured: None,
    })
}

/// Makes the next picture, or the next group of packets; no messages once there is nothing left.
async fn make(cx: &Context, reel: Arc<Reel>, mut want: Want) -> Made {
    let Some((first, last)) = want.ranges.pop_front() else {
        return Ok((Vec::new(), want));
    };
    let messages = match want.form {
        Form::Packets => {
            let end = group_end(&reel, first).min(last);
            if end < last {
                want.ranges.push_front((end + 1, last));
            }
            let media = reel.seen.media.id;
            let found = service::packets(cx, media, &reel.film, first, end).await?;
            packets(&reel, &mut want, &found)?
        }
        Form::Jpeg | Form::Webp => {
            match first.cmp(&last) {
                std::cmp::Ordering::Less => want.ranges.push_front((first + 1, last)),
                std::cmp::Ordering::Greater => want.ranges.push_front((first - 1, last)),
                std::cmp::Ordering::Equal => {}
            }
            vec![picture(cx, &reel, &want, first).await?]
        }
    };
    Ok((messages, want))
}

/// The last frame before the next one where decoding can start, or where another file begins.
fn group_end(reel: &Reel, first: u64) -> u64 {
    let next = reel.keys.partition_point(|key| *key as u64 <= first);
    let next = reel.keys.get(next).map_or(u64::MAX, |key| *key as u64);
    let joins = reel.film.parts.iter().map(|part| part.first);
    let join = joins.filter(|join| *join > first).min().unwrap_or(u64::MAX);
    next.min(join).min(first + GROUP_FRAMES) - 1
}

async fn picture(cx: &Context, reel: &Reel, want: &Want, frame: u64) -> Result<Vec<u8>> {
    let (format, kind) = match want.form {
        Form::Webp => (Format::Webp, 2),
        _ => (Format::Jpg, 1),
    };
    let film = match want.height {
        Some(height) => film::of_height(cx, &reel.seen, &reel.film, height).await,
        None => reel.film.clone(),
    };
    let wanted = Wanted {
        frame,
        size: want.height.map_or(Size::Native, Size::MaxHeight),
        roi: None,
        format,
        quality: want.quality,
    };
    let picture = service::frame(cx, &film, wanted).await?;
    let key = reel.keys.binary_search(&(frame as usize)).is_ok();
    let pts = reel.pts[frame as usize];
    Ok(message(
        kind,
        u8::from(key),
        want.id,
        frame as i64,
        pts,
        &picture.bytes,
    ))
}

fn packets(reel: &Reel, want: &mut Want, found: &Packets) -> Result<Vec<Vec<u8>>> {
    let mut messages = Vec::with_capacity(found.packets.len() + 1);
    let setups = std::iter::once(found.first_configuration());
    let mut setups = setups.chain(found.changes.iter().cloned()).peekable();
    for (at, packet) in found.packets.iter().enumerate() {
        while let Some(told) = setups.next_if(|told| told.at <= at) {
            let setup = serde_json::to_vec(&configuration(&told))?;
            if want.configured.as_ref() != Some(&setup) {
                messages.push(message(4, 0, want.id, -1, 0, &setup));
                want.configured = Some(setup);
            }
        }
        let shown = usize::try_from(packet.frame).ok();
        let pts = shown.and_then(|frame| reel.pts.get(frame)).copied();
        let marks = u8::from(packet.key) | if shown.is_none() { 2 } else { 0 };
        let pts = pts.unwrap_or_default();
        messages.push(message(3, marks, want.id, packet.frame, pts, &packet.bytes));
    }
    Ok(messages)
}

fn message(kind: u8, marks: u8, id: u32, frame: i64, pts: i64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + payload.len());
    bytes.extend([1, kind, marks, 0]);
    bytes.extend(id.to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(pts.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends a message; false if the client is gone or does not take it.
async fn send(sink: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    let sent = tokio::time::timeout(LONGEST_SEND, sink.send(message)).await;
    matches!(sent, Ok(Ok(())))
}

fn stopped() -> CloseFrame {
    close(1001, "the station stops; connect again when it is back")
}

fn refusal(error: &Error) -> CloseFrame {
    let code = match error {
        Error::Busy(_) => 1013,
        Error::Internal { .. } => {
            tracing::error!(error = %crate::error::Chain(error), "a stream of frames has failed");
            return close(
                1011,
                "the station met a fault of its own; its log says more",
            );
        }
        _ => 1008,
    };
    close(code, &error.to_string())
}

fn close(code: u16, reason: &str) -> CloseFrame {
    let end = (0..=REASON_BYTES.min(reason.len())).rev();
    let end = { end }.find(|end| reason.is_char_boundary(*end));
    CloseFrame {
        code,
        reason: reason[..end.unwrap_or(0)].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_beyond_the_credits() {
        let mut credits = Credits::default();
        assert!(!credits.take(1));
        credits.grant(2, None);
        assert!(credits.take(1 << 30) && credits.take(1) && !credits.take(1));
        credits.grant(3, Some(100));
        assert!(credits.take(60) && !credits.take(41) && credits.take(40));
        credits.grant(u64::MAX, Some(u64::MAX));
        credits.grant(u64::MAX, Some(u64::MAX));
        assert!(credits.take(1));
    }

    #[test]
    fn reasons_fit_a_close_frame() {
        assert_eq!(close(1008, &"ä".repeat(100)).reason.len(), 122);
        assert_eq!(close(1008, "short").reason.as_str(), "short");
    }
}
