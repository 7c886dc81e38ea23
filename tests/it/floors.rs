//! The floors of the house: who may know whom. A module imports only from floors below its own, never sideways.

use crate::source::{Token, files, module_of, shipped_tokens, tokens};
use expect_test::{Expect, expect};
use std::path::Path;

/// Each top-level module and its floor. A new one gets its line here, or the test fails.
const FLOORS: [(&str, u32); 15] = [
    ("model", 1),
    ("spec", 2),
    ("diff", 2),
    ("disk", 2),
    ("health", 2),
    ("edges", 2),
    ("journal", 2),
    ("control", 2),
    ("observe", 3),
    ("apply", 3),
    ("adapters", 3),
    ("tui", 3),
    ("daemon", 4),
    ("connect", 4),
    ("cli", 5),
];
/// `main.rs` and `lib.rs`.
const TOP_FLOOR: u32 = 6;
/// Forbidden although the floors would allow it: the dashboard never sees an edge.
const NEVER: [(&str, &str); 1] = [("tui", "edges")];
/// Rooms whose parts do not know each other either: no adapter knows another.
const ROOMS_OF_STRANGERS: [&str; 1] = ["adapters"];

/// The order inside of a room that has one: each knows those before it.
const STOREYS: [(&str, &[&str]); 1] = [("daemon", &["queue", "known", "look", "turn", "crew", "answer", "run"])];

