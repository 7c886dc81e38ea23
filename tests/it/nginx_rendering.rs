//! What a small fleet's sites look like as nginx's files. Nothing runs here.

use expect_test::expect_file;
use innkeeper::adapters::nginx::{Nginx, built_in_templates};
use innkeeper::edges::ErrorKind;
use innkeeper::model::name::{Domain, InstallationId, InstanceName, TemplateName, Uid};
use innkeeper::model::service::Ports;
use innkeeper::model::settings::NginxSettings;
use innkeeper::model::site::{CertificateName, SitePage, SiteRow};
use innkeeper::model::status::chain;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) type Rows = BTreeMap<InstanceName, SiteRow>;

pub(crate) fn nginx(templates: &Path) -> Nginx {
    let settings = NginxSettings {
        config_dir: PathBuf::from("/etc/nginx/innkeeper"),
        binary: PathBuf::from("/usr/sbin/nginx"),
        arguments: Vec::new(),
        pid_file: PathBuf::from("/run/nginx.pid"),
        http_port: 80,
        https_port: 443,
    };
    let certificates = PathBuf::from("/var/lib/innkeeper/secrets/certificates");
    let base = Domain::parse("example.com").unwrap();
    let installation = InstallationId("0123456789ab".to_owned());
    Nginx::new(&settings, templates.to_owned(), certificates, base, "thumbprint".to_owned(), installation).unwrap()
}

/// With the templates as they are shipped.
pub(crate) fn shipped() -> Nginx {
    nginx(&Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx-templates"))
}

pub(crate) fn row(name: &str, port: u16, hosts: &[&str]) -> SiteRow {
    let hosts = hosts.iter().map(|host| Domain::parse(host).unwrap());
    SiteRow {
        instance: InstanceName::parse(name).unwrap(),
        uid: Uid(uuid::Uuid::nil()),
        hosts: hosts.map(|host| (host.clone(), CertificateName::host(&host))).collect(),
        ports: Ports { http: port },
        gevent: true,
        page: SitePage::Serve,
        template: None,
        language: None,
        redirect: None,
    }
}

pub(crate) fn rows(rows: impl IntoIterator<Item = SiteRow>) -> Rows {
    rows.into_iter().map(|row| (row.instance.clone(), row)).collect()
}

/// Four customers: an ordinary one, one with a domain of its own, a stopped one without workers, one with a template.
fn small_fleet() -> Rows {
    let mut stopped = row("stopped", 20004, &["stopped.example.com"]);
    stopped.page = SitePage::Stopped;
    stopped.gevent = false;
    let mut special = row("special", 20006, &["special.example.com"]);
    special.template = Some(TemplateName::parse("dedicated").unwrap());
    let acme = row("acme", 20000, &["acme.example.com"]);
    rows([acme, row("shop", 20002, &["shop.example.com", "erp.shop.example"]), stopped, special])
}

/// Blocks of a rendered file that stand on the second level: `location … {` to its `}`.
fn locations(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("  location ") {
            inside = true;
            found.push(String::new());
        }
        if inside && let Some(location) = found.last_mut() {
            location.push_str(line);
            location.push('\n');
        }
        inside &= line != "  }";
    }
    found
}

#[test]
fn a_small_fleet_renders_as_shown() {
    let (files, refused) = shipped().preview(&small_fleet()).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), ["shared.conf", "site-special.conf"]);
    expect_file!["../nginx-rendering/shared.conf"].assert_eq(&files["shared.conf"]);
    expect_file!["../nginx-rendering/site-special.conf"].assert_eq(&files["site-special.conf"]);
}

#[test]
fn a_fleet_without_templates_of_its_own_gets_the_shipped_ones() {
    let empty = tempfile::tempdir().unwrap();
    let (own, _) = shipped().preview(&small_fleet()).unwrap();
    let (built_in, _) = nginx(empty.path()).preview(&small_fleet()).unwrap();
    assert_eq!(built_in, own);
}

#[test]
fn no_template_is_left_out_of_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx-templates");
    let mut on_disk = Vec::new();
    for (dir, prefix) in [(folder.clone(), ""), (folder.join("pages"), "pages/")] {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        on_disk.extend(names.filter(|name| name.contains('.')).map(|name| format!("{prefix}{name}")));
    }
    on_disk.sort();
    assert_eq!(built_in_templates().into_keys().collect::<Vec<_>>(), on_disk);
}

#[test]
fn every_location_that_passes_requests_on_sets_every_header_and_every_one_that_adds_headers_adds_all() {
    let (files, _) = shipped().preview(&small_fleet()).unwrap();
    let mut passing = 0;
    for (file, location) in files.iter().flat_map(|(file, text)| locations(text).into_iter().map(move |l| (file, l))) {
        if location.contains("proxy_pass ") {
            passing += 1;
            for header in ["Host", "X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Upgrade"] {
                assert!(location.contains(&format!("proxy_set_header {header} ")), "{file}: {header}\n{location}");
            }
            assert!(location.contains("$ik_page"), "{file}: a closed site would be passed on\n{location}");
        }
        if location.contains("add_header ") {
            for header in ["Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"]
            {
                assert!(location.contains(&format!("add_header {header} ")), "{file}: {header}\n{location}");
            }
        }
    }
    assert_eq!(passing, 3 * 6, "six such locations in each of three https blocks");
}

