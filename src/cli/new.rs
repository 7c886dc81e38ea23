//! `new`: a checked instance file for a new customer.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::{candidate, files, fleet, world};
use crate::model::name::InstanceName;
use crate::model::problem::Problem;
use crate::model::status::SCHEMA;
use crate::spec::{self, Fleet, INSTANCES_DIR, NewInstance};
use serde::Serialize;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance's name: the file's stem, and its subdomain
    name: InstanceName,
    /// The service plan
    #[arg(long)]
    plan: String,
    /// The company's name inside Odoo
    #[arg(long)]
    company: String,
    /// Odoo login of the first administrator
    #[arg(long, value_name = "EMAIL")]
    admin_email: String,
    /// The company's country, two letters (VN)
    #[arg(long, value_name = "COUNTRY")]
    country: Option<String>,
    /// The company's language (vi_VN)
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// The company's time zone (Asia/Ho_Chi_Minh)
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The Odoo release, when it is not the settings' default
    #[arg(long, value_name = "RELEASE")]
    odoo: Option<String>,
    /// The subdomain, when it is not the name
    #[arg(long, value_name = "SUBDOMAIN")]
    subdomain: Option<String>,
    /// Who the customer is, for people; not used inside Odoo
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// Where the customer is written to; the administrator's address, when --customer is given without it
    #[arg(long, value_name = "EMAIL", requires = "customer")]
    customer_email: Option<String>,
    /// A custom domain; may be given again
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// A module besides the plan's; may be given again
    #[arg(long = "module", value_name = "MODULE")]
    modules: Vec<String>,
    /// Print the file instead of writing it
    #[arg(long)]
    print: bool,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    instance: &'a InstanceName,
    /// Null with `--print`.
    file: Option<&'a Path>,
    text: &'a str,
    url: String,
}

/// Keys of an instance's file, and the flags that give their values.
const FLAGS: [(&str, &str); 11] = [
    ("admin.email", "--admin-email"),
    ("company.country", "--country"),
    ("company.language", "--language"),
    ("company.name", "--company"),
    ("company.timezone", "--timezone"),
    ("customer.email", "--customer-email"),
    ("customer.name", "--customer"),
    ("domains", "--domain"),
    ("modules", "--module"),
    ("odoo", "--odoo"),
    ("subdomain", "--subdomain"),
];

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let file = fleet::file_of(cx, &args.name);
    if file.symlink_metadata().is_ok() && !args.print {
        return Err(files::exists(&file).hint("edit it, or choose another name"));
    }
    check_plan(&fleet, &args.plan)?;
    let told = |problems| refused(of_flags(problems, &fleet::shown_file(&args.name)));
    let text = spec::render_instance(&wanted(args)).map_err(told)?;
    let problems = candidate::problems_of_text(cx, &fleet.problems, &format!("{}.toml", args.name), text.as_bytes())?;
    if !problems.is_empty() {
        return Err(told(problems));
    }
    if !args.print {
        make_folder(cx)?;
        files::create(&file, &text)?;
    }
    answer(cx, &fleet, args, &file, &text)
}

fn wanted(args: &Args) -> NewInstance<'_> {
    NewInstance {
        name: args.name.as_str(),
        plan: &args.plan,
        company: &args.company,
        admin_email: &args.admin_email,
        domains: args.domains.iter().map(String::as_str).collect(),
        modules: args.modules.iter().map(String::as_str).collect(),
        country: args.country.as_deref(),
        language: args.language.as_deref(),
        timezone: args.timezone.as_deref(),
        odoo: args.odoo.as_deref(),
        subdomain: args.subdomain.as_deref(),
        customer: args
            .customer
            .as_deref()
            .map(|name| (name, args.customer_email.as_deref().unwrap_or(&args.admin_email))),
    }
}

fn check_plan(fleet: &Fleet, given: &str) -> Result<(), Failure> {
    if fleet.plans.keys().any(|plan| plan.as_str() == given) {
        return Ok(());
    }
    let failure =
        Failure::new(Trouble::NoSuchPlan, format!("there is no service plan {:?}", crate::model::name::shorten(given)));
    Err(match fleet::nearest(given, fleet.plans.keys().map(|plan| plan.as_str())) {
        Some(near) => failure.hint(format!("did you mean {near:?}?")),
        None => failure.hint("`innkeeper plans` lists all"),
    })
}

/// Problems of the file that is not written, told of the flags that were typed: it has no lines yet.
fn of_flags(problems: Vec<Problem>, file: &Path) -> Vec<Problem> {
    let of_flag = |problem: Problem| {
        let flag = FLAGS.iter().find_map(|(key, flag)| {
            let rest = problem.message.strip_prefix(key)?;
            rest.starts_with([':', ' ']).then(|| format!("{flag}{rest}"))
        });
        Problem { line: 0, column: 0, message: flag.unwrap_or(problem.message), ..problem }
    };
    problems.into_iter().map(|problem| if problem.file == file { of_flag(problem) } else { problem }).collect()
}

fn refused(problems: Vec<Problem>) -> Failure {
    Failure::of_problems(problems, "nothing was written")
}

/// Where it will answer, as everything else tells it.
fn url(fleet: &Fleet, args: &Args) -> String {
    let port = match fleet.settings.nginx.https_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let subdomain = args.subdomain.as_deref().unwrap_or(args.name.as_str());
    format!("https://{subdomain}.{}{port}", fleet.settings.fleet.base_domain)
}

fn make_folder(cx: &Context) -> Result<(), Failure> {
    let folder = cx.within(INSTANCES_DIR);
    std::fs::create_dir_all(&folder).map_err(|e| Failure::of_file(&folder, "make", &e))
}

fn answer(cx: &Context, fleet: &Fleet, args: &Args, file: &Path, text: &str) -> Result<Exit, Failure> {
    let url = url(fleet, args);
    if cx.json {
        let file = (!args.print).then_some(file);
        cx.document(&Document { schema: SCHEMA, instance: &args.name, file, text, url })?;
    } else if args.print {
        cx.say(text)?;
    } else {
        cx.say(&format!("{}\n", file.display()))?;
        let next = match world::daemon_runs(&fleet.settings) {
            true => format!("watch it come: innkeeper wait {}", args.name),
            false => format!(
                "no daemon runs here: it is brought up by the next `innkeeper run`, or by `innkeeper apply {}`",
                args.name
            ),
        };
        cx.notice(&format!("it will answer at {url}; {next}"));
    }
    Ok(Exit::Done)
}
