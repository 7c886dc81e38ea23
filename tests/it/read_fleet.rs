//! The reader over a whole fleet: what is cached, what stays in force, who waits for whom.

use innkeeper::model::name::InstanceName;
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::{Wanted, WantedState};
use innkeeper::spec::{Availability, FILE_BYTES_MAX, Fleet, FleetInstance, Reader, Remembered};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) const SETTINGS: &str = r#"
[fleet]
base_domain = "example.com"
reserved_subdomains = ["intranet"]
[odoo]
default_version = "19.0"
images = { "17.0" = "odoo:17.0", "19.0" = "odoo:19.0" }
[postgres]
url = "postgres://innkeeper@127.0.0.1:5432/postgres"
"#;

pub(crate) const PLANS: &str = r#"
[starter]
modules = ["crm"]
cpus = 1.0
memory = "1 GiB"
disk = "5 GiB"
[small]
cpus = 0.5
memory = "512 MiB"
disk = "1 GiB"
max_instances = 2
"#;

/// A fleet's directory that is removed afterwards.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Settings, plans and an empty `instances.d`.
    pub(crate) fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().expect("a directory for the fleet") };
        std::fs::create_dir(place.path("instances.d")).expect("instances.d");
        place.put("innkeeper.toml", SETTINGS);
        place.put("plans.toml", PLANS);
        place
    }

    pub(crate) fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Puts a file there as an atomic writer does; a new version is a new inode.
    pub(crate) fn put(&self, file: &str, text: impl AsRef<[u8]>) {
        let new = self.path(".new");
        std::fs::write(&new, text).expect("the file is written");
        std::fs::rename(&new, self.path(file)).expect("the file is renamed");
    }

    pub(crate) fn put_instance(&self, name: &str, text: &str) {
        self.put(&format!("instances.d/{name}.toml"), text);
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).expect("the file is removed");
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.path(""), self.path("innkeeper.toml"))
    }
}

/// An instance file that is right, with `more` above its tables.
pub(crate) fn instance_text(more: &str) -> String {
    let plan = if more.contains("plan =") { "" } else { "plan = \"starter\"\n" };
    format!("{plan}{more}\n[company]\nname = \"My Company Ltd\"\n[admin]\nemail = \"admin@mycompany.com\"\n")
}

fn name(text: &str) -> InstanceName {
    InstanceName::parse(text).expect("a valid name")
}

fn of<'a>(fleet: &'a Fleet, instance: &str) -> &'a FleetInstance {
    &fleet.instances[&name(instance)]
}

fn wanted<'a>(fleet: &'a Fleet, instance: &str) -> &'a Arc<Wanted> {
    of(fleet, instance).wanted.as_ref().expect("a good version")
}

/// All problems as the operator sees them.
fn told(fleet: &Fleet) -> String {
    fleet.problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn defaults_come_from_plan_and_settings() {
    let place = Place::new();
    place.put_instance("acme", &instance_text("modules = [\"website\"]\n[limits]\nmemory = \"2 GiB\"\n"));
    let fleet = place.reader().read().expect("a fleet");
    let acme = wanted(&fleet, "acme");
    assert!(fleet.complete && of(&fleet, "acme").valid, "{}", told(&fleet));
    assert_eq!(acme.host.as_str(), "acme.example.com");
    assert_eq!(acme.image, "odoo:19.0");
    assert_eq!(acme.modules.iter().map(|module| module.as_str()).collect::<Vec<_>>(), ["crm", "website"]);
    assert_eq!((acme.limits.cpu_millis, acme.limits.memory.0, acme.limits.workers), (1000, 2 << 30, 2));
    assert_eq!(acme.backup.schedule, "0 2 * * *");
    assert_eq!((acme.company.language.as_str(), acme.company.timezone.as_str()), ("en_US", "UTC"));
    assert_eq!(acme.state, WantedState::Running);
}
