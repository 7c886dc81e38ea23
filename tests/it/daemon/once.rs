//! `apply`, with and without a daemon, and `plan`.

use super::house::{House, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::{Damage, Faults};
use innkeeper::control::{ApplyRequest, Converged, End, Progress, ProgressWord, Verdict};
use innkeeper::daemon::{Conduct, converge};
use innkeeper::edges::Edge;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::status::State;
use innkeeper::model::step::Action;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn request(names: &[&str]) -> ApplyRequest {
    ApplyRequest { names: names.iter().map(|text| name(text)).collect(), ..ApplyRequest::default() }
}

async fn apply(house: &House, request: &ApplyRequest) -> (Converged, Vec<Progress>) {
    let told = Mutex::new(Vec::new());
    let keeper = house.keeper(Conduct::ActOnce);
    let converged = converge(&keeper, request, CancellationToken::new(), &|step| told.lock().unwrap().push(step)).await;
    (converged.unwrap(), told.into_inner().unwrap())
}

#[test]
fn an_apply_brings_everything_to_what_its_files_ask_and_a_second_one_does_nothing() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        house.drop_file("beta", "state = \"stopped\"");
        let (converged, told) = apply(house, &request(&[])).await;
        assert_eq!(converged.verdict, Verdict::Settled, "{converged:?}");
        assert!(converged.instances[&name("acme")].steps_done > 8);
        let began = told.iter().filter(|step| step.word == ProgressWord::Began).count();
        let done = told.iter().filter(|step| step.word == ProgressWord::Done).count();
        assert!(began == done && began > 16, "{began} began, {done} were done");
        house.rehearsal.forget_calls();
        let (converged, told) = apply(house, &request(&[])).await;
        assert_eq!((converged.verdict, told.len()), (Verdict::Settled, 0));
        assert_eq!(converged.instances.values().map(|end| end.end).collect::<Vec<_>>(), [End::Settled, End::Settled]);
        assert_eq!(house.effects(), [""; 0]);
        assert_eq!(converged.host_steps_done, 0);
        assert!(house.rehearsal.damage(Damage::TemplatesChanged, &name("acme")));
        let (converged, told) = apply(house, &request(&[])).await;
        assert_eq!(
            (converged.host_steps_done, told.is_empty()),
            (1, false),
            "what is done for no single one is counted"
        );
    });
}

#[test]
fn an_apply_of_one_name_touches_no_other() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        house.drop_file("beta", "");
        let (converged, told) = apply(house, &request(&["acme"])).await;
        assert_eq!(converged.verdict, Verdict::Settled);
        assert_eq!(converged.instances.keys().collect::<Vec<_>>(), [&name("acme")]);
        assert!(told.iter().all(|step| step.instance == Some(name("acme"))));
        assert!(house.effects().iter().all(|effect| !effect.contains("beta")), "{:?}", house.effects());
    });
}

#[test]
fn an_apply_says_what_does_not_answer_at_once_and_with_patience_waits_for_it() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        house.rehearsal.set_faults(Faults { down: BTreeSet::from([Edge::Engine]), ..Faults::default() });
        let began = Instant::now();
        let (converged, _) = apply(house, &request(&["acme"])).await;
        let end = &converged.instances[&name("acme")];
        assert_eq!((converged.verdict, end.end), (Verdict::Unreachable, End::Unreachable), "{converged:?}");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());

        let patient = ApplyRequest { patient: true, timeout_s: Some(900), ..request(&["acme"]) };
        let mend = async {
            tokio::time::sleep(Duration::from_secs(120)).await;
            house.rehearsal.set_faults(Faults::default());
        };
        let ((converged, _), ()) = tokio::join!(apply(house, &patient), mend);
        assert_eq!(converged.verdict, Verdict::Settled, "{converged:?}");
    });
}

#[test]
fn an_apply_ends_with_what_failed_and_goes_on_with_the_others() {
    in_a_house(async |house| {
        house.rehearsal.with(|world| world.unknown_modules.insert("nonsense".parse().unwrap()));
        house.drop_file("acme", "modules = [\"nonsense\"]");
        house.drop_file("beta", "");
        let (converged, told) = apply(house, &request(&[])).await;
        assert_eq!(converged.verdict, Verdict::Partly, "{converged:?}");
        let acme = &converged.instances[&name("acme")];
        assert_eq!(acme.end, End::Failed);
        assert!(acme.message.contains("nonsense"), "{acme:?}");
        assert_eq!(converged.instances[&name("beta")].end, End::Settled);
        assert!(told.iter().any(|step| step.word == ProgressWord::Failed && step.message.contains("nonsense")));
    });
}

