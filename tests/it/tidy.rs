//! The style of the house that no compiler keeps.

use crate::source::{Token, files, root, tokens};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A function fits a screen.
const FUNCTION_LINES_MAX: usize = 70;
/// Shorter than this, a module says nothing about itself.
const MODULE_DOC_CHARS_MIN: usize = 20;

fn all_rust() -> Vec<(PathBuf, String)> {
    ["src", "tests", "benches"].iter().flat_map(|folder| files(folder, ".rs")).collect()
}

fn assert_none(faults: &[String], law: &str) {
    assert!(faults.is_empty(), "{law}:\n{}", faults.join("\n"));
}

#[test]
fn functions_fit_a_screen() {
    let long: Vec<String> = all_rust().iter().flat_map(|(path, text)| long_functions(path, text)).collect();
    assert_none(&long, &format!("functions of more than {FUNCTION_LINES_MAX} lines"));
}

/// Functions from `fn` to their last brace.
fn long_functions(path: &Path, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut long = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.text != "fn" || !tokens.get(at + 1).is_some_and(|name| name.text.starts_with(char::is_alphabetic)) {
            continue;
        }
        let lines = function_end(&tokens[at..]).map_or(0, |end| end - token.line + 1);
        if lines > FUNCTION_LINES_MAX {
            long.push(format!("{}:{}: {} has {lines} lines", path.display(), token.line, tokens[at + 1].text));
        }
    }
    long
}

/// The line of the closing brace; none for a function without a body.
fn function_end(tokens: &[Token]) -> Option<usize> {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for token in tokens {
        match token.text.as_str() {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets -= 1,
            ";" if braces == 0 && brackets == 0 => return None,
            "{" => braces += 1,
            "}" => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(token.line);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<String> =
        all_rust().iter().filter(|(_, text)| is_silent(text)).map(|(path, _)| path.display().to_string()).collect();
    assert_none(&silent, "modules whose first line does not say what they are for (`//! …`)");
}

fn is_silent(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    !first.starts_with("//! ") || first.contains("being written") || first.chars().count() < MODULE_DOC_CHARS_MIN
}

#[test]
fn no_source_or_test_file_is_forgotten() {
    let tops = [("src", &["src/lib.rs", "src/main.rs"][..]), ("tests", &["tests/it/main.rs"])];
    for (folder, tops) in tops {
        let files = files(folder, ".rs");
        let mut reached: BTreeSet<PathBuf> = BTreeSet::new();
        for top in tops {
            reach(Path::new(top), &mut reached);
        }
        let forgotten: Vec<String> = files
            .iter()
            .filter(|(path, _)| !reached.contains(path))
            .map(|(path, _)| path.display().to_string())
            .collect();
        assert_none(&forgotten, "files that no `mod` line names, so that they are never compiled");
    }
}

/// Adds the file and everything that its `mod` lines name.
fn reach(path: &Path, reached: &mut BTreeSet<PathBuf>) {
    reached.insert(path.to_owned());
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let is_top = ["mod.rs", "lib.rs", "main.rs"].contains(&path.file_name().unwrap().to_str().unwrap());
    let folder = if is_top { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    for name in modules(&text) {
        let beside = folder.join(format!("{name}.rs"));
        let below = folder.join(&name).join("mod.rs");
        for candidate in [beside, below] {
            if root().join(&candidate).is_file() {
                reach(&candidate, reached);
            }
        }
    }
}

fn modules(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let named = tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
    named.map(|three| three[1].text.clone()).collect()
}

/// Files that people read, by folder and ending.
fn pages() -> Vec<(PathBuf, String)> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md is what everybody reads first");
    let mut pages = files("docs", ".md");
    pages.push((PathBuf::from("README.md"), readme));
    pages
}

#[test]
fn every_dependency_says_why_it_was_chosen() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let table = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let rows: String = table.lines().filter(|line| line.starts_with("| `")).collect();
    let listed =
        ["dependencies", "dev-dependencies"].into_iter().flat_map(|key| manifest[key].as_table().unwrap().keys());
    let silent: Vec<String> = listed.filter(|name| !rows.contains(&format!("`{name}`"))).cloned().collect();
    assert_none(&silent, "dependencies without a reason in docs/ARCHITECTURE.md");
}

#[test]
fn readme_commands_exist() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut seen = 0;
    let mut missing = Vec::new();
    for (path, text) in pages() {
        for (line, program, word) in commands(&text) {
            seen += 1;
            let exists = match program {
                "make" => makefile.lines().any(|rule| rule.starts_with(&format!("{word}:"))),
                _ => is_command(word),
            };
            if !exists {
                missing.push(format!("{}:{line}: {program} {word}", path.display()));
            }
        }
    }
    assert!(seen > 10, "only {seen} commands were found: the law would hold of nothing");
    assert_none(&missing, "commands that do not exist");
}

