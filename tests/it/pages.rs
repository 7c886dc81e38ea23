//! The pages that stand in for Odoo, as files. Nothing runs here.

use crate::nginx_rendering::{nginx, row, rows, shipped};
use innkeeper::adapters::nginx::{Nginx, built_in_templates};
use innkeeper::model::name::Language;
use innkeeper::model::settings::OperatorSettings;
use innkeeper::model::site::SiteRow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tempfile::TempDir;

const PAGES: [&str; 7] = ["preparing", "stopped", "maintenance", "retired", "down", "too-many-logins", "too-large"];

fn speaking(language: &str) -> SiteRow {
    let mut row = row(&format!("speaks-{}", language.to_lowercase().replace(['_', '@'], "-")), 20_000, &[]);
    let host = format!("{}.example.com", row.instance);
    row.hosts = crate::nginx_rendering::row("x", 20_000, &[&host]).hosts;
    row.language = Some(Language::parse(language).unwrap());
    row
}

fn pages_of(nginx: &Nginx, languages: &[&str]) -> BTreeMap<String, String> {
    nginx.preview_pages(&rows(languages.iter().map(|language| speaking(language)))).unwrap()
}

/// A fleet's templates: the shipped ones and `files` below `pages/`.
fn fleet(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pages")).unwrap();
    for (path, text) in built_in_templates() {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    for (name, text) in files {
        std::fs::write(folder.path().join("pages").join(name), text).unwrap();
    }
    folder
}

fn mistakes(folder: &Path) -> Vec<String> {
    nginx(folder).mistakes(&BTreeMap::new()).iter().map(ToString::to_string).collect()
}

/// What stands between `<tag…>` and its end.
fn inside<'h>(html: &'h str, tag: &str) -> &'h str {
    let from = html.find(&format!("<{tag}>")).map_or(0, |at| at + tag.len() + 2);
    let end = html[from..].find(&format!("</{tag}>")).unwrap_or(0);
    &html[from..from + end]
}

#[test]
fn there_is_each_page_in_english_and_in_every_language_that_is_used() {
    let pages = pages_of(&shipped(), &["en_US", "vi_VN", "de_DE"]);
    let expected: BTreeSet<String> =
        PAGES.iter().flat_map(|page| ["en.html", "vi.html", "json"].map(|ending| format!("{page}.{ending}"))).collect();
    assert_eq!(pages.keys().cloned().collect::<BTreeSet<_>>(), expected, "there are no texts in German");
    for (file, html) in pages.iter().filter(|(file, _)| file.ends_with(".html")) {
        let language = if file.ends_with(".vi.html") { "vi" } else { "en" };
        assert!(html.starts_with("<!doctype html>"), "{file}");
        assert!(html.contains(&format!("<html lang=\"{language}\" dir=\"ltr\">")), "{file}");
        let (title, heading) = (inside(html, "title"), inside(html, "h1"));
        assert!(!title.is_empty() && title == heading, "{file}: {title:?} {heading:?}");
        assert!(inside(html, "p").chars().count() > 20, "{file}");
    }
    let told: serde_json::Value = serde_json::from_str(&pages["stopped.json"]).unwrap();
    assert_eq!(told, serde_json::json!({ "error": "stopped", "message": "This site is stopped" }));
}

#[test]
fn every_shipped_language_says_everything_that_english_says() {
    let keys = |text: &str| -> BTreeSet<String> {
        let tables: toml::Table = text.parse().unwrap();
        let of_table = |(name, table): (&String, &toml::Value)| {
            table.as_table().unwrap().keys().map(|key| format!("{name}.{key}")).collect::<Vec<_>>()
        };
        tables.iter().flat_map(of_table).collect()
    };
    let built_in = built_in_templates();
    let english = keys(&built_in["pages/en.toml"]);
    assert!(PAGES.iter().all(|page| english.contains(&format!("{page}.title"))), "{english:?}");
    for (path, text) in built_in.iter().filter(|(path, _)| path.ends_with(".toml")) {
        assert_eq!(keys(text), english, "{path}");
    }
}

