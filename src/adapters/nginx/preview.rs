//! What rows would give, without asking or touching nginx: for people, documents and tests.

use super::Nginx;
use super::check::merge;
use super::host::HostFacts;
use super::pages::{self, Operator};
use super::publish::{refusal, templates_refused};
use super::render::render;
use super::template::{Candidates, Engine, Mistake, TEMPLATE_ENDING, TemplateSet, complete};
use crate::edges::EdgeError;
use crate::edges::proxy::Refused;
use crate::model::name::{Domain, InstanceName, TemplateName};
use crate::model::site::SiteRow;
use std::collections::{BTreeMap, BTreeSet};

impl Nginx {
    /// What is wrong with the fleet's templates: every one is read and rendered, with `rows` and with an example of its own.
    /// Whether nginx takes what they give is not asked.
    pub fn mistakes(&self, rows: &BTreeMap<InstanceName, SiteRow>) -> BTreeSet<Mistake> {
        let set = match TemplateSet::read(&self.templates) {
            Ok(Some(set)) => set,
            // The shipped ones are used.
            Ok(None) => return BTreeSet::new(),
            Err(error) => return BTreeSet::from([Mistake::of_folder(error.to_string())]),
        };
        let engine = match Engine::parse(&set) {
            Ok(engine) => engine,
            Err(mistake) => return BTreeSet::from([mistake]),
        };
        let dedicated: Vec<String> = set.files.keys().filter(|file| TemplateSet::is_dedicated(file)).cloned().collect();
        let of_pages = pages::mistakes(&set);
        let chosen = complete(set, engine, false, None);
        let templates =
            dedicated.iter().filter_map(|file| TemplateName::parse(file.strip_suffix(TEMPLATE_ENDING)?).ok());
        let examples = std::iter::once(None).chain(templates.map(Some));
        let examples = examples.enumerate().filter_map(|(number, template)| self.example(number, template));
        let rows = examples.chain(rows.iter().map(|(name, row)| (name.clone(), row.clone()))).collect();
        let (operator, logos) = Operator::read(&self.operator, None);
        let rendered = render(&chosen, &rows, &self.environment(&HostFacts::default(), true, operator));
        let of_render: Vec<Mistake> = match rendered {
            Ok(rendered) => rendered.failed.into_values().collect(),
            Err(mistake) => vec![mistake],
        };
        chosen.site_problems.into_values().chain(of_pages).chain(logos).chain(of_render).collect()
    }

    fn example(&self, number: usize, template: Option<TemplateName>) -> Option<(InstanceName, SiteRow)> {
        let instance = InstanceName::parse(&format!("example-{number}")).ok()?;
        let host = Domain::parse(&format!("{instance}.{}", self.base_domain)).ok()?;
        let row = SiteRow::sample(instance.clone(), &[&host], template);
        Some((instance, row))
    }

    /// The files that `rows` give with the fleet's templates, on a host whose nginx has nothing else to do and that has
    /// IPv6, and the rows that are refused.
    ///
    /// # Errors
    /// `Refused` when the templates cannot be used.
    pub fn preview(
        &self,
        rows: &BTreeMap<InstanceName, SiteRow>,
    ) -> Result<(BTreeMap<String, String>, Refused), EdgeError> {
        let disk = TemplateSet::read(&self.templates).map_err(|error| error.to_string());
        let chosen = Candidates { disk, last_good: None, refused: None }.choose().map_err(templates_refused)?;
        let (rows, faults) = merge(&BTreeMap::new(), rows, self.base_domain.as_str(), &BTreeSet::new());
        let (operator, _) = Operator::read(&self.operator, None);
        let rendered = render(&chosen, &rows, &self.environment(&HostFacts::default(), true, operator))
            .map_err(|it| templates_refused(it.to_string()))?;
        let refused = faults.into_iter().chain(rendered.failed.into_iter().map(|(name, it)| (name, it.to_string())));
        Ok((rendered.files, refused.map(|(name, why)| (name.clone(), refusal(&name, why))).collect()))
    }

    /// The pages that stand in for Odoo, by file name, as `rows` give them with the fleet's templates.
    ///
    /// # Errors
    /// `Refused` when the templates cannot be used.
    pub fn preview_pages(&self, rows: &BTreeMap<InstanceName, SiteRow>) -> Result<BTreeMap<String, String>, EdgeError> {
        let disk = TemplateSet::read(&self.templates).map_err(|error| error.to_string());
        let chosen = Candidates { disk, last_good: None, refused: None }.choose().map_err(templates_refused)?;
        Ok(pages::render(&chosen.set, rows.values(), &Operator::read(&self.operator, None).0))
    }
}
