//! The dashboard says what is: not seen is not gone, who is stopped on purpose is right, one outage is told once, and what
//! runs is told with how far it is.

use super::fixtures::{before, facts, fleet, instance, lines, nth_name};
use super::panels::{LOOK, OPTIONS, press, screen, told};
use crate::world::{module, name, now};
use innkeeper::control::view::{InstanceView, View};
use innkeeper::model::changes::{Hold, HoldReason};
use innkeeper::model::job_progress::JobProgress;
use innkeeper::model::status::{Condition, ConditionStatus, ConditionType, InstanceStatus, State as Stands};
use innkeeper::tui::state::State;
use innkeeper::tui::update::{Msg, update};
use std::sync::Arc;

const SIZES: [(u16, u16); 6] = [(40, 15), (60, 20), (80, 24), (100, 30), (140, 40), (240, 60)];
const WHY: &str = "could not look: connection refused";

fn told_by(size: (u16, u16), instances: Vec<InstanceView>, change: impl FnOnce(&mut View)) -> State {
    let mut last = View::nothing(now());
    last.fleet = Some(facts(&instances));
    change(&mut last);
    let mut state = State::new(OPTIONS, size, now());
    for view in lines(last, instances) {
        update(&mut state, Msg::View(Box::new(view)), now());
    }
    state
}

fn with(mut view: InstanceView, change: impl FnOnce(&mut InstanceStatus)) -> InstanceView {
    change(Arc::make_mut(&mut view.status));
    view
}

fn unseen(status: &mut InstanceStatus, kind: ConditionType, last_known: Option<ConditionStatus>) {
    status.conditions.retain(|condition| condition.kind != kind);
    status.conditions.push(Condition {
        kind,
        status: ConditionStatus::Unknown,
        reason: "Unseen".to_owned(),
        message: WHY.to_owned(),
        since: before(22),
        last_known,
    });
}

/// A fleet whose PostgreSQL has been away for 22 seconds.
fn outage(size: (u16, u16)) -> State {
    let held = |nth: usize| {
        with(instance(&nth_name(nth), Stands::Ready, nth), |status| {
            status.state = Stands::Held;
            status.holds = vec![Hold { reason: HoldReason::Unseen, message: WHY.to_owned() }];
            for kind in [ConditionType::DatabaseReady, ConditionType::ModulesReady, ConditionType::SetupDone] {
                unseen(status, kind, Some(ConditionStatus::True));
            }
        })
    };
    told_by(size, (0..24).map(held).collect(), |view| {
        let edges = &mut view.fleet.as_mut().unwrap().host.edges;
        let edge = edges.iter_mut().find(|edge| edge.edge == "postgresql").unwrap();
        edge.edge = "PostgreSQL".to_owned();
        (edge.lost, edge.since) = (Some(format!("PostgreSQL is unreachable: {WHY}")), Some(before(22)));
    })
}

#[test]
fn a_system_that_is_away_is_told_once_in_the_header_and_not_in_every_row() {
    for size in SIZES {
        let shown = screen(&outage(size), LOOK);
        let header = shown.lines().next().unwrap();
        assert!(header.contains("PostgreSQL DOWN 22s"), "{size:?}:\n{shown}");
        assert!(!header.contains("24 warn") && !header.contains("daemon ok"), "{size:?}:\n{shown}");
        // The card beside the table says of the selected one why it waits.
        let rows = shown.matches(WHY).count() + shown.matches("Unseen: ").count();
        assert!(rows <= 2, "{size:?}: {rows} notes\n{shown}");
    }
    assert!(screen(&outage((140, 40)), LOOK).contains("24 not seen"));
    // Whoever is not told any more does not know how the systems are.
    let mut state = outage((140, 40));
    update(&mut state, Msg::Lost("nobody listens".to_owned()), now());
    assert!(!screen(&state, LOOK).contains("PostgreSQL DOWN"));
}

#[test]
fn what_is_not_seen_is_told_as_it_was_and_not_as_gone() {
    for size in [(60, 40), (80, 40), (140, 40), (240, 60)] {
        let mut state = outage(size);
        press(&mut state, &["enter"]);
        let shown = screen(&state, LOOK);
        assert!(shown.contains("not seen for 22s (was: 2 installed)"), "{size:?}:\n{shown}");
        assert!(shown.contains("not seen for 22s (was: as it should be)"), "{size:?}:\n{shown}");
        for word in ["0 installed", "not as it should be", "not yet"] {
            assert!(!shown.contains(word), "{size:?} says {word}:\n{shown}");
        }
    }
}

#[test]
fn who_is_stopped_on_purpose_is_right() {
    let stopped = with(instance(&name("acme"), Stands::Stopped, 0), |status| {
        for (kind, reason) in [(ConditionType::Ready, "NotWanted"), (ConditionType::AppReady, "Stopped")] {
            let condition = status.conditions.iter_mut().find(|it| it.kind == kind).unwrap();
            condition.status = ConditionStatus::False;
            (condition.reason, condition.message) = (reason.to_owned(), "the container does not run".to_owned());
        }
    });
    let mut state = told_by((140, 40), vec![stopped], |_| {});
    press(&mut state, &["enter"]);
    let shown = screen(&state, LOOK);
    let row = |part: &str| shown.lines().find(|row| row.contains(part)).unwrap_or_else(|| panic!("{part}:\n{shown}"));
    for part in ["container", "login page"] {
        assert!(row(part).contains("stopped, as asked") && row(part).contains("ok"), "{}", row(part));
    }
    assert!(!shown.contains("does not run") && !shown.contains("not as it should be"), "{shown}");
}