#[test]
fn a_page_asks_for_nothing_outside_of_itself() {
    let folder = fleet(&[]);
    std::fs::write(folder.path().join("logo.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>").unwrap();
    let operator = OperatorSettings {
        name: Some("Acacia".to_owned()),
        logo: Some(folder.path().join("logo.svg")),
        logo_dark: Some(folder.path().join("logo.svg")),
        contact: vec!["https://help.example.com/start/".to_owned()],
    };
    for (file, html) in pages_of(&nginx(folder.path()).run_by(&operator), &["vi_VN"]) {
        if file.ends_with(".json") {
            continue;
        }
        let fetched = ["src=\"", "srcset=\"", "<link rel=\"icon\" href=\"", "url("];
        for (start, text) in fetched.iter().flat_map(|start| html.split(start).skip(1).map(move |rest| (start, rest))) {
            assert!(text.starts_with("data:"), "{file}: {start}{}", text.chars().take(40).collect::<String>());
        }
        for forbidden in ["<script", "@import", "<iframe", "@font-face", "<form"] {
            assert!(!html.contains(forbidden), "{file}: {forbidden}");
        }
        assert!(html.contains("default-src 'none'; img-src data:; style-src 'unsafe-inline'"), "{file}");
        assert_eq!(html.matches("https://").count(), 1, "{file}: the contact alone");
        assert!(
            html.contains("<a href=\"https:&#x2F;&#x2F;help.example.com&#x2F;start&#x2F;\">")
                || html.contains("<a href=\"https://help.example.com/start/\">"),
            "{file}"
        );
        assert!(html.contains(">help.example.com"), "{file}");
        assert!(html.contains("<meta name=\"robots\" content=\"noindex\">"), "{file}");
    }
}

#[test]
fn what_the_operator_is_called_is_text_and_nothing_else() {
    let name = "<b>\"Söhne\" & 'Co' {{ 7*7 }}</b>";
    let operator = OperatorSettings { name: Some(name.to_owned()), ..OperatorSettings::default() };
    let html = &pages_of(&shipped().run_by(&operator), &[])["down.en.html"];
    assert!(!html.contains("<b>") && html.contains("&lt;b&gt;") && html.contains("{{ 7*7 }}"), "{html}");
}

#[test]
fn a_language_of_ones_own_may_leave_texts_out() {
    let folder = fleet(&[
        ("pt.toml", "[stopped]\ntitle = \"Parado\"\ntext = \"Está desligado.\"\n"),
        ("pt_BR.toml", "[stopped]\ntext = \"Está desligado aqui.\"\n"),
        ("ar.toml", "[stopped]\ntitle = \"متوقف\"\n"),
    ]);
    assert_eq!(mistakes(folder.path()), [""; 0]);
    let pages = pages_of(&nginx(folder.path()), &["pt_BR", "pt_PT", "ar_001"]);
    let stopped = |language: &str| {
        let html = &pages[&format!("stopped.{language}.html")];
        (inside(html, "h1").to_owned(), inside(html, "p").to_owned())
    };
    assert_eq!(stopped("pt_BR"), ("Parado".to_owned(), "Está desligado aqui.".to_owned()));
    assert_eq!(stopped("pt"), ("Parado".to_owned(), "Está desligado.".to_owned()));
    assert!(stopped("ar").0 == "متوقف" && stopped("ar").1.starts_with("It is switched off"), "{:?}", stopped("ar"));
    assert!(pages["stopped.ar.html"].contains("<html lang=\"ar\" dir=\"rtl\">"));
    assert!(pages["stopped.pt_BR.html"].contains("<html lang=\"pt-BR\" dir=\"ltr\">"));
    assert_eq!(inside(&pages["retired.pt.html"], "h1"), "This site is no longer here");
}

#[test]
fn a_language_with_mistakes_is_told_with_their_places_and_what_is_sound_of_it_is_used() {
    let text =
        "[stopped]\ntitle = \"Angehalten\"\ntexts = \"x\"\ntext = 3\n[sleeping]\ntitle = \"x\"\n[down]\ntitle = oops\n";
    let folder = fleet(&[("de.toml", text), ("Deutsch.toml", ""), ("other.html.tera", "")]);
    let told = mistakes(folder.path());
    let at = |place: &str| told.iter().filter(|it| it.starts_with(place)).cloned().collect::<Vec<_>>();
    assert_eq!(told.len(), 6, "{told:#?}");
    assert_eq!(
        at("nginx-templates/pages/de.toml:3:1"),
        ["nginx-templates/pages/de.toml:3:1: unknown key \"texts\"; did you mean \"text\"?"]
    );
    assert_eq!(
        at("nginx-templates/pages/de.toml:4:1"),
        ["nginx-templates/pages/de.toml:4:1: text must be a text in quotes"]
    );
    assert!(at("nginx-templates/pages/de.toml:5:2")[0].contains("unknown table \"sleeping\""), "{told:#?}");
    assert!(at("nginx-templates/pages/de.toml:8:")[0].contains("not TOML"), "{told:#?}");
    assert!(at("nginx-templates/pages/Deutsch.toml")[0].contains("not named after a language"), "{told:#?}");
    assert!(at("nginx-templates/pages/other.html.tera")[0].contains("no page is made from it"), "{told:#?}");
    let pages = pages_of(&nginx(folder.path()), &["de_CH"]);
    let html = &pages["stopped.de.html"];
    assert!(inside(html, "h1") == "Angehalten" && inside(html, "p").starts_with("It is switched off"), "{html}");
    assert_eq!(inside(&pages["down.de.html"], "h1"), "This site does not answer right now");
}

#[test]
fn a_design_with_a_mistake_is_told_and_the_shipped_one_stands_in() {
    for (design, place) in [
        ("<h1>{{ title }</h1>", "nginx-templates/pages/page.html.tera:1:"),
        (
            "<h1>{{ title }}</h1>\n{% if operator.logo %}{{ nothing }}{% endif %}",
            "nginx-templates/pages/page.html.tera:2:",
        ),
    ] {
        let folder = fleet(&[("page.html.tera", design)]);
        let told = mistakes(folder.path());
        assert!(told.len() == 1 && told[0].starts_with(place), "{design}: {told:?}");
        let logo = folder.path().join("logo.gif");
        std::fs::write(&logo, "GIF89a").unwrap();
        let operator = OperatorSettings { logo: Some(logo), ..OperatorSettings::default() };
        let html = &pages_of(&nginx(folder.path()).run_by(&operator), &[])["stopped.en.html"];
        assert!(html.starts_with("<!doctype html>") && html.contains("This site is stopped"), "{design}: {html}");
    }
    let folder = fleet(&[("page.html.tera", "<h1 lang={{ lang }}>{{ title }}</h1>")]);
    assert_eq!(mistakes(folder.path()), [""; 0]);
    assert_eq!(pages_of(&nginx(folder.path()), &[])["retired.en.html"], "<h1 lang=en>This site is no longer here</h1>");
}

#[test]
fn html_of_ones_own_is_taken_as_it_is() {
    let own = "<p>Ours, {{ with }} <img src=https://cdn.example/x.png></p>";
    let folder = fleet(&[("stopped.html", own), ("down.vi.html", own)]);
    assert_eq!(mistakes(folder.path()), [""; 0]);
    let pages = pages_of(&nginx(folder.path()), &["vi_VN"]);
    assert_eq!((pages["stopped.html"].as_str(), pages["down.vi.html"].as_str()), (own, own));
    assert!(pages["down.en.html"].contains("does not answer"));
}

#[test]
fn a_logo_that_cannot_be_shown_is_told_and_the_name_stands_in() {
    let folder = fleet(&[]);
    let logo = folder.path().join("logo.png");
    let operator =
        OperatorSettings { name: Some("Acacia".to_owned()), logo: Some(logo.clone()), ..OperatorSettings::default() };
    let nginx = || nginx(folder.path()).run_by(&operator);
    let told = || nginx().mistakes(&BTreeMap::new()).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        told().len() == 1 && told()[0].starts_with(&format!("{}: the logo cannot be read", logo.display())),
        "{:?}",
        told()
    );
    std::fs::write(&logo, "<html>").unwrap();
    assert!(told().len() == 1 && told()[0].contains("is not an image"), "{:?}", told());
    let html = pages_of(&nginx(), &[]).remove("down.en.html").unwrap();
    assert!(!html.contains("<img") && inside(&html, "header").contains("Acacia"), "{html}");
    std::fs::write(&logo, b"\x89PNG\r\n\x1a\n").unwrap();
    assert_eq!(told(), [""; 0]);
    let html = pages_of(&nginx(), &[]).remove("down.en.html").unwrap();
    assert!(
        html.contains("<img src=\"data:image/png;base64,") || html.contains("<img src=\"data:image&#x2F;png;base64,"),
        "{html}"
    );
    assert!(html.contains("alt=\"Acacia\""), "{html}");
}

