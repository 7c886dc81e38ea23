//! Decisions over odoo.conf: what plan and file choose of it, and the password that stands elsewhere.

use super::{check, converge, holds, kinds, ready};
use crate::world::World;
use expect_test::expect;
use innkeeper::diff::facts::Facts;
use innkeeper::diff::{changes_of, connections};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::live::Seen;
use innkeeper::model::odoo_options::OptionValue;
use innkeeper::model::service::OdooConf;
use innkeeper::model::step::Action;

fn choose(facts: &mut Facts, key: &str, value: &str) {
    facts.wanted("acme").conf.values.insert(key.to_owned(), OptionValue::parse(value).unwrap());
    facts.instance("acme").generation += 1;
}

fn name_password(facts: &mut Facts, mark: Seen<&str>) {
    facts.wanted("acme").conf.smtp_password_file = Some("/secrets/smtp.password".into());
    facts.instance("acme").smtp_password = Some(match mark {
        Seen::Known(mark) => Seen::Known(mark.to_owned()),
        Seen::Unseen(why) => Seen::Unseen(why),
    });
}

#[test]
fn an_option_that_is_chosen_is_written_and_read_by_a_restart() {
    let mut facts = ready();
    choose(&mut facts, "limit_time_real", "3600");
    check(
        &facts,
        &expect![[r#"
            write-conf [Intended None] another one is asked for
                odoo.conf: - → workers 2, db_maxconn 8
                limit_time_real: - → 3600
            restart-container [Intended Interruption] it runs on an older odoo.conf after write-conf
        "#]],
    );
    converge(&mut facts);
    assert_eq!(kinds(&facts), Vec::<&str>::new());
}

#[test]
fn more_processes_for_scheduled_actions_may_hold_more_connections() {
    let mut facts = ready();
    let before = connections(facts.wanted("acme"));
    choose(&mut facts, "max_cron_threads", "3");
    assert!(connections(facts.wanted("acme")) > before);
    assert!(kinds(&facts).contains(&"set-role"));
}

#[test]
fn another_password_in_the_same_file_is_written_and_none_holds_odoo_conf_back() {
    let mut facts = ready();
    name_password(&mut facts, Seen::Known("mark-a"));
    converge(&mut facts);
    assert_eq!(kinds(&facts), Vec::<&str>::new());
    name_password(&mut facts, Seen::Known("mark-b"));
    check(
        &facts,
        &expect![[r#"
            write-conf [Drift None] another one is asked for
                odoo.conf: - → workers 2, db_maxconn 8
                smtp_password: - → from /secrets/smtp.password
            restart-container [Drift Interruption] it runs on an older odoo.conf after write-conf
        "#]],
    );
    name_password(&mut facts, Seen::Unseen("it cannot be read".to_owned()));
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::PasswordMissing]));
    // Without it a new one does not begin to run.
    facts.engine().configs.clear();
    facts.engine().services.clear();
    assert!(
        !changes_of(&facts, &"acme".parse().unwrap())
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::WriteConf { .. }))
    );
}

#[test]
fn what_earlier_versions_wrote_down_is_the_same_wish() {
    let mut facts = ready();
    facts.engine().configs.clear();
    let steps = changes_of(&facts, &"acme".parse().unwrap()).steps;
    let conf = steps.iter().find_map(|step| match &step.action {
        Action::WriteConf { conf, .. } => Some(conf),
        _ => None,
    });
    let text = serde_json::to_value(conf.unwrap()).unwrap();
    let keys: Vec<&String> = text.as_object().unwrap().keys().collect();
    assert!(!keys.iter().any(|key| ["options", "smtp_password"].contains(&key.as_str())), "{keys:?}");
    let read: OdooConf = serde_json::from_value(text).unwrap();
    assert_eq!(read.digest(), conf.unwrap().digest());
}