/// Libraries that only one room may use: `apply` never sees Docker, and the SQL of one store stays in one place.
const LIBRARIES: [(&str, &[&str]); 15] = [
    ("acme2", &["adapters::acme"]),
    ("bollard", &["adapters::docker"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_complete_nushell", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("cronexpr", &["spec"]),
    ("crossterm", &["tui", "cli"]),
    ("notify", &["daemon::look"]),
    ("postgres_protocol", &["adapters::postgres"]),
    ("ratatui", &["tui"]),
    ("rusqlite", &["journal"]),
    ("tera", &["adapters::nginx"]),
    ("tokio_postgres", &["adapters::postgres"]),
    ("toml_edit", &["spec"]),
];

/// What only the room for files and directories may say: how a file is replaced and synced is decided in one place.
const DISK_ROOM: &str = "disk";
const DISK_WORDS: [&str; 6] = ["tempfile", "sync_all", "sync_data", "fsync", "DirBuilder", "statvfs"];

/// Rooms that decide or only name things: they touch no file and no network, wait for nothing and read no clock.
const PURE: [&str; 6] = ["model", "diff", "health", "tui::view", "tui::update", "tui::state"];
const IMPURE_WORDS: [&str; 5] = ["async", "await", "tokio", "Instant", "SystemTime"];
const IMPURE_STD: [&str; 6] = ["fs", "net", "process", "thread", "env", "os"];

/// A path as it is written in a file, made absolute: `["crate", "model", "name"]`, `["tokio", "fs"]`.
struct Import {
    line: usize,
    path: Vec<String>,
}

#[test]
fn no_module_imports_upwards_or_sideways() {
    let breaches: Vec<String> = files("src", ".rs").iter().flat_map(|(path, text)| breaches(path, text)).collect();
    assert!(breaches.is_empty(), "the floors are broken:\n{}", breaches.join("\n"));
}

#[test]
fn each_library_stays_in_its_room() {
    let strays: Vec<String> = files("src", ".rs").iter().flat_map(|(path, text)| strays(path, text)).collect();
    assert!(strays.is_empty(), "libraries outside their rooms:\n{}", strays.join("\n"));
}

#[test]
fn files_are_replaced_and_synced_in_one_room() {
    let strays: Vec<String> = files("src", ".rs").iter().flat_map(|(path, text)| disk_words(path, text)).collect();
    assert!(strays.is_empty(), "use src/{DISK_ROOM} instead:\n{}", strays.join("\n"));
}

#[test]
fn what_decides_touches_nothing_and_reads_no_clock() {
    let impure: Vec<String> = files("src", ".rs").iter().flat_map(|(path, text)| impurities(path, text)).collect();
    assert!(impure.is_empty(), "pure modules that are not:\n{}", impure.join("\n"));
}

/// What a file of the library may not know, and where it says so.
fn breaches(path: &Path, text: &str) -> Vec<String> {
    let own = module_of(path);
    let own_room = own.first().map_or("", String::as_str);
    let own_floor = if own.is_empty() { Some(TOP_FLOOR) } else { floor(own_room) };
    let Some(own_floor) = own_floor else {
        return vec![format!("{}: {own_room} has no floor: give it a line in tests/it/floors.rs", path.display())];
    };
    let mut found = Vec::new();
    for Import { line, path: import } in imports(&own, &tokens(text)) {
        let (Some("crate"), Some(room)) = (import.first().map(String::as_str), import.get(1)) else { continue };
        let Some(floor) = floor(room) else { continue };
        let sideways = ROOMS_OF_STRANGERS.contains(&own_room)
            && own_room == room
            && own.get(1).zip(import.get(2)).is_some_and(|(own, other)| own != other && is_module(room, other));
        let never = NEVER.contains(&(own_room, room.as_str()));
        let upstairs = own_room == room && is_above(room, own.get(1), import.get(2));
        if sideways || never || upstairs || (own_room != room && floor >= own_floor) {
            found.push(format!(
                "{}:{line}: {} may not know {}",
                path.display(),
                own.join("::"),
                import[1..].join("::")
            ));
        }
    }
    found.dedup();
    found
}

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// True when, in this room, `other` comes after `own`.
fn is_above(room: &str, own: Option<&String>, other: Option<&String>) -> bool {
    let Some((_, storeys)) = STOREYS.iter().find(|(name, _)| *name == room) else { return false };
    let storey = |part: Option<&String>| storeys.iter().position(|storey| part.is_some_and(|part| part == storey));
    storey(own).zip(storey(other)).is_some_and(|(own, other)| other > own)
}

fn is_module(room: &str, name: &str) -> bool {
    let folder = crate::source::root().join("src").join(room);
    folder.join(name).is_dir() || folder.join(format!("{name}.rs")).is_file()
}

fn strays(path: &Path, text: &str) -> Vec<String> {
    let own = module_of(path);
    let at_home = |homes: &[&str]| homes.iter().any(|home| own.join("::").starts_with(home));
    let imports = imports(&own, &tokens(text));
    let stray =
        |import: &Import| LIBRARIES.iter().any(|(library, homes)| import.path[0] == *library && !at_home(homes));
    let strays = imports.iter().filter(|import| stray(import));
    strays.map(|import| format!("{}:{}: {}", path.display(), import.line, import.path.join("::"))).collect()
}

fn disk_words(path: &Path, text: &str) -> Vec<String> {
    if module_of(path).first().is_some_and(|room| room == DISK_ROOM) {
        return Vec::new();
    }
    let tokens = shipped_tokens(text);
    let words = tokens.iter().filter(|token| DISK_WORDS.contains(&token.text.as_str()));
    words.map(|token| format!("{}:{}: {}", path.display(), token.line, token.text)).collect()
}

fn impurities(path: &Path, text: &str) -> Vec<String> {
    let own = module_of(path);
    let within = |room: &&str| {
        let path: Vec<&str> = room.split("::").collect();
        own.len() >= path.len() && own.iter().zip(&path).all(|(own, part)| own == part)
    };
    if !PURE.iter().any(within) {
        return Vec::new();
    }
    let tokens = tokens(text);
    let words = tokens.iter().filter(|token| IMPURE_WORDS.contains(&token.text.as_str()));
    let words = words.map(|token| (token.line, token.text.clone()));
    let std = imports(&own, &tokens).into_iter().filter(|import| {
        import.path[0] == "std" && import.path.get(1).is_some_and(|part| IMPURE_STD.contains(&part.as_str()))
    });
    let std = std.map(|import| (import.line, import.path.join("::")));
    words.chain(std).map(|(line, what)| format!("{}:{line}: {what}", path.display())).collect()
}

/// Every path in the text, groups (`a::{b, c}`) taken apart, `self` and `super` followed through inline modules.
fn imports(own: &[String], tokens: &[Token]) -> Vec<Import> {
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let text = tokens[at].text.as_str();
        match text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(inside, _)| *inside <= depth);
            }
            "mod" if text_at(tokens, at + 2) == "{" => inline.push((depth + 1, text_at(tokens, at + 1).to_owned())),
            _ => {}
        }
        let begins = is_word(text) && is_path_mark(tokens, at + 1) && !(at >= 2 && is_path_mark(tokens, at - 2));
        if begins {
            let here: Vec<String> = own.iter().cloned().chain(inline.iter().map(|(_, name)| name.clone())).collect();
            at = path(tokens, at, &mut Vec::new(), &mut found, &here);
        } else {
            at += 1;
        }
    }
    found
}

/// Follows one path, and each of a group's; returns where it ends.
fn path(tokens: &[Token], mut at: usize, so_far: &mut Vec<String>, found: &mut Vec<Import>, here: &[String]) -> usize {
    let (line, before) = (tokens[at].line, so_far.len());
    loop {
        so_far.push(text_at(tokens, at).to_owned());
        at += 1;
        if !is_path_mark(tokens, at) {
            break;
        }
        at += 2;
        if text_at(tokens, at) == "{" {
            at += 1;
            while !["}", ""].contains(&text_at(tokens, at)) {
                at = if is_word(text_at(tokens, at)) { path(tokens, at, so_far, found, here) } else { at + 1 };
            }
            at += 1;
            so_far.truncate(before);
            return at;
        }
        if !is_word(text_at(tokens, at)) {
            break;
        }
    }
    found.push(Import { line, path: absolute(so_far, here) });
    so_far.truncate(before);
    at
}

