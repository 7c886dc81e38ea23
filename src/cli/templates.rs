//! The proxy's templates as files of the fleet: mistakes in them, found without nginx.

use super::context::Context;
use super::files;
use crate::adapters::nginx::{Nginx, built_in_templates};
use crate::connect::TEMPLATES_DIR;
use crate::model::name::{Domain, InstallationId, InstanceName, TemplateName};
use crate::model::problem::Problem;
use crate::model::site::SiteRow;
use crate::model::wanted::Wanted;
use crate::spec::{self, Fleet, FleetInstance};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Stands for what an installation has and a render only copies: the ACME account, the certificates' place.
const UNKNOWN: &str = "unknown";

/// How templates end.
const TEMPLATE_ENDING: &str = ".conf.tera";

/// What is wrong with the templates, for the instances that there are.
pub(crate) fn problems(cx: &Context, fleet: &Fleet) -> Vec<Problem> {
    let (settings, installation) = (&fleet.settings, InstallationId(UNKNOWN.to_owned()));
    let templates = cx.within(TEMPLATES_DIR);
    let certificates = PathBuf::from(format!("/{UNKNOWN}"));
    let base_domain = settings.fleet.base_domain.clone();
    let nginx = Nginx::new(&settings.nginx, templates, certificates, base_domain, UNKNOWN.to_owned(), installation);
    // What keeps nginx from being spoken for is no fault of a template; the daemon tells it.
    let Ok(nginx) = nginx else { return Vec::new() };
    let nginx = nginx.run_by(&settings.operator);
    let wanted = fleet.instances.iter().filter_map(|(name, it)| Some((name.clone(), it.wanted.as_deref()?)));
    let rows: BTreeMap<InstanceName, SiteRow> = wanted.map(|(name, wanted)| (name, row(wanted))).collect();
    let missing = missing(cx, &cx.fleet_dir, fleet);
    let rows = rows.into_iter().filter(|(name, _)| !missing.contains_key(name)).collect();
    let mistakes = nginx.mistakes(&rows);
    let mistakes = mistakes.iter().map(|it| spec::template_problem(&it.file, (it.line, it.column), &it.message));
    mistakes.chain(missing.into_values()).collect()
}

/// Instances' files below `fleet_dir` that name a template which is not there, told where they name it. The file counts as it
/// is, with whatever else is wrong with it, before its last good version.
pub(crate) fn missing(cx: &Context, fleet_dir: &Path, fleet: &Fleet) -> BTreeMap<InstanceName, Problem> {
    let known = known(cx);
    let template = |it: &FleetInstance| it.template.clone().or_else(|| it.wanted.as_ref()?.template.clone());
    let named = fleet.instances.iter().filter_map(|(name, it)| Some((name, it, template(it)?)));
    let named = named.filter(|(.., template)| !known.contains(template.as_str()));
    let problem = |(name, instance, template): (&InstanceName, &FleetInstance, TemplateName)| {
        let text = files::text_of(&fleet_dir.join(&instance.file)).unwrap_or_default();
        let known = known.iter().map(String::as_str);
        let folder = Path::new(TEMPLATES_DIR);
        (name.clone(), spec::missing_template(&instance.file, &text, template.as_str(), folder, known))
    };
    named.map(problem).collect()
}

/// The templates that an instance can name: those of the fleet, or the shipped ones where it has none.
fn known(cx: &Context) -> BTreeSet<String> {
    let entries = std::fs::read_dir(cx.within(TEMPLATES_DIR)).into_iter().flatten().flatten();
    let mut files: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    if !files.iter().any(|file| file.ends_with(TEMPLATE_ENDING)) {
        files = built_in_templates().into_keys().collect();
    }
    let stem = |file: &String| Some(file.strip_suffix(TEMPLATE_ENDING)?.to_owned());
    files.iter().filter_map(stem).filter(|stem| !stem.starts_with('_') && stem != "shared").collect()
}

fn row(wanted: &Wanted) -> SiteRow {
    let hosts: Vec<&Domain> = std::iter::once(&wanted.host).chain(&wanted.domains).collect();
    let sample = SiteRow::sample(wanted.name.clone(), &hosts, wanted.template.clone());
    SiteRow { gevent: wanted.limits.workers > 0, language: Some(wanted.company.language.clone()), ..sample }
}