/// `innkeeper VERB` and `make TARGET` in a page, in code only: prose may say "make sure".
fn commands(text: &str) -> Vec<(usize, &'static str, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let inline = line.split('`').skip(1).step_by(2);
        let parts: Vec<&str> = if fenced { vec![line] } else { inline.collect() };
        for part in parts {
            let words: Vec<&str> = part.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
            for pair in words.windows(2) {
                let program = ["innkeeper", "make"].into_iter().find(|program| pair[0] == *program);
                let word = pair[1].trim_end_matches([',', ';', ')', '.']);
                let plain = word.chars().all(|character| character.is_ascii_lowercase() || character == '-');
                if let (Some(program), true) = (program, plain && !word.starts_with('-')) {
                    found.push((at + 1, program, word));
                }
            }
        }
    }
    found
}

/// The shipped program knows it.
fn is_command(verb: &str) -> bool {
    let program = env!("CARGO_BIN_EXE_innkeeper");
    Command::new(program).args([verb, "--help"]).output().unwrap().status.success()
}

#[test]
fn no_text_names_the_machine_it_was_written_on() {
    let mut named = Vec::new();
    // Taken apart, or this file would break its own law.
    let mut homes =
        [["/ho", "me/"], ["/ro", "ot/"], ["/wo", "rk/"], ["/Us", "ers/"]].map(|parts| parts.concat()).to_vec();
    homes.push(root().to_str().unwrap().to_owned());
    for folder in ["src", "tests", "benches", "docs", "lab", "nginx-templates", ".ci"] {
        for (path, text) in files(folder, "") {
            named.extend(homes_in(&path, &text, &homes));
        }
    }
    for file in ["README.md", "Makefile", "Cargo.toml"] {
        named.extend(homes_in(Path::new(file), &std::fs::read_to_string(root().join(file)).unwrap(), &homes));
    }
    assert_none(&named, "absolute paths of somebody's machine");
}

fn homes_in(path: &Path, text: &str, homes: &[String]) -> Vec<String> {
    let lines = text.lines().enumerate();
    let named = lines.filter(|(_, line)| homes.iter().any(|home| line.contains(home)));
    named.map(|(at, line)| format!("{}:{}: {}", path.display(), at + 1, line.trim())).collect()
}

#[test]
fn the_laws_can_be_broken() {
    let long = format!("fn short() {{}}\nfn long(a: [u8; 3]) {{\n{}}}\nfn none();", "    x();\n".repeat(69));
    assert_eq!(long_functions(Path::new("a.rs"), &long), ["a.rs:2: long has 71 lines"]);
    let fits = format!("fn long() {{\n{}}}", "    x(\"}\");\n".repeat(68));
    assert!(long_functions(Path::new("a.rs"), &fits).is_empty());

    assert!(is_silent("") && is_silent("use x;") && is_silent("//! (being written)") && is_silent("//! Helpers."));
    assert!(!is_silent("//! Reads files, and never writes one."));

    assert_eq!(modules("mod a;\npub(crate) mod b;\nmod c {}\n// mod d;"), ["a", "b"]);

    let page = "Run `innkeeper plan` or make sure.\n```sh\nmake demo  # make it\ninnkeeper --json status, innkeeper frobnicate\n```";
    assert_eq!(commands(page), [(1, "innkeeper", "plan"), (3, "make", "demo"), (4, "innkeeper", "frobnicate")]);
    assert!(is_command("plan") && !is_command("frobnicate"));

    let homes = ["/x".to_owned()];
    assert_eq!(homes_in(Path::new("a"), "one\n at /x/y", &homes), ["a:2: at /x/y"]);
}
