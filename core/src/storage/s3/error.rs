//! Errors of the store as S3 has them, and transactions that may end with one.

use futures::future::BoxFuture;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error};

impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        let error = match error {
            Error::Internal { context, source } => match source.downcast::<S3Error>() {
                Ok(refused) => return *refused,
                Err(source) => Error::Internal { context, source },
            },
            other => other,
        };
        let code = match &error {
            Error::NotFound(_) => S3ErrorCode::NoSuchKey,
            Error::Invalid { .. } => S3ErrorCode::InvalidRequest,
            Error::Unauthenticated(_) | Error::Forbidden(_) => S3ErrorCode::AccessDenied,
            Error::StorageFull(_) => S3ErrorCode::Custom("StorageFull".into()),
            Error::QuotaExceeded(_) => S3ErrorCode::Custom("QuotaExceeded".into()),
            Error::Busy(_) | Error::TooMany { .. } => S3ErrorCode::SlowDown,
            Error::Internal { .. } => {
                tracing::error!(error = %Chain(&error), "a request of an S3 client failed");
                return s3_error!(
                    InternalError,
                    "We encountered an internal error; the station's log has the reason."
                );
            }
        };
        let full = matches!(error, Error::StorageFull(_) | Error::QuotaExceeded(_));
        let mut refused = Self::with_message(code, error.explained());
        if full {
            refused.set_status_code(axum::http::StatusCode::INSUFFICIENT_STORAGE);
        }
        refused
    }
}

/// A refusal inside a transaction, which therefore leaves nothing.
fn wrapped(refused: S3Error) -> Error {
    Error::internal("answer an S3 client", refused)
}

/// Runs `job` on one consistent snapshot.
pub async fn read<T, F>(cx: &Context, job: F) -> S3Result<T>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, S3Result<T>> + Send + 'static,
{
    let reading = cx.database.read(move |tx| {
        let work = job(tx);
        Box::pin(async move { work.await.map_err(wrapped) })
    });
    Ok(reading.await?)
}

/// Runs `job` in a transaction; a refusal leaves nothing behind.
pub async fn write<T, F>(cx: &Context, job: F) -> S3Result<T>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, S3Result<T>> + Send + 'static,
{
    let writing = cx.database.write(move |tx| {
        let work = job(tx);
        Box::pin(async move { work.await.map_err(wrapped) })
    });
    Ok(writing.await?)
}

/// Whether a write was certainly undone, so that what it was to keep can be deleted at once.
pub fn is_undone(refused: &S3Error) -> bool {
    !matches!(
        refused.code(),
        S3ErrorCode::InternalError | S3ErrorCode::SlowDown
    )
}

pub fn denied() -> S3Error {
    s3_error!(AccessDenied, "Access Denied")
}

pub fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

pub fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )
}

pub fn not_offered(what: &str) -> S3Error {
    s3_error!(NotImplemented, "This store does not offer {what}.")
}
