//! A person at work: Odoo in a real browser, from the login page to the logout.

use super::fleet::Fleet;
use crate::browser::Browser;
use openssl::sha::sha256;
use std::fs;

/// Larger than anything that nginx keeps in memory.
const FILE_BYTES: usize = 5 << 20;
/// What Chromium shows in red although nothing is wrong, each with its reason.
const ALLOWED: [(&str, &str); 2] = [
    ("mail/static/lib/selfie_segmentation", "Debian's package of Odoo leaves this library out: nobody has its source"),
    ("Page entered Back-Forward Cache", "a page that is left closes its websocket"),
];

/// Who works, where.
struct Person {
    /// `https://brasserie.innkeeper.test:8443`
    site: String,
    login: String,
    password: String,
}

const FILE: &str = r#"plan = "small"
[company]
name = "Brasserie L'Étoile & Fils"
country = "FR"
language = "fr_FR"
timezone = "Europe/Paris"
[admin]
email = "patronne@brasserie.example"
"#;

#[test]
fn a_person_works_in_a_browser_and_nothing_is_red() {
    let mut fleet = Fleet::new("person", |settings| settings);
    fleet.start_daemon();
    fleet.drop_file("brasserie", FILE);
    fleet.wait_ready(&["brasserie"]);
    let person = Person::administrator(&fleet, "brasserie");
    let mut browser = Browser::start("journey-person", Some(&fleet.lab.path("LAB_CA")));
    browser.languages("fr-FR,fr");
    person.logs_in(&mut browser);
    finds_it_styled_and_in_french(&mut browser);
    is_told_without_asking(&mut browser);
    sends_a_file_and_fetches_it(&mut browser, &person.site);
    logs_out(&mut browser, &person.site);
    everything_came_from_here(&browser, &person.site);
    browser.assert_no_complaints(&ALLOWED);
    assert_eq!(fleet.stop_daemon(), 0, "a clean shutdown");
}

impl Person {
    /// The file's administrator, with the password that the operator would hand over.
    fn administrator(fleet: &Fleet, instance: &str) -> Self {
        let credentials = fleet.json(&["credentials", instance]);
        let word = |key: &str| credentials[key].as_str().expect(key).to_owned();
        let site = fleet.json(&["info", instance])["urls"][0].as_str().expect("a site").to_owned();
        Self { site, login: word("login"), password: word("password") }
    }

    fn logs_in(&self, browser: &mut Browser) {
        browser.open(&format!("{}/odoo", self.site));
        browser.until("the login form", "location.pathname === '/web/login' && document.querySelector('#password')");
        assert_eq!(browser.ask("isSecureContext"), true);
        browser.until("its words in French", "document.body.innerText.includes('Mot de passe')");
        // It is there before it is shown.
        browser
            .until("a visible form", "document.querySelector('#password').checkVisibility({ opacityProperty: true })");
        browser.picture("1-login");
        browser.write("#login", &self.login);
        browser.write("#password", &self.password);
        browser.click("form.oe_login_form button[type=submit]");
        browser.until("the backend", "document.querySelector('.o_web_client .o_navbar .o_user_menu') !== null");
    }
}

fn finds_it_styled_and_in_french(browser: &mut Browser) {
    assert_eq!(browser.ask("luxon.Settings.defaultLocale"), "fr-FR", "dates and numbers are French");
    let rules = browser.ask("[...document.styleSheets].reduce((sum, sheet) => sum + sheet.cssRules.length, 0)");
    assert!(rules.as_u64() > Some(1_000), "the backend has its styles: {rules} rules");
    // Without styles a navigation bar is a block of text without a colour.
    let bar = "(bar => [bar.display, bar.backgroundColor])(getComputedStyle(document.querySelector('.o_main_navbar')))";
    let bar = browser.ask(bar);
    assert_eq!(bar[0], "flex", "{bar}");
    assert_ne!(bar[1], "rgba(0, 0, 0, 0)", "{bar}");
    let icon = "document.fonts.load('16px FontAwesome').then(fonts => fonts.length)";
    assert_eq!(browser.ask(icon), 1, "the icons have their font");
    browser.click(".o_navbar_apps_menu button");
    browser.until("the menu of all apps, in French", "document.body.innerText.includes('Paramètres')");
    browser.picture("2-apps");
    browser.click(".o_navbar_apps_menu button");
}

/// The bus is a websocket in a shared worker.
fn is_told_without_asking(browser: &mut Browser) {
    browser.until_told("a websocket that is open and used", |browser| {
        let bus = browser.sockets().iter().find(|socket| socket.url.contains("/websocket?version="));
        bus.is_some_and(|bus| bus.url.starts_with("wss://") && bus.status == Some(101) && bus.frames > 0)
    });
}

/// Through the paperclip below a contact, as people do it.
fn sends_a_file_and_fetches_it(browser: &mut Browser, site: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Années à vérifier.bin");
    let mut bytes = vec![0; FILE_BYTES];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    fs::write(&file, &bytes).unwrap();

    // The person's own contact: any other would do.
    let asked = "{ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{\"params\":{}}' }";
    let partner =
        format!("fetch('/web/session/get_session_info', {asked}).then(r => r.json()).then(r => r.result.partner_id)");
    let partner = browser.ask(&partner);
    browser.open(&format!("{site}/odoo/res.partner/{partner}"));
    browser.until("the contact", "document.querySelector('.o_form_view .o-mail-Chatter') !== null");
    browser.picture("3-contact");
    browser.choose_file(".o-mail-Chatter input[type=file]", &file);
    browser.until("the attachment", "document.querySelector('.o-mail-AttachmentButtons .fa-download') !== null");
    browser.picture("4-attachment");
    let (name, fetched) = browser.download(|browser| browser.click(".o-mail-AttachmentButtons .fa-download"));
    assert_eq!(name, "Années à vérifier.bin");
    assert_eq!(sha256(&fetched), sha256(&bytes), "{} of {FILE_BYTES} bytes came back", fetched.len());
}

fn logs_out(browser: &mut Browser, site: &str) {
    browser.click(".o_user_menu button");
    browser.click("[data-menu=logout]");
    browser.until("the way out", "!location.pathname.startsWith('/odoo') && document.readyState === 'complete'");
    browser.open(&format!("{site}/odoo"));
    browser.until("the login form again", "location.pathname === '/web/login' && document.querySelector('#password')");
    browser.picture("5-logged-out");
}

/// No plain request, and none to anybody else.
fn everything_came_from_here(browser: &Browser, site: &str) {
    let is_ours = |url: &str| ["data:", "blob:"].iter().any(|kind| url.starts_with(kind)) || url.starts_with(site);
    let strange: Vec<_> = browser.requests().iter().filter(|request| !is_ours(&request.url)).collect();
    assert!(strange.is_empty(), "{strange:#?}");
    let sockets: Vec<_> = browser.sockets().iter().filter(|socket| !socket.url.starts_with("wss://")).collect();
    assert!(sockets.is_empty(), "{sockets:#?}");
    assert!(browser.requests().iter().any(|request| request.kind == "Stylesheet" && request.status == Some(200)));
}
