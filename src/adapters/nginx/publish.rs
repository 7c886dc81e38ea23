//! Rows → a generation that nginx has loaded, or the reason why not.
//!
//! Rendered → tested on its own tree → `current` renamed → SIGHUP → read back. Whoever makes nginx refuse is found and
//! held back; the others get their change. Nothing here starts or stops nginx.

use super::Nginx;
use super::blame::{self, Blame};
use super::draft::{Draft, owners};
use super::generation::{self, Generation};
use super::names::{CONF_ENDING, generation_number};
use super::process::{failed, messages};
use super::render::OWN;
use super::sight::{RefusedTemplates, Sight};
use super::template::{Candidates, Chosen};
use crate::disk;
use crate::edges::proxy::{Refused, SiteChanges};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::name::InstanceName;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// So many tests are spent on finding the culprits among changed rows; those not cleared by then are all held back.
const CULPRIT_TESTS_MAX: usize = 64;

/// A generation that lies on disk and passed nginx's test.
struct Tested {
    generation: Generation,
    took: Duration,
}

/// Why a draft did not become one.
enum Objection {
    /// Somebody is to blame.
    Blame(Blame),
    /// The test could not be made.
    Edge(EdgeError),
}

impl From<EdgeError> for Objection {
    fn from(error: EdgeError) -> Self {
        Self::Edge(error)
    }
}

impl Nginx {
    /// See [`crate::edges::Proxy::publish`].
    pub(super) async fn publish_now(&self, changes: &SiteChanges) -> Result<Refused, EdgeError> {
        let sight = self.sight().await?;
        self.check_ownership(&sight)?;
        let chosen = match last_good(&sight).filter(|_| !sight.running) {
            Some(last_good) => last_good,
            None => sight.templates.clone().map_err(templates_refused)?,
        };
        // What a crash left behind would otherwise be counted as a generation.
        let keep: Vec<&str> = sight.current.as_deref().into_iter().chain(sight.loaded_name()).collect();
        generation::prune(&self.places, &keep)
            .map_err(|error| cannot("could not remove what a crash left behind", error))?;
        let mut draft = Draft::new(&sight, chosen, changes);
        let moved = self.settle(&sight, &mut draft).await?;
        match draft.template_problem {
            // Nothing else was asked for and nothing else was to be repaired.
            Some(problem) if changes.put.is_empty() && changes.remove.is_empty() && !moved => {
                Err(templates_refused(problem))
            }
            _ => {
                let told = |(name, why): (InstanceName, String)| {
                    // The one reason not to take a row away is that it is another's.
                    let kind =
                        if changes.remove.contains_key(&name) { ErrorKind::Conflict } else { ErrorKind::Refused };
                    (name.clone(), EdgeError { kind, ..refusal(&name, why) })
                };
                Ok(draft.refused.into_iter().map(told).collect())
            }
        }
    }

    /// Tries `draft`, holding back whoever nginx objects to, until it is in force. Returns whether anything moved.
    async fn settle(&self, sight: &Sight, draft: &mut Draft<'_>) -> Result<bool, EdgeError> {
        // Each round holds back somebody who was not held back before.
        let rounds_max = 3 * (draft.rows.len() + draft.refused.len()) + 2;
        for _ in 0..rounds_max {
            let tested = match draft.render() {
                // Asked after rendering, which may have held somebody back.
                Ok(_) if draft.is_in_force() => return self.ensure_loaded(sight).await,
                Ok(files) => self.try_out(draft, files).await,
                Err(problem) => Err(Objection::Blame(Blame::Templates(problem))),
            };
            match tested {
                Ok(tested) => match self.switch(sight, &tested.generation, tested.took).await? {
                    Ok(()) => {
                        self.tidy(&tested.generation).await?;
                        return Ok(true);
                    }
                    Err(said) => self.blame_after_switch(sight, draft, &said)?,
                },
                Err(Objection::Edge(error)) => return Err(error),
                Err(Objection::Blame(blame)) => self.act_on(sight, draft, blame).await?,
            }
        }
        Err(EdgeError::plain(Edge::Proxy, ErrorKind::Failed, "nginx refuses each configuration that was tried"))
    }