#[test]
fn an_apply_says_what_needs_a_person() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        assert!(house.rehearsal.damage(Damage::ForeignContainer, &name("acme")));
        let (converged, _) = apply(house, &request(&["acme"])).await;
        let acme = &converged.instances[&name("acme")];
        assert_eq!((converged.verdict, acme.end), (Verdict::Held, End::Held), "{converged:?}");
        assert!(acme.holds.iter().any(|hold| hold.reason == HoldReason::Conflict));
    });
}

#[test]
fn an_apply_ends_with_its_time_and_with_a_signal() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        let short = ApplyRequest { timeout_s: Some(3), ..request(&["acme"]) };
        let (converged, _) = apply(house, &short).await;
        assert_eq!((converged.verdict, converged.instances[&name("acme")].end), (Verdict::TimedOut, End::Unfinished));

        let keeper = house.keeper(Conduct::ActOnce);
        let stop = CancellationToken::new();
        stop.cancel();
        let converged = converge(&keeper, &request(&["acme"]), stop, &|_| {}).await.unwrap();
        assert_eq!(converged.verdict, Verdict::Interrupted);
    });
}

#[test]
fn an_apply_that_is_handed_to_the_daemon_is_about_the_files_as_they_are_now() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.put("instances.d/acme.toml", &(crate::read_fleet::instance_text("") + "[limits]\nmemory = \"2 GiB\"\n"));
        house.drop_file("beta", "");
        let mut told = Vec::new();
        let apply = house.client().await.apply(request(&["acme", "beta"]), |step| told.extend(step)).await;
        let converged = apply.unwrap();
        assert_eq!(converged.verdict, Verdict::Settled, "{converged:?}");
        assert_eq!(daemon.status("acme").unwrap().observed_generation, 2);
        assert_eq!(daemon.status("beta").unwrap().state, State::Ready);
        assert!(told.iter().any(|step| step.step == "acme/update-limits"), "{told:?}");
        let causes: BTreeSet<_> = daemon.events().into_iter().filter_map(|event| event.cause).collect();
        assert!(causes.iter().any(|cause| cause.starts_with("asked by ")), "{causes:?}");
        daemon.stop().await;
    });
}

#[test]
fn a_plan_before_the_first_start_writes_nothing_and_shows_a_port_each() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        house.drop_file("beta", "");
        let keeper = house.keeper(Conduct::Look);
        let plan = keeper.plan(&[]).await.unwrap();
        let ports: Vec<_> = plan
            .changes
            .instances
            .values()
            .flat_map(|changes| &changes.steps)
            .filter_map(|step| match &step.action {
                Action::CreateService { spec, .. } => Some(spec.ports.http),
                _ => None,
            })
            .collect();
        assert_eq!(ports, [20_000, 20_002]);
        assert!(plan.statuses.values().all(|status| status.uid.is_none()), "{:?}", plan.statuses);
        assert!(!house.path("state").exists());
        assert_eq!(house.effects(), [""; 0]);
        let one = keeper.plan(&[name("beta")]).await.unwrap();
        assert_eq!(one.changes.instances.keys().collect::<Vec<_>>(), [&name("beta")]);
    });
}

#[test]
fn a_plan_beside_a_daemon_agrees_with_it() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let plan = house.keeper(Conduct::Look).plan(&[]).await.unwrap();
        assert!(plan.changes.is_settled() && plan.changes.instances.is_empty());
        assert_eq!(plan.statuses[&name("acme")], *daemon.status("acme").unwrap());
        daemon.stop().await;
    });
}

#[test]
fn a_plan_tells_an_edited_file_from_a_world_that_was_changed() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        apply(house, &request(&[])).await;
        house.put("instances.d/acme.toml", &crate::read_fleet::instance_text("[limits]\ncpus = 2.0"));
        let planned = house.keeper(Conduct::Look).plan(&[]).await.unwrap();
        let origins: Vec<_> = planned.changes.instances[&name("acme")].steps.iter().map(|step| step.origin).collect();
        assert_eq!(origins, [innkeeper::model::step::Origin::Intended], "{:?}", planned.changes);
    });
}
