//! What rows would give, without asking or touching nginx: for people, documents and tests.

use super::Nginx;
use super::check::merge;
use super::host::HostFacts;
use super::publish::{refusal, templates_refused};
use super::render::render;
use super::template::{Candidates, TemplateSet};
use crate::edges::EdgeError;
use crate::edges::proxy::Refused;
use crate::model::name::InstanceName;
use crate::model::site::SiteRow;
use std::collections::{BTreeMap, BTreeSet};

impl Nginx {
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
        let rendered =
            render(&chosen, &rows, &self.environment(&HostFacts::default(), true)).map_err(templates_refused)?;
        let refused = faults.into_iter().chain(rendered.failed);
        Ok((rendered.files, refused.map(|(name, why)| (name.clone(), refusal(&name, why))).collect()))
    }
}
