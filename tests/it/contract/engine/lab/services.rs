//! The application's container.

use super::world::{CANARY, IMAGE, World, docker, docker_succeeds, inspect, limits, until};
use futures::TryStreamExt;
use innkeeper::edges::engine::{LogQuery, LogSource};
use innkeeper::edges::{Engine, ErrorKind};
use innkeeper::model::service::{Component, Owner, ServiceSpec};
use std::net::TcpStream;
use std::time::Duration;

#[tokio::test]
async fn created_twice_it_is_one_container_and_as_asked_for() {
    let world = World::new();
    world.prepare(super::world::NO_DATABASE).await;
    let spec = world.spec().await;
    world.docker.create_service(&spec).await.unwrap();
    let first = world.service().await;
    world.docker.create_service(&spec).await.unwrap();
    assert_eq!(world.service().await, first);
    assert_eq!(first.owner, Owner::Ours(spec.tag.clone()));
    assert_eq!((first.image_id.as_str(), first.image.as_str()), (spec.image_id.as_str(), IMAGE));
    assert_eq!((first.cpu_millis, first.memory_bytes), (500, 512 << 20));
    assert_eq!((first.running, first.started_at, first.ports), (false, None, Some(world.ports)));
    assert!(first.hardened);
    let live = world.look().await;
    assert!(live.ports_in_use.contains(&world.ports.http) && live.ports_in_use.contains(&world.ports.gevent()));
}

#[tokio::test]
async fn one_of_ours_with_another_digest_is_not_taken_for_the_wanted_one() {
    let world = World::new();
    world.prepare(super::world::NO_DATABASE).await;
    let spec = world.spec().await;
    world.docker.create_service(&spec).await.unwrap();
    let before = world.service().await.id;
    let tag = world.tag(Component::Service, "v1:another");
    let refused = world.docker.create_service(&ServiceSpec { tag, ..spec }).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Failed);
    assert!(refused.to_string().contains("must be re-created"), "{refused}");
    assert_eq!(world.service().await.id, before);
}

#[tokio::test]
async fn a_foreign_container_on_the_name_is_a_conflict_and_stays_as_it_is() {
    let world = World::new();
    world.prepare(super::world::NO_DATABASE).await;
    let spec = world.spec().await;
    let mark = format!("io.innkeeper.lab={}", world.lab.get("LAB_ID"));
    docker(&["run", "--detach", "--label", &mark, "--name", &spec.container, "--entrypoint", "sleep", IMAGE, "300"]);
    // Docker lists mounts in any order.
    let as_it_is = "{{.Id}} {{json .State}} {{json .Config}} {{json .HostConfig}} {{json .NetworkSettings}}";
    let (before, tag) = (inspect(&spec.container, as_it_is), &spec.tag);
    let kinds = [
        world.docker.create_service(&spec).await,
        world.docker.start_service(&spec.container, tag).await,
        world.docker.stop_service(&spec.container, tag).await,
        world.docker.restart_service(&spec.container, tag).await,
        world.docker.update_limits(&spec.container, tag, &limits(100, 64)).await,
        world.docker.remove_service(&spec.container, tag).await,
        world.docker.remove_job(&spec.container, tag).await,
    ]
    .map(|answer| answer.unwrap_err().kind);
    let (after, live) = (inspect(&spec.container, as_it_is), world.look().await);
    docker(&["rm", "--force", "--volumes", &spec.container]);
    assert_eq!(kinds, [ErrorKind::Conflict; 7]);
    assert_eq!(after, before);
    assert_eq!(live.services[&spec.container].owner, Owner::Foreign("no Innkeeper label".into()));
}

#[tokio::test]
async fn names_that_contain_ours_are_none_of_our_business() {
    let world = World::new();
    let mark = format!("io.innkeeper.lab={}", world.lab.get("LAB_ID"));
    let container = world.resources().container;
    let neighbours = [format!("{container}-2"), format!("x{container}")];
    for name in &neighbours {
        docker(&["create", "--label", &mark, "--name", name, IMAGE]);
    }
    let volume = format!("{}-old", world.resources().volume);
    docker(&["volume", "create", "--label", &mark, &volume]);
    let live = world.look().await;
    world.docker.remove_service(&container, &world.tag(Component::Service, "")).await.unwrap();
    let left = neighbours.iter().filter(|name| docker_succeeds(&["inspect", name])).count();
    docker(&["rm", "--volumes", &neighbours[0], &neighbours[1]]);
    docker(&["volume", "rm", &volume]);
    assert!(live.services.is_empty() && live.volumes.is_empty() && live.jobs.is_empty(), "{live:?}");
    assert_eq!(left, 2);
}

