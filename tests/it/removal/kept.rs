//! Nothing of an instance is deleted beside data that no backup has, and a retired instance keeps no name that its files
//! gave up. What an earlier instance of a name left lets nobody in.

use super::{DAY_S, GRACE_OVER_S, acme, converge, destroys, due, facts, holds, kinds, pass, ready, retired, wanted};
use crate::world::{World, carry_out, name};
use innkeeper::diff::facts::Facts;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::live::{JobLive, JobState};
use innkeeper::model::service::{Component, Owner, Tag};
use innkeeper::model::site::SitePage;
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::WantedState;

/// `acme`, whose end is wanted since a moment.
fn unwanted() -> Facts {
    let mut facts = ready(&["acme", "beta"]);
    facts.wanted("acme").state = WantedState::Absent;
    facts
}

/// Two turns: what can be done now is done.
fn turns(facts: &mut Facts) {
    for _ in 0..4 {
        for step in acme(facts).steps {
            carry_out(facts, &step);
        }
    }
}

/// Lets the grace period end and sees that nothing at all goes.
fn assert_kept(facts: &mut Facts, reason: HoldReason) {
    turns(facts);
    assert!(holds(&acme(facts)).contains(&reason), "{:?}", acme(facts).holds);
    assert!(facts.archive().backups.is_empty(), "no backup could be taken: {:?}", facts.archive());
    pass(facts, GRACE_OVER_S);
    assert!(!destroys(&acme(facts)), "{:?}", acme(facts));
    turns(facts);
    assert!(facts.proxy().sites.contains_key(&name("acme")), "its names answer 410 as before");
    assert!(!facts.instance("acme").ending.tombstone.as_ref().unwrap().purging, "no purge began");
}

fn job(facts: &Facts, started_s: i64) -> JobLive {
    let tag = Tag {
        instance: name("acme"),
        uid: facts.instances[&name("acme")].uid,
        component: Component::InstallJob,
        digest: "other work".to_owned(),
    };
    let started_at = Timestamp::from_second(facts.now.as_second() + started_s).ok();
    JobLive { owner: Owner::Ours(tag), state: JobState::Running, started_at }
}

#[test]
fn a_volume_that_nothing_can_read_is_told_and_no_purge_begins() {
    let mut facts = unwanted();
    facts.engine().services.remove("ik-acme");
    facts.engine().images.clear();
    assert_kept(&mut facts, HoldReason::ImageMissing);
}

#[test]
fn a_database_that_lost_its_mark_is_told_and_no_purge_begins() {
    let mut facts = unwanted();
    facts.database().databases.get_mut("odoo_acme").unwrap().owner = Owner::Foreign("no Innkeeper comment".to_owned());
    assert_kept(&mut facts, HoldReason::Conflict);
}

#[test]
fn a_volume_that_lost_its_mark_is_told_and_no_purge_begins() {
    let mut facts = unwanted();
    facts.engine().volumes.insert("ik-acme-data".to_owned(), Owner::Foreign("no Innkeeper label".to_owned()));
    assert_kept(&mut facts, HoldReason::Conflict);
}

#[test]
fn data_without_their_mark_that_came_after_the_backup_stay() {
    let mut facts = retired();
    facts.database().databases.get_mut("odoo_acme").unwrap().owner = Owner::Foreign("no Innkeeper comment".to_owned());
    pass(&mut facts, GRACE_OVER_S);
    assert!(!destroys(&acme(&facts)), "{:?}", acme(&facts));
    assert!(holds(&acme(&facts)).contains(&HoldReason::Unsafe), "{:?}", acme(&facts).holds);
}

#[test]
fn what_an_interrupted_creation_left_needs_no_backup() {
    let mut facts = unwanted();
    facts.instance("acme").provisioned = false;
    let database = facts.database().databases.get_mut("odoo_acme").unwrap();
    (database.valid, database.provisioned) = (false, false);
    facts.engine().volumes.remove("ik-acme-data");
    facts.engine().services.remove("ik-acme");
    turns(&mut facts);
    pass(&mut facts, GRACE_OVER_S);
    converge(&mut facts);
    assert!(!facts.database().databases.contains_key("odoo_acme"));
}

#[test]
fn a_job_that_hangs_is_stopped_before_the_final_backup() {
    let mut facts = unwanted();
    let running = job(&facts, -600);
    facts.engine().jobs.insert("ik-acme-install".to_owned(), running);
    assert!(holds(&acme(&facts)).contains(&HoldReason::JobRunning));
    assert!(!kinds(&acme(&facts)).contains(&"stop-job"), "ten minutes are no fault");
    pass(&mut facts, DAY_S / 4);
    turns(&mut facts);
    assert!(facts.archive().backups.contains_key(&name("acme")), "{:?}", acme(&facts));
}

#[test]
fn a_job_that_hangs_does_not_block_an_edited_file_for_ever() {
    let mut facts = ready(&["acme"]);
    let running = job(&facts, -7_200);
    facts.engine().jobs.insert("ik-acme-install".to_owned(), running);
    facts.wanted("acme").modules.insert("website".parse().unwrap());
    assert_eq!(kinds(&acme(&facts)), ["stop-job"], "{:?}", acme(&facts));
    converge(&mut facts);
    assert!(facts.engine().jobs.is_empty());
    assert!(acme(&facts).is_empty(), "{:?}", acme(&facts));
}

