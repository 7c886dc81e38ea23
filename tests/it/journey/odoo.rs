//! A customer's browser: Odoo through nginx, TLS verified against the lab's root.

use super::fleet::Fleet;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// One customer's browser.
pub(crate) struct Browser {
    client: Client,
    base: String,
    cookie: Option<String>,
}

impl Browser {
    /// For `host` of the fleet, whatever the public DNS says.
    pub(crate) fn new(fleet: &Fleet, host: &str) -> Self {
        let port: u16 = fleet.lab.get("LAB_HTTPS_PORT").parse().unwrap();
        let root = reqwest::Certificate::from_pem(&std::fs::read(fleet.lab.path("LAB_CA")).unwrap()).unwrap();
        let client = Client::builder()
            .tls_built_in_root_certs(false)
            .add_root_certificate(root)
            .resolve(host, SocketAddr::from(([127, 0, 0, 1], port)))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self { client, base: format!("https://{host}:{port}"), cookie: None }
    }

    /// GET, following nothing.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer =
            self.client.get(format!("{}{path}", self.base)).send().await.unwrap_or_else(|e| panic!("{path}: {e:?}"));
        (answer.status(), answer.text().await.unwrap())
    }

    /// The login page with its CSRF token, or the reason why it is none.
    pub(crate) async fn login_page(&self) -> String {
        let (status, body) = self.get("/web/login").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.contains("csrf_token") && body.contains("name=\"login\""), "not Odoo's login page:\n{body}");
        body
    }

    /// Logs in; the session stays for [`Browser::call`].
    pub(crate) async fn log_in(&mut self, database: &str, login: &str, password: &str) -> Value {
        let parameters = json!({ "db": database, "login": login, "password": password });
        let answer = self.post("/web/session/authenticate", parameters).await;
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let session =
            cookies.filter_map(|cookie| cookie.split(';').next()).find(|pair| pair.starts_with("session_id="));
        self.cookie = session.map(str::to_owned);
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// `search_read` as the logged-in user.
    pub(crate) async fn read(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        let parameters =
            json!({ "model": model, "method": "search_read", "args": [domain], "kwargs": { "fields": fields } });
        let text = self.post("/web/dataset/call_kw", parameters).await.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["result"].as_array().unwrap_or_else(|| panic!("{model}: {answer:#}")).clone()
    }

    /// `create` as the logged-in user; the new record's number.
    pub(crate) async fn create(&self, model: &str, values: Value) -> i64 {
        let parameters = json!({ "model": model, "method": "create", "args": [values], "kwargs": {} });
        let text = self.post("/web/dataset/call_kw", parameters).await.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["result"].as_i64().unwrap_or_else(|| panic!("{model}: {answer:#}"))
    }

    /// The session, as a header's value.
    pub(crate) fn cookie(&self) -> &str {
        self.cookie.as_deref().unwrap_or_default()
    }

    /// Calls a method of a model as the logged-in user.
    pub(crate) async fn call(&self, model: &str, method: &str, arguments: Value) -> Value {
        let parameters = json!({ "model": model, "method": method, "args": arguments, "kwargs": {} });
        let text = self.post("/web/dataset/call_kw", parameters).await.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(answer.get("error").is_none(), "{model}.{method}: {answer:#}");
        answer["result"].clone()
    }

    /// What the logged-in user gets as a file.
    pub(crate) async fn download(&self, path: &str) -> Vec<u8> {
        let request = self.client.get(format!("{}{path}", self.base));
        let answer = request.header("Cookie", self.cookie.as_deref().unwrap_or_default()).send().await.unwrap();
        let status = answer.status();
        let body = answer.bytes().await.unwrap().to_vec();
        assert_eq!(status, StatusCode::OK, "{path}: {}", words(&String::from_utf8_lossy(&body)));
        body
    }

    async fn post(&self, path: &str, parameters: Value) -> reqwest::Response {
        let body = json!({ "jsonrpc": "2.0", "method": "call", "params": parameters }).to_string();
        let request =
            self.client.post(format!("{}{path}", self.base)).header("Content-Type", "application/json").body(body);
        request.header("Cookie", self.cookie.as_deref().unwrap_or_default()).send().await.unwrap()
    }
}

/// What a page says, without its tags, scripts and styles: Odoo's reason stands in the middle of a long page.
fn words(page: &str) -> String {
    let hidden = ["<script", "<style", "<head"];
    let mut words = String::new();
    for part in page.split_inclusive('<').map(|part| part.trim_end_matches('<')) {
        let is_hidden = hidden.iter().any(|tag| format!("<{part}").starts_with(tag));
        let text = part.split_once('>').map_or("", |(_, text)| text);
        words.extend(text.split_whitespace().filter(|_| !is_hidden).flat_map(|word| [word, " "]));
    }
    words
}
