//! The programs that Odoo calls, free of Odoo's own limit of memory.
//!
//! `limit_memory_hard` is a limit on address space (`RLIMIT_AS`), and every program that a worker calls inherits it. The
//! engine of wkhtmltopdf alone reserves 1 GiB of addresses at its start, of which it uses a few MiB (1,380 MiB of addresses
//! and 66 MiB of memory for one page, measured): below that it ends with signal 11, and nothing is printed. So each of these
//! programs is called through a script that lifts the limit. The container's own limit holds for them all the same.

use super::config_file::failure;
use super::hardening::CONFIG_TARGET;
use crate::disk::{self, WriteOptions};
use crate::edges::EdgeError;
use crate::model::service::SERVICE_START;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Below the configuration directory: a directory for each program, so that only those that an image has are put in front.
const DIRECTORY: &str = "programs";
/// What prints, and what turns styles around for languages that are read from the right (an engine of JavaScript as well).
const PROGRAMS: [&str; 3] = ["wkhtmltopdf", "wkhtmltoimage", "rtlcss"];
/// Odoo sets the soft limit alone, in every release from 14 to 19 (`set_limit_memory_hard` in `odoo/service/server.py`).
const SCRIPT: &str = r#"#!/bin/sh
ulimit -S -v unlimited
PATH=$IMAGE_PATH
exec "${0##*/}" "$@"
"#;
/// Anybody in the container may read and run them; only root on the host can write them, or gets this far.
const MODE: u32 = 0o755;

/// Odoo's command, word by word.
pub(super) fn odoo(arguments: &[&str]) -> Vec<String> {
    let directory = format!("{CONFIG_TARGET}/{DIRECTORY}");
    let start = ["/bin/sh", "-c", SERVICE_START, &directory];
    start.iter().chain(arguments).map(|word| (*word).to_owned()).collect()
}

/// Writes the scripts below an instance's configuration directory, over those of an earlier version.
pub(super) fn ensure(directory: &Path) -> Result<(), EdgeError> {
    let directory = directory.join(DIRECTORY);
    let write = |program: &str| {
        let own = directory.join(program);
        disk::ensure_directory(&own, MODE)?;
        let script = own.join(program);
        if stands(&script) { Ok(()) } else { disk::replace(&script, SCRIPT.as_bytes(), WriteOptions::mode(MODE)) }
    };
    let written = disk::ensure_directory(&directory, MODE).and_then(|()| PROGRAMS.into_iter().try_for_each(write));
    written.map_err(|error| failure(format!("could not write below {}", directory.display()), error))
}

/// True when the script is as it should be.
fn stands(script: &Path) -> bool {
    let read = disk::read_limited(script, SCRIPT.len() as u64);
    read.is_ok_and(|read| read.bytes == SCRIPT.as_bytes() && read.metadata.mode() & 0o7777 == MODE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    /// An Odoo in its place, which sets its own limit and calls what it is told; it prints what that said.
    fn called(program: &str, image_has: &[&str]) -> String {
        let home = tempfile::tempdir().unwrap();
        let image = home.path().join("bin");
        fs::create_dir(&image).unwrap();
        let put = |name: &str, text: &str| {
            fs::write(image.join(name), text).unwrap();
            fs::set_permissions(image.join(name), Permissions::from_mode(MODE)).unwrap();
        };
        put("odoo", "#!/bin/sh\nulimit -S -v 700000\nulimit -v\n\"$@\" 2>&1\n");
        image_has.iter().for_each(|name| put(name, "#!/bin/sh\necho \"${0##*/} $1 with $(ulimit -v)\"\n"));
        ensure(home.path()).unwrap();
        let directory = home.path().join(DIRECTORY);
        let path = format!("{}:/usr/bin:/bin", image.display());
        let command = ["-c", SERVICE_START, directory.to_str().unwrap(), program, "page.html"];
        let output = Command::new("/bin/sh").args(command).env("PATH", path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_program_of_the_image_is_called_without_odoo_s_limit() {
        for program in PROGRAMS {
            assert_eq!(called(program, &PROGRAMS), format!("700000\n{program} page.html with unlimited\n"));
        }
    }

    #[test]
    fn scripts_of_an_earlier_version_are_replaced_and_those_of_this_one_stay() {
        let home = tempfile::tempdir().unwrap();
        let script = home.path().join(DIRECTORY).join("rtlcss/rtlcss");
        ensure(home.path()).unwrap();
        let running = fs::metadata(&script).unwrap().ino();
        ensure(home.path()).unwrap();
        assert_eq!(fs::metadata(&script).unwrap().ino(), running, "one that is as it should be may be running");
        fs::write(&script, "an earlier one").unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o600)).unwrap();
        ensure(home.path()).unwrap();
        assert!(stands(&script));
    }

    #[test]
    fn a_program_that_the_image_lacks_is_missing_as_before() {
        let told = called("rtlcss", &["wkhtmltopdf"]);
        assert!(told.starts_with("700000\n") && told.contains("not found"), "{told}");
    }
}
