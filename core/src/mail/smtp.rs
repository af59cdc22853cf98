//! Sending letters over SMTP.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment as Part, Mailbox, MultiPart, SinglePart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::types::Letter;
use crate::config;
use crate::error::{Error, Result};

/// How long the mail server may take over one step.
const PATIENCE: Duration = Duration::from_secs(20);

/// The mail server of the settings, if there is one.
pub struct Mail {
    server: Option<AsyncSmtpTransport<Tokio1Executor>>,
    from: Mailbox,
}

impl Mail {
    /// Reads the settings; connects to nothing yet.
    ///
    /// Errors: `Invalid` for a URL that names no mail server, or a sender that is no address.
    pub fn new(settings: &config::Mail) -> Result<Self> {
        let from = settings.from.parse().map_err(|error| {
            Error::invalid(format!(
                "mail.from is no e-mail address ({error}), such as Transect <transect@example.org>: {}",
                settings.from
            ))
        })?;
        if settings.url.is_empty() {
            return Ok(Self { server: None, from });
        }
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.url)
            // The URL may hold a password, and so may the error.
            .map_err(|_| {
                Error::invalid(
                    "mail.url names no mail server; it is smtp://host:port, smtp://user:password@host:587?tls=required or \
                     smtps://user:password@host, with special characters of the password percent-encoded",
                )
            })?
            .timeout(Some(PATIENCE))
            .build();
        Ok(Self {
            server: Some(server),
            from,
        })
    }

    /// Whether letters can be sent at all.
    pub fn is_on(&self) -> bool {
        self.server.is_some()
    }

    /// Sends a letter; returns once the server has taken it.
    ///
    /// Errors: `Invalid` without a server, for addresses that are none, and for what the server
    /// refuses for good; `Busy` when it cannot be reached or asks to try later.
    pub(super) async fn send(&self, letter: Letter) -> Result<()> {
        let server = self.server.as_ref().ok_or_else(not_enabled)?;
        let message = self.message(letter)?;
        match server.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(Error::invalid_because(
                "The mail server refused the letter.",
                error.to_string(),
            )),
            Err(error) => {
                tracing::warn!(%error, "the mail server did not take a letter");
                Err(Error::Busy(
                    "the mail server did not take the letter; try again later".into(),
                ))
            }
        }
    }

    fn message(&self, letter: Letter) -> Result<Message> {
        if letter.subject.chars().any(char::is_control) {
            return Err(Error::invalid("the subject of a letter is one line"));
        }
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(letter.subject);
        for address in &letter.to {
            message = message.to(mailbox(address)?);
        }
        let text = SinglePart::plain(letter.text);
        let built = if letter.attachments.is_empty() {
            message.singlepart(text)
        } else {
            let parts = letter
                .attachments
                .into_iter()
                .map(|file| {
                    let kind = mime_guess::from_path(&file.name).first_or_octet_stream();
                    let kind = ContentType::parse(kind.as_ref()).unwrap_or(ContentType::TEXT_PLAIN);
                    Part::new(file.name).body(file.bytes.to_vec(), kind)
                })
                .fold(MultiPart::mixed().singlepart(text), MultiPart::singlepart);
            message.multipart(parts)
        };
        built.map_err(|error| {
            Error::invalid_because("The letter cannot be written.", error.to_string())
        })
    }
}

/// The wire's text for what needs a letter where none can be sent.
pub(super) fn not_enabled() -> Error {
    Error::invalid("Email not enabled")
}

/// Whether a text is an e-mail address.
pub fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

fn mailbox(address: &str) -> Result<Mailbox> {
    let address = address.parse().map_err(|error| {
        Error::invalid_because(
            format!("{address:?} is no e-mail address"),
            format!("{error}"),
        )
    })?;
    Ok(Mailbox::new(None, address))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::types::Attachment;
    use super::*;

    fn mail(url: &str) -> Result<Mail> {
        Mail::new(&config::Mail {
            url: url.into(),
            from: "Station <station@example.org>".into(),
        })
    }

    #[test]
    fn settings_that_name_no_server_are_refused_without_their_password() {
        assert!(!mail("").unwrap().is_on());
        assert!(mail("smtp://127.0.0.1:2525").unwrap().is_on());
        let Err(error) = mail("http://user:secret@example.org") else {
            panic!("http is no mail server");
        };
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_letter_carries_its_files_and_no_foreign_headers() {
        let mail = mail("").unwrap();
        let mut letter = Letter::to("ann@example.org", "Ünder way", "Hello");
        letter.attachments.push(Attachment {
            name: "a b.csv".into(),
            bytes: Bytes::from_static(b"1,2"),
        });
        let text = mail.message(letter).unwrap().formatted();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("To: ann@example.org") && text.contains("text/csv"));
        let sneaky = Letter::to("ann@example.org", "Hi\r\nBcc: eve@example.org", "Hello");
        assert!(mail.message(sneaky).is_err());
        assert!(mail.message(Letter::to("ann", "Hi", "Hello")).is_err());
    }
}
