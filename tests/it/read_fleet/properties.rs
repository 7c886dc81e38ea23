//! What holds for every input.

use super::{PLANS, Place, SETTINGS, instance_text, name, told, wanted};
use innkeeper::model::wanted::WantedState;
use innkeeper::spec::{NewInstance, render_instance, set_state};
use proptest::prelude::*;

/// A good file with a piece cut out and another put in: close enough to the real thing to get past the first check.
fn damaged(text: String) -> impl Strategy<Value = Vec<u8>> {
    let length = text.len();
    (0..=length, 0..40usize, prop_oneof![any::<Vec<u8>>(), "\\PC{0,20}".prop_map(String::into_bytes), toml_pieces()])
        .prop_map(move |(start, cut, piece)| {
            let bytes = text.as_bytes();
            [&bytes[..start], &piece[..], &bytes[(start + cut).min(length)..]].concat()
        })
}

fn toml_pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("\n[limits]\n"),
        Just("= "),
        Just("\"\"\""),
        Just("'"),
        Just("{ a = 1 }"),
        Just("[[company]]\n"),
        Just("\\u202e"),
        Just("1e999"),
        Just("\n\"\\u0000\" = 1\n"),
        Just("a.b.c = 1\n"),
        Just("0x10"),
        Just("[1, [2]]"),
        Just("\r\n"),
        Just("nan"),
        Just("2026-01-01"),
        Just("é"),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Text that may stand in a file: anything that prints.
fn free_text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 \"'\\\\{}$()<>;äöüß株🦀#=\\[\\]-]{1,60}".prop_filter("not blank", |text| !text.trim().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_makes_the_readers_panic(
        settings in damaged(SETTINGS.to_owned()),
        plans in damaged(PLANS.to_owned()),
        instance in prop_oneof![damaged(instance_text("domains = [\"a.example\"]\n")), any::<Vec<u8>>()],
    ) {
        let place = Place::new();
        place.put("instances.d/acme.toml", &instance);
        place.put("instances.d/bystander.toml", instance_text(""));
        let mut reader = place.reader();
        let fleet = reader.read().expect("settings and plans are good");
        prop_assert!(fleet.instances[&name("bystander")].valid);
        prop_assert_ne!(fleet.instances[&name("acme")].valid, told(&fleet).contains("acme.toml"));
        place.put("innkeeper.toml", &settings);
        place.put("plans.toml", &plans);
        reader.read().expect("the last good versions are in force");
        let raw = told(&fleet).chars().any(|c| c.is_control() && c != '\n');
        prop_assert!(!raw, "{:?}", told(&fleet));
    }

    #[test]
    fn setting_the_state_keeps_everything_else(
        comment in "[^\\p{Cc}]{0,30}", company in free_text(), has_state in any::<bool>(), crlf in any::<bool>(),
        state in prop_oneof![Just(WantedState::Running), Just(WantedState::Stopped), Just(WantedState::Absent)],
    ) {
        let line = if has_state { "state = 'running' # here\n" } else { "" };
        let text = format!("# {comment}\nplan = \"starter\"\n{line}[company]\nname = {company:?} # {comment}\n[admin]\nemail = \"a@b.example\"\n");
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let changed = set_state(&text, state).expect("a good file");
        let without = |text: &str| text.split_inclusive('\n').filter(|line| !line.starts_with("state")).collect::<String>();
        prop_assert_eq!(without(&changed), without(&text));
        prop_assert_eq!(set_state(&changed, state).expect("a good file"), changed.clone(), "once is enough");
        let place = Place::new();
        place.put("instances.d/acme.toml", &changed);
        let fleet = place.reader().read().expect("a fleet");
        prop_assert_eq!(told(&fleet), "");
        prop_assert_eq!(wanted(&fleet, "acme").state, state);
        prop_assert_eq!(&wanted(&fleet, "acme").company.name, &company);
    }

    #[test]
    fn what_is_rendered_is_read_back(
        company in free_text(), email in "[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,20}@[a-z]{1,10}\\.example",
        domains in proptest::collection::btree_set("[a-z]{1,10}\\.example", 0..4),
        modules in proptest::collection::btree_set("[a-z][a-z0-9_]{0,20}", 0..4),
    ) {
        let email_is_good = innkeeper::model::name::Email::parse(&email).is_ok();
        let new = NewInstance {
            name: "acme", plan: "starter", company: &company, admin_email: &email,
            domains: domains.iter().map(String::as_str).collect(), modules: modules.iter().map(String::as_str).collect(),
            ..NewInstance::default()
        };
        let rendered = render_instance(&new);
        prop_assert_eq!(rendered.is_ok(), email_is_good, "{:?}", rendered);
        let Ok(text) = rendered else { return Ok(()) };
        let place = Place::new();
        place.put("instances.d/acme.toml", &text);
        let fleet = place.reader().read().expect("a fleet");
        prop_assert_eq!(told(&fleet), "");
        let read = wanted(&fleet, "acme");
        prop_assert_eq!((&read.company.name, read.admin_email.as_str()), (&company, email.as_str()));
        prop_assert!(read.domains.iter().map(|domain| domain.as_str()).eq(domains.iter().map(String::as_str)));
        prop_assert!(modules.iter().all(|module| read.modules.iter().any(|found| found.as_str() == module)));
    }
}
