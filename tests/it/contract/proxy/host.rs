//! The host's own nginx: stopped, broken, with files of its own, or another installation's.

use super::bench::{BASE, Bench, row};
use super::{NOTHING, serves};
use innkeeper::edges::ErrorKind;
use innkeeper::model::status::chain;

#[tokio::test]
async fn a_stopped_nginx_is_said_and_serves_the_publication_when_it_starts() {
    let mut bench = Bench::stopped_with("");
    let acme = bench.row("acme");
    let error = bench.publish(std::slice::from_ref(&acme)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(chain(&error).contains("nginx is not running"), "{}", chain(&error));
    let live = bench.look().await;
    assert!(!live.running && live.loaded.is_none() && live.intact, "{live:?}");
    assert_eq!((live.current.as_deref(), live.sites.len()), (Some("gen-1"), 1));
    bench.start_nginx();
    assert!(serves(&bench, &format!("acme.{BASE}")).await);
    assert_eq!(bench.put(&[acme]).await, NOTHING);
    assert_eq!(bench.look().await.loaded.as_deref(), Some("gen-1"));
    assert_eq!(bench.proxy.reloads(), 0);
}

#[tokio::test]
async fn a_dead_master_is_said_even_while_its_pid_file_lies_there() {
    let mut bench = Bench::start();
    bench.put(&[bench.row("acme")]).await;
    bench.stop_nginx();
    // A process of that number that is not nginx: this test itself.
    std::fs::write(&bench.settings.pid_file, format!("{}\n", std::process::id())).unwrap();
    let live = bench.look().await;
    assert!(!live.running && live.loaded.is_none(), "{live:?}");
    assert_eq!(bench.publish(&[bench.row("other")]).await.unwrap_err().kind, ErrorKind::Unreachable);
}

#[tokio::test]
async fn an_nginx_without_the_include_line_is_told_which_line_to_add() {
    let bench = Bench::start();
    let main = bench.at("nginx.conf");
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(&main, text.replace("current/*.conf", "elsewhere/*.conf")).unwrap();
    let error = bench.publish(&[bench.row("acme")]).await.unwrap_err();
    assert!(chain(&error).contains(&format!("include {}/innkeeper/current/*.conf;", bench.dir.path().display())));
    assert_eq!(bench.proxy.reloads(), 0);
}

#[tokio::test]
async fn a_host_whose_own_configuration_is_broken_is_named_and_nothing_moves() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme")]).await;
    let main = bench.at("nginx.conf");
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(&main, text.replace("access_log off;", "acess_log off;")).unwrap();
    let error = bench.publish(&[bench.row("other")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(chain(&error).contains("unknown directive \"acess_log\""), "{}", chain(&error));
    assert_eq!((bench.proxy.reloads(), bench.look().await.sites.len()), (1, 1));
}

#[tokio::test]
async fn names_that_the_host_serves_itself_are_seen_and_left_to_it() {
    let bench = Bench::start_with("server { listen 127.0.0.1:1; server_name shop.example _ ~^x$ *.y.example; }");
    let live = bench.look().await;
    assert_eq!(live.foreign_hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["shop.example"]);
    let refused = bench.put(&[bench.row("acme"), row("shop", &["shop.example"], bench.upstream.port)]).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].contains("nginx already serves shop.example from a file that is not Innkeeper's"),
        "{refused:?}"
    );
    assert!(serves(&bench, &format!("acme.{BASE}")).await);
}

#[tokio::test]
async fn a_new_file_of_the_hosts_is_noticed() {
    let bench = Bench::start_with("include conf.d/*.conf;");
    std::fs::create_dir(bench.at("conf.d")).unwrap();
    assert!(bench.look().await.foreign_hosts.is_empty());
    std::fs::write(bench.at("conf.d/shop.conf"), "server { listen 127.0.0.1:1; server_name shop.example; }").unwrap();
    assert_eq!(bench.look().await.foreign_hosts.len(), 1);
}

#[tokio::test]
async fn it_works_beside_default_servers_maps_and_sizes_of_the_hosts() {
    for (host_level, custom) in [
        ("map_hash_bucket_size 512; map_hash_max_size 4096; server_names_hash_bucket_size 512;", true),
        ("server_names_hash_max_size 1024; map $uri $mine { default 1; }", false),
        ("server { listen HTTP default_server; listen [::]:HTTP default_server; return 418; }", true),
    ] {
        let mut bench = Bench::stopped_with("");
        let main = bench.at("nginx.conf");
        let host_level = host_level.replace("HTTP", &bench.settings.http_port.to_string());
        let text = std::fs::read_to_string(&main).unwrap();
        std::fs::write(&main, text.replace("access_log off;", &format!("access_log off;\n{host_level}"))).unwrap();
        bench.start_nginx();
        let long = format!("{}.example", "a".repeat(60));
        let acme = row("acme", &[&format!("acme.{BASE}")], bench.upstream.port);
        let far = row("far", &[&long], bench.silent_port());
        bench.certify(&acme);
        let refused = bench.put(&[acme, far]).await;
        assert!(serves(&bench, &format!("acme.{BASE}")).await, "{host_level}");
        match custom {
            true => assert_eq!(refused, NOTHING, "{host_level}"),
            // After a map of the host's own nginx takes no larger size: the one long name waits and is told why.
            false => assert!(refused.len() == 1 && refused[0].contains("map_hash_bucket_size"), "{refused:?}"),
        }
    }
}

#[tokio::test]
async fn while_nginx_is_stopped_rows_change_and_templates_wait() {
    let mut bench = Bench::start();
    bench.write_template("pages/retired.html", "gone");
    bench.put(&[bench.row("acme")]).await;
    bench.stop_nginx();
    bench.edit_template("_site.conf.tera", "expires 7d;", "expires 1d;");
    let other = bench.row("other");
    assert_eq!(bench.publish(&[other]).await.unwrap_err().kind, ErrorKind::Unreachable);
    bench.start_nginx();
    let live = bench.look().await;
    assert!(live.templates_changed && live.sites.len() == 2 && live.loaded == live.current, "{live:?}");
    assert_eq!(bench.put(&[]).await, NOTHING);
    let reply = bench.get(&format!("other.{BASE}"), "/web/static/x.js").await;
    assert_eq!(reply.header("cache-control"), "max-age=86400");
}

#[tokio::test]
async fn the_files_of_another_installation_are_left_alone() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme")]).await;
    let list = bench.at("innkeeper/current/rows.json");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replacen("\"installation\":\"0123456789ab\"", "\"installation\":\"ba9876543210\"", 1))
        .unwrap();
    let error = bench.publish(&[bench.row("other")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.to_string().contains("ba9876543210"), "{error}");
}
