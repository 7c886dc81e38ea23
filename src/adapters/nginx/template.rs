//! The templates: where they come from, when they count as changed, and where a mistake in one stands.
//!
//! A set is taken as a whole. The one exception are templates of single sites: a mistake in one of them holds back the
//! sites that use it, so the rest of the set is taken without it.

use crate::model::secret::{digest, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tera::Tera;

/// The template of all shared server blocks.
pub(super) const SHARED_TEMPLATE: &str = "shared.conf.tera";
/// How the templates' folder is called in messages.
pub(super) const FOLDER: &str = "nginx-templates";
/// How the names of templates end.
pub const TEMPLATE_ENDING: &str = ".conf.tera";
const PIECE_PREFIX: char = '_';
const PAGES: &str = "pages";
/// A page that is taken as it is.
const PAGE_ENDING: &str = ".html";
/// What pages are made from.
pub(super) const DESIGN_ENDING: &str = ".html.tera";
/// What pages say in one language.
pub(super) const TEXTS_ENDING: &str = ".toml";
/// A template that large is no template.
const TEMPLATE_BYTES_MAX: u64 = 256 * 1024;
/// A folder that full is no folder of templates.
const TEMPLATES_MAX: usize = 200;
/// Files are taken when they were the same twice, this far apart (the fleet's own files are read so too).
const SETTLE_MS: u64 = 500;
/// After so many tries they are taken as they are; a mistake is then told.
const SETTLE_TRIES_MAX: usize = 20;

/// What Innkeeper brings along, used where a fleet has no templates of its own.
const BUILT_IN: [(&str, &str); 18] = {
    macro_rules! shipped {
        ($($name:literal),*) => { [$(($name, include_str!(concat!("../../../nginx-templates/", $name)))),*] };
    }
    shipped![
        "shared.conf.tera",
        "dedicated.conf.tera",
        "_headers.conf.tera",
        "_http.conf.tera",
        "_http_level.conf.tera",
        "_maps.conf.tera",
        "_page.conf.tera",
        "_pages.conf.tera",
        "_proxy.conf.tera",
        "_redirect.conf.tera",
        "_requests.conf.tera",
        "_session.conf.tera",
        "_site.conf.tera",
        "_tls.conf.tera",
        "_well_known.conf.tera",
        "pages/en.toml",
        "pages/page.html.tera",
        "pages/vi.toml"
    ]
};

/// A set of templates and pages: path below the folder → text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TemplateSet {
    /// By path: `shared.conf.tera`, `pages/stopped.html`.
    pub(super) files: BTreeMap<String, String>,
}

impl TemplateSet {
    /// The shipped templates.
    pub(super) fn built_in() -> Self {
        Self { files: BUILT_IN.map(|(name, text)| (name.to_owned(), text.to_owned())).into() }
    }

    /// One of the shipped files.
    pub(super) fn shipped(path: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
    }

    /// Reads the templates below `folder`; none when it holds no template at all.
    ///
    /// # Errors
    /// A file cannot be read, is too large, or is not text.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let mut set = Self::default();
        set.add(folder, "", TEMPLATE_ENDING)?;
        if set.files.is_empty() {
            return Ok(None);
        }
        for ending in [PAGE_ENDING, DESIGN_ENDING, TEXTS_ENDING] {
            set.add(&folder.join(PAGES), "pages/", ending)?;
        }
        Ok(Some(set))
    }

    /// Reads the templates once they have settled. `known` need not settle: it was seen before.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) async fn read_settled(folder: &Path, known: Option<&str>) -> io::Result<Option<Self>> {
        let mut last = Self::read(folder)?;
        for _ in 0..SETTLE_TRIES_MAX {
            if last.as_ref().is_none_or(|set| known == Some(set.digest().as_str())) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(SETTLE_MS)).await;
            let again = Self::read(folder)?;
            if again == last {
                break;
            }
            last = again;
        }
        Ok(last)
    }

    /// A digest of all names and texts.
    pub(super) fn digest(&self) -> String {
        digest(self)
    }

    /// What belongs to pages, by file name.
    pub(super) fn of_pages(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().filter(move |(path, _)| path.ends_with(ending));
        files.filter_map(|(path, text)| Some((path.strip_prefix("pages/")?, text.as_str())))
    }

    /// Pages that are taken as they are, by file name.
    pub(super) fn own_pages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of_pages(PAGE_ENDING)
    }

    fn add(&mut self, folder: &Path, prefix: &str, ending: &str) -> io::Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with('.') || !name.ends_with(ending) {
                continue;
            }
            if self.files.len() >= TEMPLATES_MAX || path.metadata()?.len() > TEMPLATE_BYTES_MAX {
                return Err(io::Error::other(format!("{} is too large to be a template", path.display())));
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
            // Some editors begin a file with a byte order mark; nginx would take it for a directive.
            let text = text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text);
            self.files.insert(format!("{prefix}{name}"), text);
        }
        Ok(())
    }

    /// True for templates that single sites name.
    pub(super) fn is_dedicated(path: &str) -> bool {
        path.ends_with(TEMPLATE_ENDING) && path != SHARED_TEMPLATE && !path.starts_with(PIECE_PREFIX)
    }
}

