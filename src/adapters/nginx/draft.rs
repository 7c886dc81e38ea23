//! A publication before it is tried: which rows, which templates, which sites are held back. Pure but for reading a
//! held site's old file.

use super::check::{Faults, foreign_names, merge, restore};
use super::generation::{Generation, Held, Manifest};
use super::names::site_file;
use super::pages;
use super::render::{own_file, render};
use super::sight::Sight;
use super::template::{Chosen, Mistake, dedicated_file, sha256};
use crate::edges::proxy::SiteChanges;
use crate::model::name::InstanceName;
use crate::model::secret::digest;
use crate::model::site::SiteRow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Rows = BTreeMap<InstanceName, SiteRow>;

/// What will be published unless nginx objects.
#[derive(Clone)]
pub(super) struct Draft<'s> {
    /// What it starts from.
    pub(super) sight: &'s Sight,
    old: Arc<Rows>,
    /// The rows.
    pub(super) rows: Rows,
    /// The templates.
    pub(super) chosen: Arc<Chosen>,
    /// Sites that keep the file of the generation before.
    held: BTreeMap<InstanceName, (Held, String)>,
    /// What was refused, and why.
    pub(super) refused: Faults,
    /// Why the templates on disk are not used.
    pub(super) template_problem: Option<String>,
}

impl<'s> Draft<'s> {
    /// The rows in force with `changes` made to them. What our own checks refuse is left as it was.
    pub(super) fn new(sight: &'s Sight, chosen: Arc<Chosen>, changes: &SiteChanges) -> Self {
        let put = &changes.put;
        let old = Arc::new(sight.rows());
        let (mut rows, mut refused) = merge(&old, put, &sight.environment.base_domain, &sight.foreign_names());
        for (name, uid) in &changes.remove {
            match rows.get(name) {
                Some(row) if row.uid != *uid => {
                    refused.insert(
                        name.clone(),
                        format!("the site belongs to another instance of this name (uid {})", row.uid),
                    );
                }
                _ => drop(rows.remove(name)),
            }
        }
        let template_problem = chosen.problem.clone();
        let mut draft = Self { sight, old, rows, chosen, held: BTreeMap::new(), refused, template_problem };
        draft.hold_again(put);
        draft
    }

    /// Instances whose row differs from the one in force.
    pub(super) fn changed(&self) -> Vec<InstanceName> {
        self.rows.iter().filter(|(name, row)| self.old.get(*name) != Some(row)).map(|(name, _)| name.clone()).collect()
    }

    /// Instances with a file of their own that is not simply kept.
    pub(super) fn dedicated(&self) -> Vec<InstanceName> {
        let fresh = |row: &&SiteRow| row.template.is_some() && !self.held.contains_key(&row.instance);
        self.rows.values().filter(fresh).map(|row| row.instance.clone()).collect()
    }

    /// The same with only `names` of the changed rows changed.
    pub(super) fn with_only(&self, names: &[InstanceName]) -> Self {
        let mut draft = self.clone();
        for name in self.changed().iter().filter(|name| !names.contains(name)) {
            restore(&mut draft.rows, &self.old, name);
        }
        draft
    }

    /// Holds one site back: first its row is put back to what it was; when that fails too its file is kept as it was;
    /// when even that fails the site is left out.
    pub(super) fn hold(&mut self, name: &InstanceName, why: String) {
        let Some(row) = self.rows.get(name) else { return };
        // What is wrong with the template on disk says more than what became of an older version of it.
        let template = row.template.as_ref().map(|template| dedicated_file(template.as_str()));
        let why = template.and_then(|file| self.chosen.site_problems.get(&file).map(Mistake::to_string)).unwrap_or(why);
        if self.old.get(name) != Some(row) {
            restore(&mut self.rows, &self.old, name);
        } else {
            match self.kept_file(row).filter(|_| !self.held.contains_key(name)) {
                Some(text) => {
                    let held = Held { input: self.input(row), why: why.clone(), kept: sha256(&text) };
                    self.held.insert(name.clone(), (held, text));
                }
                None => {
                    self.rows.remove(name);
                    self.held.remove(name);
                }
            }
        }
        self.refused.entry(name.clone()).or_insert(why);
    }

