//! A hundred files changed within a second over a hundred sites: files, turns and the proxy's lane of a real daemon, and a
//! real nginx. Engine, database and archive are rehearsed, so that a hundred customers stand on one machine; behind each
//! site a small server answers as Odoo does.

mod customers;
mod visitors;

use super::proxy::bench::{BASE, Bench};
use customers::{Paper, Street};
use innkeeper::adapters::nginx::Nginx;
use innkeeper::adapters::rehearsal::{Rehearsal, World};
use innkeeper::daemon::{self, Conduct, Keeper, Place, Signal};
use innkeeper::edges::{Edges, Proxy};
use innkeeper::journal::{EventFilter, Journal, JournalError};
use innkeeper::model::name::InstanceName;
use innkeeper::model::secret::InstallationKey;
use innkeeper::model::time::Timestamp;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use visitors::Visitors;

/// Customers whose files are changed.
const CHANGED: usize = 100;
/// Customers who are visited meanwhile.
const OTHERS: usize = 10;
/// One file after the other.
const FILE_EVERY: Duration = Duration::from_millis(8);
/// 100 changes in a second give at most so many reloads, where the machine makes a hundred turns of them as fast. On a
/// slower one changes come with the next reload that they are in time for: the lane of sites keeps them so far apart.
const RELOADS_MAX: u64 = 2;
const RELOADS_APART_S: u64 = 2;
/// Fewer requests of a kind would show nothing.
const REQUESTS_MIN: u64 = 150;
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// A daemon over a fleet's files, with a real nginx.
struct Town {
    bench: Bench,
    nginx: Arc<Nginx>,
    keeper: Arc<Keeper>,
    signals: mpsc::Sender<Signal>,
    running: JoinHandle<Result<(), daemon::RunError>>,
    _street: Street,
}

#[expect(clippy::disallowed_methods, reason = "a real nginx and real certificates know one clock only")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn changed() -> impl Iterator<Item = String> {
    (0..CHANGED).map(|number| format!("c{number:03}"))
}

fn others() -> impl Iterator<Item = String> {
    (0..OTHERS).map(|number| format!("other{number}"))
}

/// Each instance's file; `domains` are its custom ones.
fn file(domains: &str) -> String {
    format!(
        "plan = \"tiny\"\ndomains = [{domains}]\n[company]\nname = \"A Customer\"\n[admin]\nemail = \"a@customer.example\"\n"
    )
}

impl Town {
    /// Starts everything, with all files there.
    async fn start() -> Self {
        let bench = Bench::start();
        let street = Street::open(CHANGED + OTHERS).await;
        let fleet = bench.at("fleet");
        fs::create_dir_all(fleet.join("instances.d")).unwrap();
        let settings = format!(
            "[fleet]\nbase_domain = \"{BASE}\"\nstate_dir = {state:?}\n[odoo]\ndefault_version = \"19.0\"\n\
             images = {{ \"19.0\" = \"odoo:19.0\" }}\n[docker]\nports = \"{first}-{last}\"\n\
             [postgres]\nurl = \"postgres://innkeeper@127.0.0.1:5432/postgres\"\n",
            state = bench.at("state"),
            first = street.ports.start(),
            last = street.ports.end(),
        );
        fs::write(fleet.join("innkeeper.toml"), settings).unwrap();
        let plan = "[tiny]\ncpus = 0.5\nmemory = \"512 MiB\"\ndisk = \"1 GiB\"\nworkers = 2\nmax_instances = 1000\n";
        fs::write(fleet.join("plans.toml"), plan).unwrap();
        for name in changed().chain(others()) {
            fs::write(fleet.join(format!("instances.d/{name}.toml")), file("")).unwrap();
        }
        let nginx = Arc::new(bench.another_adapter());
        let keeper = open(&bench, Arc::clone(&nginx) as Arc<dyn Proxy>);
        let (signals, receiver) = mpsc::channel(4);
        let running = tokio::spawn(daemon::run(Arc::clone(&keeper), receiver));
        Self { bench, nginx, keeper, signals, running, _street: street }
    }