/// The file of a template that an instance names.
pub(super) fn dedicated_file(template: &str) -> String {
    format!("{template}{TEMPLATE_ENDING}")
}

/// SHA-256 of a text, hexadecimal.
pub(super) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// A set that tera has accepted.
#[derive(Clone)]
pub(super) struct Engine {
    /// Ready to render.
    pub(super) tera: Tera,
    /// Templates of single sites that were left out, and why.
    pub(super) left_out: BTreeMap<String, Mistake>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("left_out", &self.left_out).finish_non_exhaustive()
    }
}

impl Engine {
    /// Parses a set.
    ///
    /// # Errors
    /// The first mistake in a template that all sites need.
    pub(super) fn parse(set: &TemplateSet) -> Result<Self, Mistake> {
        let mut tera = Tera::default();
        if !set.files.contains_key(SHARED_TEMPLATE) {
            return Err(Mistake::of_file(SHARED_TEMPLATE, "the template is missing"));
        }
        let templates = || set.files.iter().filter(|(path, _)| path.ends_with(TEMPLATE_ENDING));
        tera.add_raw_templates(templates().filter(|(path, _)| !TemplateSet::is_dedicated(path)))
            .map_err(|error| explain(&error))?;
        let mut left_out = BTreeMap::new();
        for (path, text) in templates().filter(|(path, _)| TemplateSet::is_dedicated(path)) {
            if let Err(error) = tera.add_raw_template(path, text) {
                left_out.insert(path.clone(), explain(&error));
            }
        }
        Ok(Self { tera, left_out })
    }
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Relative to the fleet's directory; the folder itself when no file can be named.
    pub file: PathBuf,
    /// Line, from 1; 0 when it is of the whole file.
    pub line: u32,
    /// Column, from 1; 0 when it is of the whole file.
    pub column: u32,
    /// What is wrong, on one line.
    pub message: String,
}

impl Mistake {
    /// One of a whole file.
    pub(super) fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: Path::new(FOLDER).join(file), line: 0, column: 0, message: message.into() }
    }

    /// One that is of no single file.
    pub(super) fn of_folder(message: impl Into<String>) -> Self {
        Self { file: FOLDER.into(), line: 0, column: 0, message: message.into() }
    }
}

impl std::fmt::Display for Mistake {
    /// `nginx-templates/shared.conf.tera:12:4: unexpected …`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What tera has against a template.
pub(super) fn explain(error: &tera::Error) -> Mistake {
    use tera::ErrorKind::{RenderingError, SyntaxError};
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    if let SyntaxError(report) | RenderingError(report) = error.kind() {
        let (span, message) = (report.span(), report.message());
        let (line, column) = (number(span.start_line), number(span.start_col + 1));
        return Mistake { line, column, ..Mistake::of_file(report.filename(), message) };
    }
    // Mistakes that tera finds when it puts the set together come as a printed report: `error: …`, `--> file:1:2`.
    let text = error.to_string();
    let message = text.lines().find_map(|line| line.strip_prefix("error: "));
    let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
    let placed = || {
        let mut parts = place?.splitn(3, ':');
        let (file, line, column) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Mistake { line, column, ..Mistake::of_file(file, message?) })
    };
    placed().unwrap_or_else(|| Mistake::of_folder(text.lines().next().unwrap_or_default()))
}

