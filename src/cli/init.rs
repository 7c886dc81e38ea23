//! `init`: a commented fleet to begin with.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::files;
use super::render::text::count;
use crate::adapters::nginx::built_in_templates;
use crate::connect::TEMPLATES_DIR;
use crate::model::status::SCHEMA;
use crate::spec::{self, INSTANCES_DIR, SETTINGS_FILE};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Which files git passes over.
const GITIGNORE: &str = ".gitignore";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to; without it, the fleet's directory
    dir: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    directory: &'a Path,
    files: Vec<&'a Path>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let dir = args.dir.as_deref().unwrap_or(&cx.fleet_dir);
    let mut files = contents();
    let ignored = own_gitignore(dir, &mut files);
    // All or nothing: a fleet of which half is somebody else's would only look like one.
    let in_the_way: Vec<String> = files
        .iter()
        .filter(|(file, _)| dir.join(file).symlink_metadata().is_ok())
        .map(|(file, _)| shown(dir, file).display().to_string())
        .collect();
    if !in_the_way.is_empty() {
        let message = match in_the_way.as_slice() {
            [one] => format!("nothing was written: {one} exists already"),
            many => {
                let files: String = many.iter().map(|file| format!("\n  {file}")).collect();
                format!("nothing was written, because these exist already:{files}")
            }
        };
        return Err(Failure::new(Trouble::Exists, message)
            .hint("choose an empty directory (innkeeper init DIR) and take from it what you lack"));
    }
    for (file, text) in &files {
        let file = dir.join(file);
        let folder = file.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder).map_err(|e| Failure::of_file(folder, "make", &e))?;
        files::create(&file, text)?;
    }
    answer(cx, dir, &files)?;
    if !ignored.is_empty() && !cx.json {
        let lines: String = ignored.iter().map(|line| format!("\n  {line}")).collect();
        cx.notice(&format!("\nYour {GITIGNORE} stays as it is. Add to it, so that no secret gets into git:{lines}"));
    }
    Ok(Exit::Done)
}

/// A repository that was made elsewhere brings its own `.gitignore`, which stays. Returns the lines that it lacks.
fn own_gitignore(dir: &Path, files: &mut Vec<(PathBuf, String)>) -> Vec<String> {
    let Ok(own) = super::files::text_of(&dir.join(GITIGNORE)) else { return Vec::new() };
    let Some(place) = files.iter().position(|(file, _)| file == Path::new(GITIGNORE)) else { return Vec::new() };
    let (_, ours) = files.remove(place);
    let has = |line: &str| own.lines().any(|of_own| of_own.trim() == line);
    let rules = ours.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rules.filter(|line| !has(line)).map(str::to_owned).collect()
}

/// Every file of a new fleet.
fn contents() -> Vec<(PathBuf, String)> {
    let templates = built_in_templates().into_iter();
    let templates = templates.map(|(name, text)| (Path::new(TEMPLATES_DIR).join(name), text));
    // As a file of an instance the example would become a real one.
    let aside = |file: PathBuf| match file.parent() == Some(Path::new(INSTANCES_DIR)) {
        true => PathBuf::from(format!("{}.example", file.display())),
        false => file,
    };
    let files = spec::example_files().into_iter().map(|(file, text)| (aside(file), text));
    files.chain(templates).collect()
}

/// A path as people would type it: in the present directory nothing stands in front.
fn shown(dir: &Path, file: &Path) -> PathBuf {
    if dir == Path::new(".") { file.to_owned() } else { dir.join(file) }
}

fn answer(cx: &Context, dir: &Path, files: &[(PathBuf, String)]) -> Result<Exit, Failure> {
    if cx.json {
        cx.document(&Document {
            schema: SCHEMA,
            directory: dir,
            files: files.iter().map(|(file, _)| file.as_path()).collect(),
        })?;
        return Ok(Exit::Done);
    }
    cx.say(&files.iter().map(|(file, _)| format!("{}\n", shown(dir, file).display())).collect::<String>())?;
    let flag = if dir == Path::new(".") { String::new() } else { format!("--fleet {} ", dir.display()) };
    let settings = shown(dir, Path::new(SETTINGS_FILE));
    cx.notice(&format!(
        "\n{} written. To see it at work first, on a world in memory that needs no Docker, no PostgreSQL and no nginx:\n     \
         innkeeper {flag}run --rehearse     and it says how to look at it\n\
         For real:\n  \
         1. set `base_domain`, `[postgres]` and `[acme]` in {}\n  \
         2. innkeeper {flag}doctor     says what this host still lacks, with the command for it\n  \
         3. innkeeper {flag}new NAME --plan starter --company \"…\" --admin-email …\n  \
         4. innkeeper {flag}plan     shows what would be done\n  \
         5. innkeeper {flag}run     does it and keeps it so; see it in another terminal: innkeeper {flag}top",
        count(files.len(), "file", "files"),
        settings.display(),
    ));
    Ok(Exit::Done)
}