#[tokio::test]
async fn without_its_volume_no_container_is_made_and_no_volume_either() {
    let world = World::new();
    world.docker.ensure_network().await.unwrap();
    let spec = world.spec().await;
    let refused = world.docker.create_service(&spec).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused);
    assert!(refused.to_string().contains(&spec.volume), "{refused}");
    assert!(!docker_succeeds(&["volume", "inspect", &spec.volume]));
}

#[tokio::test]
async fn an_image_that_is_not_here_is_refused_and_not_pulled() {
    let world = World::new();
    world.prepare(super::world::NO_DATABASE).await;
    let image_id = format!("sha256:{}", "0".repeat(64));
    let spec = ServiceSpec { image_id, ..world.spec().await };
    assert_eq!(world.docker.create_service(&spec).await.unwrap_err().kind, ErrorKind::Refused);
}

#[tokio::test]
async fn limits_change_while_it_runs_on() {
    let world = World::new();
    let spec = world.running().await;
    let before = world.service().await;
    for (cpu_millis, memory_mib) in [(1500, 768), (250, 384)] {
        let limits = limits(cpu_millis, memory_mib);
        world.docker.update_limits(&spec.container, &spec.tag, &limits).await.unwrap();
        let after = world.service().await;
        assert_eq!((after.cpu_millis, after.memory_bytes), (cpu_millis, memory_mib << 20));
        assert_eq!((after.started_at, after.id.as_str()), (before.started_at, before.id.as_str()));
        assert!(after.running && after.hardened);
    }
    // Both layouts of control groups: version 2 first.
    let script = "cd /sys/fs/cgroup; cut -d' ' -f1 cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us; \
                  cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes";
    let applied = docker(&["exec", &spec.container, "sh", "-c", script]);
    assert_eq!(applied, format!("25000\n{}", 384 << 20));
}

#[tokio::test]
async fn start_stop_restart_and_remove_are_done_once_and_keep_the_volume() {
    let world = World::new();
    let spec = world.running().await;
    let (name, tag) = (spec.container.as_str(), &spec.tag);
    world.docker.start_service(name, tag).await.unwrap();
    let started = world.service().await;
    assert!(started.running);
    world.docker.restart_service(name, tag).await.unwrap();
    let restarted = world.service().await;
    assert!(restarted.running && restarted.started_at > started.started_at);
    assert_eq!(restarted.id, started.id);
    for _ in 0..2 {
        world.docker.stop_service(name, tag).await.unwrap();
    }
    let stopped = world.service().await;
    assert!(!stopped.running && stopped.hardened);
    assert_eq!(stopped.ports, Some(world.ports));
    for _ in 0..2 {
        world.docker.remove_service(name, tag).await.unwrap();
    }
    let live = world.look().await;
    assert!(live.services.is_empty());
    assert!(live.volumes.contains_key(&spec.volume));
    world.docker.stop_service(name, tag).await.unwrap();
    assert_eq!(world.docker.start_service(name, tag).await.unwrap_err().kind, ErrorKind::Failed);
}

#[tokio::test]
async fn it_is_locked_in_and_leaves_no_anonymous_volume() {
    let world = World::new();
    let spec = world.running().await;
    let name = spec.container.as_str();
    let checks = [
        ("{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}}", "true [ALL] []"),
        ("{{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}}", "[no-new-privileges] false"),
        ("{{.HostConfig.PidsLimit}} {{.HostConfig.Init}}", "512 true"),
        ("{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}", "536870912 536870912"),
        ("{{.HostConfig.RestartPolicy.Name}} {{.Config.StopTimeout}}", "unless-stopped 30"),
        ("{{.HostConfig.LogConfig}}", "{json-file map[max-file:3 max-size:10m]}"),
        ("{{.Config.User}} {{.Config.Entrypoint}}", "odoo [/bin/sh]"),
        ("{{slice .Config.Cmd 2}}", "[/etc/odoo/programs -c /etc/odoo/odoo.conf]"),
        ("{{len .NetworkSettings.Networks}} {{len .Mounts}}", "1 4"),
    ];
    for (template, expected) in checks {
        assert_eq!(inspect(name, template), expected, "{template}");
    }
    let status = docker(&["exec", name, "cat", "/proc/1/status"]);
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
    assert_eq!((line("CapEff:").as_str(), line("CapBnd:").as_str()), ("0000000000000000", "0000000000000000"));
    assert_eq!(line("NoNewPrivs:"), "1");
    assert_eq!(line("Uid:").split('\t').next(), Some(world.image_user().await.uid.to_string().as_str()));
    for path in ["/x", "/etc/odoo/x", "/mnt/extra-addons/x"] {
        assert!(!docker_succeeds(&["exec", name, "touch", path]), "{path} can be written");
    }
    for path in ["/tmp/x", "/var/lib/odoo/x"] {
        assert!(docker_succeeds(&["exec", name, "touch", path]), "{path} cannot be written");
    }
    let mounted = inspect(name, "{{range .Mounts}}{{if eq (print .Type) \"volume\"}}{{.Name}} {{end}}{{end}}");
    assert_eq!(mounted.trim(), spec.volume);
}

