//! A person's browser: the real Chromium of Debian, without a window, driven over its DevTools protocol.
//!
//! ```ignore
//! let mut browser = Browser::start("visitor-pages", Some(&lab.path("LAB_CA")));
//! browser.screen(PHONE, Scheme::Dark);
//! browser.open("https://acme.innkeeper.test:8443/");
//! browser.until("the page says who it is", "document.querySelector('h1').textContent.includes('Acme')");
//! let colour = browser.ask("getComputedStyle(document.body).backgroundColor");
//! browser.picture("stopped-phone-dark");          // target/browser/visitor-pages/stopped-phone-dark.png
//! browser.assert_no_complaints(&[("503", "the page of a stopped site has that status")]);
//! assert!(browser.requests().iter().all(|request| request.url.starts_with("https://acme.")));
//! ```
//!
//! Every name that ends in `.test` is this machine, no other name leads anywhere, and TLS is verified. Containers that come
//! and go cut no request of it. Everything waits for what it is about, with a limit. A test that fails leaves `failed.png`, and every test leaves `told.txt` (console,
//! requests, websockets), in its folder below `target/browser/`. Nobody but this module knows the protocol:
//! <https://chromedevtools.github.io/devtools-protocol/>.
#![expect(clippy::disallowed_methods, reason = "a browser is waited for by the clock on the wall")]

mod line;
mod told;

use line::Line;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use told::Told;
pub(crate) use told::{Request, Socket};

/// Anything that is waited for comes within this time, also on a machine that computes elsewhere.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A condition is looked at so often; meanwhile events are heard.
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// A screen: CSS pixels, device pixels in one of them, whether it is a phone's.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    /// CSS pixels.
    pub(crate) width: u32,
    /// CSS pixels.
    pub(crate) height: u32,
    /// Device pixels in a CSS pixel.
    pub(crate) density: u32,
    /// The viewport of the page's `meta` counts, as on phones.
    pub(crate) is_phone: bool,
}

/// A usual phone.
pub(crate) const PHONE: Screen = Screen { width: 390, height: 844, density: 2, is_phone: true };
/// A usual window on a desk.
pub(crate) const DESKTOP: Screen = Screen { width: 1280, height: 800, density: 1, is_phone: false };

/// `prefers-color-scheme`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Dark on bright.
    Light,
    /// Bright on dark.
    Dark,
}

/// A browser with one window and an empty profile. It ends when it is dropped.
pub(crate) struct Browser {
    line: Line,
    told: Told,
    /// The session of the window.
    page: String,
    folder: PathBuf,
}

