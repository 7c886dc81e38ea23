//! The host's own nginx configuration: read, never written.
//!
//! Innkeeper's part is one `include` line in it. From the rest Innkeeper takes the server names that others serve, what
//! is set already and must not be set again, and a copy of the way to the include line, by which a generation is tested
//! before `current` points to it.

use super::names::Places;
use super::syntax::{End, Statement, statements};
use crate::disk;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

/// Files included by files included by files: beyond this it is a loop.
const INCLUDE_DEPTH_MAX: usize = 16;

/// What the host's configuration says outside of Innkeeper's part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HostFacts {
    /// Every word of every `server_name`.
    pub(super) server_names: BTreeSet<String>,
    /// Addresses with a `default_server` of their own, in short form: `80`, `[::]:443`.
    pub(super) defaults: BTreeSet<String>,
    /// Directives of the http level.
    pub(super) http: BTreeSet<String>,
    /// Directives of the main level.
    pub(super) main: BTreeSet<String>,
    /// Where the main level's errors go.
    pub(super) error_log: Option<PathBuf>,
}

/// The host's configuration, file by file.
#[derive(Debug, Clone)]
pub(super) struct HostConfig {
    /// nginx's main file.
    main: PathBuf,
    /// Every file but Innkeeper's, as text.
    files: BTreeMap<PathBuf, String>,
    /// The `include` lines of each file.
    includes: BTreeMap<PathBuf, Vec<Include>>,
    /// Directories in which another file would be included too.
    dirs: BTreeSet<PathBuf>,
    /// What was found in them.
    pub(super) facts: HostFacts,
}

#[derive(Debug, Clone)]
struct Include {
    span: Range<usize>,
    files: Vec<PathBuf>,
    ours: bool,
}

impl HostConfig {
    /// Reads `main` and all that it includes, except Innkeeper's own files.
    ///
    /// # Errors
    /// The main file cannot be read. An included file that cannot be read is passed over: nginx will say so.
    pub(super) fn read(main: &Path, places: &Places) -> io::Result<Self> {
        let mut reader = Reader {
            prefix: main.parent().unwrap_or(Path::new("/")).to_path_buf(),
            places,
            found: Self {
                main: main.to_path_buf(),
                files: BTreeMap::new(),
                includes: BTreeMap::new(),
                dirs: BTreeSet::new(),
                facts: HostFacts::default(),
            },
        };
        let text = std::fs::read_to_string(main)?;
        reader.take(main, text, &mut Vec::new(), 0);
        Ok(reader.found)
    }

    /// Where the main file stands; relative paths in it begin there.
    pub(super) fn directory(&self) -> &Path {
        self.main.parent().unwrap_or(Path::new("/"))
    }

    /// Files and directories that must be the same for this to hold still.
    pub(super) fn depends_on(&self) -> impl Iterator<Item = PathBuf> {
        self.files.keys().chain(&self.dirs).cloned()
    }

    /// A digest of all that is read here: another one is another chance for what was refused.
    pub(super) fn digest(&self) -> String {
        crate::model::secret::digest(&self.files)
    }

    /// True when some file includes Innkeeper's part.
    pub(super) fn includes_ours(&self) -> bool {
        self.reaches(&self.main, 0)
    }