#[tokio::test]
async fn a_container_that_was_loosened_by_hand_is_seen() {
    let world = World::new();
    world.prepare(super::world::NO_DATABASE).await;
    let spec = world.spec().await;
    world.docker.create_service(&spec).await.unwrap();
    let labels = inspect(&spec.container, "{{range $key, $value := .Config.Labels}}{{$key}}={{$value}}\n{{end}}");
    docker(&["rm", "--volumes", &spec.container]);
    let mut loose = vec!["create", "--name", &spec.container];
    for label in labels.lines() {
        loose.extend(["--label", label]);
    }
    docker(&[&loose[..], &[IMAGE]].concat());
    let seen = world.service().await;
    assert_eq!(seen.owner, Owner::Ours(spec.tag.clone()));
    assert!(!seen.hardened);
    assert_eq!(seen.ports, None);
}

#[tokio::test]
async fn nothing_listens_beyond_loopback() {
    let world = World::new();
    world.running().await;
    let http = world.ports.http;
    until("Odoo listens", async || TcpStream::connect(("127.0.0.1", http)).is_ok()).await;
    let gateway = world.lab.get("LAB_GATEWAY");
    for port in [http, world.ports.gevent()] {
        assert!(TcpStream::connect((gateway, port)).is_err(), "{gateway}:{port} answers");
    }
    let listening = std::process::Command::new("ss").args(["-Hltn"]).output().unwrap();
    let listening = String::from_utf8(listening.stdout).unwrap();
    let ours = listening.lines().filter(|line| line.contains(&format!(":{http} ")));
    let beyond: Vec<&str> = ours.filter(|line| !line.contains("127.0.0.1:")).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[tokio::test]
async fn containers_cannot_reach_each_other() {
    let one = World::new();
    let other = one.neighbour();
    let (here, there) = (one.running().await, other.running().await);
    let address = inspect(&there.container, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    // From the host it answers: else the rest of this test would prove nothing.
    until("the other one listens", async || TcpStream::connect((address.as_str(), 8069)).is_ok()).await;
    let reach = |address: &str, port: &str| {
        let script = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)";
        docker_succeeds(&["exec", &here.container, "python3", "-c", script, address, port])
    };
    assert!(!reach(&address, "8069"), "{address}:8069 answers to a neighbour");
    assert!(!reach(&there.container, "8069"), "{} answers to a neighbour", there.container);
    assert!(reach(one.lab.get("LAB_GATEWAY"), one.lab.get("LAB_PG_PORT")), "PostgreSQL cannot be reached");
}

#[tokio::test]
async fn no_secret_is_in_what_docker_tells() {
    let world = World::new();
    let spec = world.running().await;
    let told = docker(&["inspect", &spec.container]);
    assert!(!told.contains(CANARY), "the canary is in docker inspect");
    let inside =
        docker(&["exec", &spec.container, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; :"]);
    assert!(!inside.contains(CANARY), "the canary is in a command line or an environment");
    let conf = docker(&["exec", &spec.container, "cat", "/etc/odoo/odoo.conf"]);
    assert!(conf.contains(CANARY), "the canary was never there: this test proves nothing");
}

#[tokio::test]
async fn odoo_has_patience_with_its_sockets() {
    let world = World::new();
    let spec = world.running().await;
    let inside = docker(&["exec", &spec.container, "sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'"]);
    assert!(inside.lines().any(|line| line == "ODOO_HTTP_SOCKET_TIMEOUT=60"), "{inside}");
}

#[tokio::test]
async fn output_is_read_as_lines_from_the_end() {
    let world = World::new();
    world.running().await;
    let query = |tail| LogQuery { source: LogSource::Odoo, follow: false, tail, since_unix_s: None };
    let read = async |tail| {
        world.docker.logs(&world.name, &query(tail)).await.unwrap().try_collect::<Vec<String>>().await.unwrap()
    };
    until("Odoo says where it listens", async || read(None).await.iter().any(|line| line.contains("HTTP service")))
        .await;
    let all = read(None).await;
    assert_eq!(read(Some(1)).await, all[all.len() - 1..]);
    assert!(all.iter().all(|line| !line.ends_with('\n')));
    let follow = LogQuery { follow: true, ..query(Some(1)) };
    let mut lines = world.docker.logs(&world.name, &follow).await.unwrap();
    assert_eq!(lines.try_next().await.unwrap().as_ref(), all.last());
    let next = tokio::time::timeout(Duration::from_millis(300), lines.try_next()).await;
    assert!(next.is_err(), "following ended or told what nobody said: {next:?}");
    let job = LogQuery { source: LogSource::Job, ..query(None) };
    assert_eq!(world.docker.logs(&world.name, &job).await.err().unwrap().kind, ErrorKind::Refused);
}

#[tokio::test]
async fn what_a_running_container_uses_is_counted_and_what_is_stopped_uses_nothing() {
    let world = World::new();
    let spec = world.running().await;
    let used = async || world.docker.usage().await.unwrap().get(&world.name).copied();
    let counts = async || used().await.is_some_and(|it| it.cpu_time > Duration::ZERO && it.memory_bytes > 1 << 20);
    until("what it uses is counted", counts).await;
    let first = used().await.unwrap();
    assert_eq!(first.memory_limit_bytes, 512 << 20, "{first:?}");
    // The kernel's count goes on while it is kept busy. Half a core is what it may use at most; where others keep the
    // machine busy it gets less.
    until("more is counted while it is busy", async || {
        docker(&["exec", &spec.container, "sh", "-c", "timeout 2 sh -c 'while :; do :; done'; true"]);
        used().await.unwrap().cpu_time > first.cpu_time + Duration::from_millis(300)
    })
    .await;
    let second = used().await.unwrap();
    // The kernel's files and Docker's own statistics say the same.
    let told = docker(&["stats", "--no-stream", "--format", "{{.MemUsage}}", &spec.container]);
    assert!(told.contains("512MiB"), "{told}");
    let hog = "python3 -c 'b\"a\" * (1 << 30)'; true";
    docker(&["exec", &spec.container, "sh", "-c", hog]);
    until("the kernel's kill is counted", async || used().await.unwrap().memory_kills > first.memory_kills).await;
    // A fresh adapter, as after a restart of the daemon, finds the same counters.
    let again = world.again().usage().await.unwrap()[&world.name];
    assert!(again.cpu_time >= second.cpu_time && again.memory_kills > first.memory_kills, "{again:?}");
    assert!(World::new().docker.usage().await.unwrap().is_empty(), "others' containers are not counted");
    world.docker.restart_service(&spec.container, &spec.tag).await.unwrap();
    until("it is counted again", async || used().await.is_some_and(|it| it.cpu_time > Duration::ZERO)).await;
    world.docker.stop_service(&spec.container, &spec.tag).await.unwrap();
    assert_eq!(used().await, None);
}

#[tokio::test]
async fn a_volume_is_measured_for_its_instance_alone() {
    let world = World::new();
    world.prepare(super::world::NO_DATABASE).await;
    let (volume, tag) = (world.resources().volume, world.tag(Component::Volume, ""));
    let empty = world.docker.volume_bytes(&volume, &tag).await.unwrap().unwrap();
    let script = "mkdir -p /v/a/b && head -c 3000000 /dev/urandom > /v/a/b/file && ln -s /proc /v/link";
    let mount = format!("{volume}:/v");
    docker(&["run", "--rm", "--user", "0", "--volume", &mount, "--entrypoint", "sh", IMAGE, "-c", script]);
    let filled = world.docker.volume_bytes(&volume, &tag).await.unwrap().unwrap();
    assert!((3_000_000..3_100_000).contains(&(filled - empty)), "{empty} {filled}");
    let other = World::new();
    assert_eq!(world.docker.volume_bytes(&volume, &other.tag(Component::Volume, "")).await.unwrap(), None);
    assert_eq!(world.docker.volume_bytes("ik-nobody-data", &tag).await.unwrap(), None);
}