/// What is used of the templates on disk.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    /// What is rendered.
    pub(super) set: TemplateSet,
    /// Its digest.
    pub(super) digest: String,
    /// It is the shipped set.
    pub(super) built_in: bool,
    /// Parsed.
    pub(super) engine: Engine,
    /// Why the templates on disk are not used at all; the last good ones are.
    pub(super) problem: Option<String>,
    /// Mistakes in templates of single sites and in what pages are made from.
    pub(super) site_problems: BTreeMap<String, Mistake>,
}

/// What the templates are chosen from.
pub(super) struct Candidates {
    /// On disk; none when the fleet has none, an error when they cannot be read.
    pub(super) disk: Result<Option<TemplateSet>, String>,
    /// Of the current generation, and whether it was the shipped set.
    pub(super) last_good: Option<(TemplateSet, bool)>,
    /// Digest of a set that nginx refused, and what it said.
    pub(super) refused: Option<(String, String)>,
}

impl Candidates {
    /// Tells one choice apart from another.
    pub(super) fn digest(&self) -> String {
        digest(&(&self.disk, &self.last_good, &self.refused))
    }

    /// Chooses the templates on disk, or the last good ones where those cannot be used.
    ///
    /// # Errors
    /// The templates on disk cannot be used and there are no others.
    pub(super) fn choose(self) -> Result<Chosen, String> {
        let last_good = self.last_good;
        match usable(self.disk, last_good.as_ref(), self.refused) {
            Ok((set, engine, built_in)) => Ok(complete(set, engine, built_in, last_good.map(|(set, _)| set))),
            Err(problem) => {
                let Some((set, built_in)) = last_good else { return Err(problem) };
                let engine = Engine::parse(&set).map_err(|_| problem.clone())?;
                let digest = set.digest();
                Ok(Chosen { set, digest, built_in, engine, problem: Some(problem), site_problems: BTreeMap::new() })
            }
        }
    }
}

fn usable(
    disk: Result<Option<TemplateSet>, String>,
    last_good: Option<&(TemplateSet, bool)>,
    refused: Option<(String, String)>,
) -> Result<(TemplateSet, Engine, bool), String> {
    let (set, built_in) = match (disk?, last_good) {
        (Some(set), _) => (set, false),
        // A folder that vanished is not a wish for other templates.
        (None, Some((_, false))) => return Err(format!("{FOLDER} holds no *{TEMPLATE_ENDING} any more")),
        (None, _) => (TemplateSet::built_in(), true),
    };
    if let Some((digest, problem)) = refused
        && digest == set.digest()
    {
        return Err(problem);
    }
    let engine = Engine::parse(&set).map_err(|mistake| mistake.to_string())?;
    Ok((set, engine, built_in))
}

/// Fills the place of a site's template or of a page's source that has a mistake with its last good version.
pub(super) fn complete(
    mut set: TemplateSet,
    mut engine: Engine,
    built_in: bool,
    last_good: Option<TemplateSet>,
) -> Chosen {
    let mut site_problems = std::mem::take(&mut engine.left_out);
    for (path, problem) in &site_problems {
        set.files.remove(path);
        let old = last_good.as_ref().and_then(|last| last.files.get(path));
        match old {
            Some(old) if engine.tera.add_raw_template(path, old).is_ok() => {
                set.files.insert(path.clone(), old.clone());
            }
            _ => {
                engine.left_out.insert(path.clone(), problem.clone());
            }
        }
    }
    for (path, problem) in super::pages::faults(&set) {
        if let Some(old) = last_good.as_ref().and_then(|last| last.files.get(&path)) {
            set.files.insert(path.clone(), old.clone());
        }
        site_problems.insert(path, problem);
    }
    let digest = set.digest();
    Chosen { set, digest, built_in, engine, problem: None, site_problems }
}
