//! Files of the current generation that somebody edited, damaged or took away.

use super::bench::{BASE, Bench, dedicated};
use super::{NOTHING, name, serves};
use innkeeper::model::name::InstanceName;

#[tokio::test]
async fn a_line_edited_by_hand_is_laid_to_its_site_and_put_right() {
    let bench = Bench::start();
    let (acme, other) = (bench.row("acme"), bench.row("other"));
    bench.put(&[acme.clone(), other]).await;
    let file = bench.shared_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let line = format!("acme.{BASE} 127.0.0.1:{};", bench.upstream.port);
    assert!(text.contains(&line), "{text}");
    std::fs::write(&file, text.replacen(&line, &format!("acme.{BASE} 127.0.0.1:1;"), 1)).unwrap();
    let live = bench.look().await;
    assert!(!live.intact && live.edits.is_empty(), "{live:?}");
    assert!(!live.sites[&name("acme")].intact && live.sites[&name("other")].intact, "{live:?}");
    assert_eq!(bench.put(&[acme]).await, NOTHING);
    let live = bench.look().await;
    assert!(live.intact && live.sites[&name("acme")].intact && live.current.as_deref() == Some("gen-2"), "{live:?}");
    assert_eq!(std::fs::read_to_string(bench.shared_file()).unwrap().matches(&line).count(), 1);
}

#[tokio::test]
async fn edits_that_are_nobodys_are_told_and_put_right() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme"), dedicated(bench.row("own"), "dedicated")]).await;
    let current = bench.at("innkeeper/current");
    let edit = |file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(current.join(file)).unwrap();
        assert!(text.contains(from), "{file} holds no {from:?}");
        std::fs::write(current.join(file), text.replacen(from, to, 1)).unwrap();
    };
    edit("shared.conf", "expires 7d;", "expires 8d;");
    edit("pages/stopped.en.html", "stopped", "asleep");
    edit("site-own.conf", "expires 7d;", "expires 8d;");
    std::fs::write(current.join("mine.conf"), "# mine").unwrap();
    std::fs::remove_file(current.join("innkeeper.conf")).unwrap();
    let live = bench.look().await;
    assert!(!live.intact && !live.sites[&name("own")].intact && live.sites[&name("acme")].intact, "{live:?}");
    let told = live.edits.join("\n");
    for expected in [
        "innkeeper.conf is gone",
        "mine.conf was added",
        "\"expires 7d;\" is gone",
        "\"expires 8d;\" was added",
        "pages/stopped.en.html was edited",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(bench.put(&[]).await, NOTHING);
    let live = bench.look().await;
    assert!(live.intact && live.edits.is_empty() && live.loaded == live.current, "{live:?}");
}

#[tokio::test]
async fn an_edit_that_does_not_even_load_is_put_right_too() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme")]).await;
    std::fs::write(bench.shared_file(), "nonsense").unwrap();
    let live = bench.look().await;
    assert!(!live.intact && live.sites.len() == 1, "{live:?}");
    assert_eq!(bench.put(&[]).await, NOTHING);
    assert!(bench.look().await.intact);
    assert!(serves(&bench, &format!("acme.{BASE}")).await);
}

#[tokio::test]
async fn a_damaged_list_of_rows_costs_no_site() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme")]).await;
    bench.put(&[bench.row("other")]).await;
    bench.put(&[bench.row("third")]).await;
    std::fs::write(bench.at("innkeeper/current/rows.json"), "{").unwrap();
    let live = bench.look().await;
    assert!(!live.intact && live.edits.len() == 1 && live.edits[0].contains("rows.json"), "{live:?}");
    // The newest row is only in the damaged list: it is put again, as the decision over this look does.
    assert_eq!(bench.put(&[bench.row("third")]).await, NOTHING);
    let live = bench.look().await;
    assert_eq!(live.sites.keys().map(InstanceName::as_str).collect::<Vec<_>>(), ["acme", "other", "third"]);
    assert!(live.intact && live.loaded == live.current, "{live:?}");
}

#[tokio::test]
async fn a_link_that_was_taken_away_costs_no_site() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme"), bench.row("other")]).await;
    std::fs::remove_file(bench.at("innkeeper/current")).unwrap();
    let live = bench.look().await;
    assert!(live.current.is_none() && live.sites.is_empty(), "{live:?}");
    assert_eq!(bench.put(&[bench.row("acme")]).await, NOTHING);
    assert_eq!(bench.look().await.sites.len(), 2);
    assert!(serves(&bench, &format!("other.{BASE}")).await);
}
