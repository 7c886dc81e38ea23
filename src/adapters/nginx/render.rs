//! Rows and templates → the files of a generation. Pure: it touches no disk and asks nobody.

use super::names::{OWN_FILE, SHARED_FILE, site_file};
use super::pages::{Operator, language_of};
use super::template::{Chosen, Mistake, SHARED_TEMPLATE, dedicated_file, explain};
use crate::model::name::{Domain, InstanceName};
use crate::model::site::{SitePage, SiteRow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tera::{Context, Value};

/// Counts up when the same templates and rows would give other files: part of each generation's stamp.
const RENDERER_VERSION: u32 = 2;
/// Holds a name of 253 characters in nginx's hash tables (`map_hash_bucket_size`, `server_names_hash_bucket_size`).
const HASH_BUCKET_BYTES: usize = 512;
/// nginx's own default for maps (`map_hash_max_size`).
const HASH_ENTRIES_MIN: usize = 2048;
/// Path under which a running nginx tells what it has loaded.
pub(super) const LOADED_PATH: &str = "/.well-known/innkeeper-generation";

/// All that goes into the files besides rows and templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Environment {
    /// [`RENDERER_VERSION`]
    pub(super) renderer: u32,
    /// Whose files these are.
    pub(super) installation: String,
    /// `fleet.base_domain`
    pub(super) base_domain: String,
    /// `nginx.http_port`
    pub(super) http_port: u16,
    /// `nginx.https_port`
    pub(super) https_port: u16,
    /// RFC 7638, of the ACME account.
    pub(super) thumbprint: String,
    /// Where certificates lie.
    pub(super) certificates: String,
    /// Where the pages lie.
    pub(super) pages: String,
    /// Where to listen.
    pub(super) listen: Listen,
    /// Hash sizes that Innkeeper sets, because the host's own configuration leaves them open.
    pub(super) hash: HashSizes,
    /// Whom pages name.
    #[serde(default)]
    pub(super) operator: Operator,
}

/// Addresses, as nginx's `listen` takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listen {
    /// For http.
    pub(super) http: Vec<String>,
    /// For https.
    pub(super) https: Vec<String>,
    /// Those of http without a default server of somebody else's.
    pub(super) http_default: Vec<String>,
    /// The same for https.
    pub(super) https_default: Vec<String>,
}

/// Which hash sizes are left to Innkeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HashSizes {
    /// `map_hash_bucket_size`
    pub(super) map_bucket: bool,
    /// `map_hash_max_size`
    pub(super) map_max: bool,
    /// `server_names_hash_bucket_size`
    pub(super) names_bucket: bool,
    /// `server_names_hash_max_size`
    pub(super) names_max: bool,
}

impl Environment {
    /// The version that this program renders.
    pub(super) const VERSION: u32 = RENDERER_VERSION;

    /// The server name under which nginx tells what it has loaded; no customer's name can be equal to it (RFC 2606).
    pub(super) fn own_name(&self) -> String {
        own_name(&self.installation)
    }

    fn certificate(&self, row: &SiteRow, host: &Domain) -> String {
        row.hosts.get(host).map_or_else(String::new, |name| format!("{}/{}.pem", self.certificates, name.file_stem()))
    }
}

/// See [`Environment::own_name`].
pub(super) fn own_name(installation: &str) -> String {
    format!("{installation}.innkeeper.invalid")
}

/// One name of one site, as templates see it.
#[derive(Serialize)]
struct Site<'r> {
    host: &'r str,
    instance: &'r str,
    upstream: String,
    gevent: String,
    page: SitePage,
    language: String,
    redirect: &'r str,
    certificate: String,
}

/// A site with a template of its own, as that template sees it.
#[derive(Serialize)]
struct DedicatedSite<'r> {
    instance: &'r str,
    hosts: Vec<&'r str>,
    upstream: String,
    gevent: String,
    page: SitePage,
}

/// The sites' files of a generation, without their header lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Rendered {
    /// File name → text.
    pub(super) files: BTreeMap<String, String>,
    /// Sites whose own template failed, with file, line and reason.
    pub(super) failed: BTreeMap<InstanceName, Mistake>,
}

/// Renders the shared file and one for each row with a template of its own.
///
/// # Errors
/// File, line and reason of a mistake in a template that all sites need.
pub(super) fn render(
    chosen: &Chosen,
    rows: &BTreeMap<InstanceName, SiteRow>,
    environment: &Environment,
) -> Result<Rendered, Mistake> {
    let mut context = context(chosen, rows, environment);
    let mut rendered = Rendered::default();
    let shared = chosen.engine.tera.render(SHARED_TEMPLATE, &context).map_err(|error| explain(&error))?;
    rendered.files.insert(SHARED_FILE.to_owned(), shared);
    for (row, template) in rows.values().filter_map(|row| Some((row, row.template.as_ref()?))) {
        match render_site(chosen, row, &dedicated_file(template.as_str()), &mut context) {
            Ok(text) => {
                rendered.files.insert(site_file(row.instance.as_str()), text);
            }
            Err(problem) => {
                rendered.failed.insert(row.instance.clone(), problem);
            }
        }
    }
    Ok(rendered)
}