    /// Nothing differs: only makes sure that nginx has loaded what is in force. Where it does not, a crash came between
    /// the switch and its proof: `current` goes back to what is loaded, and the next publication finds out why.
    async fn ensure_loaded(&self, sight: &Sight) -> Result<bool, EdgeError> {
        let Some(in_force) = sight.in_force() else { return Ok(false) };
        if !sight.running {
            return Err(self.program.not_running());
        }
        let told = in_force.manifest.told();
        if sight.told.as_ref() == Some(&told) {
            return Ok(false);
        }
        let Err(said) = self.load(&told, Duration::ZERO).await? else { return Ok(true) };
        if let Some(name) = sight.loaded_name()
            && let Ok(loaded) = Generation::read(&self.places.root.join(name))
            && Some(loaded.manifest.told()) == sight.told
        {
            self.point_at(Some(name))?;
        }
        Err(not_loaded(&said))
    }

    /// Writes the draft as a generation and has nginx test it. What fails leaves nothing behind.
    async fn try_out(&self, draft: &Draft<'_>, mut files: BTreeMap<String, String>) -> Result<Tested, Objection> {
        let host = draft.sight.host.as_ref();
        let host =
            host.map_err(|why| cannot("could not read nginx's own configuration", io::Error::other(why.clone())))?;
        if !host.includes_ours() {
            return Err(self.not_included().into());
        }
        generation::make_root(&self.places)
            .map_err(|error| cannot("could not make the configuration directory", error))?;
        let loaded = draft.sight.loaded_name().and_then(generation_number);
        let number = generation::next_number(&self.places, loaded)
            .map_err(|error| cannot("could not list the generations", error))?;
        let mut manifest = draft.manifest();
        manifest.generation = super::names::generation_name(number);
        files.insert(OWN.to_owned(), draft.own_file(&manifest.told()));
        let written = generation::Draft { manifest, files, pages: draft.pages(), templates: &draft.chosen.set };
        let (generation, files) = Generation::write(&self.places, number, written)
            .map_err(|error| cannot("could not write a generation of nginx's files", error))?;
        let pattern = format!("{}/*{CONF_ENDING}", generation.dir.display());
        let stage = self.places.stage();
        let main = match host.stage(&stage, &pattern) {
            Ok(main) => main,
            Err(error) => {
                // Usually a full disk: what cannot be tested gives its room back.
                let _ = disk::remove_tree(&stage).and_then(|()| disk::remove_tree(&generation.dir));
                return Err(cannot("could not stage nginx's test", error).into());
            }
        };
        let verdict = self.program.test(&main).await;
        let removed = disk::remove_tree(&stage);
        let blame = match verdict {
            Ok(verdict) if verdict.passed => match self.conflicts(&verdict.output, draft) {
                None => {
                    removed.map_err(|error| cannot("could not clear nginx's test away", error))?;
                    return Ok(Tested { generation, took: verdict.took });
                }
                Some(blame) => Objection::Blame(blame),
            },
            Ok(verdict) => {
                // nginx names the copy that it was given; people know the file itself.
                let output = verdict.output.replace(&*stage.to_string_lossy(), &host.directory().to_string_lossy());
                Objection::Blame(blame::read(&messages(&output, "emerg"), &generation.dir, &files, draft))
            }
            Err(error) => error.into(),
        };
        discard(&generation)?;
        Err(blame)
    }

    /// A name that nginx warns about as served twice passes its test, and one of the two is then served wrongly.
    fn conflicts(&self, output: &str, draft: &Draft<'_>) -> Option<Blame> {
        let warnings = messages(output, "warn");
        let names: BTreeSet<String> = blame::conflicting_names(&warnings).map(ToOwned::to_owned).collect();
        let dedicated = draft.dedicated();
        let sites: BTreeMap<InstanceName, String> = owners(&names, &draft.rows)
            .into_iter()
            .filter(|name| dedicated.contains(name))
            .map(|name| (name.clone(), "its template serves one of its names twice on the same port".to_owned()))
            .collect();
        (!sites.is_empty()).then_some(Blame::Sites(sites))
    }

