//! Publications: what they promise, what they leave, and how one that fails is undone.

use super::bench::{BASE, Bench, dedicated, row, told};
use super::{NOTHING, name, serves};
use innkeeper::edges::ErrorKind;
use innkeeper::model::name::InstanceName;
use innkeeper::model::site::{CertificateName, SitePage};
use std::net::TcpListener;

#[tokio::test]
async fn a_published_site_serves_and_is_seen() {
    let bench = Bench::start();
    assert_eq!(bench.put(&[bench.row("acme")]).await, NOTHING);
    let live = bench.look().await;
    assert!(live.running && live.intact && !live.templates_changed, "{live:?}");
    assert_eq!((live.edits.as_slice(), &live.template_problem), ([].as_slice(), &None));
    assert_eq!(live.current.as_deref(), Some("gen-1"));
    assert_eq!(live.loaded, live.current);
    let site = &live.sites[&name("acme")];
    assert_eq!((&site.row, site.intact), (&bench.row("acme"), true));
    let reply = bench.get(&format!("acme.{BASE}"), "/web?x=1").await;
    assert!(reply.body.starts_with(&format!("port: {}\nGET /web?x=1 ", bench.upstream.port)), "{}", reply.body);
}

#[tokio::test]
async fn before_the_first_site_there_is_nothing_and_that_is_seen() {
    let bench = Bench::start();
    let live = bench.look().await;
    assert!(live.running && live.current.is_none() && live.loaded.is_none() && live.sites.is_empty(), "{live:?}");
    assert_eq!(bench.put(&[]).await, NOTHING);
    assert_eq!(bench.look().await.sites.len(), 0);
}

#[tokio::test]
async fn the_same_again_does_nothing() {
    let bench = Bench::start();
    let acme = bench.row("acme");
    bench.put(std::slice::from_ref(&acme)).await;
    assert_eq!(bench.proxy.reloads(), 1);
    assert_eq!(bench.put(&[acme]).await, NOTHING);
    assert_eq!(bench.put(&[]).await, NOTHING);
    assert_eq!(bench.proxy.reloads(), 1);
    assert_eq!(bench.look().await.current.as_deref(), Some("gen-1"));
}

#[tokio::test]
async fn a_hundred_changes_in_two_publications_are_two_reloads() {
    let bench = Bench::start();
    let rows: Vec<_> =
        (0..100).map(|n| row(&format!("s{n}"), &[&format!("s{n}.{BASE}")], bench.upstream.port)).collect();
    for half in rows.chunks(50) {
        assert_eq!(bench.put(half).await, NOTHING);
    }
    assert_eq!(bench.proxy.reloads(), 2);
    bench.certify(&rows[99]);
    assert!(serves(&bench, &format!("s99.{BASE}")).await);
}

#[tokio::test]
async fn a_publication_that_ended_is_what_every_new_connection_meets() {
    let bench = Bench::start();
    let mut acme = bench.row("acme");
    for round in 0..10 {
        acme.page = if round % 2 == 0 { SitePage::Serve } else { SitePage::Stopped };
        bench.put(std::slice::from_ref(&acme)).await;
        let expected = if round % 2 == 0 { 200 } else { 503 };
        assert_eq!(bench.get(&format!("acme.{BASE}"), "/").await.status, expected, "round {round}");
    }
}

#[tokio::test]
async fn a_restarted_daemon_finds_everything_in_force() {
    let mut bench = Bench::start();
    let acme = bench.row("acme");
    bench.put(std::slice::from_ref(&acme)).await;
    let before = bench.look().await;
    bench.restart_adapter();
    assert_eq!(bench.look().await, before);
    bench.put(&[acme]).await;
    assert_eq!(bench.proxy.reloads(), 0);
}

#[tokio::test]
async fn old_generations_and_leftovers_of_a_crash_go_and_three_stay() {
    let bench = Bench::start();
    let mut acme = bench.row("acme");
    for round in 0..6 {
        if round == 5 {
            std::fs::create_dir_all(bench.at("innkeeper/gen-6.tmp/pages")).unwrap();
            std::fs::create_dir_all(bench.at("innkeeper/test.tmp")).unwrap();
            std::fs::create_dir_all(bench.at("innkeeper/gen-9/pages")).unwrap();
            std::os::unix::fs::symlink("gen-9", bench.at("innkeeper/current.tmp")).unwrap();
        }
        acme.gevent = round % 2 == 0;
        bench.put(std::slice::from_ref(&acme)).await;
    }
    assert_eq!(bench.generations(), ["gen-4", "gen-5", "gen-6"]);
    assert_eq!(bench.look().await.loaded.as_deref(), Some("gen-6"));
}

