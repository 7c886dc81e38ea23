//! Templates: of one site, shared, changed, broken, gone.

use super::bench::{BASE, Bench, dedicated};
use super::{NOTHING, serves};
use innkeeper::edges::ErrorKind;
use innkeeper::model::name::InstanceName;
use innkeeper::model::status::chain;
use std::net::TcpListener;

#[tokio::test]
async fn a_bad_template_of_one_site_holds_back_that_site_alone() {
    let bench = Bench::start();
    let good = "server { {% for a in listen.https %}listen {{ a }} ssl;{% endfor %} server_name {{ site.hosts | join(sep=\" \") }};\n\
                ssl_certificate $ik_certificate; ssl_certificate_key $ik_certificate; return 200 \"ONE\"; }\n";
    for (bad, expected) in [
        ("server {\n  unknown_directive on;\n}\n", "nginx-templates/bad.conf.tera:2: unknown directive"),
        ("server {\n  {{ site.nothing.there }}\n}\n", "nginx-templates/bad.conf.tera:2:"),
        ("server {\n  {% if x %}\n}\n", "nginx-templates/bad.conf.tera:"),
        ("server { listen 1; server_name acme.fleet.test; }", "its template serves \"acme.fleet.test\""),
        ("{% include \"_nowhere.conf.tera\" %}", "nginx-templates/bad.conf.tera:1:"),
    ] {
        let bench = &bench;
        bench.write_template("good.conf.tera", good);
        bench.write_template("bad.conf.tera", bad);
        let refused = bench
            .put(&[bench.row("acme"), dedicated(bench.row("one"), "good"), dedicated(bench.row("two"), "bad")])
            .await;
        assert_eq!(refused.len(), 1, "{bad}: {refused:?}");
        assert!(refused[0].starts_with("two: ") && refused[0].contains(expected), "{bad}: {refused:?}");
        let live = bench.look().await;
        assert_eq!(live.sites.keys().map(InstanceName::as_str).collect::<Vec<_>>(), ["acme", "one"], "{bad}");
        assert_eq!(bench.get(&format!("one.{BASE}"), "/").await.body, "ONE", "{bad}");
        assert!(serves(bench, &format!("acme.{BASE}")).await, "{bad}");
    }
}

#[tokio::test]
async fn a_site_whose_template_turns_bad_keeps_what_it_had() {
    let bench = Bench::start();
    let template = |answer: &str| {
        format!(
            "server {{ {{% for a in listen.https %}}listen {{{{ a }}}} ssl;{{% endfor %}} server_name {{{{ site.hosts[0] }}}};\n\
             ssl_certificate $ik_certificate; ssl_certificate_key $ik_certificate; {answer} }}\n"
        )
    };
    bench.write_template("own.conf.tera", &template("return 200 OLD;"));
    let two = dedicated(bench.row("two"), "own");
    assert_eq!(bench.put(&[bench.row("acme"), two.clone()]).await, NOTHING);
    bench.write_template("own.conf.tera", &template("bogus on;"));
    assert!(bench.look().await.templates_changed);
    let refused = bench.put(&[]).await;
    assert!(refused.len() == 1 && refused[0].starts_with("two: "), "{refused:?}");
    assert_eq!(bench.get(&format!("two.{BASE}"), "/").await.body, "OLD");
    let live = bench.look().await;
    assert!(live.intact && !live.templates_changed, "{live:?}");
    assert!(live.template_problem.as_ref().is_some_and(|text| text.contains("bogus")), "{live:?}");
    // Changes of others go through without trying the bad one again, and it still serves what it had.
    let reloads = bench.proxy.reloads();
    assert_eq!(bench.put(&[bench.row("other")]).await, NOTHING);
    assert_eq!(bench.proxy.reloads(), reloads + 1);
    assert_eq!(bench.get(&format!("two.{BASE}"), "/").await.body, "OLD");
    assert!(serves(&bench, &format!("other.{BASE}")).await);
    bench.write_template("own.conf.tera", &template("return 200 NEW;"));
    assert_eq!(bench.put(&[]).await, NOTHING);
    assert_eq!(bench.get(&format!("two.{BASE}"), "/").await.body, "NEW");
    assert_eq!(bench.look().await.template_problem, None);
}