    /// Puts a copy of the main file into `stage` that includes `pattern` instead of Innkeeper's current part, beside
    /// links to all that stands next to the original, so that relative paths mean the same. Returns the copy's path.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn stage(&self, stage: &Path, pattern: &str) -> io::Result<PathBuf> {
        disk::remove_tree(stage)?;
        std::fs::create_dir_all(stage)?;
        for entry in std::fs::read_dir(self.directory())? {
            let entry = entry?;
            if entry.path() != self.main {
                std::os::unix::fs::symlink(entry.path(), stage.join(entry.file_name()))?;
            }
        }
        let copy = stage.join(self.main.file_name().unwrap_or_default());
        let mut copies = 0;
        let text = self.rewrite(&self.main, stage, pattern, &mut copies)?;
        std::fs::write(&copy, text)?;
        Ok(copy)
    }

    /// The text of `file` with each include on the way to Innkeeper's part spelled out.
    fn rewrite(&self, file: &Path, stage: &Path, pattern: &str, copies: &mut usize) -> io::Result<String> {
        let text = self.files.get(file).map_or("", String::as_str);
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for include in self.includes.get(file).into_iter().flatten() {
            if !include.ours && !include.files.iter().any(|file| self.reaches(file, 0)) {
                continue;
            }
            out.push_str(&text[done..include.span.start]);
            done = include.span.end;
            if include.ours {
                out.push_str(&format!("include \"{pattern}\";"));
                continue;
            }
            for target in &include.files {
                let target = self.rewritten_target(target, stage, pattern, copies)?;
                out.push_str(&format!("include \"{}\";", target.display()));
            }
        }
        out.push_str(&text[done..]);
        Ok(out)
    }

    fn rewritten_target(&self, target: &Path, stage: &Path, pattern: &str, copies: &mut usize) -> io::Result<PathBuf> {
        if !self.reaches(target, 0) {
            return Ok(target.to_path_buf());
        }
        let text = self.rewrite(target, stage, pattern, copies)?;
        *copies += 1;
        let copy = stage.join(format!(".included-{copies}"));
        std::fs::write(&copy, text)?;
        Ok(copy)
    }

    fn reaches(&self, file: &Path, depth: usize) -> bool {
        depth < INCLUDE_DEPTH_MAX
            && self
                .includes
                .get(file)
                .into_iter()
                .flatten()
                .any(|include| include.ours || include.files.iter().any(|file| self.reaches(file, depth + 1)))
    }
}

struct Reader<'p> {
    prefix: PathBuf,
    places: &'p Places,
    found: HostConfig,
}

impl Reader<'_> {
    /// Takes one file in; `blocks` are the names of the blocks that stand open around it.
    fn take(&mut self, file: &Path, text: String, blocks: &mut Vec<String>, depth: usize) {
        let mut includes = Vec::new();
        for statement in statements(&text) {
            match statement.end {
                End::Close => {
                    blocks.pop();
                }
                End::Open => {
                    self.note(&statement, blocks);
                    blocks.push(statement.name().to_owned());
                }
                End::Semicolon if statement.name() == "include" => {
                    if let Some(include) = self.include(&statement, blocks, depth) {
                        includes.push(include);
                    }
                }
                End::Semicolon => self.note(&statement, blocks),
            }
        }
        self.found.files.insert(file.to_path_buf(), text);
        self.found.includes.insert(file.to_path_buf(), includes);
    }

    fn include(&mut self, statement: &Statement, blocks: &[String], depth: usize) -> Option<Include> {
        let pattern = self.prefix.join(statement.arguments().first()?);
        let span = statement.span.clone();
        if self.is_ours(&pattern) {
            return Some(Include { span, files: Vec::new(), ours: true });
        }
        self.found.dirs.extend(pattern.parent().map(Path::to_path_buf));
        let files = glob(&pattern);
        for file in &files {
            if depth < INCLUDE_DEPTH_MAX
                && let Ok(text) = std::fs::read_to_string(file)
            {
                self.take(file, text, &mut blocks.to_vec(), depth + 1);
            }
        }
        Some(Include { span, files, ours: false })
    }

    /// True for `<config_dir>/current/*.conf`, by whatever path `config_dir` is reached.
    fn is_ours(&self, pattern: &Path) -> bool {
        let same =
            |a: &Path, b: &Path| a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        pattern.file_name().is_some_and(|name| name == "*.conf")
            && pattern.parent().is_some_and(|dir| dir.file_name().is_some_and(|name| name == "current"))
            && pattern.ancestors().nth(2).is_some_and(|root| same(root, &self.places.root))
    }

    fn note(&mut self, statement: &Statement, blocks: &[String]) {
        let facts = &mut self.found.facts;
        let name = statement.name();
        match blocks.last().map(String::as_str) {
            None => {
                facts.main.insert(name.to_owned());
                if let ("error_log", Some(path)) = (name, statement.arguments().first()) {
                    facts.error_log = Some(PathBuf::from(path));
                }
            }
            Some("http") => {
                facts.http.insert(name.to_owned());
            }
            Some("server") if name == "server_name" => {
                facts.server_names.extend(statement.arguments().iter().map(|name| name.to_ascii_lowercase()));
            }
            Some("server") if name == "listen" => {
                let is_default = statement.arguments().iter().any(|word| word == "default_server" || word == "default");
                if let (true, Some(address)) = (is_default, statement.arguments().first()) {
                    facts.defaults.insert(short_address(address));
                }
            }
            Some(_) => {}
        }
    }
}