#[test]
fn other_ports_appear_in_what_visitors_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = NginxSettings {
        config_dir: PathBuf::from("/etc/nginx/innkeeper"),
        binary: PathBuf::from("nginx"),
        arguments: Vec::new(),
        pid_file: PathBuf::from("/run/nginx.pid"),
        http_port: 8080,
        https_port: 8443,
    };
    let base = Domain::parse("example.com").unwrap();
    let installation = InstallationId("0123456789ab".to_owned());
    let nginx =
        Nginx::new(&settings, folder.path().into(), "/c".into(), base, "thumbprint".to_owned(), installation).unwrap();
    let shared = nginx.preview(&small_fleet()).unwrap().0.remove("shared.conf").unwrap();
    for expected in
        ["listen [::]:8080;", "listen 8443 ssl http2;", "https://$host:8443$request_uri", "Host $host:8443;"]
    {
        assert!(shared.contains(expected), "{expected}");
    }
}

#[test]
fn hostile_rows_are_refused_and_leave_no_trace() {
    let hostile = "x; root /etc; #";
    let mut certificate = row("certificate", 20000, &["a.example.com"]);
    certificate.hosts.values_mut().for_each(|name| *name = CertificateName(hostile.to_owned()));
    let mut traversal = row("traversal", 20002, &["b.example.com"]);
    traversal.hosts.values_mut().for_each(|name| *name = CertificateName("../../../etc/ssl/private/x".to_owned()));
    let mut stranger = row("stranger", 20004, &["c.example.com"]);
    stranger.hosts.values_mut().for_each(|name| *name = CertificateName("*.other.example".to_owned()));
    let wild = row("port", 80, &["d.example.com"]);
    let empty = row("empty", 20006, &[]);
    let thief = row("thief", 20008, &["e.example.com"]);
    let owner = row("owner", 20010, &["e.example.com"]);
    let (files, refused) =
        shipped().preview(&rows([certificate, traversal, stranger, wild, empty, thief, owner])).unwrap();
    let names: Vec<&str> = refused.keys().map(InstanceName::as_str).collect();
    assert_eq!(names, ["certificate", "empty", "port", "stranger", "thief", "traversal"]);
    assert!(refused.values().all(|error| error.kind == ErrorKind::Refused));
    let shared = &files["shared.conf"];
    assert!(!shared.contains("root /etc") && !shared.contains("..") && !shared.contains("a.example.com"), "{shared}");
    assert!(shared.contains("e.example.com 127.0.0.1:20010;"));
}

#[test]
fn rows_read_from_a_file_cannot_hold_hostile_names() {
    for text in ["x; root /etc;", "a b.example.com", "$host", "a.example.com\n}", "A.example.com", "*.example.com", ""]
    {
        let mut value = serde_json::to_value(row("acme", 20000, &["acme.example.com"])).unwrap();
        value["hosts"] = serde_json::json!({ text: "acme.example.com" });
        assert!(serde_json::from_value::<SiteRow>(value).is_err(), "{text:?}");
    }
}

#[test]
fn a_site_that_names_no_template_of_the_fleet_is_refused_by_name() {
    let mut lost = row("lost", 20000, &["lost.example.com"]);
    lost.template = Some(TemplateName::parse("nowhere").unwrap());
    let (_, refused) = shipped().preview(&rows([lost])).unwrap();
    let told: Vec<String> = refused.values().map(|error| chain(error)).collect();
    assert_eq!(
        told,
        ["nginx cannot take the site of lost: nginx-templates/nowhere.conf.tera: there is no such template"]
    );
}

#[test]
fn paths_that_nginx_would_take_for_syntax_are_refused_at_the_door() {
    for path in ["relative", "/a b;c", "/a\"b", "/a$b", "/a{b", "/a*b", "/a\nb"] {
        let settings = NginxSettings {
            config_dir: PathBuf::from(path),
            binary: PathBuf::from("nginx"),
            arguments: Vec::new(),
            pid_file: PathBuf::from("/run/nginx.pid"),
            http_port: 80,
            https_port: 443,
        };
        let base = Domain::parse("example.com").unwrap();
        let made = Nginx::new(
            &settings,
            "/t".into(),
            "/c".into(),
            base,
            "thumbprint".to_owned(),
            InstallationId("0123456789ab".to_owned()),
        );
        assert!(made.is_err(), "{path}");
    }
}

#[test]
fn no_file_holds_a_secret() {
    let (files, _) = shipped().preview(&small_fleet()).unwrap();
    for word in ["PRIVATE KEY", "passwd", "db_password", "installation.key", "acme-account"] {
        assert!(files.values().all(|text| !text.contains(word)), "{word}");
    }
}

#[test]
fn a_mistake_in_a_shared_template_is_told_with_its_place() {
    for (name, text, expected) in [
        ("shared.conf.tera", "a\nb {{ x", "nginx-templates/shared.conf.tera:2:"),
        ("shared.conf.tera", "a\n{{ x.y }}", "nginx-templates/shared.conf.tera:2:"),
        ("shared.conf.tera", "a\n{% include \"_gone.conf.tera\" %}", "nginx-templates/shared.conf.tera:2:"),
        ("shared.conf.tera", "a\n{{ 1 | nofilter }}", "nginx-templates/shared.conf.tera:2:"),
        ("_piece.conf.tera", "x", "nginx-templates/shared.conf.tera: the template is missing"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let error = nginx(folder.path()).preview(&small_fleet()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(chain(&error).contains(expected), "{text:?}: {}", chain(&error));
    }
}
