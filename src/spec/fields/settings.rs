//! The keys of `innkeeper.toml`.

use super::super::limits::{INSTANCES_PER_PLAN, PERCENT, PORT};
use super::{Field, FileSpec, Kind, Literal, Need, TableSpec, Word};

/// `innkeeper.toml`
pub(in crate::spec) static SETTINGS: FileSpec = FileSpec {
    title: "Innkeeper settings",
    intro: "The settings of this host. Secrets stand in files of their own and are named here by path only. Relative \
            paths start at the fleet's directory.",
    tables: &[
        TableSpec { path: "", doc: "", optional: false, fields: &[] },
        TableSpec { path: "fleet", doc: "What holds for all instances.", optional: false, fields: FLEET },
        TableSpec { path: "odoo", doc: "Which Odoo releases there are.", optional: false, fields: ODOO },
        TableSpec { path: "docker", doc: "Where containers run.", optional: false, fields: DOCKER },
        TableSpec { path: "postgres", doc: "Where databases are kept.", optional: false, fields: POSTGRES },
        TableSpec { path: "nginx", doc: "What serves the sites.", optional: false, fields: NGINX },
        TableSpec { path: "acme", doc: "Where certificates come from.", optional: false, fields: ACME },
        TableSpec { path: "backup", doc: "Where backups go.", optional: false, fields: BACKUP },
        TableSpec { path: "guard", doc: "The brake on mass changes.", optional: false, fields: GUARD },
        TableSpec {
            path: "operator",
            doc: "Whom visitors meet on the pages that stand in for Odoo.",
            optional: true,
            fields: OPERATOR,
        },
    ],
};

const FLEET: &[Field] = &[
    Field {
        key: "base_domain",
        kind: Kind::Text(Word::Domain),
        need: Need::Required,
        doc: "An instance lives at <subdomain>.<base_domain>.",
        example: Literal::Text("example.com"),
    },
    Field {
        key: "reserved_subdomains",
        kind: Kind::List(Word::Subdomain),
        need: Need::Default(Literal::List(&[])),
        doc: "Subdomains that no instance may have, added to a built-in list (www, mail, admin and the like).",
        example: Literal::List(&["www", "mail"]),
    },
    Field {
        key: "max_instances_per_plan",
        kind: INSTANCES_PER_PLAN,
        need: Need::Default(Literal::Integer(100)),
        doc: "For plans that set no max_instances.",
        example: Literal::Integer(100),
    },
    Field {
        key: "on_missing_file",
        kind: Kind::Text(Word::Choice(&["hold", "retire"])),
        need: Need::Default(Literal::Text("hold")),
        doc: "What a vanished instance file means: hold (it runs on, with an alert) or retire.",
        example: Literal::Text("hold"),
    },
    Field {
        key: "retire_grace",
        kind: Kind::Text(Word::Duration),
        need: Need::Default(Literal::Text("14d")),
        doc: "How long a retired instance's data is kept.",
        example: Literal::Text("14d"),
    },
    Field {
        key: "state_dir",
        kind: Kind::Text(Word::Path),
        need: Need::Default(Literal::Text("/var/lib/innkeeper")),
        doc: "Journal, status documents, lock and secrets. Back up its secrets/.",
        example: Literal::Text("/var/lib/innkeeper"),
    },
    Field {
        key: "timezone",
        kind: Kind::Text(Word::Timezone),
        need: Need::Default(Literal::Text("UTC")),
        doc: "IANA name; schedules and times for people use it.",
        example: Literal::Text("Asia/Ho_Chi_Minh"),
    },
];

const ODOO: &[Field] = &[
    Field {
        key: "default_version",
        kind: Kind::Text(Word::Release),
        need: Need::Required,
        doc: "For instances that name no release.",
        example: Literal::Text("19.0"),
    },
    Field {
        key: "images",
        kind: Kind::Images,
        need: Need::Required,
        doc: "Release → image reference.",
        example: Literal::Images(&[("17.0", "odoo:17.0"), ("19.0", "odoo:19.0")]),
    },
];

const DOCKER: &[Field] = &[
    Field {
        key: "host",
        kind: Kind::Text(Word::Url),
        need: Need::Default(Literal::Text("unix:///var/run/docker.sock")),
        doc: "Docker's API.",
        example: Literal::Text("unix:///var/run/docker.sock"),
    },
    Field {
        key: "ports",
        kind: Kind::Text(Word::Ports),
        need: Need::Default(Literal::Text("20000-29999")),
        doc: "Loopback ports that instances get, two each.",
        example: Literal::Text("20000-29999"),
    },
];

const POSTGRES: &[Field] = &[
    Field {
        key: "url",
        kind: Kind::Text(Word::Url),
        need: Need::Required,
        doc: "A role with CREATEDB and CREATEROLE, not a superuser, without its password.",
        example: Literal::Text("postgres://innkeeper@127.0.0.1:5432/postgres"),
    },
    Field {
        key: "password_file",
        kind: Kind::Text(Word::Path),
        need: Need::Otherwise("the server asks for no password"),
        doc: "Where that role's password stands (mode 0600).",
        example: Literal::Text("/etc/innkeeper/postgres.password"),
    },
    Field {
        key: "instance_host",
        kind: Kind::Text(Word::Host),
        need: Need::Default(Literal::Text("172.17.0.1")),
        doc: "The server's address as containers see it.",
        example: Literal::Text("172.17.0.1"),
    },
];