/// `*:80` and `0.0.0.0:80` are `80`.
fn short_address(address: &str) -> String {
    let address = address.strip_prefix("*:").or(address.strip_prefix("0.0.0.0:")).unwrap_or(address);
    match address {
        "*" | "0.0.0.0" => "80".to_owned(),
        "[::]" => "[::]:80".to_owned(),
        other => other.to_owned(),
    }
}

/// Files that match, in the order in which nginx takes them. Hidden files only match a pattern that names the dot.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_str().unwrap_or_default();
        if matches!(component, Component::Normal(_)) && part.contains(['*', '?', '[']) {
            paths = paths.iter().flat_map(|dir| matching_entries(dir, part)).collect();
        } else {
            paths.iter_mut().for_each(|path| path.push(component));
        }
    }
    paths.retain(|path| path.is_file());
    paths
}

fn matching_entries(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            (!name.starts_with('.') || pattern.starts_with('.')) && matches(pattern.as_bytes(), name.as_bytes())
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| dir.join(name)).collect()
}

/// `*`, `?` and `[a-z]`, as glob(7) has them.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, text) || text.split_first().is_some_and(|(_, text)| matches(pattern, text))
        }
        (Some((b'?', rest)), Some((_, text))) => matches(rest, text),
        (Some((b'[', rest)), Some((byte, text))) => match rest.iter().skip(1).position(|b| *b == b']') {
            Some(end) => in_set(&rest[..=end], *byte) && matches(&rest[end + 2..], text),
            None => *byte == b'[' && matches(rest, text),
        },
        (Some((wanted, rest)), Some((byte, text))) => wanted == byte && matches(rest, text),
        _ => false,
    }
}

fn in_set(set: &[u8], byte: u8) -> bool {
    let (negated, set) = match set.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, set),
    };
    let ranges = set.windows(3).any(|w| w[1] == b'-' && (w[0]..=w[2]).contains(&byte));
    (ranges || set.contains(&byte)) != negated
}

#[cfg(test)]
mod tests {
    use super::{HostConfig, matches};
    use crate::adapters::nginx::names::Places;
    use std::fs;

    #[test]
    fn patterns_match_as_the_shell_has_them() {
        for (pattern, text, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_others_serve_and_set_is_found_and_our_part_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("conf.d")).unwrap();
        fs::create_dir_all(at("innkeeper/gen-1")).unwrap();
        std::os::unix::fs::symlink("gen-1", at("innkeeper/current")).unwrap();
        fs::write(at("innkeeper/gen-1/shared.conf"), "server { server_name ours.example; }").unwrap();
        fs::write(
            at("conf.d/a.conf"),
            "server { listen *:80 default_server; server_name Shop.example www.shop.example; }",
        )
        .unwrap();
        fs::write(at("conf.d/b.conf"), "map $a $b { default x; }\ninclude innkeeper/current/*.conf;\n").unwrap();
        fs::write(at("nginx.conf"), "error_log /var/log/x.log;\nhttp {\n  include conf.d/*.conf;\n}\n").unwrap();

        let places = Places { root: at("innkeeper") };
        let host = HostConfig::read(&at("nginx.conf"), &places).unwrap();

        assert_eq!(host.facts.server_names.iter().collect::<Vec<_>>(), ["shop.example", "www.shop.example"]);
        assert_eq!(host.facts.defaults.iter().collect::<Vec<_>>(), ["80"]);
        assert!(host.facts.http.contains("map"));
        assert!(host.includes_ours());
        let copy = host.stage(&at("innkeeper/test.tmp"), "/x/gen-2/*.conf").unwrap();
        let text = fs::read_to_string(copy).unwrap();
        assert!(text.contains(&format!("include \"{}\";", at("conf.d/a.conf").display())), "{text}");
        let rewritten = fs::read_to_string(at("innkeeper/test.tmp/.included-1")).unwrap();
        assert!(rewritten.ends_with("include \"/x/gen-2/*.conf\";\n"), "{rewritten}");
        assert!(fs::read_to_string(at("innkeeper/test.tmp/conf.d/b.conf")).unwrap().contains("current"));
    }
}
