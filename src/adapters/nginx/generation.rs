//! A generation on disk: written whole beside the others, then named by one atomic rename of `current`.
//!
//! nginx on disk always holds a configuration that loads: `current` is only ever pointed at what was tested.

use super::names::{
    CONF_ENDING, GENERATIONS_KEPT, MANIFEST_FILE, PAGES_DIR, Places, TEMPLATES_DIR, generation_name, generation_number,
    is_unfinished,
};
use super::render::Environment;
use super::template::{TemplateSet, sha256};
use crate::disk::{self, remove_tree, sync_directory, write_new};
use crate::model::name::InstanceName;
use crate::model::secret::digest;
use crate::model::site::SiteRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// nginx's workers are not root: they must be able to read the pages.
const DIR_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// What a generation was made from and what it consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of this document.
    pub(super) innkeeper: u32,
    /// Whose generation it is.
    pub(super) installation: String,
    /// `gen-12`
    pub(super) generation: String,
    /// Digest of all that went in; nginx tells it back.
    pub(super) stamp: String,
    /// Digest of the templates.
    pub(super) templates: String,
    /// The templates are the shipped ones.
    pub(super) built_in: bool,
    /// What went in besides rows and templates.
    pub(super) environment: Environment,
    /// SHA-256 of each file.
    pub(super) files: BTreeMap<String, String>,
    /// Sites whose own file is that of an earlier generation, because the new one was refused.
    pub(super) held: BTreeMap<InstanceName, Held>,
    /// The rows.
    pub(super) rows: BTreeMap<InstanceName, SiteRow>,
}

/// A site whose own file is kept as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Digest of what was refused: the same is not tried again.
    pub(super) input: String,
    /// Why it was refused.
    pub(super) why: String,
    /// SHA-256 of the text that is kept.
    pub(super) kept: String,
}

impl Manifest {
    /// The version of this document.
    pub(super) const VERSION: u32 = 1;

    /// What a running nginx answers when it has loaded this generation.
    pub(super) fn told(&self) -> String {
        format!("{} {}", self.generation, self.stamp)
    }

    /// The digest of everything that decides what the files say.
    pub(super) fn stamp(
        environment: &Environment,
        templates: &str,
        rows: &BTreeMap<InstanceName, SiteRow>,
        held: &BTreeMap<InstanceName, Held>,
    ) -> String {
        digest(&(environment, templates, rows, held))
    }
}

/// A generation as read from disk.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    /// Its directory.
    pub(super) dir: PathBuf,
    /// Its rows and files.
    pub(super) manifest: Manifest,
}

/// What a generation will consist of.
pub(super) struct Draft<'d> {
    /// The list; its `files` are filled in here.
    pub(super) manifest: Manifest,
    /// nginx's files, without header lines.
    pub(super) files: BTreeMap<String, String>,
    /// The pages by file name.
    pub(super) pages: BTreeMap<String, String>,
    /// What they were rendered from.
    pub(super) templates: &'d TemplateSet,
}

impl Generation {
    /// Reads the generation in `dir`.
    ///
    /// # Errors
    /// Its manifest cannot be read or is not one.
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        let text = fs::read(dir.join(MANIFEST_FILE))?;
        let manifest: Manifest = serde_json::from_slice(&text)?;
        if manifest.innkeeper != Manifest::VERSION {
            return Err(io::Error::other(format!("version {} of rows.json is not known", manifest.innkeeper)));
        }
        Ok(Self { dir: dir.to_path_buf(), manifest })
    }

    /// Writes a generation under its final name, all of it on disk when this returns. Gives the texts back.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn write(
        places: &Places,
        number: u64,
        mut draft: Draft<'_>,
    ) -> io::Result<(Self, BTreeMap<String, String>)> {
        let unfinished = places.unfinished(number);
        remove_tree(&unfinished)?;
        let templates = unfinished.join(TEMPLATES_DIR);
        let dirs = [templates.join(PAGES_DIR), templates, unfinished.join(PAGES_DIR), unfinished.clone()];
        for dir in dirs.iter().rev() {
            disk::make_directory(dir, DIR_MODE)?;
        }
        let header = header(&draft.manifest.installation, number);
        draft.manifest.generation = generation_name(number);
        for (name, text) in &draft.files {
            let text = format!("{header}{text}");
            draft.manifest.files.insert(name.clone(), sha256(&text));
            write_new(&unfinished.join(name), text.as_bytes(), FILE_MODE)?;
        }
        for (name, text) in &draft.pages {
            draft.manifest.files.insert(format!("{PAGES_DIR}/{name}"), sha256(text));
            write_new(&unfinished.join(PAGES_DIR).join(name), text.as_bytes(), FILE_MODE)?;
        }
        for (path, text) in &draft.templates.files {
            write_new(&unfinished.join(TEMPLATES_DIR).join(path), text.as_bytes(), FILE_MODE)?;
        }
        write_new(&unfinished.join(MANIFEST_FILE), &serde_json::to_vec(&draft.manifest)?, FILE_MODE)?;
        // A file that is on the disk is found again after a power cut only when its directory is there too.
        for dir in &dirs {
            sync_directory(dir)?;
        }
        let dir = places.generation(number);
        remove_tree(&dir)?;
        disk::rename(&unfinished, &dir)?;
        Ok((Self { dir, manifest: draft.manifest }, draft.files))
    }

    /// The templates that it was rendered from.
    ///
    /// # Errors
    /// They are gone or no longer as they were.
    pub(super) fn templates(&self) -> io::Result<TemplateSet> {
        let set = TemplateSet::read(&self.dir.join(TEMPLATES_DIR))?.unwrap_or_default();
        if set.digest() != self.manifest.templates {
            return Err(io::Error::other("the kept templates are no longer as they were"));
        }
        Ok(set)
    }

    /// The first line of each of its files.
    pub(super) fn header(&self) -> Option<String> {
        Some(header(&self.manifest.installation, generation_number(&self.manifest.generation)?))
    }

    /// The text of one of its files without the header line; none when it is gone.
    pub(super) fn text(&self, file: &str) -> Option<String> {
        let text = fs::read_to_string(self.dir.join(file)).ok()?;
        Some(text.strip_prefix(&self.header()?).unwrap_or(&text).to_owned())
    }

    /// Files that are not as rendered: changed, gone, or added for nginx to read.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub(super) fn differing(&self) -> io::Result<BTreeSet<String>> {
        let is_same =
            |name: &str, sum: &String| fs::read_to_string(self.dir.join(name)).is_ok_and(|text| sha256(&text) == *sum);
        let files = &self.manifest.files;
        let mut differing: BTreeSet<String> =
            files.iter().filter(|(name, sum)| !is_same(name, sum)).map(|(name, _)| name.clone()).collect();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(CONF_ENDING) && !name.starts_with('.') && !files.contains_key(&name) {
                differing.insert(name);
            }
        }
        Ok(differing)
    }
}