const NGINX: &[Field] = &[
    Field {
        key: "config_dir",
        kind: Kind::Text(Word::Path),
        need: Need::Default(Literal::Text("/etc/nginx/innkeeper")),
        doc: "The one line `include <config_dir>/current/*.conf;` is all that the host's nginx needs.",
        example: Literal::Text("/etc/nginx/innkeeper"),
    },
    Field {
        key: "binary",
        kind: Kind::Text(Word::Path),
        need: Need::Default(Literal::Text("/usr/sbin/nginx")),
        doc: "The nginx program.",
        example: Literal::Text("/usr/sbin/nginx"),
    },
    Field {
        key: "arguments",
        kind: Kind::List(Word::Argument),
        need: Need::Default(Literal::List(&[])),
        doc: "Its arguments for an nginx of one's own: [\"-p\", …, \"-c\", …].",
        example: Literal::List(&["-c", "/etc/nginx/nginx.conf"]),
    },
    Field {
        key: "pid_file",
        kind: Kind::Text(Word::Path),
        need: Need::Default(Literal::Text("/run/nginx.pid")),
        doc: "Where the master process writes its number.",
        example: Literal::Text("/run/nginx.pid"),
    },
    Field {
        key: "http_port",
        kind: PORT,
        need: Need::Default(Literal::Integer(80)),
        doc: "Port for http.",
        example: Literal::Integer(80),
    },
    Field {
        key: "https_port",
        kind: PORT,
        need: Need::Default(Literal::Integer(443)),
        doc: "Port for https.",
        example: Literal::Integer(443),
    },
];

const ACME: &[Field] = &[
    Field {
        key: "directory",
        kind: Kind::Text(Word::Url),
        need: Need::Default(Literal::Text("https://acme-v02.api.letsencrypt.org/directory")),
        doc: "The authority's directory (RFC 8555, section 7.1.1).",
        example: Literal::Text("https://acme-v02.api.letsencrypt.org/directory"),
    },
    Field {
        key: "contact",
        kind: Kind::List(Word::Contact),
        need: Need::Default(Literal::List(&[])),
        doc: "Where the authority writes about certificates.",
        example: Literal::List(&["mailto:ops@example.com"]),
    },
    Field {
        key: "ca_file",
        kind: Kind::Text(Word::Path),
        need: Need::Otherwise("the system's roots"),
        doc: "A root to trust for the directory's own TLS, besides the system's.",
        example: Literal::Text("pebble.minica.pem"),
    },
    Field {
        key: "wildcard_hook",
        kind: Kind::List(Word::Argument),
        need: Need::Otherwise("one certificate a name, by http-01"),
        doc: "Program and arguments that present and clean up DNS records: one certificate for *.<base_domain>.",
        example: Literal::List(&["/etc/innkeeper/dns"]),
    },
    Field {
        key: "resolver",
        kind: Kind::Text(Word::Host),
        need: Need::Otherwise("the system's resolver"),
        doc: "DNS server (address or address:port) that is asked where a name points before a certificate is ordered.",
        example: Literal::Text("9.9.9.9"),
    },
];

const BACKUP: &[Field] = &[
    Field {
        key: "directory",
        kind: Kind::Text(Word::Path),
        need: Need::Default(Literal::Text("/var/backups/innkeeper")),
        doc: "Where archives go. Data of a retired instance are deleted only when its final backup stands here, read back.",
        example: Literal::Text("/var/backups/innkeeper"),
    },
    Field {
        key: "pg_dump",
        kind: Kind::Text(Word::Path),
        need: Need::Default(Literal::Text("pg_dump")),
        doc: "The program that dumps a database: as new as the server, or newer.",
        example: Literal::Text("pg_dump"),
    },
    Field {
        key: "pg_restore",
        kind: Kind::Text(Word::Path),
        need: Need::Default(Literal::Text("pg_restore")),
        doc: "The program that a dump is read back with.",
        example: Literal::Text("pg_restore"),
    },
];

const GUARD: &[Field] = &[
    Field {
        key: "disruptions_per_hour",
        kind: INSTANCES_PER_PLAN,
        need: Need::Default(Literal::Integer(2)),
        doc: "Instances that may be retired, stopped or purged in one rolling hour, at least.",
        example: Literal::Integer(2),
    },
    Field {
        key: "disruptions_percent",
        kind: PERCENT,
        need: Need::Default(Literal::Integer(10)),
        doc: "The same as a share of the fleet, in per cent; the larger of both holds.",
        example: Literal::Integer(10),
    },
    Field {
        key: "updates_percent",
        kind: PERCENT,
        need: Need::Default(Literal::Integer(30)),
        doc: "Share of the fleet, in per cent, that may be updated or re-created at once.",
        example: Literal::Integer(30),
    },
];

const OPERATOR: &[Field] = &[
    Field {
        key: "name",
        kind: Kind::Text(Word::Free),
        need: Need::Otherwise("the pages name nobody"),
        doc: "Who runs the sites.",
        example: Literal::Text("Acacia Hosting"),
    },
    Field {
        key: "logo",
        kind: Kind::Text(Word::Path),
        need: Need::Otherwise("the name is shown"),
        doc: "An image: SVG, PNG, JPEG, GIF or WebP, 64 KiB at most.",
        example: Literal::Text("logo.svg"),
    },
    Field {
        key: "logo_dark",
        kind: Kind::Text(Word::Path),
        need: Need::Otherwise("the logo on a light ground"),
        doc: "The same for dark screens.",
        example: Literal::Text("logo-dark.svg"),
    },
    Field {
        key: "contact",
        kind: Kind::List(Word::Help),
        need: Need::Default(Literal::List(&[])),
        doc: "Where customers find help, as mailto:, tel: or https:// addresses.",
        example: Literal::List(&["mailto:help@example.com", "tel:+84-24-1234-5678"]),
    },
];
