//! Writes commented files from the field tables: what `innkeeper init` and `innkeeper new` put down.
//!
//! Keys whose default is meant stand there as comments, so that a file shows all that could be said in it.

use super::entry::instance_name;
use super::fields::{Field, FileKind, FileSpec, Literal, Need, TableSpec, quoted};
use super::instance;
use super::{INSTANCES_DIR, PLANS_FILE, SETTINGS_FILE};
use crate::model::problem::Problem;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Comments behind values begin at this column where the value leaves room.
const COMMENT_COLUMN: usize = 40;
/// The name of the example instance.
const EXAMPLE_NAME: &str = "mycompany";
/// Comments at the top of a file are broken at this width.
const LINE_CHARS_MAX: usize = 110;

/// The second plan of the example, where it differs from the field table's own examples.
const BUSINESS: &[(&str, Literal)] = &[
    ("title", Literal::Text("Business")),
    ("modules", Literal::List(&["crm", "sale_management", "website"])),
    ("cpus", Literal::Cores(2.0)),
    ("memory", Literal::Text("4 GiB")),
    ("disk", Literal::Text("20 GiB")),
    ("workers", Literal::Integer(4)),
    ("max_instances", Literal::Integer(25)),
];

const GITIGNORE: &str = "\
# Secrets and state never belong into version control.
*.password
*.key
*.pem
/state/

# Editor leftovers; Innkeeper passes them over as well.
*~
.*.sw?
";

/// What `innkeeper new` is told, as it was typed.
#[derive(Debug, Clone, Default)]
pub struct NewInstance<'a> {
    /// The instance's name.
    pub name: &'a str,
    /// The plan's name.
    pub plan: &'a str,
    /// The company's name.
    pub company: &'a str,
    /// The first administrator's login.
    pub admin_email: &'a str,
    /// Custom domains.
    pub domains: Vec<&'a str>,
    /// Modules besides the plan's.
    pub modules: Vec<&'a str>,
    /// The company's country.
    pub country: Option<&'a str>,
    /// The company's language.
    pub language: Option<&'a str>,
    /// The company's time zone.
    pub timezone: Option<&'a str>,
    /// The Odoo release.
    pub odoo: Option<&'a str>,
    /// The subdomain.
    pub subdomain: Option<&'a str>,
    /// The customer's name and address.
    pub customer: Option<(&'a str, &'a str)>,
}

/// The text of a new instance file, read once by the reader itself before it is given out.
///
/// # Errors
/// All [`Problem`]s of the file that it would be. Rules across files are not asked here.
pub fn render_instance(new: &NewInstance<'_>) -> Result<String, Vec<Problem>> {
    let list = |texts: &[&str]| format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "));
    let mut given = Given::from([
        ("plan".to_owned(), quoted(new.plan)),
        ("company.name".to_owned(), quoted(new.company)),
        ("admin.email".to_owned(), quoted(new.admin_email)),
    ]);
    for (key, texts) in [("domains", &new.domains), ("modules", &new.modules)] {
        if !texts.is_empty() {
            given.insert(key.to_owned(), list(texts));
        }
    }
    let (customer, address) = new.customer.unzip();
    for (key, value) in [
        ("company.country", new.country),
        ("company.language", new.language),
        ("company.timezone", new.timezone),
        ("odoo", new.odoo),
        ("subdomain", new.subdomain),
        ("customer.name", customer),
        ("customer.email", address),
    ] {
        given.extend(value.map(|value| (key.to_owned(), quoted(value))));
    }
    let text = render(FileKind::Instance.spec(), "", &given);
    let file_name = format!("{}.toml", new.name);
    let name = instance_name(&file_name).map_err(|problem| vec![problem])?;
    let file = Path::new(INSTANCES_DIR).join(file_name);
    instance::read(&file, &name, &text).map(|_| text).map_err(|faulty| faulty.problems)
}

