//! The pages that stand in for Odoo: one design, the texts of the languages that are used, the operator's name, logo and
//! contacts → one HTML file for each page and language. Pure but for the logo, which [`Operator::read`] reads.

use super::logo;
use super::template::{DESIGN_ENDING, Mistake, TEXTS_ENDING, TemplateSet, explain};
use super::texts::{ACTION, CONTACT, QUESTIONS, TEXT, TITLE, Texts};
use crate::model::settings::OperatorSettings;
use crate::model::site::SiteRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tera::{Context, Tera};

/// The language in which everything is said.
const ENGLISH: &str = "en";
/// The one design of all pages, in the folder of pages.
const DESIGN: &str = "page.html.tera";
/// Languages that are written from right to left.
const RIGHT_TO_LEFT: [&str; 6] = ["ar", "ckb", "fa", "he", "ur", "yi"];

/// One page.
pub(super) struct Page {
    /// How files, texts and nginx call it.
    pub(super) name: &'static str,
    /// Where its button leads, where its texts have one: empty is the same address again.
    href: &'static str,
}

/// Every page. The first four are those that a row can ask for.
pub(super) const PAGES: [Page; 7] = [
    Page { name: "preparing", href: "" },
    Page { name: "stopped", href: "" },
    Page { name: "maintenance", href: "" },
    Page { name: "retired", href: "" },
    Page { name: "down", href: "" },
    Page { name: "too-many-logins", href: "" },
    Page { name: "too-large", href: "/" },
];

/// Whom pages name. What is not given is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Operator {
    name: String,
    /// A `data:` address.
    logo: String,
    /// A `data:` address.
    logo_dark: String,
    contacts: Vec<Contact>,
}

/// Where customers find help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contact {
    /// The address.
    href: String,
    /// What is shown of it.
    label: String,
}

impl Operator {
    /// Reads the logos that `settings` name. One that cannot be shown is told, and the one of `shown` stays.
    pub(super) fn read(settings: &OperatorSettings, shown: Option<&Self>) -> (Self, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        let mut read = |path: &Option<std::path::PathBuf>, shown: Option<&String>| match path.as_deref().map(address) {
            None => String::new(),
            Some(Ok(address)) => address,
            Some(Err(mistake)) => {
                mistakes.push(mistake);
                shown.cloned().unwrap_or_default()
            }
        };
        let logo = read(&settings.logo, shown.map(|shown| &shown.logo));
        let logo_dark = read(&settings.logo_dark, shown.map(|shown| &shown.logo_dark));
        let name = settings.name.clone().unwrap_or_default();
        (
            Self { name, logo, logo_dark, contacts: settings.contact.iter().map(|href| contact(href)).collect() },
            mistakes,
        )
    }
}

fn address(path: &Path) -> Result<String, Mistake> {
    logo::address(path).map_err(|message| Mistake { file: path.to_owned(), line: 0, column: 0, message })
}

fn contact(href: &str) -> Contact {
    let label = ["mailto:", "tel:", "https://"].iter().find_map(|scheme| href.strip_prefix(scheme)).unwrap_or(href);
    Contact { href: href.to_owned(), label: label.trim_end_matches('/').to_owned() }
}

/// The language in which a site's pages are: the name of a file of texts without its ending.
pub(super) fn language_of(set: &TemplateSet, row: &SiteRow) -> String {
    let Some(language) = &row.language else { return ENGLISH.to_owned() };
    let has = |name: &str| text_in(set, name).or_else(|| shipped_text(name)).is_some();
    let mut names = std::iter::once(language.as_str()).chain(wider(language.as_str()));
    names.find(|name| has(name)).unwrap_or(ENGLISH).to_owned()
}

/// All pages by file name: those that the set has as HTML of its own, and the others in English and in every language
/// that `rows` use. `stopped.vi.html` is a page, `stopped.json` what a program is told instead.
pub(super) fn render<'r>(
    set: &TemplateSet,
    rows: impl Iterator<Item = &'r SiteRow>,
    operator: &Operator,
) -> BTreeMap<String, String> {
    let used: BTreeSet<String> = rows.map(|row| language_of(set, row)).chain([ENGLISH.to_owned()]).collect();
    let mut files: BTreeMap<String, String> =
        set.own_pages().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let shipped = TemplateSet::shipped(&format!("pages/{DESIGN}"));
    let designs: Vec<Tera> = [design_of(set), shipped].into_iter().flatten().filter_map(|it| design(it).ok()).collect();
    for language in &used {
        let texts = texts(set, language);
        for page in &PAGES {
            let context = context(page, language, &texts, operator);
            // A design that fails on this very page is passed over for the shipped one.
            let html = designs.iter().find_map(|design| design.render(DESIGN, &context).ok());
            files.entry(format!("{}.{language}.html", page.name)).or_insert(html.unwrap_or_default());
        }
    }
    let english = texts(set, ENGLISH);
    for page in &PAGES {
        let told = serde_json::json!({ "error": page.name, "message": english.get(page.name, TITLE) });
        files.insert(format!("{}.json", page.name), format!("{told}\n"));
    }
    files
}

