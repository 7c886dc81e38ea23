//! The pages that stand in for Odoo, and names that lead to another one, as a visitor of a real nginx meets them.

use super::NOTHING;
use super::bench::{BASE, Bench, Reply, row};
use crate::browser::{Browser, DESKTOP, PHONE, Scheme};
use crate::contract::authority::pebble::Issuer;
use innkeeper::edges::Proxy;
use innkeeper::model::name::{Domain, Language};
use innkeeper::model::settings::OperatorSettings;
use innkeeper::model::site::{SitePage, SiteRow};

fn request(method: &str, host: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{headers}Connection: close\r\n\r\n")
}

async fn ask(bench: &Bench, method: &str, host: &str, path: &str, headers: &str) -> Reply {
    bench.send(host, &request(method, host, path, headers)).await.unwrap()
}

/// A site that shows `page` in `language`.
fn closed(bench: &Bench, name: &str, page: SitePage, language: &str) -> SiteRow {
    SiteRow { page, language: Some(Language::parse(language).unwrap()), ..bench.row(name) }
}

#[tokio::test]
async fn each_page_is_in_the_language_of_its_customer() {
    let bench = Bench::start();
    let vietnamese = closed(&bench, "vn", SitePage::Stopped, "vi_VN");
    let english = closed(&bench, "en", SitePage::Stopped, "en_GB");
    let other = closed(&bench, "th", SitePage::Retired, "th_TH");
    let mut down = closed(&bench, "down", SitePage::Serve, "vi_VN");
    down.ports.http = bench.silent_port();
    assert_eq!(bench.put(&[vietnamese, english, other, down]).await, NOTHING);
    for (name, status, lang, title) in [
        ("vn", 503, "vi", "Trang web đang tạm dừng"),
        ("en", 503, "en", "This site is stopped"),
        ("th", 410, "en", "This site is no longer here"),
        ("down", 503, "vi", "Trang web tạm thời không phản hồi"),
    ] {
        let reply = bench.get(&format!("{name}.{BASE}"), "/web").await;
        assert_eq!(reply.status, status, "{name}");
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8", "{name}");
        assert_eq!((reply.header("cache-control"), reply.header("x-robots-tag")), ("no-store", "noindex"), "{name}");
        assert!(reply.body.contains(&format!("<html lang=\"{lang}\"")), "{name}: {}", reply.body);
        assert!(reply.body.contains(&format!("<h1>{title}</h1>")), "{name}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_page_looks_again_by_itself_only_where_waiting_helps_and_nothing_is_sent_twice() {
    let bench = Bench::start();
    let down = SiteRow { ports: row("down", &[], bench.silent_port()).ports, ..bench.row("down") };
    let preparing = closed(&bench, "preparing", SitePage::Preparing, "en_US");
    let stopped = closed(&bench, "stopped", SitePage::Stopped, "en_US");
    assert_eq!(bench.put(&[down, preparing, stopped]).await, NOTHING);
    for (name, get) in [("down", "15"), ("preparing", "30"), ("stopped", "")] {
        let host = format!("{name}.{BASE}");
        assert_eq!(ask(&bench, "GET", &host, "/web/login", "").await.header("refresh"), get, "{name}");
        assert_eq!(ask(&bench, "POST", &host, "/web/login", "").await.header("refresh"), "", "{name}");
    }
}

#[tokio::test]
async fn too_many_logins_and_too_large_an_upload_have_pages_of_their_own() {
    let bench = Bench::start();
    let site = closed(&bench, "acme", SitePage::Serve, "vi_VN");
    assert_eq!(bench.put(&[site]).await, NOTHING);
    let host = format!("acme.{BASE}");
    let large = format!(
        "POST /web/binary/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 999999999999\r\nConnection: close\r\n\r\n"
    );
    let reply = bench.send(&host, &large).await.unwrap();
    assert_eq!((reply.status, reply.header("retry-after")), (413, ""));
    assert!(reply.body.contains("<h1>Tệp này quá lớn</h1>"), "{}", reply.body);
    let mut refused = None;
    for _ in 0..200 {
        let reply = ask(&bench, "POST", &host, "/web/login", "").await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.unwrap_or_else(|| panic!("200 logins passed"));
    assert_eq!((refused.header("retry-after"), refused.header("cache-control")), ("60", "no-store"));
    assert!(refused.body.contains("<h1>Đăng nhập quá nhiều lần</h1>"), "{}", refused.body);
    assert_eq!(refused.header("strict-transport-security"), "max-age=31536000");
}

#[tokio::test]
async fn who_asks_for_json_alone_is_refused_in_json() {
    let bench = Bench::start();
    let down = SiteRow { ports: row("down", &[], bench.silent_port()).ports, ..bench.row("down") };
    let retired = closed(&bench, "retired", SitePage::Retired, "vi_VN");
    assert_eq!(bench.put(&[down, retired]).await, NOTHING);
    for (name, status, error) in [("down", 503, "down"), ("retired", 410, "retired")] {
        let host = format!("{name}.{BASE}");
        let reply = ask(&bench, "POST", &host, "/jsonrpc", "Accept: application/json\r\n").await;
        assert_eq!((reply.status, reply.header("content-type")), (status, "application/json"), "{name}");
        let told: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(told["error"], error);
        // Odoo's own client asks for anything: a page, which is no JSON, is a lost connection to it, and it waits.
        for accept in ["Accept: */*\r\n", "Accept: text/html,application/json;q=0.9\r\n", ""] {
            let reply = ask(&bench, "POST", &host, "/web/dataset/call_kw", accept).await;
            assert!(reply.status == status && reply.body.contains("<html"), "{name} {accept}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn html_of_ones_own_and_a_language_of_ones_own_are_served_and_a_mistake_holds_back_nobody() {
    let bench = Bench::start();
    bench.write_template("pages/retired.html", "<p>Ours</p>");
    bench.write_template("pages/de.toml", "[stopped]\ntitle = \"Angehalten\"\n");
    let stopped = closed(&bench, "stopped", SitePage::Stopped, "de_AT");
    let retired = closed(&bench, "retired", SitePage::Retired, "de_AT");
    assert_eq!(bench.put(&[stopped, retired]).await, NOTHING);
    let (stopped, retired) = (format!("stopped.{BASE}"), format!("retired.{BASE}"));
    assert_eq!(bench.get(&retired, "/").await.body, "<p>Ours</p>");
    assert!(bench.get(&stopped, "/").await.body.contains("<h1>Angehalten</h1>"));
    let live = bench.look().await;
    assert!(live.intact && !live.templates_changed && live.template_problem.is_none(), "{live:?}");

    bench.write_template("pages/de.toml", "[stopped]\ntitle = \"Ruht\"\ntitel = \"x\"\n");
    let live = bench.look().await;
    assert!(!live.templates_changed, "the version before stays: {live:?}");
    let problem = live.template_problem.unwrap();
    assert!(problem.starts_with("nginx-templates/pages/de.toml:3:1: unknown key \"titel\""), "{problem}");
    assert_eq!(bench.put(&[bench.row("newcomer")]).await, NOTHING, "a change of others goes through");
    assert!(bench.get(&stopped, "/").await.body.contains("<h1>Angehalten</h1>"));
    assert_eq!(bench.get(&format!("newcomer.{BASE}"), "/").await.status, 200);

    bench.write_template("pages/de.toml", "[stopped]\ntitle = \"Ruht\"\n");
    assert!(bench.look().await.templates_changed);
    assert_eq!(bench.put(&[]).await, NOTHING);
    assert!(bench.get(&stopped, "/").await.body.contains("<h1>Ruht</h1>"));
}

#[tokio::test]
async fn a_page_that_was_edited_in_place_is_seen_and_put_right() {
    let bench = Bench::start();
    let stopped = closed(&bench, "stopped", SitePage::Stopped, "vi_VN");
    assert_eq!(bench.put(&[stopped]).await, NOTHING);
    let page = bench.at("innkeeper/current/pages/stopped.vi.html");
    std::fs::write(&page, "<h1>mine</h1>").unwrap();
    assert_eq!(bench.look().await.edits, ["pages/stopped.vi.html was edited"]);
    assert_eq!(bench.put(&[]).await, NOTHING);
    assert!(bench.look().await.intact);
    assert!(bench.get(&format!("stopped.{BASE}"), "/").await.body.contains("Trang web đang tạm dừng"));
}

/// A customer at its subdomain and at two names of its own, of which `main` is the one that the others lead to.
async fn with_a_main_name(main: &str) -> (Bench, SiteRow) {
    let bench = Bench::start();
    let hosts = [format!("acme.{BASE}"), "erp.acme.example".to_owned(), "www.acme.example".to_owned()];
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut site = row("acme", &hosts, bench.upstream.port);
    site.redirect = Some(Domain::parse(main).unwrap());
    bench.certify(&site);
    assert_eq!(bench.put(std::slice::from_ref(&site)).await, NOTHING);
    (bench, site)
}

#[tokio::test]
async fn the_other_names_lead_to_the_main_one_with_path_and_query() {
    let (bench, _) = with_a_main_name("erp.acme.example").await;
    let port = bench.settings.https_port;
    for host in [&format!("acme.{BASE}"), "www.acme.example"] {
        for (method, status) in [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("DELETE", 308)] {
            for path in
                ["/", "/web/login?redirect=%2Fodoo&x=1", "/shop/b%C3%BCcher", "/web/static/x.js", "/odoo/../web"]
            {
                let reply = ask(&bench, method, host, path, "").await;
                let expected = format!("https://erp.acme.example:{port}{path}");
                assert_eq!(
                    (reply.status, reply.header("location")),
                    (status, expected.as_str()),
                    "{method} {host}{path}"
                );
                assert_eq!(reply.header("strict-transport-security"), "max-age=31536000", "{host}");
            }
        }
    }
    let main = ask(&bench, "GET", "erp.acme.example", "/web/login?x=1", "").await;
    assert!(main.status == 200 && main.body.contains("GET /web/login?x=1"), "{}", main.body);
    let told = bench.proxy.ask_host(&Domain::parse("www.acme.example").unwrap(), &Default::default()).await.unwrap();
    assert_eq!(told.status, 301);
}

#[tokio::test]
async fn programs_are_answered_at_every_name() {
    let (bench, _) = with_a_main_name("erp.acme.example").await;
    let host = format!("acme.{BASE}");
    for path in [
        "/websocket?version=1",
        "/longpolling/poll",
        "/jsonrpc",
        "/xmlrpc/2/common",
        "/json/2/res.partner/search",
        "/web/hook/0c1e",
        "/payment/stripe/webhook",
        "/payment/adyen/notification",
        "/.well-known/openid-configuration",
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(ask(&bench, method, &host, path, "").await.status, 200, "{method} {path}");
        }
    }
    for kind in ["application/json", "application/json; charset=utf-8", "text/xml"] {
        let reply = ask(&bench, "POST", &host, "/web/dataset/call_kw", &format!("Content-Type: {kind}\r\n")).await;
        assert_eq!(reply.status, 200, "{kind}");
    }
    for path in ["/websocketry", "/jsonrpcx", "/web/hooks", "/payment/status"] {
        assert_eq!(ask(&bench, "GET", &host, path, "").await.status, 301, "{path}");
    }
    assert_eq!(ask(&bench, "GET", &host, "/web/database", "").await.status, 301, "the main name says 404");
    assert_eq!(ask(&bench, "GET", "erp.acme.example", "/web/database", "").await.status, 404);
}

#[tokio::test]
async fn without_a_main_name_or_while_the_site_is_closed_every_name_answers_itself() {
    let (bench, site) = with_a_main_name("erp.acme.example").await;
    let names: Vec<String> = site.hosts.keys().map(ToString::to_string).collect();
    let mut stopped = site.clone();
    stopped.page = SitePage::Stopped;
    assert_eq!(bench.put(&[stopped]).await, NOTHING);
    for name in &names {
        assert_eq!(bench.get(name, "/").await.status, 503, "{name}");
    }
    let mut down = site.clone();
    down.ports.http = bench.silent_port();
    assert_eq!(bench.put(&[down]).await, NOTHING);
    let reply = ask(&bench, "POST", &names[0], "/jsonrpc", "").await;
    assert_eq!((reply.status, reply.header("location")), (503, ""), "the page of a program's refusal leads nowhere");
    let mut beside = site;
    beside.redirect = None;
    assert_eq!(bench.put(&[beside]).await, NOTHING);
    for name in &names {
        assert_eq!(bench.get(name, "/").await.status, 200, "{name}");
    }
}

/// Certificates that a browser trusts, for `names` below the base domain; returns their root.
fn trusted(bench: &Bench, names: &[&str]) -> std::path::PathBuf {
    let issuer = Issuer::new("the test's own root");
    for name in names {
        let host = format!("{name}.{BASE}");
        let (key, leaf) = issuer.issue(&[&host], -1, 1);
        let pem = [key.private_key_to_pem_pkcs8().unwrap(), leaf.to_pem().unwrap()].concat();
        std::fs::write(bench.at("certificates").join(format!("{host}.pem")), pem).unwrap();
    }
    let root = bench.at("root.pem");
    std::fs::write(&root, issuer.certificate.to_pem().unwrap()).unwrap();
    root
}

#[tokio::test]
async fn in_a_real_browser_every_page_is_whole_fits_a_phone_and_is_light_or_dark() {
    let mut bench = Bench::start();
    let logo = bench.at("logo.svg");
    let image = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 150 40' width='150' height='40'>\
                 <rect width='40' height='40' rx='10' fill='#2f6f4f'/><path d='M52 12h98v16H52z' fill='#2f6f4f'/></svg>";
    std::fs::write(&logo, image).unwrap();
    let operator = OperatorSettings {
        name: Some("Acacia Hosting".to_owned()),
        logo: Some(logo),
        logo_dark: None,
        contact: vec!["mailto:help@acacia-hosting.example".to_owned(), "tel:+84-24-1234-5678".to_owned()],
    };
    bench.proxy = bench.another_adapter().run_by(&operator);
    let mut sites = Vec::new();
    let mut names = Vec::new();
    for (language, tongue) in [("en_US", "en"), ("vi_VN", "vi")] {
        for (page, name) in [
            (SitePage::Preparing, "preparing"),
            (SitePage::Stopped, "stopped"),
            (SitePage::Maintenance, "maintenance"),
            (SitePage::Retired, "retired"),
            (SitePage::Serve, "down"),
        ] {
            let mut site = closed(&bench, &format!("{name}-{tongue}"), page, language);
            site.ports.http = bench.silent_port();
            names.push((site.instance.to_string(), tongue));
            sites.push(site);
        }
    }
    assert_eq!(bench.put(&sites).await, NOTHING);
    let root = trusted(&bench, &names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    let mut browser = Browser::start("visitor-pages", Some(&root));
    for (name, tongue) in &names {
        let mut grounds = Vec::new();
        for (screen, size) in [(PHONE, "phone"), (DESKTOP, "desktop")] {
            for (scheme, light) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
                browser.screen(screen, scheme);
                browser.open(&format!("https://{name}.{BASE}:{}/", bench.settings.https_port));
                let told = browser.ask(
                    "[document.documentElement.lang, document.title, document.querySelector('h1').textContent, \
                      document.querySelector('header img').naturalWidth, document.querySelectorAll('footer a').length, \
                      Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth]",
                );
                let heading = told[2].as_str().unwrap();
                assert_eq!(told[0], *tongue, "{name}");
                assert_eq!(told[1], format!("{heading} · Acacia Hosting"), "{name}");
                assert_eq!((told[3].as_u64(), told[4].as_u64()), (Some(150), Some(2)), "{name}: logo and contacts");
                assert!(told[5].as_i64().unwrap() <= 0, "{name} is wider than a {size}");
                grounds.push(browser.ask("getComputedStyle(document.body).backgroundColor").to_string());
                browser.picture(&format!("{name}-{size}-{light}"));
            }
        }
        assert!(
            grounds[0] == grounds[2] && grounds[1] == grounds[3] && grounds[0] != grounds[1],
            "{name}: {grounds:?}"
        );
    }
    let asked = browser.requests().iter().filter(|request| !request.url.starts_with("data:"));
    let strange: Vec<&str> = asked.filter(|it| it.kind != "Document").map(|request| request.url.as_str()).collect();
    assert_eq!(strange, [""; 0], "a page asks for nothing besides itself");
    browser.assert_no_complaints(&[("503", "the status of a closed site"), ("410", "the status of a retired one")]);
}
