//! Checking a file as if it stood in the fleet, without putting it there: the reader reads a directory made of links to
//! the fleet's own files and of the one in question.

use super::context::Context;
use super::failure::{Failure, Trouble};
use super::{fleet, templates};
use crate::disk::{self, TempDir};
use crate::model::problem::Problem;
use crate::spec::{INSTANCES_DIR, PLANS_FILE, Reader};
use std::os::unix::fs::symlink;
use std::path::Path;

/// The problems that `file`, which stands outside of the fleet, would bring into it.
pub(crate) fn problems(cx: &Context, present: &[Problem], file: &Path) -> Result<Vec<Problem>, Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read(file).map_err(|e| Failure::of_file(file, "read", &e))?;
    let found = problems_of_text(cx, present, &name, &text)?;
    let place = Path::new(INSTANCES_DIR).join(&name);
    // Told under the path that was asked about.
    Ok(found
        .into_iter()
        .map(|problem| if problem.file == place { Problem { file: file.to_owned(), ..problem } } else { problem })
        .collect())
}

/// The problems that a file of this name and text would bring into the fleet: its own, and those of other files that
/// were not there before (a domain that both want).
pub(crate) fn problems_of_text(
    cx: &Context,
    present: &[Problem],
    file_name: &str,
    text: &[u8],
) -> Result<Vec<Problem>, Failure> {
    let trial = trial(cx, file_name, text).map_err(|e| {
        Failure::new(Trouble::Files, format!("could not make a directory to check {file_name} in: {e}"))
    })?;
    let mut reader = Reader::new(trial.path().to_owned(), absolute(&cx.settings_file));
    if let Ok(settings) = reader.read_settings() {
        fleet::remember(cx, &settings, &mut reader);
    }
    let (mut problems, fleet) = match reader.read_now() {
        Ok(fleet) => (fleet.problems.clone(), Some(fleet)),
        Err(error) => (error.problems, error.rest.map(|rest| *rest)),
    };
    problems.extend(fleet.iter().flat_map(|fleet| templates::missing(cx, trial.path(), fleet).into_values()));
    Ok(problems.into_iter().filter(|problem| !present.contains(problem)).collect())
}

fn trial(cx: &Context, file_name: &str, text: &[u8]) -> std::io::Result<TempDir> {
    let trial = disk::temporary_directory("innkeeper-trial-")?;
    let folder = trial.path().join(INSTANCES_DIR);
    std::fs::create_dir(&folder)?;
    symlink(absolute(&cx.fleet_dir.join(PLANS_FILE)), trial.path().join(PLANS_FILE))?;
    match std::fs::read_dir(cx.fleet_dir.join(INSTANCES_DIR)) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                if entry.file_name() != file_name {
                    symlink(absolute(&entry.path()), folder.join(entry.file_name()))?;
                }
            }
        }
        // The first instance of a fleet: the directory is made with it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::write(folder.join(file_name), text)?;
    Ok(trial)
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
