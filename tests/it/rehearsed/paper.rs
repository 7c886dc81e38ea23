//! A fleet's real files, and what happens to files: they are edited, truncated, swapped, renamed, lost, and checked out
//! half way.

use super::clock;
use crate::read_fleet::{PLANS, SETTINGS};
use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Whoever may have a file. None is part of another one, so that a name is found in whatever text it stands in.
pub(crate) const NAMES: [&str; 6] = ["acme", "beta", "citrus", "delta", "echo", "fox"];
const INSTANCES: &str = "instances.d";
/// Where the instances' directory is while it is unmounted, or another one is in its place.
const ASIDE: &str = "instances.aside";

/// What a file asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) plan: &'static str,
    pub(crate) state: &'static str,
    pub(crate) subdomain: Option<&'static str>,
    pub(crate) domains: Vec<String>,
    pub(crate) modules: Vec<&'static str>,
    /// None: the plan's.
    pub(crate) limits: Option<(u32, u32)>,
    pub(crate) company: &'static str,
    pub(crate) suspended: bool,
    pub(crate) odoo: String,
}

impl Wish {
    /// What everybody can have at once.
    pub(crate) fn modest() -> Self {
        Self {
            plan: "starter",
            state: "running",
            subdomain: None,
            domains: Vec::new(),
            modules: Vec::new(),
            limits: None,
            company: "Acme Ltd",
            suspended: false,
            odoo: "19.0".to_owned(),
        }
    }

    /// Anything that an operator may write, what two cannot have at once among it.
    pub(crate) fn any(name: &str, rng: &mut fastrand::Rng) -> Self {
        let some = |rng: &mut fastrand::Rng, one_in: u32| rng.u32(0..one_in) == 0;
        let mut wish = Self::modest();
        wish.plan = if some(rng, 6) { "small" } else { "starter" };
        wish.state = pick(rng, &["running", "running", "running", "running", "running", "stopped", "absent"]);
        wish.subdomain = some(rng, 8).then(|| pick(rng, &["shared", "acme", "beta"]));
        if some(rng, 3) {
            wish.domains.push(format!("erp.{name}.org"));
        }
        if some(rng, 8) {
            wish.domains.push("shop.example.org".to_owned());
        }
        wish.modules = ["website", "stock", "sale_management"].into_iter().filter(|_| some(rng, 4)).collect();
        wish.limits = rng.bool().then(|| (rng.u32(1..=2), pick(rng, &[0, 2, 4])));
        wish.company = pick(rng, &["Acme Ltd", "Acme & Sons", "Công ty"]);
        wish.suspended = some(rng, 20);
        wish.odoo = (pick(rng, &["19.0", "19.0", "19.0", "19.0", "19.0", "17.0"])).to_owned();
        wish
    }

    pub(crate) fn text(&self) -> String {
        let subdomain = self.subdomain.map(|it| format!("subdomain = {it:?}\n")).unwrap_or_default();
        let Self { plan, state, domains, modules, company, suspended, odoo, .. } = self;
        let limits =
            |(memory, workers): (u32, u32)| format!("[limits]\nmemory = \"{memory} GiB\"\nworkers = {workers}\n");
        let limits = self.limits.map(limits).unwrap_or_default();
        format!(
            "plan = {plan:?}\nstate = {state:?}\n{subdomain}domains = {domains:?}\nmodules = {modules:?}\n\
             odoo = {odoo:?}\nsuspended = {suspended}\n[company]\nname = {company:?}\n\
             [admin]\nemail = \"admin@mycompany.com\"\n{limits}"
        )
    }
}

/// The fleet's directory.
pub(crate) struct Paper {
    root: PathBuf,
}

impl Paper {
    /// Settings that keep their state in `state_dir`, plans, and no instance.
    pub(crate) fn new(root: PathBuf, state_dir: &Path) -> Self {
        fs::create_dir_all(root.join(INSTANCES)).unwrap();
        let paper = Self { root };
        paper.put("innkeeper.toml", &SETTINGS.replace("[fleet]", &format!("[fleet]\nstate_dir = {state_dir:?}")));
        paper.put("plans.toml", PLANS);
        paper
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Names that have a file now.
    pub(crate) fn present(&self) -> Vec<&'static str> {
        NAMES.into_iter().filter(|name| self.of(name).exists()).collect()
    }

    /// Writes beside and renames, as careful editors do.
    pub(crate) fn put(&self, file: &str, text: &str) {
        let beside = self.root.join(".beside");
        write(&beside, text.as_bytes());
        fs::rename(beside, self.root.join(file)).unwrap();
    }

    pub(crate) fn put_instance(&self, name: &str, wish: &Wish) {
        if self.root.join(INSTANCES).is_dir() {
            self.put(&format!("{INSTANCES}/{name}.toml"), &wish.text());
        }
    }

