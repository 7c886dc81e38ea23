//! The certificate authority: whether its directory answers, and whether the operator's hook can be run.

use super::Finding;
use crate::model::settings::AcmeSettings;
use crate::model::status::chain;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// One small document; Let's Encrypt answers within a second.
const DIRECTORY_DEADLINE: Duration = Duration::from_secs(10);
/// Bits of which a program needs one.
const EXECUTABLE: u32 = 0o111;

/// Directory and hook.
pub(super) async fn check(settings: &AcmeSettings) -> Vec<Finding> {
    let mut findings = vec![directory(settings).await];
    findings.extend(settings.wildcard_hook.as_deref().map(hook));
    findings
}

async fn directory(settings: &AcmeSettings) -> Finding {
    let url = &settings.directory;
    let fix = match settings.ca_file {
        Some(_) => "correct `acme.directory` and `acme.ca_file`; see that this host may reach it",
        None => {
            "correct `acme.directory`; see that this host may reach it (firewall, DNS). A private authority needs `acme.ca_file`"
        }
    };
    match fetch(settings).await {
        Ok(text) if text.contains("\"newOrder\"") => Finding::ok("ACME", format!("{url} answers")),
        Ok(_) => Finding::fail("ACME", format!("{url} answers, but not with an ACME directory"), fix),
        Err(why) => Finding::fail("ACME", format!("{url} does not answer: {why}"), fix),
    }
}

async fn fetch(settings: &AcmeSettings) -> Result<String, String> {
    let mut builder = reqwest::Client::builder().timeout(DIRECTORY_DEADLINE);
    if let Some(file) = &settings.ca_file {
        let pem = std::fs::read(file).map_err(|e| format!("could not read acme.ca_file {}: {e}", file.display()))?;
        let root = reqwest::Certificate::from_pem(&pem)
            .map_err(|e| format!("acme.ca_file {}: {}", file.display(), chain(&e)))?;
        builder = builder.add_root_certificate(root);
    }
    let client = builder.build().map_err(|e| chain(&e))?;
    let answer = client.get(&settings.directory).send().await.map_err(|e| chain(&e.without_url()))?;
    let answer = answer.error_for_status().map_err(|e| chain(&e.without_url()))?;
    answer.text().await.map_err(|e| chain(&e.without_url()))
}

fn hook(words: &[String]) -> Finding {
    let Some(program) = words.first() else {
        return Finding::fail("ACME hook", "acme.wildcard_hook is empty", "name a program, or remove the key");
    };
    match std::fs::metadata(Path::new(program)) {
        Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & EXECUTABLE != 0 => {
            Finding::ok("ACME hook", format!("{program} can be run"))
        }
        Ok(_) => Finding::fail("ACME hook", format!("{program} cannot be run"), format!("chmod +x {program}")),
        Err(error) => Finding::fail(
            "ACME hook",
            format!("could not find {program}: {error}"),
            "correct `acme.wildcard_hook`: the full path of a program",
        ),
    }
}
