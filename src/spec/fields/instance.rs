//! The keys of `instances.d/<name>.toml`.

use super::super::limits::{CORES, DISK, MEMORY, WORKERS};
use super::conf::{CONF, CONF_TABLE, OF_INSTANCE};
use super::{Field, FileSpec, Kind, Literal, Need, TableSpec, Word};

/// `instances.d/<name>.toml`
pub(in crate::spec) static INSTANCE: FileSpec = FileSpec {
    title: "Innkeeper instance",
    intro: "One customer's Odoo. The name of this file without .toml is the instance's name and never changes.",
    tables: &[
        TableSpec { path: "", doc: "", optional: false, fields: TOP },
        TableSpec {
            path: "customer",
            doc: "Who the customer is, for people; not used inside Odoo.",
            optional: true,
            fields: CUSTOMER,
        },
        TableSpec {
            path: "company",
            doc: "The company as it is set up inside Odoo.",
            optional: false,
            fields: COMPANY,
        },
        TableSpec {
            path: "admin",
            doc: "The first administrator; `innkeeper credentials` shows the first password.",
            optional: false,
            fields: ADMIN,
        },
        TableSpec {
            path: "limits",
            doc: "What this instance may use, where it differs from its plan.",
            optional: true,
            fields: LIMITS,
        },
        TableSpec {
            path: "site",
            doc: "How the site is served, where it differs from the others.",
            optional: true,
            fields: SITE,
        },
        TableSpec { path: CONF_TABLE, doc: OF_INSTANCE, optional: true, fields: CONF },
    ],
};

const TOP: &[Field] = &[
    Field {
        key: "plan",
        kind: Kind::Text(Word::Plan),
        need: Need::Required,
        doc: "The service plan, a table of plans.toml.",
        example: Literal::Text("starter"),
    },
    Field {
        key: "state",
        kind: Kind::Text(Word::Choice(&["running", "stopped", "absent"])),
        need: Need::Default(Literal::Text("running")),
        doc: "running, stopped (data kept, the site says so) or absent (to be retired).",
        example: Literal::Text("running"),
    },
    Field {
        key: "subdomain",
        kind: Kind::Text(Word::Subdomain),
        need: Need::Otherwise("the instance's name"),
        doc: "The instance answers at <subdomain>.<base_domain>.",
        example: Literal::Text("mycompany"),
    },
    Field {
        key: "domains",
        kind: Kind::List(Word::Domain),
        need: Need::Default(Literal::List(&[])),
        doc: "Domains of the customer's own; each must point here before a certificate is asked for.",
        example: Literal::List(&["erp.mycompany.com"]),
    },
    Field {
        key: "odoo",
        kind: Kind::Text(Word::Release),
        need: Need::Otherwise("odoo.default_version of the settings"),
        doc: "The Odoo release, one of odoo.images in the settings.",
        example: Literal::Text("19.0"),
    },
    Field {
        key: "modules",
        kind: Kind::List(Word::Module),
        need: Need::Default(Literal::List(&[])),
        doc: "Odoo modules besides those of the plan.",
        example: Literal::List(&["website"]),
    },
    Field {
        key: "protected",
        kind: Kind::Flag,
        need: Need::Default(Literal::Flag(false)),
        doc: "true: must be taken out in an earlier, separate change before \"absent\" counts.",
        example: Literal::Flag(false),
    },
    Field {
        key: "suspended",
        kind: Kind::Flag,
        need: Need::Default(Literal::Flag(false)),
        doc: "true: Innkeeper looks and reports, and changes nothing.",
        example: Literal::Flag(false),
    },
];

const CUSTOMER: &[Field] = &[
    Field {
        key: "name",
        kind: Kind::Text(Word::Free),
        need: Need::Required,
        doc: "Whom to talk to.",
        example: Literal::Text("John Doe"),
    },
    Field {
        key: "email",
        kind: Kind::Text(Word::Email),
        need: Need::Required,
        doc: "Where to reach them.",
        example: Literal::Text("john@mycompany.com"),
    },
];

const COMPANY: &[Field] = &[
    Field {
        key: "name",
        kind: Kind::Text(Word::Free),
        need: Need::Required,
        doc: "The company's name, carried into Odoo exactly as written.",
        example: Literal::Text("My Company Ltd"),
    },
    Field {
        key: "country",
        kind: Kind::Text(Word::Country),
        need: Need::Otherwise("Odoo's own default"),
        doc: "ISO 3166-1 code; gives the company's currency too.",
        example: Literal::Text("VN"),
    },
    Field {
        key: "language",
        kind: Kind::Text(Word::Language),
        need: Need::Default(Literal::Text("en_US")),
        doc: "Odoo's language code, for the administrator, the website and as the default.",
        example: Literal::Text("vi_VN"),
    },
    Field {
        key: "timezone",
        kind: Kind::Text(Word::Timezone),
        need: Need::Otherwise("fleet.timezone of the settings"),
        doc: "IANA name, for the administrator and as the default. At a user's first login Odoo takes the browser's instead.",
        example: Literal::Text("Asia/Ho_Chi_Minh"),
    },
];

const ADMIN: &[Field] = &[Field {
    key: "email",
    kind: Kind::Text(Word::Email),
    need: Need::Required,
    doc: "Odoo login of the first administrator.",
    example: Literal::Text("admin@mycompany.com"),
}];

const LIMITS: &[Field] = &[
    Field {
        key: "cpus",
        kind: CORES,
        need: Need::Otherwise("the plan's"),
        doc: "Processor cores, 0.1 to 64.",
        example: Literal::Cores(1.5),
    },
    Field {
        key: "memory",
        kind: MEMORY,
        need: Need::Otherwise("the plan's"),
        doc: "Memory of the container, 256 MiB or more.",
        example: Literal::Text("2 GiB"),
    },
    Field {
        key: "disk",
        kind: DISK,
        need: Need::Otherwise("the plan's"),
        doc: "Database and filestore together; watched, not enforced.",
        example: Literal::Text("10 GiB"),
    },
    Field {
        key: "workers",
        kind: WORKERS,
        need: Need::Otherwise("the plan's"),
        doc: "Odoo's HTTP worker processes, 0 to 64; 0 serves everything from one process.",
        example: Literal::Integer(2),
    },
];

const SITE: &[Field] = &[
    Field {
        key: "template",
        kind: Kind::Text(Word::Template),
        need: Need::Otherwise("the server blocks that all instances share"),
        doc: "A template in nginx-templates/ (without its ending) that gives the site a server block of its own.",
        example: Literal::Text("dedicated"),
    },
    Field {
        key: "primary",
        kind: Kind::Text(Word::Domain),
        need: Need::Otherwise("the name below the base domain, and no name redirects"),
        doc: "The one of its names that links in mails and documents carry.",
        example: Literal::Text("erp.mycompany.com"),
    },
    Field {
        key: "redirect",
        kind: Kind::Flag,
        need: Need::Default(Literal::Flag(true)),
        doc: "Whether the other names lead to the primary one once its certificate is there; false: each serves.",
        example: Literal::Flag(true),
    },
];