    /// Everything as it is in order: the directory in its place, plans that can be read.
    pub(crate) fn tidy(&self) {
        self.show();
        self.put("plans.toml", PLANS);
    }

    /// Does one thing to the files, at random, and says what.
    pub(crate) fn trick(&self, rng: &mut fastrand::Rng) -> String {
        let name = pick(rng, &NAMES);
        let other = pick(rng, &NAMES);
        let present = self.present();
        let there = if present.is_empty() { name } else { pick(rng, &present) };
        match rng.u32(0..40) {
            0..=15 => {
                self.put_instance(name, &Wish::any(name, rng));
                format!("edit {name}")
            }
            16 | 17 => self.rewrite(there, "truncate", |_| Vec::new()),
            18 | 19 => self.rewrite(there, "cut", |text| text[..text.len() / 2].to_vec()),
            20 => self.rewrite(there, "spoil", |_| vec![0xff, 0, b'=']),
            21 | 22 => self.rename(there, other, true),
            23 | 24 => self.rename(there, other, false),
            25 | 26 => {
                let _ = fs::copy(self.of(there), self.of(other));
                format!("duplicate {there} as {other}")
            }
            27 | 28 => {
                let _ = fs::remove_file(self.of(there));
                format!("delete {there}")
            }
            29 => {
                present.iter().for_each(|name| fs::remove_file(self.of(name)).unwrap());
                "delete all".to_owned()
            }
            30 | 31 => self.hide(rng.bool()),
            32 | 33 => {
                self.show();
                "the directory is back".to_owned()
            }
            34 => {
                let broken = pick(rng, &["", "[starter\n", "[other]\ncpus = 1.0\n"]);
                self.put("plans.toml", broken);
                format!("plans.toml becomes {broken:?}")
            }
            35 => {
                let _ = fs::remove_file(self.root.join("plans.toml"));
                "plans.toml is gone".to_owned()
            }
            36 | 37 => {
                let memory = pick(rng, &["1 GiB", "2 GiB", "3 GiB"]);
                self.put("plans.toml", &PLANS.replacen("1 GiB", memory, 1));
                format!("plans.toml is right and gives {memory}")
            }
            _ => self.checkout_half_way(rng),
        }
    }

    /// Changes the bytes in place, as careless editors do.
    fn rewrite(&self, name: &str, what: &str, change: impl Fn(&[u8]) -> Vec<u8>) -> String {
        if let Ok(text) = fs::read(self.of(name)) {
            write(&self.of(name), &change(&text));
        }
        format!("{what} {name}")
    }

    fn rename(&self, name: &str, other: &str, swap: bool) -> String {
        let aside = self.root.join(".swap");
        if swap && self.of(other).exists() {
            fs::rename(self.of(other), &aside).unwrap();
        }
        let _ = fs::rename(self.of(name), self.of(other));
        let _ = fs::rename(aside, self.of(name));
        format!("{} {name} and {other}", if swap { "swap" } else { "rename" })
    }

    /// Unmounted, or an empty one in its place.
    fn hide(&self, empty: bool) -> String {
        if !self.root.join(ASIDE).exists() && fs::rename(self.root.join(INSTANCES), self.root.join(ASIDE)).is_ok() {
            if empty {
                fs::create_dir(self.root.join(INSTANCES)).unwrap();
            }
            return format!("the directory is away (an empty one in its place: {empty})");
        }
        "the directory stays as it is".to_owned()
    }

    fn show(&self) {
        if self.root.join(ASIDE).exists() {
            let _ = fs::remove_dir_all(self.root.join(INSTANCES));
            fs::rename(self.root.join(ASIDE), self.root.join(INSTANCES)).unwrap();
        }
    }

    /// git removes and writes file by file: some are there already, one is being written, some are not.
    fn checkout_half_way(&self, rng: &mut fastrand::Rng) -> String {
        let mut told = "checkout half way:".to_owned();
        for name in NAMES {
            let how = rng.u32(0..4);
            match how {
                0 => drop(fs::remove_file(self.of(name))),
                1 => self.put_instance(name, &Wish::any(name, rng)),
                2 if self.root.join(INSTANCES).is_dir() => {
                    write(&self.of(name), &Wish::any(name, rng).text().as_bytes()[..40]);
                }
                _ => continue,
            }
            told += &format!(" {name} {}", ["removed", "written", "half"][how as usize]);
        }
        told
    }

    fn of(&self, name: &str) -> PathBuf {
        self.root.join(INSTANCES).join(format!("{name}.toml"))
    }
}

/// Writes in place, at the rehearsal's time of day: two versions within a moment of real time differ in theirs.
fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(clock::now().as_nanosecond() as u64);
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
}

/// One of them.
pub(crate) fn pick<T: Copy>(rng: &mut fastrand::Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}