impl Browser {
    /// Starts one for the test of that name, which is also the name of its folder below `target/browser/`. It trusts the
    /// certificate authority in the PEM file `root`.
    pub(crate) fn start(name: &str, root: Option<&Path>) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser").join(name);
        // Pictures of an earlier run would pass for those of this one.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let line = Line::start(root, &folder.join("chromium.log"));
        let mut browser = Self { line, told: Told::default(), page: String::new(), folder };
        // Workers and windows are held until `attach` listens to them, so that nothing of theirs is missed.
        browser.command(None, "Target.setAutoAttach", &attach_to_all()).unwrap();
        browser.wait("a window", |browser| {
            browser.page = browser.told.pages.values().next()?.clone();
            Some(())
        });
        let downloads = browser.line.downloads();
        let store = json!({ "behavior": "allowAndName", "downloadPath": downloads, "eventsEnabled": true });
        browser.command(None, "Browser.setDownloadBehavior", &store).unwrap();
        browser.on_page("Page.enable", &json!({}));
        browser.on_page("Page.setLifecycleEventsEnabled", &json!({ "enabled": true }));
        browser.screen(DESKTOP, Scheme::Light);
        browser
    }

    /// From now on the screen is like that.
    pub(crate) fn screen(&mut self, screen: Screen, scheme: Scheme) {
        let Screen { width, height, density, is_phone } = screen;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": density, "mobile": is_phone });
        self.on_page("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.on_page("Emulation.setEmulatedMedia", &features);
    }

    /// From now on the person asks for these languages: `fr-FR,fr`.
    pub(crate) fn languages(&mut self, accepted: &str) {
        let version = self.command(None, "Browser.getVersion", &json!({})).unwrap();
        let agent = json!({ "userAgent": version["userAgent"], "acceptLanguage": accepted });
        self.on_page("Emulation.setUserAgentOverride", &agent);
    }

    /// Opens a page and waits until it is loaded with all that it names.
    pub(crate) fn open(&mut self, url: &str) {
        if let Err(why) = self.try_open(url) {
            panic!("{url} cannot be opened: {why}");
        }
    }

    /// As [`Browser::open`].
    ///
    /// # Errors
    /// Chromium's word for what is wrong, where it shows a page of its own: `net::ERR_CERT_AUTHORITY_INVALID`.
    pub(crate) fn try_open(&mut self, url: &str) -> Result<(), String> {
        let answer = self.on_page("Page.navigate", &json!({ "url": url }));
        if let Some(why) = answer["errorText"].as_str() {
            return Err(why.to_owned());
        }
        // None where only the fragment differs: then the page is there already.
        if let Some(loader) = answer["loaderId"].as_str() {
            self.wait(&format!("{url} to load"), |browser| browser.told.loaded.contains(loader).then_some(()));
        }
        Ok(())
    }

    /// The value of a JavaScript expression in the page; a promise is waited for. It must be JSON.
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        self.try_ask(expression).unwrap_or_else(|why| panic!("{expression}: {why}"))
    }

    fn try_ask(&mut self, expression: &str) -> Result<Value, String> {
        let question = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let page = self.page.clone();
        let answer = self.command(Some(&page), "Runtime.evaluate", &question)?;
        let details = &answer["exceptionDetails"];
        match details["exception"]["description"].as_str().or(details["text"].as_str()) {
            Some(thrown) => Err(thrown.to_owned()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until a JavaScript expression has a value that is true, and returns it. What it throws counts as "not yet", as
    /// does a page that is just being left.
    pub(crate) fn until(&mut self, what: &str, expression: &str) -> Value {
        let mut last = Ok(Value::Null);
        let started = Instant::now();
        while started.elapsed() < WAIT_MAX {
            last = self.try_ask(expression);
            match &last {
                Ok(Value::Null | Value::Bool(false)) | Err(_) => self.hear(ASKED_EVERY),
                Ok(value) if *value == json!(0) || *value == json!("") => self.hear(ASKED_EVERY),
                Ok(value) => return value.clone(),
            }
        }
        panic!("waited in vain for {what}: `{expression}` was {last:?}\n{}", self.told.report());
    }

    /// Waits until something that the browser told holds.
    pub(crate) fn until_told(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.wait(what, |browser| holds(browser).then_some(()));
    }

    /// Clicks the first element of that CSS selector, once it can be seen and nothing lies over it.
    pub(crate) fn click(&mut self, selector: &str) {
        self.click_element(selector, &format!("document.querySelector({})", json!(selector)));
    }

    /// As [`Browser::click`], on the first one with that text.
    pub(crate) fn click_text(&mut self, selector: &str, text: &str) {
        let all = format!("[...document.querySelectorAll({})]", json!(selector));
        let element = format!("{all}.find(element => element.textContent.trim() === {})", json!(text));
        self.click_element(&format!("{selector} {text:?}"), &element);
    }

    fn click_element(&mut self, what: &str, element: &str) {
        let place = self.until(
            &format!("{what} to click on"),
            &format!(
                "(element => {{
                    if (!element) return null;
                    element.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }});
                    const box = element.getBoundingClientRect();
                    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                    return box.width > 0 && element.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
                }})({element})"
            ),
        );
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let mut event = json!({ "type": kind, "x": place[0], "y": place[1] });
            if kind != "mouseMoved" {
                event["button"] = "left".into();
                event["clickCount"] = 1.into();
            }
            self.on_page("Input.dispatchMouseEvent", &event);
        }
    }

    /// Clicks a field and writes into it.
    pub(crate) fn write(&mut self, selector: &str, text: &str) {
        self.click(selector);
        self.on_page("Input.insertText", &json!({ "text": text }));
    }

    /// Chooses a file in a field for files, as the person's dialog would.
    pub(crate) fn choose_file(&mut self, selector: &str, file: &Path) {
        let element = format!("document.querySelector({})", json!(selector));
        self.until(&format!("{selector} to choose a file in"), &format!("{element} !== null"));
        let found = self.on_page("Runtime.evaluate", &json!({ "expression": element }));
        let files = json!({ "files": [file], "objectId": found["result"]["objectId"] });
        self.on_page("DOM.setFileInputFiles", &files);
    }

    /// Does something that has the browser store a file; returns the name that the page gave it and its bytes.
    pub(crate) fn download(&mut self, start: impl FnOnce(&mut Self)) -> (String, Vec<u8>) {
        let before = self.told.downloads.len();
        start(self);
        let download = self.wait("a download", |browser| {
            let download = browser.told.downloads.get(before)?.clone();
            assert_ne!(download.state, "canceled", "the download of {} was cut", download.name);
            (download.state == "completed").then_some(download)
        });
        (download.name, fs::read(self.line.downloads().join(download.id)).unwrap())
    }

    /// Keeps a picture of the window as `target/browser/TEST/NAME.png` and returns its path.
    pub(crate) fn picture(&mut self, name: &str) -> PathBuf {
        self.try_picture(name).unwrap_or_else(|why| panic!("no picture {name}: {why}"))
    }

    fn try_picture(&mut self, name: &str) -> Result<PathBuf, String> {
        let page = self.page.clone();
        let answer = self.command(Some(&page), "Page.captureScreenshot", &json!({ "format": "png" }))?;
        let bytes = openssl::base64::decode_block(answer["data"].as_str().unwrap_or_default());
        let file = self.folder.join(format!("{name}.png"));
        fs::write(&file, bytes.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        Ok(file)
    }

    /// The process of the browser itself.
    pub(crate) fn process(&self) -> u32 {
        self.line.process()
    }

    /// All requests so far, of the page and its workers, in their order.
    pub(crate) fn requests(&self) -> &[Request] {
        &self.told.requests
    }

    /// All websockets so far.
    pub(crate) fn sockets(&self) -> &[Socket] {
        &self.told.sockets
    }

    /// As [`Browser::complaints`], without waiting for what is on its way.
    pub(crate) fn told_so_far(&self) -> &[String] {
        &self.told.complaints
    }

    /// Everything that a developer would see in red: errors in the console, exceptions, requests that failed or were
    /// answered with 400 or more, mixed content, what a policy refused. A request that was given up because its page was
    /// left is none.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // Whatever happened before this question was asked is told before its answer.
        let _ = self.try_ask("0");
        self.told.complaints.clone()
    }

    /// Fails when there are complaints besides those that have a part of their text in `allowed`, each with its reason.
    pub(crate) fn assert_no_complaints(&mut self, allowed: &[(&str, &str)]) {
        let complaints = self.complaints();
        let is_allowed = |line: &str| allowed.iter().any(|(part, _)| line.contains(part));
        let left: Vec<&String> = complaints.iter().filter(|line| !is_allowed(line)).collect();
        assert!(left.is_empty(), "the browser complains:\n{left:#?}");
    }

    /// Sends a command to the window and waits for its answer.
    fn on_page(&mut self, method: &str, parameters: &Value) -> Value {
        let page = self.page.clone();
        self.command(Some(&page), method, parameters).unwrap_or_else(|why| panic!("{method} {parameters}: {why}"))
    }

    fn command(&mut self, session: Option<&str>, method: &str, parameters: &Value) -> Result<Value, String> {
        let number = self.line.send(session, method, parameters);
        let started = Instant::now();
        while started.elapsed() < WAIT_MAX {
            let Some(mut message) = self.line.next(WAIT_MAX)? else { break };
            if message["id"] == number {
                return match message["error"]["message"].as_str() {
                    Some(error) => Err(error.to_owned()),
                    None => Ok(message["result"].take()),
                };
            }
            self.take(&message);
        }
        Err(format!("no answer within {WAIT_MAX:?}"))
    }

    /// Takes in what is told for so long.
    fn hear(&mut self, longest: Duration) {
        let until = Instant::now() + longest;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.line.next(left) {
                Ok(Some(message)) => self.take(&message),
                Ok(None) => return,
                Err(why) => panic!("{why}; what it said is in {}", self.folder.join("chromium.log").display()),
            }
        }
    }

    fn wait<T>(&mut self, what: &str, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(started.elapsed() < WAIT_MAX, "waited in vain for {what}\n{}", self.told.report());
            self.hear(ASKED_EVERY);
        }
    }

    fn take(&mut self, message: &Value) {
        self.told.take(message);
        match message["method"].as_str() {
            Some("Target.attachedToTarget") => {
                let session = message["params"]["sessionId"].as_str().unwrap_or_default();
                self.attach(session);
            }
            // Nobody is there to read it: the page is left, or told yes.
            Some("Page.javascriptDialogOpening") => {
                let session = message["sessionId"].as_str();
                self.line.send(session, "Page.handleJavaScriptDialog", &json!({ "accept": true }));
            }
            _ => {}
        }
    }

    /// Listens to a window, frame or worker, and lets it run. Workers do not know all of these; their refusal is not waited
    /// for.
    fn attach(&mut self, session: &str) {
        for method in ["Network.enable", "Runtime.enable", "Log.enable", "Audits.enable"] {
            self.line.send(Some(session), method, &json!({}));
        }
        self.line.send(Some(session), "Target.setAutoAttach", &attach_to_all());
        self.line.send(Some(session), "Runtime.runIfWaitingForDebugger", &json!({}));
    }
}

/// Hold whatever begins until it is listened to; but what Chromium draws for itself is nobody's page.
fn attach_to_all() -> Value {
    let but = ["browser", "tab", "browser_ui"].map(|kind| json!({ "type": kind, "exclude": true }));
    let filter = [&but[..], &[json!({})]].concat();
    json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true, "filter": filter })
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.try_picture("failed");
        }
        let _ = fs::write(self.folder.join("told.txt"), self.told.report());
    }
}
