//! A station for unit tests: its own data folder, its own database, one project.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};
use sqlx::Connection;
use tower::ServiceExt;

use crate::account::{self, NewUser};
use crate::context::Context;
use crate::{config, id, values};

/// The host that requests name.
pub const HOST: &str = "127.0.0.1:8080";
/// The organization of the project.
pub const ORGANIZATION: i64 = 7;

/// A station with one project, whose only member has full control.
pub struct Station {
    pub cx: Arc<Context>,
    router: axum::Router,
    token: String,
    pub account: i64,
    pub project: i64,
    pub folder: tempfile::TempDir,
}

impl Station {
    /// Starts on SQLite, or in a database of its own on the PostgreSQL server that
    /// `TRANSECT_TEST_DATABASE_URL` names.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with some settings of its own.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings to name a server in"
    )]
    pub async fn start_with(flags: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match std::env::var("TRANSECT_TEST_DATABASE_URL") {
            Ok(server) => postgres(&server).await,
            Err(_) => "sqlite:".into(),
        };
        // A station of the network answers to any name, also to the one that tests use.
        let own = [
            ("database.url", url),
            ("server.listen", "0.0.0.0:8080".into()),
        ];
        let settings = config::read(None, [], &[&own, flags].concat()).unwrap();
        let cx = Context::open(settings, folder.path().into()).await.unwrap();
        let user = NewUser {
            username: "owner".into(),
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            password: "a long password".into(),
            elemental_id: None,
            profile: Map::new(),
            registration_token: None,
            is_staff: false,
        };
        let user = account::service::create(&cx, user).await.unwrap();
        let token = account::service::token(&cx, user.id, false).await.unwrap();
        let project = cx
            .database
            .write(move |tx| {
                Box::pin(async move {
                    let project = tx.allocate("project", 1).await?;
                    let membership = tx.allocate("membership", 1).await?;
                    tx.execute(
                        "insert into project (id, name, summary, organization, enable_downloads, \
                         elemental_id, extended_info, created_by, created_at) \
                         values ($1, 'The project', '', $3, true, 'e', '{}', $2, 0)",
                        &values![project, user.id, ORGANIZATION],
                    )
                    .await?;
                    tx.execute(
                        "insert into membership (id, project, account, permission) \
                         values ($1, $2, $3, 'Full Control')",
                        &values![membership, project, user.id],
                    )
                    .await?;
                    Ok(project)
                })
            })
            .await
            .unwrap();
        Self {
            router: crate::http::router(Arc::clone(&cx)),
            cx,
            token,
            account: user.id,
            project,
            folder,
        }
    }

    /// The member's API token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends any request; absolute URLs of the station are fine.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Response {
        let path = url.strip_prefix(&format!("http://{HOST}")).unwrap_or(url);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Calls an operation as the member; `{project}` in the path is the project, null means no body.
    pub async fn rest(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let token = format!("Token {}", self.token);
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
        ];
        let path = path.replace("{project}", &self.project.to_string());
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let response = self.send(method, &path, &headers, body).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Gives the member another level.
    pub async fn set_level(&self, level: &'static str) {
        let account = self.account;
        let change = self.cx.database.write(move |tx| {
            Box::pin(async move {
                let sql = "update membership set permission = $1 where account = $2";
                tx.execute(sql, &values![level, account]).await
            })
        });
        assert_eq!(change.await.unwrap(), 1);
    }
}

/// Makes a database on a server and returns its URL.
async fn postgres(server: &str) -> String {
    let name = format!("test_{}", id::uuid().replace('-', ""));
    let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("create database {name}"));
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let (address, _) = server.rsplit_once('/').unwrap();
    format!("{address}/{name}")
}
