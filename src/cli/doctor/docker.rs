//! Docker: whether it answers, and whether the images that instances need are there.

use super::{Finding, firewall};
use crate::adapters::docker::Docker;
use crate::connect::{ODOO_DIR, SECRETS_DIR};
use crate::edges::{Ask, Engine};
use crate::model::name::InstallationId;
use crate::model::status::chain;
use crate::spec::Fleet;
use std::collections::BTreeSet;

/// The engine and the images.
pub(super) async fn check(fleet: &Fleet, installation: &InstallationId) -> Vec<Finding> {
    let settings = &fleet.settings.docker;
    let config_dir = fleet.settings.fleet.state_dir.join(SECRETS_DIR).join(ODOO_DIR);
    let ask = Ask { images: fleet.settings.odoo.images.values().cloned().collect(), ..Ask::default() };
    let looked = match Docker::new(settings, installation.clone(), config_dir) {
        Ok(docker) => docker.look(&ask).await.map(|live| (docker, live)),
        Err(error) => Err(error),
    };
    let (docker, live) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            let fix = format!(
                "start the engine (`systemctl start docker`), or correct `docker.host` = {:?}; this user must be allowed to use it",
                settings.host
            );
            return vec![Finding::fail("Docker", chain(&error), fix)];
        }
    };
    let used: BTreeSet<&String> =
        fleet.instances.values().filter_map(|instance| instance.wanted.as_ref()).map(|wanted| &wanted.image).collect();
    let mut findings = vec![Finding::ok("Docker", format!("answers at {}", settings.host))];
    findings.extend(fleet.settings.odoo.images.values().map(|image| match live.images.get(image) {
        Some(found) => Finding::ok("image", format!("{image} is on this host (runs as user {})", found.user.uid)),
        None if used.contains(image) => Finding::fail(
            "image",
            format!("{image} is not on this host, and instances need it"),
            format!("docker pull {image}"),
        ),
        None => Finding::warn(
            "image",
            format!("{image} is not on this host; no instance needs it yet"),
            format!("docker pull {image}"),
        ),
    }));
    for (image, found) in &live.images {
        findings.extend(reports(&docker, image, &found.id).await);
    }
    let image = fleet.settings.odoo.images.values().find(|image| live.images.contains_key(*image));
    findings.push(firewall::check(&docker, image, &fleet.settings).await);
    findings
}

/// Whether Odoo can print reports with the image; nothing where it can.
async fn reports(docker: &Docker, image: &str, id: &str) -> Option<Finding> {
    let fix =
        "use Odoo's own image (docker pull odoo:19.0), or install wkhtmltopdf 0.12.6 with its patched Qt in yours";
    match docker.prints_reports(id).await {
        Ok(true) => None,
        Ok(false) => {
            let message =
                format!("{image} has no wkhtmltopdf: Odoo prints no PDF with it, neither invoices nor quotations");
            Some(Finding::warn("image", message, fix))
        }
        Err(error) => Some(Finding::warn("image", chain(&error), "see whether Docker works: docker info")),
    }
}
