//! Bodies of requests that are refused before they were read: what still comes is read and let go.
//! Most clients see no answer before they have sent all, and a connection with unread bytes on it
//! cannot be used again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use futures::StreamExt;
use tokio::sync::Mutex;

/// Bytes of a refused body that are read all the same.
const MOST_BYTES: usize = 32 << 20;
/// How long a refused body may take to come.
const LONGEST: Duration = Duration::from_secs(30);

/// A request's body, of which the rest can be read once the request was answered.
pub struct Rest(Arc<Mutex<BodyDataStream>>);

impl Rest {
    /// The request, and what is left of its body at any time.
    pub fn of(request: Request) -> (Request, Self) {
        let (parts, body) = request.into_parts();
        let shared = Arc::new(Mutex::new(body.into_data_stream()));
        let bytes = futures::stream::unfold(Arc::clone(&shared), |shared| async move {
            let next = shared.lock().await.next().await?;
            Some((next, shared))
        })
        // Who refuses a body may read on where it has ended already.
        .fuse();
        let request = Request::from_parts(parts, Body::from_stream(bytes));
        (request, Self(shared))
    }

    /// Reads on for a while.
    pub async fn drain(self) {
        let reading = async {
            let mut read = 0;
            let mut body = self.0.lock().await;
            while let Some(Ok(bytes)) = body.next().await {
                read += bytes.len();
                if read > MOST_BYTES {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(LONGEST, reading).await;
    }
}
