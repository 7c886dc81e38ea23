//! Where a rehearsal takes place: a directory with the files of a fleet, its own or copies of a given one's, and with the
//! state directory. It is removed when the rehearsal ends.

use crate::adapters::nginx::built_in_templates;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Trouble};
use crate::cli::render::text::count;
use crate::connect::TEMPLATES_DIR;
use crate::disk::{self, TempDir};
use crate::model::name::{Domain, ModuleName};
use crate::model::settings::Settings;
use crate::spec::{self, INSTANCES_DIR, NewInstance, PLANS_FILE, SETTINGS_FILE};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// In the state directory: says that the world is in the daemon's memory.
const MARK_FILE: &str = "rehearsal";
/// The customers of the rehearsal's own fleet.
const CUSTOMERS: [&str; 60] = [
    "acacia", "alder", "amber", "anchor", "apple", "aspen", "bamboo", "beacon", "birch", "breeze", "bridge", "brook",
    "canyon", "cedar", "cinder", "clover", "copper", "coral", "cypress", "delta", "ember", "falcon", "fern", "flint",
    "garnet", "ginger", "granite", "harbor", "hazel", "heron", "indigo", "island", "ivory", "jasmine", "juniper",
    "kestrel", "lagoon", "laurel", "lotus", "maple", "marble", "meadow", "mint", "nectar", "oasis", "olive", "onyx",
    "opal", "orchid", "pepper", "pine", "quartz", "raven", "river", "saffron", "sage", "summit", "tamarind", "willow",
    "zephyr",
];
/// Asks for a module that Odoo does not know: one customer who fails, for good.
const FAILING: &str = "ginger";
const UNKNOWN_MODULE: &str = "website_salle";
/// Has a domain that points to another host: one customer whose certificate has to wait.
const ELSEWHERE: &str = "kestrel";
const ELSEWHERE_DOMAIN: &str = "shop.kestrel.example";
/// Each fifth customer has a domain of its own, each fourth the larger plan.
const OWN_DOMAIN_EVERY: usize = 5;
const BUSINESS_EVERY: usize = 4;

/// The directory.
pub(super) struct Stage {
    dir: TempDir,
    /// Its customers are invented: things may happen to their files too.
    pub(super) own: bool,
}

impl Stage {
    /// Makes it: with a fleet of its own, or over the one that was named by `--fleet`.
    pub(super) fn set(cx: &Context) -> Result<Self, Failure> {
        let dir = disk::temporary_directory("innkeeper-rehearsal-");
        let dir = dir.map_err(|e| Failure::new(Trouble::Files, format!("could not make a directory: {e}")))?;
        let stage = Self { dir, own: !cx.names_fleet };
        if stage.own { stage.write_fleet() } else { stage.copy_fleet(cx) }?;
        let state_dir = stage.state_dir();
        let mark = "the world of this installation is in the memory of `innkeeper run --rehearse`\n";
        fs::create_dir(&state_dir)
            .and_then(|()| fs::write(state_dir.join(MARK_FILE), mark))
            .map_err(|e| Failure::of_file(&state_dir, "make", &e))?;
        Ok(stage)
    }

    /// `cx`, for the fleet that is played with.
    pub(super) fn context(&self, cx: &Context) -> Context {
        cx.clone().at(self.fleet_dir(), self.path(SETTINGS_FILE))
    }

    pub(super) fn greeting(&self, instances: usize) -> String {
        let fleet = self.fleet_dir().display().to_string();
        format!(
            "A rehearsal: {} on a world in memory. Try in another terminal:\n  \
             innkeeper --fleet {fleet} top\n  innkeeper --fleet {fleet} status\n  innkeeper --fleet {fleet} events -f\n  \
             innkeeper --fleet {fleet} plan\nEdit files in {fleet}/{INSTANCES_DIR} and see what happens. \
             Ctrl-C ends it and removes {}.\n",
            count(instances, "customer", "customers"),
            self.dir.path().display()
        )
    }

