//! The keys of one plan in `plans.toml`.

use super::super::limits::{CORES, DISK, INSTANCES_PER_PLAN, KEPT, MEMORY, WORKERS};
use super::conf::{CONF, CONF_TABLE, OF_PLAN};
use super::{Field, FileSpec, Kind, Literal, Need, TableSpec, Word};

/// One table of `plans.toml`.
pub(in crate::spec) static PLANS: FileSpec = FileSpec {
    title: "Innkeeper service plans",
    intro: "What customers can buy. Each table is a plan; an instance names it with plan = \"…\".",
    tables: &[
        TableSpec { path: "", doc: "", optional: false, fields: TOP },
        TableSpec {
            path: "backup",
            doc: "When backups are taken and how many are kept. This version checks and shows it, and takes none on a schedule.",
            optional: true,
            fields: BACKUP,
        },
        TableSpec { path: "backup.keep", doc: "How many backups of each age are kept.", optional: true, fields: KEEP },
        TableSpec { path: CONF_TABLE, doc: OF_PLAN, optional: true, fields: CONF },
    ],
};

const TOP: &[Field] = &[
    Field {
        key: "title",
        kind: Kind::Text(Word::Free),
        need: Need::Otherwise("the plan's name"),
        doc: "What customers see it called.",
        example: Literal::Text("Starter"),
    },
    Field {
        key: "modules",
        kind: Kind::List(Word::Module),
        need: Need::Default(Literal::List(&[])),
        doc: "Odoo modules that every instance on this plan has.",
        example: Literal::List(&["crm", "sale_management"]),
    },
    Field {
        key: "cpus",
        kind: CORES,
        need: Need::Required,
        doc: "Processor cores, 0.1 to 64.",
        example: Literal::Cores(1.0),
    },
    Field {
        key: "memory",
        kind: MEMORY,
        need: Need::Required,
        doc: "Memory of the container, 256 MiB or more.",
        example: Literal::Text("1 GiB"),
    },
    Field {
        key: "disk",
        kind: DISK,
        need: Need::Required,
        doc: "Database and filestore together; watched, not enforced.",
        example: Literal::Text("5 GiB"),
    },
    Field {
        key: "workers",
        kind: WORKERS,
        need: Need::Default(Literal::Integer(2)),
        doc: "Odoo's HTTP worker processes, 0 to 64; 0 serves everything from one process.",
        example: Literal::Integer(2),
    },
    Field {
        key: "max_instances",
        kind: INSTANCES_PER_PLAN,
        need: Need::Otherwise("fleet.max_instances_per_plan of the settings"),
        doc: "How many instances may be on this plan.",
        example: Literal::Integer(100),
    },
];

const BACKUP: &[Field] = &[Field {
    key: "schedule",
    kind: Kind::Text(Word::Schedule),
    need: Need::Default(Literal::Text("0 2 * * *")),
    doc: "Five-field cron, in the fleet's time zone.",
    example: Literal::Text("0 2 * * *"),
}];

const KEEP: &[Field] = &[
    Field {
        key: "daily",
        kind: KEPT,
        need: Need::Default(Literal::Integer(7)),
        doc: "The newest of each of so many days.",
        example: Literal::Integer(7),
    },
    Field {
        key: "weekly",
        kind: KEPT,
        need: Need::Default(Literal::Integer(4)),
        doc: "The newest of each of so many weeks.",
        example: Literal::Integer(4),
    },
    Field {
        key: "monthly",
        kind: KEPT,
        need: Need::Default(Literal::Integer(6)),
        doc: "The newest of each of so many months.",
        example: Literal::Integer(6),
    },
];
