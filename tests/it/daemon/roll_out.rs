//! What would re-create or restart many containers at once without any edit of their files: one has it first.

use super::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::Damage;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::status::State;
use std::time::Duration;

impl House {
    fn recreated(&self) -> usize {
        let effects = self.effects();
        effects.iter().filter(|effect| effect.starts_with("create_service")).count()
    }

    /// Has every container be of an image that is not the one of its reference any more: `docker pull`.
    fn pull_anew(&self) {
        self.rehearsal.forget_calls();
        assert!(self.rehearsal.damage(Damage::ImageReplaced, &name("acme")));
    }
}

fn waiting(daemon: &Daemon, names: &[&str]) -> usize {
    let waits = |text: &&&str| {
        let status = daemon.status(text);
        status.is_some_and(|status| status.holds.iter().any(|hold| hold.reason == HoldReason::RollOut))
    };
    names.iter().filter(waits).count()
}

#[test]
fn an_image_that_was_pulled_anew_reaches_one_container_first_and_then_ever_more() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo", "fox"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_anew();
        daemon.until_told("RollOutBegan").await;
        daemon.until("the first", |_| house.recreated() == 1).await;
        assert!(waiting(&daemon, &names) >= 4, "the others run on as they are");
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        assert_eq!(house.recreated(), names.len(), "each once: {:#?}", house.effects());
        for name in names {
            daemon.until_state(name, State::Ready).await;
        }
        daemon.stop().await;
    });
}

#[test]
fn an_image_that_does_not_serve_reaches_nobody_but_the_first() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_anew();
        house.rehearsal.with(|world| world.broken_images = world.images.values().map(|it| it.id.clone()).collect());
        daemon.until_told("RollOutBegan").await;
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(house.recreated(), 1, "{:#?}", house.effects());
        assert_eq!(waiting(&daemon, &names), 4);
        house.rehearsal.with(|world| world.broken_images.clear());
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        daemon.stop().await;
    });
}

#[test]
fn a_few_containers_wait_for_nobody() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_anew();
        daemon.until("all", |_| house.recreated() == 3).await;
        assert!(!daemon.reasons().contains(&"RollOutBegan".to_owned()));
        daemon.stop().await;
    });
}
