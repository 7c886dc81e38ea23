//! What a browser told so far: requests, websockets, the console, downloads, loaded pages. It only listens.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One request of a page or of one of its workers. A redirect makes two of them.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Where to.
    pub(crate) url: String,
    /// `Document`, `Stylesheet`, `Script`, `Image`, `Font`, `XHR`, `Fetch`, … (`Network.ResourceType`).
    pub(crate) kind: String,
    /// HTTP status; none without an answer.
    pub(crate) status: Option<u64>,
    /// Why it failed: `net::ERR_NAME_NOT_RESOLVED`.
    pub(crate) failure: Option<String>,
}

/// One websocket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    /// `wss://…`
    pub(crate) url: String,
    /// HTTP status of the answer to the handshake: 101 when it is open.
    pub(crate) status: Option<u64>,
    /// Messages in both directions.
    pub(crate) frames: u64,
    /// It was closed again.
    pub(crate) closed: bool,
}

/// A file that the page had the browser store.
#[derive(Clone, Debug)]
pub(super) struct Download {
    pub(super) id: String,
    pub(super) name: String,
    /// `inProgress`, `completed`, `canceled`.
    pub(super) state: String,
}

/// All that was told since the start.
#[derive(Default)]
pub(super) struct Told {
    pub(super) requests: Vec<Request>,
    pub(super) sockets: Vec<Socket>,
    pub(super) complaints: Vec<String>,
    /// Lines of the console that are no errors.
    pub(super) console: Vec<String>,
    pub(super) downloads: Vec<Download>,
    /// Loaders of the documents that have fired `load`.
    pub(super) loaded: BTreeSet<String>,
    /// Session of each page, by target.
    pub(super) pages: BTreeMap<String, String>,
    /// Place of a request or websocket in its list, by session and id.
    places: BTreeMap<(String, String), usize>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Told {
    /// Takes one event.
    pub(super) fn take(&mut self, event: &Value) {
        let (of, parameters) = (text(&event["sessionId"]), &event["params"]);
        let place = (of, text(&parameters["requestId"]));
        match event["method"].as_str().unwrap_or_default() {
            method if method.starts_with("Network.webSocket") => self.take_socket(method, place, parameters),
            method if method.starts_with("Network.") => self.take_request(method, place, parameters),
            "Runtime.consoleAPICalled" => self.take_console(parameters),
            "Runtime.exceptionThrown" => {
                let details = &parameters["exceptionDetails"];
                let what = details["exception"]["description"].as_str().or(details["text"].as_str());
                self.complaints.push(format!("exception: {}", what.unwrap_or_default()));
            }
            "Log.entryAdded" => {
                let entry = &parameters["entry"];
                let (level, url) = (text(&entry["level"]), text(&entry["url"]));
                let line = format!("{level} ({}): {} {url}", text(&entry["source"]), text(&entry["text"]));
                if level == "error" { self.complaints.push(line) } else { self.console.push(line) }
            }
            "Audits.issueAdded" => {
                let (code, details) = (text(&parameters["issue"]["code"]), &parameters["issue"]["details"]);
                let line = format!("{code}: {details}");
                let is_one = ["MixedContentIssue", "ContentSecurityPolicyIssue"].contains(&code.as_str());
                if is_one { self.complaints.push(line) } else { self.console.push(line) }
            }
            "Inspector.targetCrashed" => self.complaints.push("the page crashed".to_owned()),
            "Page.lifecycleEvent" if parameters["name"] == "load" => {
                self.loaded.insert(text(&parameters["loaderId"]));
            }
            "Browser.downloadWillBegin" => self.downloads.push(Download {
                id: text(&parameters["guid"]),
                name: text(&parameters["suggestedFilename"]),
                state: "inProgress".to_owned(),
            }),
            "Browser.downloadProgress" => {
                let id = text(&parameters["guid"]);
                for download in self.downloads.iter_mut().filter(|download| download.id == id) {
                    download.state = text(&parameters["state"]);
                }
            }
            "Target.attachedToTarget" if parameters["targetInfo"]["type"] == "page" => {
                self.pages.insert(text(&parameters["targetInfo"]["targetId"]), text(&parameters["sessionId"]));
            }
            _ => {}
        }
    }

    fn take_request(&mut self, method: &str, place: (String, String), parameters: &Value) {
        let known = self.places.get(&place).map(|at| &mut self.requests[*at]);
        match (method, known) {
            ("Network.requestWillBeSent", redirected) => {
                if let Some(before) = redirected {
                    before.status = parameters["redirectResponse"]["status"].as_u64();
                }
                self.places.insert(place, self.requests.len());
                self.requests.push(Request {
                    url: text(&parameters["request"]["url"]),
                    kind: text(&parameters["type"]),
                    status: None,
                    failure: None,
                });
            }
            ("Network.responseReceived", Some(request)) => request.status = parameters["response"]["status"].as_u64(),
            ("Network.loadingFailed", Some(request)) => {
                let blocked = parameters["blockedReason"].as_str().map(|why| format!("blocked: {why}"));
                let failure = blocked.unwrap_or_else(|| text(&parameters["errorText"]));
                request.failure = Some(failure.clone());
                // A page that is left takes its requests with it.
                if parameters["canceled"] != Value::Bool(true) {
                    let line = format!("request failed: {failure} {}", request.url);
                    self.complaints.push(line);
                }
            }
            _ => {}
        }
    }

    fn take_socket(&mut self, method: &str, place: (String, String), parameters: &Value) {
        if method == "Network.webSocketCreated" {
            self.places.insert(place, self.sockets.len());
            self.sockets.push(Socket { url: text(&parameters["url"]), status: None, frames: 0, closed: false });
            return;
        }
        let Some(socket) = self.places.get(&place).map(|at| &mut self.sockets[*at]) else { return };
        match method {
            "Network.webSocketHandshakeResponseReceived" => socket.status = parameters["response"]["status"].as_u64(),
            "Network.webSocketFrameSent" | "Network.webSocketFrameReceived" => socket.frames += 1,
            "Network.webSocketClosed" => socket.closed = true,
            "Network.webSocketFrameError" => {
                let line = format!("websocket failed: {} {}", text(&parameters["errorMessage"]), socket.url);
                self.complaints.push(line);
            }
            _ => {}
        }
    }

    fn take_console(&mut self, parameters: &Value) {
        let arguments = parameters["args"].as_array().map(Vec::as_slice).unwrap_or_default();
        let words = arguments.iter().map(|argument| match (&argument["value"], argument["description"].as_str()) {
            (Value::String(value), _) => value.clone(),
            (Value::Null, Some(description)) => description.to_owned(),
            (value, _) => value.to_string(),
        });
        let (kind, words) = (text(&parameters["type"]), words.collect::<Vec<_>>().join(" "));
        let line = format!("console.{kind}: {words}");
        let is_error = ["error", "assert"].contains(&kind.as_str());
        if is_error { self.complaints.push(line) } else { self.console.push(line) }
    }

    /// All of it, for people.
    pub(super) fn report(&self) -> String {
        let mut report = String::new();
        for line in &self.complaints {
            writeln!(report, "! {line}").unwrap();
        }
        for line in &self.console {
            writeln!(report, "  {line}").unwrap();
        }
        for Request { url, kind, status, failure } in &self.requests {
            let (status, failure) = (status.unwrap_or_default(), failure.as_deref().unwrap_or_default());
            // A `data:` address is as long as what it holds.
            writeln!(report, "{status:3} {kind} {} {failure}", url.chars().take(200).collect::<String>()).unwrap();
        }
        for Socket { url, status, frames, closed } in &self.sockets {
            writeln!(report, "{:3} websocket {url}, frames: {frames}, closed: {closed}", status.unwrap_or_default())
                .unwrap();
        }
        report
    }
}