/// The first line of each file: whose it is.
fn header(installation: &str, number: u64) -> String {
    format!("# innkeeper: installation={installation} generation={}\n", generation_name(number))
}

/// The newest generation that can be read, below `current`: where rows are taken from when the current list is damaged.
pub(super) fn newest_readable(places: &Places) -> Option<Generation> {
    let numbers = numbers(places).ok()?;
    numbers.into_iter().rev().find_map(|number| Generation::read(&places.generation(number)).ok())
}
/// Whose the generations are, also those of a version that writes other manifests than this one.
pub(super) fn installation(places: &Places) -> Option<String> {
    #[derive(Deserialize)]
    struct Owned {
        installation: String,
    }
    let owner = |number| {
        let text = fs::read(places.generation(number).join(MANIFEST_FILE)).ok()?;
        serde_json::from_slice::<Owned>(&text).ok()
    };
    numbers(places).ok()?.into_iter().rev().find_map(owner).map(|owned| owned.installation)
}

/// Points `current` at a generation, atomically; none takes the link away.
///
/// # Errors
/// The directory cannot be written.
pub(super) fn point_current_at(places: &Places, generation: Option<&str>) -> io::Result<()> {
    let Some(generation) = generation else {
        fs::remove_file(places.current())?;
        return sync_directory(&places.root);
    };
    let link = places.root.join("current.tmp");
    disk::remove_file(&link)?;
    std::os::unix::fs::symlink(generation, &link)?;
    disk::rename(&link, &places.current())
}

/// The number for the next generation: above all that lie there and above the one that nginx has loaded.
///
/// # Errors
/// The directory cannot be listed.
pub(super) fn next_number(places: &Places, loaded: Option<u64>) -> io::Result<u64> {
    Ok(numbers(places)?.into_iter().chain(loaded).max().unwrap_or(0) + 1)
}

/// Removes what a crash left unfinished, and all but the newest generations up to the current one, which is the first
/// of `keep`; never one of `keep`. A generation above the current one was never switched to. With nothing to keep all
/// generations stay: the link was taken away by hand, and their rows are still good.
///
/// # Errors
/// The directory cannot be written.
pub(super) fn prune(places: &Places, keep: &[&str]) -> io::Result<()> {
    if !places.root.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&places.root)? {
        let path = entry?.path();
        if is_unfinished(&path) {
            if path.is_dir() && !path.is_symlink() { remove_tree(&path)? } else { fs::remove_file(&path)? }
        }
    }
    let kept: Vec<u64> = keep.iter().filter_map(|name| generation_number(name)).collect();
    let Some(current) = kept.first() else { return Ok(()) };
    let numbers = numbers(places)?;
    let newest: Vec<u64> = numbers.range(..=current).rev().take(GENERATIONS_KEPT).copied().collect();
    for number in numbers.iter().filter(|number| !newest.contains(number) && !kept.contains(number)) {
        remove_tree(&places.generation(*number))?;
    }
    Ok(())
}

/// Makes the configuration directory where it is missing.
///
/// # Errors
/// It cannot be made.
pub(super) fn make_root(places: &Places) -> io::Result<()> {
    disk::make_directory(&places.root, DIR_MODE)
}

fn numbers(places: &Places) -> io::Result<BTreeSet<u64>> {
    match fs::read_dir(&places.root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        entries => {
            let names = entries?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            Ok(names.filter_map(|name| generation_number(&name)).collect())
        }
    }
}