    /// Points `current` at a tested generation and has it loaded; on failure everything is put back. The inner error is
    /// what nginx said.
    async fn switch(
        &self,
        sight: &Sight,
        generation: &Generation,
        test_took: Duration,
    ) -> Result<Result<(), Vec<String>>, EdgeError> {
        let name = generation.manifest.generation.as_str();
        self.point_at(Some(name))?;
        let said = match self.load(&generation.manifest.told(), test_took).await? {
            Ok(switch_took) => {
                let (test_ms, switch_ms) = (test_took.as_millis(), switch_took.as_millis());
                let sites = generation.manifest.rows.len();
                tracing::debug!(generation = name, sites, test_ms, switch_ms, "published");
                return Ok(Ok(()));
            }
            Err(said) => said,
        };
        self.point_at(sight.current.as_deref())?;
        match sight.in_force() {
            None => self.signal()?,
            Some(before) => {
                if let Err(said) = self.load(&before.manifest.told(), Duration::ZERO).await? {
                    tracing::warn!(said = said.join("; "), "nginx did not go back to the generation before");
                }
            }
        }
        discard(generation)?;
        Ok(Err(said))
    }

    fn point_at(&self, generation: Option<&str>) -> Result<(), EdgeError> {
        generation::point_current_at(&self.places, generation)
            .map_err(|error| cannot("could not point at another generation", error))
    }

    /// Something passed the test and was not loaded: new templates first, then sites with files of their own.
    fn blame_after_switch(&self, sight: &Sight, draft: &mut Draft<'_>, said: &[String]) -> Result<(), EdgeError> {
        let text = format!("nginx did not load it: {}", said.join("; "));
        if draft.has_new_templates() && sight.base.is_some() {
            return self.fall_back(sight, draft, text);
        }
        let changed = draft.changed();
        let suspects: Vec<InstanceName> = draft.dedicated().into_iter().filter(|name| changed.contains(name)).collect();
        if suspects.is_empty() {
            return Err(not_loaded(said));
        }
        for name in &suspects {
            draft.hold(name, text.clone());
        }
        Ok(())
    }

    async fn act_on(&self, sight: &Sight, draft: &mut Draft<'_>, blame: Blame) -> Result<(), EdgeError> {
        match blame {
            Blame::Host(text) => {
                Err(EdgeError::new(Edge::Proxy, ErrorKind::Failed, "nginx's own configuration does not load", text))
            }
            Blame::Templates(problem) => self.fall_back(sight, draft, problem),
            Blame::Sites(sites) => {
                sites.into_iter().for_each(|(name, why)| draft.hold(&name, why));
                Ok(())
            }
            Blame::Unknown(text) => self.find_culprits(sight, draft, text).await,
        }
    }

    /// Takes the last good templates instead, and remembers that these do not do.
    fn fall_back(&self, sight: &Sight, draft: &mut Draft<'_>, problem: String) -> Result<(), EdgeError> {
        let refused = RefusedTemplates { digest: draft.chosen.digest.clone(), problem: problem.clone() };
        let noted = serde_json::to_vec(&refused).map_err(io::Error::other);
        noted
            .and_then(|text| std::fs::write(self.places.refused(), text))
            .map_err(|error| cannot("could not note the refused templates", error))?;
        match last_good(sight) {
            Some(chosen) if chosen.digest != draft.chosen.digest => {
                draft.take_templates(chosen, problem);
                Ok(())
            }
            _ => Err(templates_refused(problem)),
        }
    }