/// The file that is not made from a template: a server that tells what is loaded. Plain http on loopback rather than a
/// socket file, because nginx does not start over a socket file that a killed one left behind.
pub(super) fn own_file(environment: &Environment, told: &str) -> String {
    let listen: String = environment.listen.http.iter().map(|address| format!("  listen {address};\n")).collect();
    format!(
        "server {{\n{listen}  server_name {name};\n  access_log off;\n  location = {LOADED_PATH} {{\n    \
         if ($remote_addr !~ \"^(127\\.|::1$)\") {{\n      return 404;\n    }}\n    default_type text/plain;\n    \
         return 200 \"{told}\";\n  }}\n  location / {{\n    return 404;\n  }}\n}}\n",
        name = environment.own_name(),
    )
}

/// The name of [`own_file`].
pub(super) const OWN: &str = OWN_FILE;

fn render_site(chosen: &Chosen, row: &SiteRow, template: &str, context: &mut Context) -> Result<String, Mistake> {
    if let Some(problem) = chosen.engine.left_out.get(template) {
        return Err(problem.clone());
    }
    if !chosen.engine.tera.contains_template(template) {
        return Err(Mistake::of_file(template, "there is no such template"));
    }
    let site = DedicatedSite {
        instance: row.instance.as_str(),
        hosts: row.hosts.keys().map(Domain::as_str).collect(),
        upstream: upstream(row),
        gevent: gevent(row),
        page: row.page,
    };
    context.insert("site", &site);
    chosen.engine.tera.render(template, context).map_err(|error| explain(&error))
}

fn context(chosen: &Chosen, rows: &BTreeMap<InstanceName, SiteRow>, environment: &Environment) -> Context {
    let below = format!(".{}", environment.base_domain);
    let shared_hosts = rows.values().filter(|row| row.template.is_none()).flat_map(|row| row.hosts.keys());
    let custom: Vec<&str> = shared_hosts.map(Domain::as_str).filter(|host| !host.ends_with(&below)).collect();
    let sites: Vec<Site<'_>> = rows.values().flat_map(|row| sites(chosen, row, environment)).collect();
    let wildcard = rows.values().flat_map(|row| row.hosts.values()).find(|name| name.is_wildcard());

    let mut context = Context::new();
    context.insert("installation", &environment.installation);
    context.insert("base_domain", &environment.base_domain);
    context.insert("http_port", &environment.http_port);
    context.insert("https_port", &environment.https_port);
    context.insert("thumbprint", &environment.thumbprint);
    context.insert("pages", &environment.pages);
    context.insert("listen", &environment.listen);
    context.insert("custom_hosts", &custom);
    context.insert("hash", &hash_sizes(environment.hash, sites.len(), custom.len()));
    context.insert_value("sites", Value::from_serializable(&sites));
    let port_suffix =
        if environment.https_port == 443 { String::new() } else { format!(":{}", environment.https_port) };
    context.insert("port_suffix", &port_suffix);
    let wildcard = wildcard.map(|name| format!("{}/{}.pem", environment.certificates, name.file_stem()));
    context.insert("wildcard_certificate", &wildcard.unwrap_or_default());
    context
}

fn sites<'r>(chosen: &Chosen, row: &'r SiteRow, environment: &Environment) -> impl Iterator<Item = Site<'r>> {
    let language = language_of(&chosen.set, row);
    row.hosts.keys().map(move |host| Site {
        host: host.as_str(),
        instance: row.instance.as_str(),
        upstream: upstream(row),
        gevent: gevent(row),
        page: row.page,
        language: language.clone(),
        redirect: row.redirect_of(host).map_or("", Domain::as_str),
        certificate: environment.certificate(row, host),
    })
}

fn upstream(row: &SiteRow) -> String {
    format!("127.0.0.1:{}", row.ports.http)
}

fn gevent(row: &SiteRow) -> String {
    format!("127.0.0.1:{}", if row.gevent { row.ports.gevent() } else { row.ports.http })
}

fn hash_sizes(open: HashSizes, sites: usize, custom: usize) -> BTreeMap<&'static str, usize> {
    let entries = |count: usize| (count + count / 2).next_power_of_two().max(HASH_ENTRIES_MIN);
    [
        ("map_bucket_size", open.map_bucket, HASH_BUCKET_BYTES),
        ("map_max_size", open.map_max, entries(sites)),
        ("server_names_bucket_size", open.names_bucket, HASH_BUCKET_BYTES),
        ("server_names_max_size", open.names_max, entries(custom)),
    ]
    .into_iter()
    .map(|(name, ours, size)| (name, if ours { size } else { 0 }))
    .collect()
}