#[tokio::test]
async fn a_broken_shared_template_is_told_with_its_place_and_the_last_good_one_stays() {
    let bench = Bench::start();
    bench.write_template("pages/retired.html", "gone");
    bench.put(&[bench.row("acme")]).await;
    let from = "  client_max_body_size 128m;";
    for (to, expected) in [
        ("  client_max_body_size {% 128m;", "nginx-templates/_site.conf.tera:13:"),
        ("  client_max_body_size {{ no.such }};", "nginx-templates/_site.conf.tera:13:"),
        ("  client_max_body 128m;", "nginx-templates/_site.conf.tera:13: unknown directive \"client_max_body\""),
    ] {
        bench.edit_template("_site.conf.tera", from, to);
        let number = bench.look().await.sites.len();
        let other = bench.row(&format!("other{number}"));
        let before = bench.look().await;
        assert!(before.template_problem.is_some() || before.templates_changed, "{to}: {before:?}");
        assert_eq!(bench.put(std::slice::from_ref(&other)).await, NOTHING, "{to}");
        assert!(serves(&bench, other.hosts.keys().next().unwrap().as_str()).await, "{to}: rows go on");
        let live = bench.look().await;
        assert!(live.intact && !live.templates_changed && live.loaded == live.current, "{to}: {live:?}");
        let problem = live.template_problem.unwrap();
        assert!(problem.starts_with(expected), "{to}: {problem}");
        let error = bench.publish(&[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{to}");
        assert!(chain(&error).contains(expected), "{to}: {}", chain(&error));
        bench.edit_template("_site.conf.tera", to, from);
        let mended = bench.look().await;
        assert_eq!((mended.template_problem, mended.templates_changed), (None, false), "{to}");
    }
}

#[tokio::test]
async fn changed_templates_are_noticed_and_taken() {
    let bench = Bench::start();
    bench.write_template("pages/retired.html", "gone");
    bench.put(&[bench.row("acme")]).await;
    bench.edit_template("_site.conf.tera", "expires 7d;", "expires 1d;");
    let live = bench.look().await;
    assert!(live.templates_changed && live.intact, "{live:?}");
    assert_eq!(bench.put(&[]).await, NOTHING);
    let reply = bench.get(&format!("acme.{BASE}"), "/web/static/x.js").await;
    assert_eq!(reply.header("cache-control"), "max-age=86400");
    assert!(!bench.look().await.templates_changed);
}

#[tokio::test]
async fn templates_from_before_programs_were_counted_go_on_and_give_way_to_these() {
    let bench = Bench::start();
    let level = "_http_level.conf.tera";
    let rpc = ["ik_rpc:10m rate=600r/m", "ik_rpc_login:10m rate=60r/m"]
        .map(|zone| format!("limit_req_zone $ik_rpc_key zone={zone};"));
    let former = [("rate=30r/m", "rate=20r/m"), ("\"$ik_visitor$host\"", "\"$binary_remote_addr$host\"")];
    former.iter().for_each(|(now, then)| bench.edit_template(level, now, then));
    rpc.iter().for_each(|zone| bench.edit_template(level, zone, ""));
    for zone in ["ik_rpc_login burst=60 delay=30", "ik_rpc burst=200 delay=100"] {
        bench.edit_template("_site.conf.tera", &format!("limit_req zone={zone};"), "");
    }
    assert_eq!(bench.put(&[bench.row("acme")]).await, NOTHING);
    for name in [level, "_site.conf.tera"] {
        std::fs::remove_file(bench.at("nginx-templates").join(name)).unwrap();
        bench.edit_template(name, "", "");
    }
    assert_eq!(bench.put(&[]).await, NOTHING);
    let live = bench.look().await;
    assert!(live.loaded == live.current && live.template_problem.is_none() && !live.templates_changed, "{live:?}");
    assert!(std::fs::read_to_string(bench.shared_file()).unwrap().contains("zone=ik_rpc_login:10m"));
}

#[tokio::test]
async fn templates_that_vanish_are_not_a_wish_for_others() {
    let bench = Bench::start();
    bench.edit_template("_site.conf.tera", "expires 7d;", "expires 1d;");
    bench.put(&[bench.row("acme")]).await;
    std::fs::remove_dir_all(bench.at("nginx-templates")).unwrap();
    let live = bench.look().await;
    assert!(!live.templates_changed && live.template_problem.is_some(), "{live:?}");
    assert_eq!(bench.put(&[bench.row("other")]).await, NOTHING);
    let reply = bench.get(&format!("other.{BASE}"), "/web/static/x.js").await;
    assert_eq!(reply.header("cache-control"), "max-age=86400");
}

#[tokio::test]
async fn the_first_generation_waits_for_templates_that_can_be_used() {
    let bench = Bench::start();
    bench.edit_template("shared.conf.tera", "server {", "sever {");
    let error = bench.publish(&[bench.row("acme")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(chain(&error).contains("unknown directive \"sever\""), "{}", chain(&error));
    assert!(!bench.at("innkeeper/current").exists());
    assert!(bench.look().await.template_problem.is_some());
    bench.edit_template("shared.conf.tera", "sever {", "server {");
    assert_eq!(bench.put(&[bench.row("acme")]).await, NOTHING);
}

#[tokio::test]
async fn a_template_of_one_site_that_does_not_load_holds_back_that_site() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let bench = Bench::start();
    bench.write_template("own.conf.tera", &format!("server {{ listen 127.0.0.1:{port}; }}"));
    bench.put(&[bench.row("acme")]).await;
    let refused = bench.put(&[dedicated(bench.row("own"), "own"), bench.row("other")]).await;
    assert!(refused.len() == 1 && refused[0].contains("Address already in use"), "{refused:?}");
    assert!(serves(&bench, &format!("other.{BASE}")).await);
    let live = bench.look().await;
    assert_eq!(live.sites.keys().map(InstanceName::as_str).collect::<Vec<_>>(), ["acme", "other"]);
}
