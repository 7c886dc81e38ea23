//! The lines of odoo.conf that a plan or an instance may choose, under `[conf]`; and those that it may not, with what does
//! it instead. Their names and meanings are those of Odoo's command-line reference (releases 14 to 19).

use super::super::limits::PORT;
use super::{Field, Kind, Literal, Need, Word};

/// The table's name, in a plan and in an instance.
pub(in crate::spec) const CONF_TABLE: &str = "conf";
/// What the table is about, of an instance.
pub(super) const OF_INSTANCE: &str = "Lines of odoo.conf, where they differ from the plan's. A change restarts Odoo.";
/// What the table is about, of a plan.
pub(super) const OF_PLAN: &str =
    "Lines of odoo.conf for every instance on the plan. A change restarts Odoo, one instance after the other.";

/// The key that is not a line of odoo.conf but says where the value of one stands.
pub(in crate::spec) const PASSWORD_FILE: &str = "smtp_password_file";

/// Logs of Odoo are written in these levels.
pub(in crate::spec) const LOG_LEVELS: &[&str] =
    &["info", "warn", "error", "critical", "debug", "debug_rpc", "debug_rpc_answer", "debug_sql"];

/// Time for one request: below ten seconds not even the login page of a cold Odoo comes, a day is a mistake.
const REQUEST_S: Kind = Kind::Integer { min: 10, max: 86_400 };
/// Time for scheduled actions; 0 is no limit.
const CRON_S: Kind = Kind::Integer { min: 0, max: 604_800 };

pub(super) const CONF: &[Field] = &[
    Field {
        key: "limit_time_cpu",
        kind: REQUEST_S,
        need: Need::Otherwise("600"),
        doc: "Seconds of processor time for one request; past it the worker is ended.",
        example: Literal::Integer(900),
    },
    Field {
        key: "limit_time_real",
        kind: REQUEST_S,
        need: Need::Otherwise("1200"),
        doc: "Seconds for one request. nginx waits for as long as proxy_read_timeout in nginx-templates/ says: raise both.",
        example: Literal::Integer(3_600),
    },
    Field {
        key: "limit_time_real_cron",
        kind: CRON_S,
        need: Need::Otherwise("limit_time_real"),
        doc: "Seconds for one run of scheduled actions; 0 is no limit.",
        example: Literal::Integer(7_200),
    },
    Field {
        key: "limit_time_worker_cron",
        kind: CRON_S,
        need: Need::Otherwise("no limit"),
        doc: "Seconds after which the process of scheduled actions begins anew; 0 is never. From Odoo 16 on.",
        example: Literal::Integer(86_400),
    },
    Field {
        key: "limit_request",
        kind: Kind::Integer { min: 100, max: 100_000_000 },
        need: Need::Otherwise("Odoo's own"),
        doc: "Requests after which a worker begins anew.",
        example: Literal::Integer(65_536),
    },
    Field {
        key: "max_cron_threads",
        kind: Kind::Integer { min: 0, max: 16 },
        need: Need::Otherwise("1"),
        doc: "Scheduled actions that run at once; 0 runs none: no e-mail leaves the queue then.",
        example: Literal::Integer(2),
    },
    Field {
        key: "transient_age_limit",
        kind: Kind::Integer { min: 1, max: 720 },
        need: Need::Otherwise("1"),
        doc: "Hours for which what wizards leave behind is kept.",
        example: Literal::Integer(4),
    },
    Field {
        key: "osv_memory_count_limit",
        kind: Kind::Integer { min: 0, max: 10_000_000 },
        need: Need::Otherwise("no limit"),
        doc: "How much of it is kept at most, in records of each kind.",
        example: Literal::Integer(10_000),
    },
    Field {
        key: "server_wide_modules",
        kind: Kind::List(Word::Module),
        need: Need::Otherwise("Odoo's own alone"),
        doc: "Modules that are loaded at the start for every database, besides Odoo's own. The image must have them.",
        example: Literal::List(&["queue_job"]),
    },
    Field {
        key: "smtp_server",
        kind: Kind::Text(Word::Host),
        need: Need::Otherwise("none: the customer enters one inside Odoo"),
        doc: "The server for outgoing mail, as the container reaches it.",
        example: Literal::Text("mail.example.com"),
    },
    Field {
        key: "smtp_port",
        kind: PORT,
        need: Need::Otherwise("25"),
        doc: "Its port.",
        example: Literal::Integer(587),
    },
    Field {
        key: "smtp_ssl",
        kind: Kind::Flag,
        need: Need::Otherwise("false"),
        doc: "true: the connection is encrypted (STARTTLS).",
        example: Literal::Flag(true),
    },
    Field {
        key: "smtp_user",
        kind: Kind::Text(Word::Option),
        need: Need::Otherwise("none"),
        doc: "The login at that server.",
        example: Literal::Text("odoo@example.com"),
    },
    Field {
        key: PASSWORD_FILE,
        kind: Kind::Text(Word::Path),
        need: Need::Otherwise("none"),
        doc: "The file with its password, one line, mode 0600; a relative path starts at the fleet's directory.",
        example: Literal::Text("/etc/innkeeper/smtp.password"),
    },
    Field {
        key: "email_from",
        kind: Kind::Text(Word::Email),
        need: Need::Otherwise("Odoo's own"),
        doc: "The sender of mail that has none of its own.",
        example: Literal::Text("noreply@example.com"),
    },
    Field {
        key: "from_filter",
        kind: Kind::List(Word::Sender),
        need: Need::Otherwise("any"),
        doc: "Domains and addresses that this server may send for. From Odoo 15 on.",
        example: Literal::List(&["example.com"]),
    },
    Field {
        key: "log_level",
        kind: Kind::Text(Word::Choice(LOG_LEVELS)),
        need: Need::Otherwise("info"),
        doc: "How much Odoo logs. debug levels write what customers enter into the log.",
        example: Literal::Text("info"),
    },
    Field {
        key: "log_handler",
        kind: Kind::List(Word::Logger),
        need: Need::Otherwise("[\":INFO\"]"),
        doc: "Levels of single loggers, each as \"logger:LEVEL\".",
        example: Literal::List(&["odoo.addons.mail:DEBUG"]),
    },
    Field {
        key: "websocket_keep_alive_timeout",
        kind: Kind::Integer { min: 60, max: 86_400 },
        need: Need::Otherwise("3600"),
        doc: "Seconds after which a websocket is opened anew. From Odoo 16 on.",
        example: Literal::Integer(3_600),
    },
    Field {
        key: "websocket_rate_limit_burst",
        kind: Kind::Integer { min: 1, max: 10_000 },
        need: Need::Otherwise("10"),
        doc: "Messages that one websocket may send at once. From Odoo 16 on.",
        example: Literal::Integer(20),
    },
    Field {
        key: "geoip_city_db",
        kind: Kind::Text(Word::InContainer),
        need: Need::Otherwise("Odoo's own path"),
        doc: "The database of places of addresses, a path inside the image.",
        example: Literal::Text("/usr/share/GeoIP/GeoLite2-City.mmdb"),
    },
    Field {
        key: "geoip_country_db",
        kind: Kind::Text(Word::InContainer),
        need: Need::Otherwise("Odoo's own path"),
        doc: "The same for countries alone. From Odoo 17 on.",
        example: Literal::Text("/usr/share/GeoIP/GeoLite2-Country.mmdb"),
    },
];