#[tokio::test]
async fn a_bad_row_is_refused_and_the_others_go_on() {
    let bench = Bench::start();
    let acme = bench.row("acme");
    bench.put(std::slice::from_ref(&acme)).await;
    let mut injected = row("injected", &["injected.fleet.test"], bench.upstream.port);
    injected.hosts.values_mut().for_each(|name| *name = CertificateName("x.pem\"; root /etc; #".to_owned()));
    let thief = row("thief", &["thief.fleet.test", &format!("acme.{BASE}")], bench.upstream.port);
    let refused = bench.put(&[bench.row("good"), injected, thief]).await;
    assert_eq!(
        refused,
        [
            "injected: nginx cannot take the site of injected: \
             \"x.pem\\\"; root /etc; #\" is not the name of a certificate for injected.fleet.test",
            "thief: nginx cannot take the site of thief: acme.fleet.test is served by acme already",
        ]
    );
    let live = bench.look().await;
    assert_eq!(live.sites.keys().map(InstanceName::as_str).collect::<Vec<_>>(), ["acme", "good"]);
    assert!(serves(&bench, &format!("good.{BASE}")).await && serves(&bench, &format!("acme.{BASE}")).await);
    assert_eq!(bench.proxy.reloads(), 2);
}

#[tokio::test]
async fn a_reload_that_has_no_effect_is_noticed_and_undone() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let key = "limit_req_zone $ik_login_key";
    let listen = "server_name *.{{ base_domain }};";
    for (file, from, to, expected) in [
        ("_http_level.conf.tera", key, "limit_req_zone $binary_remote_addr".to_owned(), "\"ik_login\" uses the"),
        ("shared.conf.tera", listen, format!("{listen}\n  listen 127.0.0.1:{port};"), "Address already in use"),
    ] {
        let bench = Bench::start();
        bench.write_template("pages/retired.html", "gone");
        let acme = bench.row("acme");
        bench.put(&[acme]).await;
        bench.edit_template(file, from, &to);
        assert_eq!(bench.put(&[bench.row("other")]).await, NOTHING, "rows go on with the last good templates");
        let live = bench.look().await;
        assert!(live.loaded == live.current && live.intact && !live.templates_changed, "{live:?}");
        let problem = live.template_problem.unwrap();
        assert!(problem.contains(expected), "{problem}");
        for site in ["acme", "other"] {
            assert!(serves(&bench, &format!("{site}.{BASE}")).await, "{site}");
        }
        // What was refused once is not tried again and again.
        let reloads = bench.proxy.reloads();
        assert_eq!(bench.publish(&[]).await.unwrap_err().kind, ErrorKind::Refused);
        assert_eq!(bench.proxy.reloads(), reloads);
        let found = bench.look().await.current;
        let link = std::fs::read_link(bench.at("innkeeper/current")).unwrap();
        assert_eq!(found.as_deref(), link.to_str());
    }
}

#[tokio::test]
async fn a_crash_between_the_switch_and_its_proof_is_undone_by_the_next_run() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut bench = Bench::start();
    bench.write_template("pages/retired.html", "gone");
    bench.put(&[bench.row("acme")]).await;
    let listen = "server_name *.{{ base_domain }};";
    bench.edit_template("shared.conf.tera", listen, &format!("{listen}\n  listen 127.0.0.1:{port};"));
    let link = || std::fs::read_link(bench.at("innkeeper/current")).unwrap();
    // The publication is dropped once `current` was switched, while it waits for a proof that does not come.
    tokio::select! {
        _ = bench.publish(&[]) => panic!("it ended before it was cut"),
        () = async { while link().to_str() != Some("gen-2") { tokio::task::yield_now().await } } => {}
    }
    bench.restart_adapter();
    let live = bench.look().await;
    assert_eq!(
        (live.current.as_deref(), live.loaded.as_deref().map(|told| &told[..5])),
        (Some("gen-2"), Some("gen-1"))
    );
    assert_eq!(bench.publish(&[]).await.unwrap_err().kind, ErrorKind::Failed);
    assert_eq!(bench.look().await.current.as_deref(), Some("gen-1"), "what is loaded is in force again");
    assert_eq!(bench.publish(&[]).await.unwrap_err().kind, ErrorKind::Refused);
    let live = bench.look().await;
    assert!(live.loaded == live.current && live.intact && !live.templates_changed, "{live:?}");
    assert!(live.template_problem.is_some_and(|problem| problem.contains("Address already in use")));
    assert!(serves(&bench, &format!("acme.{BASE}")).await);
}

#[tokio::test]
async fn a_site_keeps_its_open_requests_over_a_publication() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme")]).await;
    let host = format!("acme.{BASE}");
    let other = [bench.row("other")];
    let slow = format!("POST /slow HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12345");
    let (reply, refused) = tokio::join!(bench.send(&host, &slow), bench.publish(&other));
    assert_eq!(reply.unwrap().status, 200);
    assert_eq!(told(refused.unwrap()), NOTHING);
}

#[tokio::test]
async fn no_file_is_written_outside_of_the_configuration_directory() {
    let bench = Bench::start_with("include conf.d/*.conf;");
    std::fs::create_dir(bench.at("conf.d")).unwrap();
    let listing = || {
        let names = std::fs::read_dir(bench.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.filter(|name| name != "innkeeper").collect();
        names.sort();
        (names, std::fs::read_dir(bench.at("conf.d")).unwrap().count())
    };
    let before = listing();
    bench.put(&[bench.row("acme")]).await;
    bench.put(&[dedicated(bench.row("bad"), "no-such-template")]).await;
    let mut after = listing();
    after.0.retain(|name| name != "certificates" || before.0.contains(name));
    assert_eq!(after, before);
    assert_eq!(bench.generations(), ["gen-1"]);
}