    /// nginx refuses and does not say whom: the templates, the host's own files and the changed rows are tried apart.
    async fn find_culprits(&self, sight: &Sight, draft: &mut Draft<'_>, text: String) -> Result<(), EdgeError> {
        if let Some(chosen) = last_good(sight).filter(|chosen| chosen.digest != draft.chosen.digest) {
            let mut with_old = draft.clone();
            with_old.take_templates(chosen, text.clone());
            if self.passes(&mut with_old).await? {
                return self.fall_back(sight, draft, text);
            }
        }
        if !self.passes(&mut draft.with_only(&[])).await? {
            let doing = "nginx refuses even the configuration in force";
            return Err(EdgeError::new(Edge::Proxy, ErrorKind::Failed, doing, text));
        }
        let mut suspects = vec![draft.changed()];
        let mut culprits = Vec::new();
        let mut tests = 0;
        while let Some(some) = suspects.pop() {
            tests += 1;
            if tests > CULPRIT_TESTS_MAX {
                culprits.extend(some);
            } else if !some.is_empty() && !self.passes(&mut draft.with_only(&some)).await? {
                match some.split_at(some.len() / 2) {
                    ([], one) => culprits.extend_from_slice(one),
                    (half, other) => suspects.extend([half.to_vec(), other.to_vec()]),
                }
            }
        }
        if culprits.is_empty() {
            // Each does alone and not together: none of them is taken.
            culprits = draft.changed();
        }
        for name in culprits {
            draft.hold(&name, text.clone());
        }
        Ok(())
    }

    async fn passes(&self, draft: &mut Draft<'_>) -> Result<bool, EdgeError> {
        let Ok(files) = draft.render() else { return Ok(false) };
        match self.try_out(draft, files).await {
            Ok(tested) => {
                discard(&tested.generation)?;
                Ok(true)
            }
            Err(Objection::Blame(_)) => Ok(false),
            Err(Objection::Edge(error)) => Err(error),
        }
    }

    /// Removes old generations and what a crash left behind.
    async fn tidy(&self, generation: &Generation) -> Result<(), EdgeError> {
        let loaded = self.program.loaded().await.unwrap_or_default();
        let loaded = loaded.split(' ').next().unwrap_or_default();
        generation::prune(&self.places, &[&generation.manifest.generation, loaded])
            .map_err(|error| cannot("could not remove old generations", error))
    }

    fn check_ownership(&self, sight: &Sight) -> Result<(), EdgeError> {
        match &sight.base {
            Some(base) if base.manifest.installation != self.installation => Err(EdgeError::plain(
                Edge::Proxy,
                ErrorKind::Conflict,
                format!(
                    "{} belongs to Innkeeper installation {}: set another nginx.config_dir",
                    self.places.root.display(),
                    base.manifest.installation
                ),
            )),
            _ => Ok(()),
        }
    }

    fn not_included(&self) -> EdgeError {
        let line = self.places.include();
        EdgeError::plain(
            Edge::Proxy,
            ErrorKind::Failed,
            format!("nginx's main file does not include Innkeeper's sites: add \"include {line};\" to its http block"),
        )
    }
}

fn last_good(sight: &Sight) -> Option<Arc<Chosen>> {
    let base = sight.base.as_ref()?;
    let candidates = Candidates { disk: Ok(Some(base.templates().ok()?)), last_good: None, refused: None };
    let mut chosen = candidates.choose().ok()?;
    chosen.built_in = base.manifest.built_in;
    Some(Arc::new(chosen))
}

fn discard(generation: &Generation) -> Result<(), EdgeError> {
    disk::remove_tree(&generation.dir).map_err(|error| cannot("could not remove a refused generation", error))
}

fn cannot(doing: &str, error: io::Error) -> EdgeError {
    failed(ErrorKind::Failed, doing, error)
}

pub(super) fn templates_refused(problem: String) -> EdgeError {
    failed(ErrorKind::Refused, "the templates cannot be used", problem)
}

pub(super) fn refusal(name: &InstanceName, why: String) -> EdgeError {
    failed(ErrorKind::Refused, format!("nginx cannot take the site of {name}"), why)
}

fn not_loaded(said: &[String]) -> EdgeError {
    failed(ErrorKind::Failed, "nginx did not load the new configuration", said.join("; "))
}