#[test]
fn a_file_with_problems_is_no_failure() {
    let invalid = instance(&name("acme"), Stands::Invalid, 0);
    let failed = instance(&name("baker"), Stands::Failed, 1);
    let state = told_by((140, 40), vec![invalid, failed], |_| {});
    assert!(screen(&state, LOOK).contains("1 warn  1 FAILED"), "{}", screen(&state, LOOK));
}

#[test]
fn what_runs_is_told_with_odoos_own_progress_wherever_one_looks() {
    let at = |size| {
        let mut views = fleet(24);
        let runs = &mut views.last_mut().unwrap().runs;
        let run = runs.iter_mut().find(|run| run.instance == Some(name("brightside"))).unwrap();
        run.progress = Some(JobProgress { module: "mail".to_owned(), step: 19, of: 65 });
        let mut state = State::new(OPTIONS, size, now());
        views.into_iter().for_each(|view| drop(update(&mut state, Msg::View(Box::new(view)), now())));
        state
    };
    let filter = ["/", "b", "r", "i", "g", "h", "t", "enter"];
    let places: [(&str, &[&str], (u16, u16)); 4] = [
        ("the table", &[], (100, 30)),
        ("the card", &[], (140, 40)),
        ("the summary", &["enter"], (80, 24)),
        ("the jobs", &["3"], (80, 24)),
    ];
    for (place, keys, size) in places {
        let mut state = at(size);
        press(&mut state, &filter);
        press(&mut state, keys);
        let shown = screen(&state, LOOK);
        assert!(shown.contains("module 19 of 65"), "{place}:\n{shown}");
    }
    let mut state = at((80, 24));
    press(&mut state, &["3"]);
    assert!(!screen(&state, LOOK).contains("was seen before"), "{}", screen(&state, LOOK));
}

#[test]
fn modules_that_are_not_seen_are_not_counted_as_missing() {
    // As the daemon tells it: what was installed is told as it was.
    let mut state = outage((140, 40));
    press(&mut state, &["enter"]);
    assert!(state.fleet.items[0].status().modules.installed.contains(&module("crm")));
    assert!(screen(&state, LOOK).contains("2 installed"));
}

#[test]
fn backups_are_never_shown_as_if_they_were_taken() {
    for size in SIZES {
        let (mut view, mut tab) = (told(size, 24), told(size, 24));
        press(&mut view, &["5"]);
        press(&mut tab, &["G", "enter", "]", "]", "]", "]"]);
        for state in [view, tab] {
            let shown = screen(&state, LOOK);
            let text: String = shown.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
            assert!(text.contains("takes no backup on a schedule"), "{size:?}:\n{shown}");
        }
    }
}

#[test]
fn what_does_not_run_uses_no_processor_and_no_memory() {
    for size in SIZES {
        let mut state = told_by(size, vec![instance(&name("acme"), Stands::Stopped, 4)], |_| {});
        for keys in [&[][..], &["enter"]] {
            press(&mut state, keys);
            let shown = screen(&state, LOOK);
            assert!(!shown.contains("0%") && !shown.contains(" 0K"), "{size:?}:\n{shown}");
        }
    }
    let mut state = told_by((140, 40), vec![instance(&name("acme"), Stands::Stopped, 4)], |_| {});
    press(&mut state, &["enter"]);
    assert!(screen(&state, LOOK).contains("cpu -   memory -   database "), "{}", screen(&state, LOOK));
}

#[test]
fn a_bar_and_its_words_say_the_same() {
    let mut state = told((140, 40), 24);
    press(&mut state, &["6"]);
    let shown = screen(&state, LOOK);
    assert!(shown.contains("39.0G of 64.0G used"), "{shown}");
    assert!(shown.contains("2 are worked on, 1 waits its turn"), "{shown}");
}

#[test]
fn a_step_says_when_it_began_and_how_long_it_takes() {
    for size in [(100, 30), (140, 40), (240, 60)] {
        let mut state = told(size, 24);
        press(&mut state, &["3"]);
        let shown = screen(&state, LOOK);
        for word in ["TOOK", "BEGAN", "18:58:56", "2 are worked on, 1 waits its turn"] {
            assert!(shown.contains(word), "{size:?} lacks {word}:\n{shown}");
        }
    }
    assert_eq!(innkeeper::tui::format::taken(40), "<0.1s");
    assert_eq!(innkeeper::tui::format::taken(140), "0.1s");
}

#[test]
fn the_arrow_points_the_way_of_the_order() {
    let mut state = told((140, 40), 24);
    let titles = [("severity", "▼"), ("name", "▲"), ("plan", "▲"), ("cpu", "▼"), ("mem", "▼")];
    for (title, arrow) in titles {
        let shown = screen(&state, LOOK);
        assert!(shown.contains(&format!("sort: {title} {arrow}")), "{title}:\n{shown}");
        press(&mut state, &["o"]);
    }
}

#[test]
fn a_view_without_rows_has_no_filter_line() {
    let mut state = told((140, 40), 24);
    assert!(screen(&state, LOOK).contains("filter: none"));
    press(&mut state, &["6"]);
    assert!(!screen(&state, LOOK).contains("filter:"), "{}", screen(&state, LOOK));
}

#[test]
fn a_plans_name_is_whole_where_there_is_room() {
    for size in [(80, 24), (100, 30), (120, 40), (140, 40)] {
        let instances = (0..24).map(|nth| {
            with(instance(&nth_name(nth), Stands::Ready, nth), |status| status.plan = Some("business".parse().unwrap()))
        });
        let shown = screen(&told_by(size, instances.collect(), |_| {}), LOOK);
        assert!(shown.contains(" business "), "{size:?}:\n{shown}");
    }
}
