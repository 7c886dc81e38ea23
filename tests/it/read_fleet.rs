//! The reader over a whole fleet. Here: the fleet that tests write, and what one good file becomes.

mod caching;
mod conf;
mod odd_files;
mod properties;
mod rules;
mod settling;
mod texts;

use innkeeper::model::name::{Domain, InstanceName};
use innkeeper::model::wanted::{Wanted, WantedState};
use innkeeper::spec::{Availability, Fleet, FleetInstance, Reader};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        // Renaming over a file makes ext4 write it out at once, which these tests need not wait for.
        let _ = std::fs::remove_file(self.path(file));
        std::fs::rename(&new, self.path(file)).expect("the file is renamed");
    }

    pub(crate) fn put_instance(&self, name: &str, text: &str) {
        self.put(&format!("instances.d/{name}.toml"), text);
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

/// All that is asked for and all that is told, of `files` in `instances.d` given as name and text.
fn read(files: &[(&str, &str)]) -> Fleet {
    let place = Place::new();
    files.iter().for_each(|(name, text)| place.put_instance(name, text));
    place.reader().read().expect("settings and plans are good")
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

#[test]
fn free_text_is_carried_byte_for_byte() {
    let company = r#"Åß "Quoted" & Söns; DROP TABLE x; {{7*7}} $(id) <b>'; -- ../ %s 株式会社 🦀"#;
    let text = format!("plan = \"starter\"\n[company]\nname = {company:?}\n[admin]\nemail = \"{{7*7}}'x@a.example\"\n");
    let fleet = read(&[("acme", &text)]);
    assert_eq!(told(&fleet), "");
    assert_eq!(wanted(&fleet, "acme").company.name, company);
    assert_eq!(wanted(&fleet, "acme").admin_email.as_str(), "{7*7}'x@a.example");
}

#[test]
fn everything_that_the_design_shows_can_be_written() {
    let text = r#"
plan = "starter"
state = "stopped"
subdomain = "my-company"
domains = ["erp.mycompany.com", "xn--bcher-kva.example"]
odoo = "17.0"
modules = ["website"]
protected = true
suspended = true
[customer]
name = "John Doe"
email = "john@mycompany.com"
[company]
name = "My Company Ltd"
country = "XK"
language = "sr@latin"
timezone = "Asia/Ho_Chi_Minh"
[admin]
email = "admin@mycompany.com"
[limits]
cpus = 0.1
memory = "2 GiB"
disk = "10 GiB"
workers = 0
[site]
template = "dedicated"
"#;
    let fleet = read(&[("mycompany", text)]);
    assert_eq!(told(&fleet), "");
    let wanted = wanted(&fleet, "mycompany");
    assert_eq!((wanted.host.as_str(), wanted.image.as_str()), ("my-company.example.com", "odoo:17.0"));
    assert_eq!((wanted.state, wanted.protected, wanted.suspended), (WantedState::Stopped, true, true));
    assert_eq!((wanted.limits.cpu_millis, wanted.limits.disk.0, wanted.limits.workers), (100, 10 << 30, 0));
    assert_eq!(wanted.customer.as_ref().map(|customer| customer.name.as_str()), Some("John Doe"));
    assert_eq!(wanted.template.as_ref().map(|template| template.as_str()), Some("dedicated"));
}

#[test]
fn a_subdomain_is_free_reserved_taken_or_malformed() {
    let fleet = read(&[("acme", &instance_text("")), ("shop", &instance_text("subdomain = \"store\""))]);
    assert_eq!(fleet.availability("acme"), Availability::Taken(name("acme")));
    assert_eq!(fleet.availability("store"), Availability::Taken(name("shop")));
    assert_eq!(fleet.availability("shop"), Availability::Available);
    assert_eq!(fleet.availability("www"), Availability::Reserved);
    assert_eq!(fleet.availability("intranet"), Availability::Reserved);
    assert!(matches!(fleet.availability("Shop!"), Availability::Malformed(why) if why.contains("Shop!")));
}

#[test]
fn a_subdomain_that_is_kept_for_whoever_has_no_file_is_taken() {
    let place = Place::new();
    place.put_instance("gone", &instance_text("subdomain = \"store\""));
    let mut reader = place.reader();
    reader.read().expect("a fleet");
    std::fs::remove_file(place.path("instances.d/gone.toml")).expect("removed");
    let host = Domain::parse("old.example.com").expect("a domain");
    reader.reserve(BTreeMap::from([(name("retired"), BTreeSet::from([host]))]));
    let fleet = reader.read().expect("a fleet");
    assert_eq!(fleet.availability("store"), Availability::Taken(name("gone")));
    assert_eq!(fleet.availability("old"), Availability::Taken(name("retired")));
    assert_eq!(fleet.availability("new"), Availability::Available);
}

#[test]
fn the_worked_example_has_three_customers_on_two_plans() {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    place.put("plans.toml", std::fs::read(root.join("plans.toml")).expect("plans.toml"));
    for entry in std::fs::read_dir(root.join("instances.d")).expect("instances.d") {
        let path = entry.expect("an entry").path();
        let file = format!("instances.d/{}", path.file_name().expect("a name").to_string_lossy());
        place.put(&file, std::fs::read(&path).expect("an instance file"));
    }
    let fleet = place.reader().read().expect("the example is good");
    assert_eq!(told(&fleet), "");
    let plans: std::collections::BTreeSet<_> =
        fleet.instances.values().flat_map(|found| &found.wanted).map(|wanted| &wanted.plan).collect();
    assert_eq!((fleet.instances.len(), plans.len()), (3, 2));
}
