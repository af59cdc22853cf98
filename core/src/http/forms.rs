//! Pages behind links that people are sent: registering, accepting an invitation, a new password.
//!
//! They are plain forms, work without scripts, and call the same services as the API.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use super::sign_in::{
    Form, add_cookie, asker, csrf_token, no_store, read_form, redirect, sign_in_path,
};
use super::{page, query_texts};
use crate::account::{NewUser, service as accounts};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::invitation::service as invitations;

/// One input of a form.
struct Input<'a> {
    name: &'a str,
    label: &'a str,
    kind: &'a str,
    value: &'a str,
    /// What a browser may fill in.
    fill: &'a str,
    required: bool,
}

impl<'a> Input<'a> {
    fn text(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            kind: "text",
            value,
            fill: "on",
            required: false,
        }
    }

    fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn hidden(name: &'a str, value: &'a str) -> Self {
        Self {
            kind: "hidden",
            ..Self::text(name, "", value)
        }
    }

    fn password(name: &'a str, label: &'a str) -> Self {
        Self {
            kind: "password",
            fill: "new-password",
            ..Self::text(name, label, "").required()
        }
    }

    fn html(&self) -> String {
        let Self {
            name, kind, fill, ..
        } = self;
        let required = if self.required { " required" } else { "" };
        let input = format!(
            "<input type=\"{kind}\" name=\"{name}\" value=\"{}\" autocomplete=\"{fill}\"{required}>",
            escape(self.value)
        );
        match *kind {
            "hidden" => input,
            _ => format!("<label>{}{input}</label>", escape(self.label)),
        }
    }
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

/// What a page of this kind shows.
struct Page<'a> {
    title: &'a str,
    /// Plain text above the form.
    text: &'a str,
    error: Option<&'a Error>,
    inputs: Vec<Input<'a>>,
    button: &'a str,
}

impl Page<'_> {
    /// The page; a browser that has no CSRF token gets one with it.
    fn show(&self, cx: &Context, headers: &HeaderMap) -> Response {
        let (token, cookie) = csrf_token(cx, headers);
        let error = match self.error {
            Some(error @ Error::Invalid { details, .. }) if details != "None" => {
                format!("{error}: {details}")
            }
            Some(error) => error.to_string(),
            None => String::new(),
        };
        let mut inputs = self.inputs.iter().map(Input::html).collect::<String>();
        inputs.push_str(&Input::hidden("csrfmiddlewaretoken", &token).html());
        let body = format!(
            "<p>{}</p><p class=\"error\" role=\"alert\">{}</p><form method=\"post\">{inputs}<button>{}</button></form>",
            escape(self.text),
            escape(&error),
            escape(self.button)
        );
        let status = match self.error {
            Some(_) => StatusCode::BAD_REQUEST,
            None => StatusCode::OK,
        };
        let mut response = page::show(status, &escape(self.title), &body);
        no_store(&mut response);
        if let Some(line) = cookie {
            add_cookie(&mut response, &line);
        }
        response
    }
}

fn parameter(request: &Request, name: &str) -> String {
    let texts = query_texts(request.uri().query().unwrap_or_default());
    let found = texts.into_iter().find(|(known, _)| known == name);
    found
        .and_then(|(_, values)| values.into_iter().next())
        .unwrap_or_default()
}

/// A page that says why something cannot be done.
fn refusal(title: &str, error: &Error) -> Response {
    page::message(
        StatusCode::BAD_REQUEST,
        &escape(title),
        &escape(&error.to_string()),
    )
}

/// The password that was typed twice.
fn new_password(form: &Form) -> Result<String> {
    let (one, other) = (form.field("password"), form.field("password_again"));
    match one {
        Some(password) if !password.is_empty() && one == other => Ok(password.to_owned()),
        _ => Err(Error::invalid(
            "the password is empty, or was not typed the same twice",
        )),
    }
}

/// What goes wrong by what was typed is shown beside the form; the rest is no page's business.
fn shown(error: Error) -> Result<Error> {
    match error {
        Error::Invalid { .. } | Error::Busy(_) | Error::Unauthenticated(_) => Ok(error),
        other => Err(other),
    }
}

/// `/registration?registration_token=…`: an account, for whoever is invited, or for everybody where
/// the settings allow it.
pub(super) async fn registration(cx: &Context, request: Request) -> Result<Response> {
    let token = parameter(&request, "registration_token");
    let mut text = "Make an account on this station.".to_owned();
    let mut email = String::new();
    if !token.is_empty() {
        match invitations::of_token(cx, &token).await {
            Ok((invitation, organization)) => {
                text = format!("Make an account and join {organization}.");
                email = invitation.email;
            }
            Err(error @ Error::Invalid { .. }) => return Ok(refusal("Registration", &error)),
            Err(error) => return Err(error),
        }
    } else if !cx.settings.account.anonymous_registration {
        let error = Error::invalid("Registration token must be supplied in URL!");
        return Ok(refusal("Registration", &error));
    }
    if request.method() != Method::POST {
        let form = Form::default();
        return Ok(registration_page(&text, &email, &form, None).show(cx, request.headers()));
    }
    let (headers, form) = read_form(request).await?;
    let made = async {
        let field = |name: &str| form.field(name).unwrap_or_default().to_owned();
        let new = NewUser {
            username: field("username"),
            first_name: field("first_name"),
            last_name: field("last_name"),
            email: field("email"),
            password: new_password(&form)?,
            elemental_id: None,
            profile: serde_json::Map::new(),
            registration_token: (!token.is_empty()).then(|| token.clone()),
            is_staff: false,
        };
        accounts::register(cx, None, new, None).await
    };
    match made.await {
        Ok(user) if user.status == crate::account::Status::Active => Ok(redirect("/sign-in")),
        Ok(_) => Ok(page::message(
            StatusCode::OK,
            "One more step",
            "A letter is on its way. Open the link in it, then you can <a href=\"/sign-in\">sign in</a>.",
        )),
        Err(error) => {
            let error = shown(error)?;
            Ok(registration_page(&text, &email, &form, Some(&error)).show(cx, &headers))
        }
    }
}