    /// An instance's file.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path(INSTANCES_DIR).join(format!("{name}.toml"))
    }

    fn fleet_dir(&self) -> PathBuf {
        self.dir.path().join("fleet")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.fleet_dir().join(file)
    }

    fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn write_fleet(&self) -> Result<(), Failure> {
        let mut files =
            vec![(PathBuf::from(SETTINGS_FILE), self.settings()), (PathBuf::from(PLANS_FILE), spec::example_plans())];
        let templates = built_in_templates().into_iter();
        files.extend(templates.map(|(name, text)| (Path::new(TEMPLATES_DIR).join(name), text)));
        for (nth, name) in CUSTOMERS.into_iter().enumerate() {
            files.push((Path::new(INSTANCES_DIR).join(format!("{name}.toml")), instance(nth, name)?));
        }
        for (file, text) in files {
            let file = self.fleet_dir().join(file);
            let folder = file.parent().unwrap_or(&file).to_owned();
            fs::create_dir_all(&folder)
                .and_then(|()| fs::write(&file, text))
                .map_err(|e| Failure::of_file(&file, "write", &e))?;
        }
        Ok(())
    }

    fn settings(&self) -> String {
        format!(
            "[fleet]\nbase_domain = \"rehearsal.example\"\nstate_dir = {:?}\n\
             [odoo]\ndefault_version = \"19.0\"\nimages = {{ \"18.0\" = \"odoo:18.0\", \"19.0\" = \"odoo:19.0\" }}\n\
             [postgres]\nurl = \"postgres://innkeeper@127.0.0.1:5432/postgres\"\n",
            self.state_dir()
        )
    }

    /// Copies the given fleet's files: what is edited here, by hand or by a command, changes nothing there.
    fn copy_fleet(&self, cx: &Context) -> Result<(), Failure> {
        let text =
            fs::read_to_string(&cx.settings_file).map_err(|e| Failure::of_file(&cx.settings_file, "read", &e))?;
        let text = spec::set_state_dir(&text, &self.state_dir())
            .map_err(|e| Failure::new(Trouble::Files, e.to_string()).file(&cx.settings_file))?;
        let settings = self.path(SETTINGS_FILE);
        let make = || {
            fs::create_dir(self.fleet_dir())?;
            fs::write(&settings, text)?;
            [INSTANCES_DIR, PLANS_FILE, TEMPLATES_DIR]
                .into_iter()
                .filter(|name| cx.fleet_dir.join(name).exists())
                .try_for_each(|name| copy(&cx.fleet_dir.join(name), &self.path(name)))
        };
        make().map_err(|e| Failure::of_file(&self.fleet_dir(), "make", &e))
    }
}

/// Copies a file, or a directory with all that is in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// True when the installation is a rehearsal: then only its daemon can look at the world.
pub(crate) fn is_rehearsal(settings: &Settings) -> bool {
    settings.fleet.state_dir.join(MARK_FILE).exists()
}

/// The module that no image has.
pub(super) fn unknown_module() -> Option<ModuleName> {
    ModuleName::parse(UNKNOWN_MODULE).ok()
}

/// The domain that points to another host.
pub(super) fn elsewhere() -> Option<Domain> {
    Domain::parse(ELSEWHERE_DOMAIN).ok()
}

/// Some file for a customer, each a little different.
fn instance(nth: usize, name: &str) -> Result<String, Failure> {
    let company = format!("{}{} Ltd", name[..1].to_uppercase(), &name[1..]);
    let own_domain = format!("erp.{name}.example");
    let admin_email = format!("admin@{name}.example");
    let mut new = NewInstance {
        name,
        plan: if nth.is_multiple_of(BUSINESS_EVERY) { "business" } else { "starter" },
        company: &company,
        admin_email: &admin_email,
        ..NewInstance::default()
    };
    if nth.is_multiple_of(OWN_DOMAIN_EVERY) {
        new.domains.push(&own_domain);
    }
    match name {
        FAILING => new.modules.push(UNKNOWN_MODULE),
        ELSEWHERE => new.domains.push(ELSEWHERE_DOMAIN),
        _ => {}
    }
    spec::render_instance(&new).map_err(|problems| Failure::of_problems(problems, "a file of the rehearsal is wrong"))
}
