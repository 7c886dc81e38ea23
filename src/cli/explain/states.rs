//! The one word for how an instance stands, and what conditions are about.

use crate::model::status::{ConditionType, State};

/// Word, title, text.
pub(super) const STATES: &[(State, &str, &str)] = &[
    (
        State::Ready,
        "it serves, as its file asks",
        "Its login page came through nginx, over TLS and with its own certificate. Nothing is to be done.",
    ),
    (
        State::Provisioning,
        "it is being made for the first time",
        "Its site says that it is being prepared. Installing Odoo's modules takes most of the time, some minutes: `innkeeper logs NAME --source job -f` shows it, `innkeeper wait NAME` blocks until it serves.",
    ),
    (
        State::Updating,
        "a change is being made",
        "It serves meanwhile, but for a restart that the change may need. `innkeeper events NAME` shows the steps, `innkeeper info NAME` what is still missing.",
    ),
    (
        State::Degraded,
        "it should serve and does not, or not as it should",
        "It was set up, its file wants it running, and its users see an error or a page that says so. `innkeeper info NAME` names the condition that is not true, `innkeeper logs NAME` what Odoo said last. What Innkeeper can repair it repairs by itself.",
    ),
    (
        State::Stopped,
        "it is stopped, as its file asks",
        "Its site says so, its data is kept. `innkeeper start NAME` brings it back.",
    ),
    (
        State::Held,
        "something waits, mostly for a person",
        "It is left as it is until the reason is over. The reason stands behind the word, in `innkeeper status` and `innkeeper info NAME`: `innkeeper explain REASON` says what it means and what to do.",
    ),
    (
        State::Invalid,
        "its file has problems",
        "Whoever was there before serves on with the last good version of the file. `innkeeper check NAME` prints the problems with line and column.",
    ),
    (
        State::Failed,
        "a step failed, for good or again and again",
        "`innkeeper info NAME` says which and why, and when it is tried again. Correct the file or the host; `innkeeper retry NAME` tries at once.",
    ),
    (
        State::Orphaned,
        "its file is gone, and it runs on",
        "Nothing is stopped because a file is missing. Put the file back, or retire the instance: state = \"absent\" in a file of that name.",
    ),
    (
        State::Retired,
        "it is out of service, its data is kept for a while",
        "`innkeeper info NAME` says until when. `innkeeper start NAME` brings it back as it was; `innkeeper backups NAME` shows its final backup.",
    ),
];

/// Type, title, text. Where a hold has the same word, that one tells.
pub(super) const CONDITIONS: &[(ConditionType, &str, &str)] = &[
    (
        ConditionType::Ready,
        "whether it serves, proven through nginx",
        "True only when all its parts are and its login page came through nginx. Where it is not, its reason names the part: NotAppReady is about AppReady.",
    ),
    (
        ConditionType::SpecValid,
        "whether its file can be obeyed",
        "`innkeeper check NAME` prints what is wrong, with line and column.",
    ),
    (
        ConditionType::DatabaseReady,
        "whether its role and database are as they should be",
        "`innkeeper plan NAME` names what differs.",
    ),
    (
        ConditionType::ModulesReady,
        "whether all modules that it should have are installed",
        "`innkeeper logs NAME --source job` shows the last installation.",
    ),
    (
        ConditionType::SetupDone,
        "whether company and administrator are set",
        "It is done once, after the modules are installed.",
    ),
    (ConditionType::AppReady, "whether its container runs as it should", "`innkeeper logs NAME` shows what Odoo says."),
    (ConditionType::SiteReady, "whether nginx serves its site", "`innkeeper doctor` says how nginx is."),
    (
        ConditionType::CertificateReady,
        "whether every name of it has a valid certificate",
        "`innkeeper info NAME` lists the names and until when the certificates are valid.",
    ),
    (
        ConditionType::Serving,
        "whether a visitor is answered",
        "Its login page is asked for as a browser does it. `innkeeper logs NAME` shows what Odoo says.",
    ),
    (
        ConditionType::BackupsHealthy,
        "whether its newest backup was read back whole",
        "`innkeeper backups NAME` lists what there is.",
    ),
    (
        ConditionType::Drifted,
        "whether somebody changed it behind Innkeeper's back",
        "It is repaired by itself; `innkeeper events NAME` says what was changed.",
    ),
    (ConditionType::Orphaned, "whether its file is gone", ""),
    (ConditionType::Suspended, "whether its file says suspended = true", ""),
    (ConditionType::Protected, "whether its file says protected = true", ""),
    (
        ConditionType::RetirePending,
        "whether it is being retired, or was",
        "`innkeeper info NAME` says until when its data is kept.",
    ),
    (
        ConditionType::Stalled,
        "whether nothing moves until a person acts",
        "Its reason says why: `innkeeper explain REASON`.",
    ),
];

/// What to look at where a part of `Ready` is not true.
pub(super) fn unmet(part: ConditionType) -> &'static str {
    match part {
        ConditionType::DatabaseReady => {
            "Look at the condition DatabaseReady in `innkeeper info NAME`: role or database are missing or differ. `innkeeper plan NAME` says what will be done; where PostgreSQL does not answer, `innkeeper doctor` says why."
        }
        ConditionType::ModulesReady => {
            "Look at the condition ModulesReady in `innkeeper info NAME`: it names the modules that are not installed. `innkeeper logs NAME --source job -f` shows the installation, or why it failed."
        }
        ConditionType::SetupDone => {
            "Company and administrator are not set yet. It comes after the modules: `innkeeper logs NAME --source job -f` shows it."
        }
        ConditionType::AppReady => {
            "Its container is missing, stopped, or restarts again and again. `innkeeper logs NAME` shows what Odoo said last; `innkeeper plan NAME` says what will be done."
        }
        ConditionType::SiteReady => {
            "nginx does not serve its site: it is down, has not loaded the newest sites, or there is none yet. `innkeeper doctor` says how nginx is; the condition SiteReady in `innkeeper info NAME` says what is missing."
        }
        ConditionType::CertificateReady => {
            "A name of it has no valid certificate. The condition CertificateReady in `innkeeper info NAME` says which, and what the authority said. The usual causes: the name does not point to this host, or port 80 cannot be reached from outside."
        }
        _ => "`innkeeper info NAME` shows that condition with a reason and a message of its own.",
    }
}
