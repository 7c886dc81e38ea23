//! Why a condition is not as it should be, besides the holds.

use super::{Entry, entry, states};
use crate::model::changes::HoldReason;
use crate::model::status::ConditionType;

/// Reason, title, text.
const CONDITIONS: &[(&str, &str, &str)] = &[
    ("NotWanted", "nobody asks for it to serve", "Its file says `state = \"stopped\"` or `\"absent\"`."),
    (
        "Restarting",
        "Odoo ends by itself again and again",
        "Docker starts it again each time, so its container looks as if it ran. `innkeeper logs NAME -n 100` shows its last words: the usual causes are a module that cannot be loaded, too little memory, and a database that does not let it in.",
    ),
    ("NotAsked", "its login page was not asked for yet", "The next look asks for it, within a minute."),
    ("Changing", "a change is being made", "`innkeeper events NAME` shows the steps."),
    (
        "NotAsWanted",
        "something differs from what the file asks for",
        "The condition's message names it, and `innkeeper plan NAME` what will be done about it.",
    ),
    (
        "NotInstalled",
        "modules are still to be installed",
        "The condition's message names them; `innkeeper logs NAME --source job -f` shows the installation.",
    ),
    (
        "InstallFailed",
        "the installation of modules failed",
        "The condition's message is what Odoo said. The usual cause is a module that this release does not have: correct `modules` in the file, or in its plan in plans.toml.",
    ),
    (
        "NotSetUp",
        "company and administrator are not set yet",
        "They are set once the modules are there; a message besides that is what Odoo said.",
    ),
    (
        "NoContainer",
        "the container does not exist",
        "It is made once database, modules and set-up are there. `innkeeper plan NAME` shows what comes before.",
    ),
    (
        "Stopped",
        "the container does not run",
        "Where the file asks for `running` it is started; `innkeeper logs NAME` shows why it ended.",
    ),
    (
        "NoSite",
        "nginx has no site for it",
        "It is put there within moments; where it is not, `innkeeper plan NAME` says why.",
    ),
    (
        "ProxyDown",
        "nginx is not running",
        "Start it (`systemctl start nginx`): no customer is served until then. `innkeeper doctor` says more.",
    ),
    (
        "NotLoaded",
        "nginx has not loaded the newest sites yet",
        "A reload is under way, or nginx refused it: `innkeeper events` shows which.",
    ),
    (
        "Edited",
        "a site was edited by hand",
        "It is rendered anew. What a customer needs beyond that belongs into a template of its own, which the instance's file names.",
    ),
    (
        "NoneYet",
        "no backup was taken yet",
        "This version takes a backup when an instance is retired; it takes none on a schedule.",
    ),
    (
        "PartMissing",
        "the newest backup lacks a whole part",
        "The database, or the filestore, was gone when the backup was taken, so a customer cannot be restored from it alone. See DataMissing.",
    ),
    (
        "Partial",
        "the newest backup lacks files that its database names",
        "`missing-files.txt` beside it names them; see BackupPartial.",
    ),
    (
        "NotVerified",
        "the newest backup was not read back yet",
        "It counts only after that, and is read back by itself.",
    ),
];

/// What conditions say where all is well, and in which case.
const WELL: &[(&str, &str)] = &[
    ("AsWanted", "it is as the file asks"),
    ("FilePresent", "its file is there"),
    ("Installed", "all modules that are wanted are installed"),
    ("Loaded", "nginx has loaded its site"),
    ("Moving", "nothing waits for a person"),
    ("NotProtected", "its file does not protect it"),
    ("NotRetiring", "its end is not wanted"),
    ("NotSuspended", "its file does not suspend it"),
    ("Proven", "visitors see its login page, through nginx, over TLS and with its own certificate"),
    ("Retiring", "it is retired, or on its way there: `innkeeper info NAME` says until when its data is kept"),
    ("Running", "the container runs"),
    ("SetUp", "company and administrator are set"),
    ("Valid", "the file, or the certificate, is valid"),
    ("Verified", "the newest backup was read back whole"),
];

/// All of them. Of `Ready` the reason is which part is not ready.
pub(super) fn conditions() -> impl Iterator<Item = Entry> {
    let well = WELL.iter().map(|(reason, title)| entry(reason, title, "Nothing is to be done about it."));
    // Where a hold has the same word, that one tells.
    let parts = ConditionType::PARTS.into_iter().filter(|part| part.unmet() != HoldReason::NoCertificate.as_str());
    let parts = parts.map(|part| {
        let title = format!("it does not serve, because {part:?} is not true");
        entry(&part.unmet(), &title, states::unmet(part))
    });
    CONDITIONS.iter().map(|(reason, title, text)| entry(reason, title, text)).chain(well).chain(parts)
}
