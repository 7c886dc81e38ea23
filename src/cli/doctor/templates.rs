//! The fleet's own templates against what this version ships: they go on working as they are, and lack what was mended
//! since they were written.

use super::Finding;
use crate::adapters::nginx::TEMPLATE_ENDING;
use crate::cli::context::Context;
use crate::connect::TEMPLATES_DIR;
use std::path::Path;

/// How a part of the shipped templates is recognised in a fleet's own.
enum Part {
    /// This text stands somewhere.
    Has(&'static str),
    /// This directive is set, to something else than `0`.
    Sets(&'static str),
    /// This text stands in what `_site.conf.tera` says or includes.
    SiteHas(&'static str),
}

/// What was added since templates were first shipped, and what their users meet without it.
const PARTS: [(Part, &str); 6] = [
    (
        Part::Sets("proxy_max_temp_file_size"),
        "downloads of slow readers are cut (proxy_max_temp_file_size 0 in _site.conf.tera)",
    ),
    (
        Part::Has("large_client_header_buffers"),
        "addresses and cookies above 8 KiB are refused (large_client_header_buffers in _requests.conf.tera)",
    ),
    (
        Part::Has("zone=ik_rpc "),
        "passwords may be guessed over JSON-RPC and XML-RPC without a limit (ik_rpc in _http_level.conf.tera and _site.conf.tera)",
    ),
    (
        Part::Has("base_import_module/login_upload"),
        "some doors that check a password are not counted (the logins of _site.conf.tera)",
    ),
    (
        Part::SiteHas("acme-challenge"),
        "a name behind a proxy that sends everybody to https gets no certificate (_well_known.conf.tera in _site.conf.tera)",
    ),
    (
        Part::Has("$upstream_http_x_frame_options"),
        "X-Frame-Options is sent twice where Odoo sends it (_http_level.conf.tera)",
    ),
];

/// What the fleet's own templates lack; nothing for a fleet that has none of its own, or the shipped ones.
pub(super) fn check(cx: &Context) -> Vec<Finding> {
    let folder = cx.within(TEMPLATES_DIR);
    let Some(text) = directives(&folder, |_| true) else { return Vec::new() };
    let site =
        directives(&folder, |name| name == "_site.conf.tera" || text_includes(&folder, name)).unwrap_or_default();
    let lacks = |part: &Part| match part {
        Part::Has(words) => !text.contains(words),
        Part::Sets(directive) => !values(&text, directive).any(|value| value != "0"),
        Part::SiteHas(words) => !site.contains(words),
    };
    let costs: Vec<&str> = PARTS.iter().filter(|(part, _)| lacks(part)).map(|(_, costs)| *costs).collect();
    if costs.is_empty() {
        return vec![Finding::ok("templates", format!("{TEMPLATES_DIR} has what this version's own templates have"))];
    }
    let message = format!("{TEMPLATES_DIR} is behind the templates of this version: {}", costs.join("; "));
    let fix = format!(
        "`innkeeper init /tmp/shipped && diff -r {TEMPLATES_DIR} /tmp/shipped/{TEMPLATES_DIR}` shows what to take over; \
         files that you never edited can be copied as they are"
    );
    vec![Finding::warn("templates", message, fix)]
}

/// True when the site's piece includes the piece `name`.
fn text_includes(folder: &Path, name: &str) -> bool {
    let site = std::fs::read_to_string(folder.join("_site.conf.tera")).unwrap_or_default();
    site.contains(&format!("include \"{name}\""))
}

/// The lines of the templates that `chosen` picks by name, comments aside; none where there is no template.
fn directives(folder: &Path, chosen: impl Fn(&str) -> bool) -> Option<String> {
    let mut text = String::new();
    let mut found = false;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !name.ends_with(TEMPLATE_ENDING) || !chosen(&name) {
            continue;
        }
        found = true;
        let template = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let lines = template.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.for_each(|line| text.extend([line, "\n"]));
    }
    found.then_some(text)
}

fn values<'t>(text: &'t str, directive: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(directive)?.trim().strip_suffix(';'))
}