    /// Waits until nothing is left to do for the newest version of each, at so many host names. A file that is written in
    /// place may count as two versions, of which one was empty.
    async fn until_settled(&self, names: impl Iterator<Item = String>, hosts: usize) {
        let names: Vec<InstanceName> = names.map(|name| crate::world::name(&name)).collect();
        let started = Instant::now();
        let is_settled = |name: &InstanceName| {
            let status = self.keeper.board().get(name);
            status.is_some_and(|it| it.urls.len() == hosts && it.observed_generation == it.generation)
        };
        loop {
            let waiting: Vec<_> = names.iter().filter(|name| !is_settled(name)).collect();
            if waiting.is_empty() {
                return;
            }
            assert!(!self.running.is_finished(), "the daemon ended by itself");
            let first = self.keeper.board().get(waiting[0]);
            assert!(started.elapsed() < PATIENCE, "{} are not settled, {first:#?}", waiting.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reloads as nginx itself tells them.
    fn reloads(&self) -> u64 {
        let log = fs::read_to_string(self.bench.at("error.log")).unwrap();
        log.lines().filter(|line| line.contains("signal 1 (SIGHUP) received")).count() as u64
    }

    /// For whom a site was put so far, and when, by the daemon's events.
    fn sites_put(&self) -> Vec<(InstanceName, Timestamp)> {
        let all = EventFilter { limit: 100_000, ..EventFilter::default() };
        let events = self.keeper.journal().events(&all).unwrap().into_iter();
        let put = events.filter(|event| event.step.as_deref().is_some_and(|step| step.ends_with("/put-site")));
        put.filter(|event| event.reason == "StepDone").filter_map(|event| Some((event.instance?, event.at))).collect()
    }

    async fn stop(self) {
        self.signals.send(Signal::Stop).await.unwrap();
        self.running.await.unwrap().unwrap();
    }
}

fn open(bench: &Bench, proxy: Arc<dyn Proxy>) -> Arc<Keeper> {
    let mut world = World::fresh(["odoo:19.0"]);
    world.hurried = true;
    let rehearsal = Rehearsal::new(1, world, now);
    let authority = Arc::new(Paper::new(bench.at("certificates")));
    let fleet_dir = bench.at("fleet");
    let place = Place {
        settings_file: fleet_dir.join("innkeeper.toml"),
        fleet_dir,
        now,
        chance: daemon::chance,
        uptime: daemon::uptime,
    };
    let opened = Keeper::open(place, Conduct::Keep, |settings| {
        let journal = Journal::open(&settings.fleet.state_dir, now)?;
        let edges = Edges { proxy, authority, ..rehearsal.edges() };
        Ok::<_, JournalError>((edges, InstallationKey::new([7; 32]), journal))
    });
    opened.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_files_changed_at_once_are_no_more_reloads_than_are_due_and_no_failed_request() {
    let town = Town::start().await;
    town.until_settled(changed().chain(others()), 1).await;
    let (reloads, counted, put) = (town.reloads(), town.nginx.reloads(), town.sites_put().len());
    let hosts: Vec<String> = others().map(|name| format!("{name}.{BASE}")).collect();
    let visitors = Visitors::come(&hosts, town.bench.settings.https_port);

    let (began, began_at) = (Instant::now(), now());
    for (number, name) in (0..).zip(changed()) {
        let domain = format!("\"{name}.example.com\"");
        fs::write(town.bench.at(&format!("fleet/instances.d/{name}.toml")), file(&domain)).unwrap();
        // Spread over most of the second: what came before is being acted upon while the rest is still written.
        std::thread::sleep((FILE_EVERY * number).saturating_sub(began.elapsed()));
    }
    let changing = began.elapsed();
    town.until_settled(changed(), 2).await;
    let took = began.elapsed();

    let visits = tokio::task::spawn_blocking(|| visitors.leave()).await.unwrap();
    let reloads = town.reloads() - reloads;
    println!("hundred_files_changing {:.2} s", changing.as_secs_f64());
    let in_force = town.sites_put()[put..].iter().map(|(_, at)| at.duration_since(began_at)).max().unwrap();
    println!("hundred_files_in_force {:.2} s", in_force.as_secs_f64());
    println!("hundred_files_settled {:.2} s", took.as_secs_f64());
    println!("hundred_files_reloads {reloads} reloads");
    println!("requests_meanwhile {visits:?}");
    let reloads_max = RELOADS_MAX.max(1 + u64::try_from(in_force.as_secs()).unwrap() / RELOADS_APART_S);
    assert!((1..=reloads_max).contains(&reloads), "{reloads} reloads, at most {reloads_max} were due");
    assert_eq!(town.nginx.reloads() - counted, reloads, "the adapter and nginx count the same");
    assert_eq!(visits.failed, [""; 0], "{visits:?}");
    assert!(visits.fresh >= REQUESTS_MIN && visits.kept >= REQUESTS_MIN, "{visits:?}");
    let mut once: Vec<String> = town.sites_put()[put..].iter().map(|(name, _)| name.to_string()).collect();
    once.sort();
    assert_eq!(once, changed().collect::<Vec<_>>(), "each changed site was put once, and no other");
    for name in changed() {
        assert_eq!(town.bench.get(&format!("{name}.example.com"), "/web/login").await.status, 200, "{name}");
    }
    town.stop().await;
}