/// The first release that knows a key, for those that are younger than Odoo 14.
const SINCE: &[(&str, u32)] = &[
    ("from_filter", 15),
    ("limit_time_worker_cron", 16),
    ("websocket_keep_alive_timeout", 16),
    ("websocket_rate_limit_burst", 16),
    ("geoip_country_db", 17),
];

/// The first release that knows `key`; 14 for all that every release here knows.
pub(in crate::spec) fn since(key: &str) -> u32 {
    SINCE.iter().find(|(known, _)| *known == key).map_or(14, |(_, major)| *major)
}

/// Keys of odoo.conf that are Innkeeper's own, and what does instead what somebody may want of them.
const OWN: &[(&[&str], &str)] = &[
    (
        &[
            "db_host",
            "db_port",
            "db_user",
            "db_password",
            "db_name",
            "db_template",
            "db_sslmode",
            "db_app_name",
            "pg_path",
        ],
        "each instance has a database and a role of its own; where PostgreSQL is, [postgres] of innkeeper.toml says",
    ),
    (
        &["db_replica_host", "db_replica_port"],
        "an instance has one database, on the server that [postgres] of innkeeper.toml names",
    ),
    (&["db_maxconn", "db_maxconn_gevent"], "it follows from workers, so that all customers together fit the server"),
    (&["dbfilter", "list_db"], "an instance serves its own database alone, and its list is closed: leave the line out"),
    (&["admin_passwd"], "Innkeeper derives one an instance: innkeeper credentials NAME shows it"),
    (&["proxy_mode", "x_sendfile"], "nginx-templates/ and Odoo must agree on it: leave the line out"),
    (&["data_dir"], "the files are in the instance's volume: leave the line out"),
    (
        &[
            "http_port",
            "http_interface",
            "http_enable",
            "gevent_port",
            "longpolling_port",
            "xmlrpc_port",
            "xmlrpc_interface",
            "xmlrpc",
        ],
        "ports belong to the container; those of the host come from docker.ports of innkeeper.toml",
    ),
    (&["workers"], "write workers into the plan, or into [limits] of the instance"),
    (
        &["limit_memory_soft", "limit_memory_hard", "limit_memory_soft_gevent", "limit_memory_hard_gevent"],
        "it follows from memory: write that into the plan, or into [limits] of the instance",
    ),
    (
        &["addons_path", "upgrade_path", "pre_upgrade_scripts"],
        "modules of your own belong into the image: build one on top of Odoo's and name it in odoo.images",
    ),
    (&["init", "update", "reinit"], "name modules with modules = […], in the plan or above the first table"),
    (&["without_demo", "with_demo", "demo"], "customers get no demo data"),
    (&["unaccent"], "it is always on"),
    (
        &["logfile", "syslog", "log_db", "log_db_level", "logrotate", "pidfile"],
        "the log goes to Docker: innkeeper logs NAME shows it",
    ),
    (
        &["dev_mode", "test_enable", "test_file", "test_tags", "screenshots", "screencasts", "stop_after_init"],
        "it is for developing, not for customers",
    ),
    (&["geoip_database"], "write geoip_city_db: it is given to each release under its own name"),
    (&["osv_memory_age_limit"], "write transient_age_limit"),
    (&["smtp_password"], "put the password into a file of mode 0600 and name that with smtp_password_file"),
];

/// What does instead what `key` would do, when it is not to be chosen.
pub(in crate::spec) fn instead_of(key: &str) -> Option<&'static str> {
    OWN.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_that_is_not_the_first_is_said_and_nothing_is_both_free_and_own() {
        for field in CONF {
            assert!(instead_of(field.key).is_none(), "{}", field.key);
            let major = since(field.key);
            let said = field.doc.contains(&format!("From Odoo {major} on."));
            assert_eq!(said, major > 14, "{}: {}", field.key, field.doc);
        }
        for (key, _) in SINCE {
            assert!(CONF.iter().any(|field| field.key == *key), "{key} is no key");
        }
    }
}