/// All mistakes in design and texts.
pub(super) fn mistakes(set: &TemplateSet) -> BTreeSet<Mistake> {
    let of_texts = set.of_pages(TEXTS_ENDING).flat_map(|(file, text)| Texts::read(file, text).1);
    of_texts.chain(design_mistake(set)).chain(stray_designs(set)).collect()
}

/// The first mistake in each file of design and texts, by path.
pub(super) fn faults(set: &TemplateSet) -> BTreeMap<String, Mistake> {
    let mut faults = BTreeMap::new();
    for mistake in mistakes(set) {
        let Some(name) = mistake.file.file_name().and_then(|name| name.to_str()) else { continue };
        faults.entry(format!("pages/{name}")).or_insert(mistake);
    }
    faults
}

fn stray_designs(set: &TemplateSet) -> impl Iterator<Item = Mistake> {
    let strays = set.of_pages(DESIGN_ENDING).filter(|(file, _)| *file != DESIGN);
    strays.map(|(file, _)| {
        let message =
            format!("no page is made from it: the one design is {DESIGN}, and HTML of your own ends in .html");
        Mistake::of_file(&format!("pages/{file}"), message)
    })
}

/// What is wrong with the set's own design: it is parsed, and every page is rendered with and without an operator.
fn design_mistake(set: &TemplateSet) -> Option<Mistake> {
    let tera = match design(design_of(set)?) {
        Ok(tera) => tera,
        Err(mistake) => return Some(mistake),
    };
    let texts = texts(set, ENGLISH);
    let logo = || "data:,".to_owned();
    let full = Operator { name: "x".to_owned(), logo: logo(), logo_dark: logo(), contacts: vec![contact("tel:123")] };
    let operators = [Operator::default(), full];
    let all = operators.iter().flat_map(|operator| PAGES.iter().map(move |page| (page, operator)));
    let mut failures = all.filter_map(|(page, it)| tera.render(DESIGN, &context(page, ENGLISH, &texts, it)).err());
    failures.next().map(|error| in_folder(explain(&error)))
}

fn design_of(set: &TemplateSet) -> Option<&str> {
    set.files.get(&format!("pages/{DESIGN}")).map(String::as_str)
}

/// A design, ready to render.
fn design(text: &str) -> Result<Tera, Mistake> {
    let mut tera = Tera::default();
    tera.autoescape_on(vec![DESIGN_ENDING]);
    tera.add_raw_template(DESIGN, text).map(|()| tera).map_err(|error| in_folder(explain(&error)))
}

/// The design's name is that of its file; messages name its path.
fn in_folder(mistake: Mistake) -> Mistake {
    Mistake { file: Mistake::of_file(&format!("pages/{DESIGN}"), "").file, ..mistake }
}

fn context(page: &Page, language: &str, texts: &Texts, operator: &Operator) -> Context {
    let action = texts.get(page.name, ACTION);
    let mut context = Context::new();
    context.insert("page", page.name);
    context.insert("lang", &html_language(language));
    context.insert("dir", direction(language));
    context.insert("title", texts.get(page.name, TITLE));
    context.insert("text", texts.get(page.name, TEXT));
    context.insert("action", action);
    context.insert("href", if action.is_empty() { "" } else { page.href });
    context.insert("questions", texts.get(CONTACT, QUESTIONS));
    context.insert("operator", operator);
    context
}

/// The texts of a language over those of the wider ones, over English; a set's own over the shipped ones.
fn texts(set: &TemplateSet, language: &str) -> Texts {
    let mut names = vec![language];
    names.extend(wider(language));
    names.push(ENGLISH);
    let mut texts = Texts::default();
    for name in names.iter().rev() {
        for text in [shipped_text(name), text_in(set, name)].into_iter().flatten() {
            texts.put(Texts::read(&format!("{name}{TEXTS_ENDING}"), text).0);
        }
    }
    texts
}

fn text_in<'s>(set: &'s TemplateSet, language: &str) -> Option<&'s str> {
    set.files.get(&format!("pages/{language}{TEXTS_ENDING}")).map(String::as_str)
}

fn shipped_text(language: &str) -> Option<&'static str> {
    TemplateSet::shipped(&format!("pages/{language}{TEXTS_ENDING}"))
}

/// What a language is a kind of, nearest first: `pt` for `pt_BR`.
fn wider(language: &str) -> impl Iterator<Item = &str> {
    let without = |sign: char| language.split_once(sign).map(|(wide, _)| wide);
    [without('@').filter(|wide| wide.contains('_')), without('_').or_else(|| without('@'))].into_iter().flatten()
}

/// A language as HTML writes it (RFC 5646).
fn html_language(language: &str) -> String {
    language.replace("@latin", "-Latn").replace("@Cyrl", "-Cyrl").replace(['_', '@'], "-")
}

fn direction(language: &str) -> &'static str {
    let base = language.split(['_', '@']).next().unwrap_or_default();
    if RIGHT_TO_LEFT.contains(&base) { "rtl" } else { "ltr" }
}