fn absolute(path: &[String], here: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    match path[0].as_str() {
        "innkeeper" => std::iter::once("crate".to_owned()).chain(path[1..].iter().cloned()).collect(),
        "super" | "self" => {
            let kept = here[..here.len().saturating_sub(supers)].iter().cloned();
            let rest = path.iter().skip_while(|part| ["super", "self"].contains(&part.as_str())).cloned();
            std::iter::once("crate".to_owned()).chain(kept).chain(rest).collect()
        }
        _ => path.to_vec(),
    }
}

fn text_at(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

fn is_word(text: &str) -> bool {
    text.starts_with(|character: char| character.is_alphabetic() || character == '_')
}

fn is_path_mark(tokens: &[Token], at: usize) -> bool {
    text_at(tokens, at) == ":" && text_at(tokens, at + 1) == ":"
}

fn check(law: fn(&Path, &str) -> Vec<String>, path: &str, text: &str, expected: Expect) {
    expected.assert_eq(&law(Path::new(path), text).join("\n"));
}

#[test]
fn a_broken_floor_is_found_however_it_is_written() {
    let text = "use crate::{apply::carry_out, model::name::{Domain, Uid}};\n// use crate::daemon::run;\n\
                fn f() { crate::journal::open(); super::spec::read(); }\nmod tests { use super::super::cli; use super::f; }";
    check(
        breaches,
        "src/diff/mod.rs",
        text,
        expect![[r#"
        src/diff/mod.rs:1: diff may not know apply::carry_out
        src/diff/mod.rs:3: diff may not know journal::open
        src/diff/mod.rs:3: diff may not know spec::read
        src/diff/mod.rs:4: diff may not know cli"#]],
    );
    check(
        breaches,
        "src/apply/odoo.rs",
        "use crate::adapters::docker::Docker;",
        expect![[r#"src/apply/odoo.rs:1: apply::odoo may not know adapters::docker::Docker"#]],
    );
    check(
        breaches,
        "src/adapters/nginx/mod.rs",
        "use crate::adapters::docker::Docker; use super::acme; use self::x;",
        expect![[r#"
            src/adapters/nginx/mod.rs:1: adapters::nginx may not know adapters::docker::Docker
            src/adapters/nginx/mod.rs:1: adapters::nginx may not know adapters::acme"#]],
    );
    check(
        breaches,
        "src/tui/mod.rs",
        "use crate::edges::Engine;",
        expect!["src/tui/mod.rs:1: tui may not know edges::Engine"],
    );
    check(
        breaches,
        "src/connect/mod.rs",
        "use crate::daemon::Keeper;",
        expect!["src/connect/mod.rs:1: connect may not know daemon::Keeper"],
    );
    check(
        breaches,
        "src/daemon/look/facts.rs",
        "use crate::daemon::turn::take;\nuse crate::daemon::known::keeper::Keeper;\nuse super::files;",
        expect!["src/daemon/look/facts.rs:1: daemon::look::facts may not know daemon::turn::take"],
    );
    check(
        breaches,
        "src/helpers.rs",
        "",
        expect!["src/helpers.rs: helpers has no floor: give it a line in tests/it/floors.rs"],
    );
    check(breaches, "src/main.rs", "use innkeeper::cli::run;", expect![""]);
}

#[test]
fn a_library_outside_its_room_is_found() {
    check(
        strays,
        "src/apply/mod.rs",
        "use tokio::fs;\nuse bollard::Docker;",
        expect!["src/apply/mod.rs:2: bollard::Docker"],
    );
    check(strays, "src/adapters/docker/mod.rs", "use bollard::Docker;", expect![""]);
}

#[test]
fn a_file_that_is_synced_outside_of_its_room_is_found_and_tests_may() {
    let text = "fn f() { file.sync_all()?; }\n#[cfg(test)]\nuse tempfile::TempDir;\n#[cfg(test)]\nmod tests {\n\
                fn g() { tempfile::tempdir(); }\n}\nuse tempfile::Builder; // statvfs";
    check(
        disk_words,
        "src/apply/mod.rs",
        text,
        expect![[r#"
            src/apply/mod.rs:1: sync_all
            src/apply/mod.rs:8: tempfile"#]],
    );
    check(disk_words, "src/disk/write.rs", text, expect![""]);
}

#[test]
fn an_impure_decision_is_found() {
    let text = "use std::time::SystemTime;\nuse std::{fmt, fs::File};\npub async fn f() {}";
    check(
        impurities,
        "src/diff/guard.rs",
        text,
        expect![[r#"
        src/diff/guard.rs:1: SystemTime
        src/diff/guard.rs:3: async
        src/diff/guard.rs:2: std::fs::File"#]],
    );
    check(impurities, "src/observe.rs", text, expect![""]);
    check(impurities, "src/tui/app.rs", text, expect![""]);
    check(impurities, "src/tui/view/table.rs", "use std::fs;", expect!["src/tui/view/table.rs:1: std::fs"]);
}