/// `--ink: #20242e;` of each palette: light and dark, for each of the three moods.
fn palettes(html: &str) -> Vec<BTreeMap<String, [f64; 3]>> {
    let style = inside(html, "style");
    let (light, dark) = style.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let dark = dark.split_once("* { box-sizing").unwrap().0;
    let colours = |block: &str| -> BTreeMap<String, [f64; 3]> {
        let pairs = block.split(';').filter_map(|pair| pair.split_once(": #"));
        let name = |text: &str| text.rsplit("--").next().unwrap().to_owned();
        let part = |hex: &str, at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        pairs.map(|(key, hex)| (name(key), [part(hex, 0), part(hex, 2), part(hex, 4)])).collect()
    };
    let block = |text: &str, selector: &str| {
        let from = text.find(selector).map(|at| at + selector.len()).unwrap();
        text[from..].split('}').next().unwrap().to_owned()
    };
    let moods = ["[data-mood=night] {", "[data-mood=pause] {"];
    let mut all = Vec::new();
    for part in [light, dark] {
        let base = colours(&block(part, ":root {"));
        all.push(base.clone());
        all.extend(moods.map(|mood| base.clone().into_iter().chain(colours(&block(part, mood))).collect()));
    }
    all
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let linear = |part: f64| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
    let luminance =
        |colour: [f64; 3]| 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_has_the_contrast_that_people_need_on_light_and_on_dark() {
    let html = &pages_of(&shipped(), &[])["stopped.en.html"];
    let palettes = palettes(html);
    assert_eq!(palettes.len(), 6);
    for palette in palettes {
        for text in ["ink", "soft", "tone"] {
            for ground in ["ground", "glow", "tint"] {
                let ratio = contrast(palette[text], palette[ground]);
                assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2} of 4.5 (WCAG 2.2, 1.4.3) in {palette:?}");
            }
        }
        // The button: its text is the ground's colour, its ground the text's or, under the pointer, the tone.
        assert!(
            contrast(palette["ground"], palette["ink"]) >= 4.5 && contrast(palette["ground"], palette["tone"]) >= 4.5
        );
    }
    assert!(html.contains("prefers-reduced-motion: no-preference"), "what moves asks first");
}