    /// Renders all files, header lines excepted. A site whose own template fails is held back.
    ///
    /// # Errors
    /// File, line and reason of a mistake in a template that all sites need.
    pub(super) fn render(&mut self) -> Result<BTreeMap<String, String>, String> {
        loop {
            let rendered = render(&self.chosen, &self.rows, &self.sight.environment).map_err(|it| it.to_string())?;
            let mut files = rendered.files;
            let mut failed: Faults = rendered.failed.into_iter().map(|(name, it)| (name, it.to_string())).collect();
            for name in self.dedicated() {
                let text = files.get(&site_file(name.as_str()));
                if let Some(problem) = text.and_then(|text| foreign_names(text, &self.rows[&name])) {
                    failed.insert(name, problem);
                }
            }
            failed.retain(|name, _| !self.held.contains_key(name));
            if failed.is_empty() {
                for (name, (_, text)) in &self.held {
                    files.insert(site_file(name.as_str()), text.clone());
                }
                return Ok(files);
            }
            for (name, problem) in failed {
                self.hold(&name, problem);
            }
        }
    }

    /// The list of what is published, without the files.
    pub(super) fn manifest(&self) -> Manifest {
        let held: BTreeMap<_, _> = self.held.iter().map(|(name, (held, _))| (name.clone(), held.clone())).collect();
        let environment = self.sight.environment.clone();
        Manifest {
            innkeeper: Manifest::VERSION,
            installation: environment.installation.clone(),
            generation: String::new(),
            stamp: Manifest::stamp(&environment, &self.chosen.digest, &self.rows, &held),
            templates: self.chosen.digest.clone(),
            built_in: self.chosen.built_in,
            environment,
            files: BTreeMap::new(),
            held,
            rows: self.rows.clone(),
        }
    }

    /// Goes on with other templates because of a problem with the first ones; what was held back because of them may
    /// join again.
    pub(super) fn take_templates(&mut self, chosen: Arc<Chosen>, problem: String) {
        self.chosen = chosen;
        self.template_problem = Some(problem);
        self.held.clear();
    }

    /// The pages that stand in for Odoo, by file name.
    pub(super) fn pages(&self) -> BTreeMap<String, String> {
        pages::render(&self.chosen.set, self.rows.values(), &self.sight.environment.operator)
    }

    /// The file that tells what is loaded.
    pub(super) fn own_file(&self, told: &str) -> String {
        own_file(&self.sight.environment, told)
    }

    /// True when the generation in force is intact and says the same.
    pub(super) fn is_in_force(&self) -> bool {
        let in_force = self.sight.in_force().filter(|_| self.sight.is_intact());
        match in_force {
            Some(generation) => generation.manifest.stamp == self.manifest().stamp,
            // Nothing in force and nothing to put there.
            None => self.sight.current.is_none() && self.rows.is_empty(),
        }
    }

    /// True when the templates are not those of the generation in force.
    pub(super) fn has_new_templates(&self) -> bool {
        self.sight.base.as_ref().is_none_or(|base| base.manifest.templates != self.chosen.digest)
    }

    /// Sites that were held back in the generation in force stay so while their input is the same, unless they are put.
    fn hold_again(&mut self, put: &Rows) {
        let Some(base) = self.sight.base.clone() else { return };
        for (name, held) in base.manifest.held.iter().filter(|(name, _)| !put.contains_key(*name)) {
            let Some(row) = self.rows.get(name) else { continue };
            let text = self.kept_file(row).filter(|text| sha256(text) == held.kept);
            if let (true, Some(text)) = (self.input(row) == held.input, text) {
                self.held.insert(name.clone(), (held.clone(), text));
            }
        }
    }

    /// All that decides whether nginx takes a site's own file.
    fn input(&self, row: &SiteRow) -> String {
        let host = self.sight.host.as_ref().map(|host| host.digest()).unwrap_or_default();
        digest(&(row, &self.chosen.digest, &self.sight.environment, host))
    }

    /// The file that the site has in the generation in force, unless it was edited by hand.
    fn kept_file(&self, row: &SiteRow) -> Option<String> {
        row.template.as_ref()?;
        let file = site_file(row.instance.as_str());
        let base: &Generation = self.sight.base.as_deref().filter(|_| !self.sight.differing.contains(&file))?;
        base.text(&file)
    }
}

/// The sites of some files' names among `names`.
pub(super) fn owners<'n>(hosts: &BTreeSet<String>, rows: &'n Rows) -> Vec<&'n InstanceName> {
    let serves = |row: &SiteRow| row.hosts.keys().any(|host| hosts.contains(host.as_str()));
    rows.iter().filter(|(_, row)| serves(row)).map(|(name, _)| name).collect()
}