#[test]
fn wanted_again_without_a_backup_nobody_is_sent_to_one() {
    let mut facts = due();
    let reached = |kind: &str| ["remove-volume", "remove-conf"].contains(&kind);
    for step in acme(&facts).steps.into_iter().take_while(|step| !reached(step.action.kind().as_str())) {
        carry_out(&mut facts, &step);
    }
    facts.wanted("acme").state = WantedState::Running;
    let told = |facts: &Facts| acme(facts).holds[0].message.clone();
    assert!(told(&facts).contains("restore database odoo_acme and volume ik-acme-data from"), "{}", told(&facts));
    facts.archive().backups.clear();
    assert!(told(&facts).contains("no backup of it was read back"), "{}", told(&facts));
}

#[test]
fn nobody_is_told_to_remove_what_may_be_a_customers_data() {
    type Restored = fn(&mut Facts);
    let restored: [Restored; 4] = [
        |facts| facts.database().databases.get_mut("odoo_acme").unwrap().owner = nobodys(),
        |facts| {
            let database = facts.database().databases.get_mut("odoo_acme").unwrap();
            (database.owner, database.owner_role) = (nobodys(), "postgres".to_owned());
            facts.instance("acme").provisioned = false;
        },
        |facts| drop(facts.engine().volumes.insert("ik-acme-data".to_owned(), nobodys())),
        |facts| drop(facts.engine().volumes.insert("ik-acme-data".to_owned(), of_an_earlier_life())),
    ];
    for restore in restored {
        let mut facts = ready(&["acme"]);
        restore(&mut facts);
        let holds = acme(&facts).holds;
        let hold = holds.iter().find(|hold| hold.reason == HoldReason::Conflict).expect("it is held");
        assert!(hold.message.contains("restored by hand") && !hold.message.contains("remove"), "{}", hold.message);
    }
}

fn nobodys() -> Owner {
    Owner::Foreign("no Innkeeper label".to_owned())
}

fn of_an_earlier_life() -> Owner {
    let uid = crate::world::uid(99);
    Owner::Ours(Tag { instance: name("acme"), uid, component: Component::Volume, digest: String::new() })
}

#[test]
fn a_retired_site_gives_up_a_name_that_anothers_file_asks_for() {
    let mut facts = unwanted();
    // An earlier version of its file had beta's name; the present one gave it up, and the site was not changed yet.
    let beta = facts.proxy().sites.remove(&name("beta")).unwrap();
    let (host, certificate) = beta.row.hosts.first_key_value().map(|(a, b)| (a.clone(), b.clone())).unwrap();
    facts.proxy().sites.get_mut(&name("acme")).unwrap().row.hosts.insert(host.clone(), certificate);
    turns(&mut facts);
    let tombstone = facts.instance("acme").ending.tombstone.clone().unwrap();
    assert!(!tombstone.hosts.contains(&host), "{tombstone:?}");
    converge(&mut facts);
    let sites = &facts.proxy().sites;
    assert_eq!(sites[&name("acme")].row.page, SitePage::Retired);
    assert!(!sites[&name("acme")].row.hosts.contains_key(&host));
    assert!(sites[&name("beta")].row.hosts.contains_key(&host), "whose file asks for it is served");
}

#[test]
fn a_retired_site_without_any_name_of_its_own_left_answers_at_those_of_its_file() {
    let mut facts = unwanted();
    let beta = facts.proxy().sites.remove(&name("beta")).unwrap();
    facts.proxy().sites.get_mut(&name("acme")).unwrap().row.hosts = beta.row.hosts.clone();
    converge(&mut facts);
    let hosts: Vec<String> = facts.proxy().sites[&name("acme")].row.hosts.keys().map(ToString::to_string).collect();
    assert_eq!(hosts, ["acme.example.com"]);
    assert_eq!(facts.proxy().sites[&name("beta")].row.hosts, beta.row.hosts);
}

#[test]
fn an_odoo_conf_of_an_earlier_instance_of_the_name_is_written_anew() {
    // It was written, nothing else was made, its file went away and it was forgotten; then the file came back.
    let mut earlier = facts([wanted("acme")]);
    let written = acme(&earlier).steps.into_iter().find(|step| step.action.kind().as_str() == "write-conf").unwrap();
    carry_out(&mut earlier, &written);
    let configs = earlier.engine().configs.clone();
    let mut facts = facts([wanted("acme")]);
    facts.engine().configs = configs;
    assert!(!kinds(&acme(&facts)).contains(&"write-conf"), "the very same instance keeps it");
    facts.instance("acme").uid = crate::world::uid(77);
    assert!(kinds(&acme(&facts)).contains(&"write-conf"), "{:?}", kinds(&acme(&facts)));
}

#[test]
fn a_database_that_was_restored_by_hand_is_not_to_be_removed() {
    let mut facts = ready(&["acme"]);
    facts.database().databases.get_mut("odoo_acme").unwrap().owner = Owner::Foreign("no Innkeeper comment".to_owned());
    let told = acme(&facts).holds.iter().map(|hold| hold.message.clone()).collect::<Vec<_>>().join("\n");
    assert!(told.contains("put the mark back") && !told.contains("remove or rename"), "{told}");
}