/// The files of a new fleet, by their path in it; `nginx-templates/` comes from elsewhere.
pub fn example_files() -> Vec<(PathBuf, String)> {
    vec![
        (SETTINGS_FILE.into(), example_settings()),
        (PLANS_FILE.into(), example_plans()),
        (Path::new(INSTANCES_DIR).join(format!("{EXAMPLE_NAME}.toml")), example_instance()),
        (".gitignore".into(), GITIGNORE.to_owned()),
    ]
}

/// A commented `innkeeper.toml`; its values fit a host with Docker, PostgreSQL and nginx from its distribution.
pub fn example_settings() -> String {
    let shown = ["fleet.timezone", "postgres.password_file", "acme.contact"];
    let spec = FileKind::Settings.spec();
    render(spec, "", &examples(spec, &shown))
}

/// A commented `plans.toml` with two plans.
pub fn example_plans() -> String {
    let spec = FileKind::Plans.spec();
    let all = [
        "title",
        "modules",
        "workers",
        "max_instances",
        "backup.schedule",
        "backup.keep.daily",
        "backup.keep.weekly",
        "backup.keep.monthly",
    ];
    let starter = render(spec, "starter", &examples(spec, &all));
    let mut larger = examples(spec, &all);
    for (key, value) in BUSINESS {
        larger.insert((*key).to_owned(), value.to_string());
    }
    starter + &render_tables(spec, "business", &larger)
}

/// A commented instance file.
pub fn example_instance() -> String {
    let shown = [
        "state",
        "odoo",
        "modules",
        "customer.name",
        "customer.email",
        "company.country",
        "company.language",
        "company.timezone",
    ];
    let spec = FileKind::Instance.spec();
    render(spec, "", &examples(spec, &shown))
}

/// Dotted key → value in TOML, for the keys that are not left as comments.
type Given = BTreeMap<String, String>;

/// The examples of all required keys and of those in `also`.
fn examples(spec: &'static FileSpec, also: &[&str]) -> Given {
    let mut given = Given::new();
    for table in spec.tables {
        for field in table.fields {
            let dotted = table.dotted(field.key);
            let is_required = field.need == Need::Required && !table.optional;
            if is_required || also.contains(&dotted.as_str()) {
                given.insert(dotted, field.example.to_string());
            }
        }
    }
    given
}

/// The whole text of a file; for plans, of a file with the one plan `prefix`.
fn render(spec: &'static FileSpec, prefix: &str, given: &Given) -> String {
    let intro: String = wrapped(spec.intro).iter().map(|line| format!("# {line}\n")).collect();
    intro + &render_tables(spec, prefix, given)
}

fn render_tables(spec: &'static FileSpec, prefix: &str, given: &Given) -> String {
    let mut text = String::new();
    for table in spec.tables.iter().filter(|table| !table.fields.is_empty()) {
        let is_given = table.fields.iter().any(|field| given.contains_key(&table.dotted(field.key)));
        let header = [prefix, table.path].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".");
        text.push('\n');
        if !header.is_empty() {
            let header = if is_given { format!("[{header}]") } else { format!("# [{header}]") };
            text.push_str(&with_comment(&header, table.doc));
        }
        for field in table.fields {
            let line = match given.get(&table.dotted(field.key)) {
                Some(value) => format!("{} = {value}", field.key),
                None => format!("# {} = {}", field.key, default_of(table, field.key)),
            };
            text.push_str(&with_comment(&line, &doc_of(field)));
        }
    }
    text
}

/// What a key that is left out stands for, or an example where that is not one value.
fn default_of(table: &TableSpec, key: &str) -> String {
    let literal = table.field(key).map(|field| match field.need {
        // An empty list would not show how one is written.
        Need::Default(literal) if literal != Literal::List(&[]) => literal,
        _ => field.example,
    });
    literal.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn doc_of(field: &Field) -> String {
    match field.need {
        Need::Otherwise(otherwise) => format!("{} Default: {otherwise}.", field.doc),
        _ => field.doc.to_owned(),
    }
}

fn with_comment(line: &str, comment: &str) -> String {
    if comment.is_empty() { format!("{line}\n") } else { format!("{line:<COMMENT_COLUMN$} # {comment}\n") }
}

/// `text` in lines that fit a terminal.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.len() + word.len() < LINE_CHARS_MAX) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