fn registration_page<'a>(
    text: &'a str,
    email: &'a str,
    form: &'a Form,
    error: Option<&'a Error>,
) -> Page<'a> {
    let field = |name: &str| form.field(name).unwrap_or_default();
    Page {
        title: "Registration",
        text,
        error,
        inputs: vec![
            Input::text("username", "User name", field("username")).required(),
            Input::text("first_name", "First name", field("first_name")),
            Input::text("last_name", "Last name", field("last_name")),
            Input::text("email", "E-mail", form.field("email").unwrap_or(email)).required(),
            Input::password("password", "Password"),
            Input::password("password_again", "Password, again"),
        ],
        button: "Make the account",
    }
}

/// `/accept?registration_token=…`: joins an organization, for somebody who has an account.
pub(super) async fn accept(cx: &Context, request: Request) -> Result<Response> {
    let token = parameter(&request, "registration_token");
    let Some(actor) = asker(cx, request.headers()).await? else {
        let here = request.uri().path_and_query();
        return Ok(redirect(&sign_in_path(
            here.map_or("/accept", |here| here.as_str()),
        )));
    };
    let (invitation, organization) = match invitations::of_token(cx, &token).await {
        Ok(found) => found,
        Err(error @ Error::Invalid { .. }) => return Ok(refusal("Invitation", &error)),
        Err(error) => return Err(error),
    };
    let text = format!(
        "{} invites you ({}) to join {organization}.",
        invitation.created_username, actor.username
    );
    let page = |error| Page {
        title: "Invitation",
        text: &text,
        error,
        inputs: Vec::new(),
        button: "Join",
    };
    if request.method() != Method::POST {
        return Ok(page(None).show(cx, request.headers()));
    }
    let (headers, _) = read_form(request).await?;
    match invitations::accept_as(cx, &actor, &token).await {
        Ok(_) => Ok(redirect("/")),
        Err(error) => Ok(page(Some(&shown(error)?)).show(cx, &headers)),
    }
}

/// `/password-reset`: asks for a letter; with `?reset_token=…&user=…`, as the letter has it, sets a
/// new password.
pub(super) async fn password_reset(cx: &Context, request: Request) -> Result<Response> {
    let token = parameter(&request, "reset_token");
    if token.is_empty() {
        return ask_for_letter(cx, request).await;
    }
    let user = parameter(&request, "user");
    let page = |error| Page {
        title: "A new password",
        text: "Choose a new password. It signs you out of every browser.",
        error,
        inputs: vec![
            Input::password("password", "Password"),
            Input::password("password_again", "Password, again"),
        ],
        button: "Set the password",
    };
    if request.method() != Method::POST {
        return Ok(page(None).show(cx, request.headers()));
    }
    let (headers, form) = read_form(request).await?;
    let changed = async {
        let user = user
            .parse()
            .map_err(|_| Error::invalid("Invalid reset token!"))?;
        accounts::reset_password(cx, user, token, new_password(&form)?).await
    };
    match changed.await {
        Ok(()) => Ok(redirect("/sign-in")),
        Err(error) => Ok(page(Some(&shown(error)?)).show(cx, &headers)),
    }
}

async fn ask_for_letter(cx: &Context, request: Request) -> Result<Response> {
    let page = |error| Page {
        title: "A new password",
        text: "A link that sets a new password is sent to the e-mail address of your account.",
        error,
        inputs: vec![Input::text("email", "E-mail", "").required()],
        button: "Send the link",
    };
    if request.method() != Method::POST {
        return Ok(page(None).show(cx, request.headers()));
    }
    let (headers, form) = read_form(request).await?;
    match accounts::request_reset(cx, form.field("email").unwrap_or_default()).await {
        Ok(()) => Ok(page::message(
            StatusCode::OK,
            "A letter is on its way",
            "If an account has this e-mail address, it gets a letter with a link that works for a day.",
        )),
        Err(error) => Ok(page(Some(&shown(error)?)).show(cx, &headers)),
    }
}

/// `/confirm-email?token=…`: the link in the letter to somebody who registered.
pub(super) async fn confirm_email(cx: &Context, request: Request) -> Result<Response> {
    let token = parameter(&request, "token");
    if request.method() == Method::GET && accounts::confirm_address(cx, &token).await? {
        return Ok(page::message(
            StatusCode::OK,
            "Confirmed",
            "Your e-mail address is confirmed. You can <a href=\"/sign-in\">sign in</a> now.",
        ));
    }
    Ok(page::message(
        StatusCode::BAD_REQUEST,
        "This link does not work any more",
        "It works once, within a day after it was sent. If you cannot sign in, have \
         <a href=\"/password-reset\">another link</a> sent.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_cannot_become_markup() {
        let html = Input::text("email", "E-mail", "\"><script>alert('x')</script>").html();
        assert!(
            !html.contains("<script") && !html.contains("\">\"") && html.contains("&quot;&gt;")
        );
    }
}
