//! Sight → `ProxyLive`: what runs, what is in force, and whose lines were edited by hand.

use super::Nginx;
use super::generation::Generation;
use super::names::{SHARED_FILE, site_of_file};
use super::render::render;
use super::sight::Sight;
use super::template::{Candidates, sha256};
use crate::edges::EdgeError;
use crate::model::live::{ProxyLive, SiteLive};
use crate::model::name::{Domain, InstanceName};
use crate::model::site::SiteRow;
use similar::{ChangeTag, TextDiff};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// After so many edits the rest are not told one by one.
const EDITS_TOLD_MAX: usize = 10;
/// Comparing two long files line by line ends after this; the answer is then coarser.
const COMPARE_S_MAX: u64 = 1;

/// What was edited by hand.
#[derive(Debug, Default, PartialEq, Eq)]
struct Edits {
    /// Whose lines.
    sites: BTreeSet<InstanceName>,
    /// Nobody's lines, for people.
    others: Vec<String>,
}

impl Nginx {
    /// What nginx shows.
    pub(super) async fn look_now(&self) -> Result<ProxyLive, EdgeError> {
        let sight = self.sight().await?;
        let edits = edits(&sight);
        let rows = if sight.current.is_some() { sight.rows() } else { BTreeMap::new() };
        let foreign_hosts = sight.foreign_names().iter().filter_map(|name| Domain::parse(name).ok()).collect();
        Ok(ProxyLive {
            running: sight.running,
            loaded: sight.told.clone().map(|told| loaded_name(&sight, told)),
            intact: sight.is_intact(),
            templates_changed: sight.templates_changed(),
            template_problem: template_problem(&sight),
            foreign_hosts,
            sites: rows.into_iter().map(|(name, row)| (name.clone(), site(row, &edits.sites, &name))).collect(),
            edits: edits.others,
            current: sight.current,
        })
    }
}

fn site(row: SiteRow, edited: &BTreeSet<InstanceName>, name: &InstanceName) -> SiteLive {
    SiteLive { row, intact: !edited.contains(name) }
}

/// The name of the current generation when that is what nginx has loaded; else all that it told.
fn loaded_name(sight: &Sight, told: String) -> String {
    match sight.in_force() {
        Some(generation) if generation.manifest.told() == told => generation.manifest.generation.clone(),
        _ => told,
    }
}

/// Why templates are not used. A mistake in a template of one site is told only when nothing else waits to be rendered:
/// it must not hold that back.
fn template_problem(sight: &Sight) -> Option<String> {
    match &sight.templates {
        Err(problem) => Some(problem.clone()),
        Ok(chosen) => chosen.problem.clone().or_else(|| {
            let held = sight.in_force().into_iter().flat_map(|base| base.manifest.held.values()).map(|held| &held.why);
            let of_sites = chosen.site_problems.values().map(ToString::to_string);
            let problem = of_sites.chain(held.cloned()).chain(sight.logo_problem.clone()).next()?;
            (!sight.templates_changed()).then_some(problem)
        }),
    }
}

fn edits(sight: &Sight) -> Edits {
    let mut edits = Edits::default();
    edits.others.extend(sight.damage.clone());
    let Some(base) = sight.in_force() else { return edits };
    for file in &sight.differing {
        if let Some(site) = site_of_file(file).and_then(|name| InstanceName::parse(name).ok())
            && base.manifest.rows.contains_key(&site)
            && base.manifest.files.contains_key(file)
        {
            edits.sites.insert(site);
        } else if let Some(text) = base.text(file).filter(|_| base.manifest.files.contains_key(file)) {
            match expected(base, file) {
                Some(expected) => compare(base, file, &expected, &text, &mut edits),
                None => edits.others.push(format!("{file} was edited")),
            }
        } else if base.manifest.files.contains_key(file) {
            edits.others.push(format!("{file} is gone"));
        } else {
            edits.others.push(format!("{file} was added"));
        }
    }
    let more = edits.others.len().saturating_sub(EDITS_TOLD_MAX);
    if more > 0 {
        edits.others.truncate(EDITS_TOLD_MAX);
        edits.others.push(format!("and {more} more"));
    }
    edits
}

/// What the shared file said when it was rendered; none when that cannot be told any more.
fn expected(base: &Generation, file: &str) -> Option<String> {
    if file != SHARED_FILE {
        return None;
    }
    let candidates = Candidates { disk: Ok(Some(base.templates().ok()?)), last_good: None, refused: None };
    let chosen = candidates.choose().ok()?;
    let manifest = &base.manifest;
    let text = render(&chosen, &manifest.rows, &manifest.environment).ok()?.files.remove(file)?;
    let whole = format!("{}{text}", base.header()?);
    (manifest.files.get(file) == Some(&sha256(&whole))).then_some(text)
}

/// Goes through the lines that differ and finds whose they are: a row begins with the site's name.
fn compare(base: &Generation, file: &str, expected: &str, found: &str, edits: &mut Edits) {
    let owners: BTreeMap<&str, &InstanceName> = base
        .manifest
        .rows
        .iter()
        .flat_map(|(name, row)| row.hosts.keys().map(move |host| (host.as_str(), name)))
        .collect();
    let owner = |line: &str| {
        let mut words = line.trim().trim_end_matches(';').split_whitespace();
        let first = words.next()?;
        owners.get(if first == "server_name" { words.next()? } else { first }).copied()
    };
    let diff = TextDiff::configure().timeout(Duration::from_secs(COMPARE_S_MAX)).diff_lines(expected, found);
    for change in diff.iter_all_changes() {
        let (what, index) = match change.tag() {
            ChangeTag::Equal => continue,
            ChangeTag::Delete => ("is gone", change.old_index()),
            ChangeTag::Insert => ("was added", change.new_index()),
        };
        let line = change.value().trim();
        match owner(line) {
            Some(site) => {
                edits.sites.insert(site.clone());
            }
            None if line.is_empty() => edits.others.push(format!("{file}: an empty line {what}")),
            None => {
                // The header line stands above what is compared here.
                let number = index.map_or(0, |index| index + 2);
                edits.others.push(format!("{file}:{number}: {:?} {what}", crate::model::name::shorten(line)));
            }
        }
    }
    if edits.others.is_empty() && edits.sites.is_empty() {
        edits.others.push(format!("the first line of {file} was edited"));
    }
}
