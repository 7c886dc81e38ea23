//! What containers and volumes use, read where the kernel keeps count: one listing for the whole fleet, then a few small
//! files a container. The engine's own statistics are asked for only where those files are not to be had, for they cost
//! the engine milliseconds a container.

use super::client::{call, failed};
use super::labels::{self, INSTALLATION};
use super::{Docker, container, network, on_disk};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::name::InstanceName;
use crate::model::service::{Component, Tag};
use crate::model::usage::ServiceUsage;
use bollard::models::{ContainerMemoryStats, ContainerStatsResponse, ContainerSummary};
use bollard::query_parameters::{ListContainersOptionsBuilder, StatsOptions};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the kernel shows its control groups (systemd, "Control Group APIs and Delegation").
const CGROUPS: &str = "/sys/fs/cgroup";
/// Statistics that the engine is asked for at once, where it must be asked.
const STATISTICS_AT_ONCE_MAX: usize = 8;
/// Blocks of `stat` are that long whatever the file system's own are (POSIX, `st_blocks` on Linux).
const BLOCK_BYTES: u64 = 512;
/// A volume with more entries is not walked to its end: it would take minutes.
const VOLUME_ENTRIES_MAX: u64 = 20_000_000;

/// Where the kernel counts for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Group {
    /// One hierarchy for everything.
    Unified(PathBuf),
    /// One for processor time and one for memory.
    Split { cpu: PathBuf, memory: PathBuf },
}

/// Where the kernel counts, by container id. A container keeps its group's path over restarts.
pub(super) type Groups = std::sync::Mutex<HashMap<String, Group>>;

/// What the running services of this installation use.
pub(super) async fn services(docker: &Docker) -> Result<BTreeMap<InstanceName, ServiceUsage>, EdgeError> {
    let running = running(docker).await?;
    let groups = groups(docker, &running).await?;
    let read = move || {
        let read = |(name, id): (InstanceName, String)| (name, groups.get(&id).and_then(|group| group.read().ok()), id);
        Ok(running.into_iter().map(read).collect::<Vec<_>>())
    };
    let (counted, uncounted): (Vec<_>, Vec<_>) =
        on_disk(read).await?.into_iter().partition(|(_, usage, _)| usage.is_some());
    // Ended meanwhile, or counted where this process cannot look.
    forget(docker, uncounted.iter().map(|(_, _, id)| id));
    let mut usages: BTreeMap<_, _> = counted.into_iter().filter_map(|(name, usage, _)| Some((name, usage?))).collect();
    let asked = uncounted.into_iter().map(async |(name, _, id)| (name, statistics(docker, &id).await));
    let told: Vec<_> = futures::stream::iter(asked).buffer_unordered(STATISTICS_AT_ONCE_MAX).collect().await;
    for (name, usage) in told {
        usages.extend(usage?.map(|usage| (name, usage)));
    }
    Ok(usages)
}

/// Bytes on disk below a volume; none when there is no such volume of ours.
pub(super) async fn volume(docker: &Docker, volume: &str, tag: &Tag) -> Result<Option<u64>, EdgeError> {
    let Some(root) = network::mount_point(docker, volume, tag).await? else { return Ok(None) };
    let doing = format!("could not measure the volume {volume} at {}", root.display());
    on_disk(move || {
        bytes_below(&root).map(Some).map_err(|error| EdgeError::new(Edge::Engine, ErrorKind::Failed, doing, error))
    })
    .await
}

/// Running services of ours, by instance.
async fn running(docker: &Docker) -> Result<Vec<(InstanceName, String)>, EdgeError> {
    let engine = docker.client.docker().await?;
    let filters = HashMap::from([
        ("label".to_owned(), vec![format!("{INSTALLATION}={}", docker.installation)]),
        ("status".to_owned(), vec!["running".to_owned()]),
    ]);
    let options = ListContainersOptionsBuilder::default().filters(&filters).build();
    let listed = call("could not list Docker's running containers", engine.list_containers(Some(options))).await?;
    let service = |summary: ContainerSummary| {
        let owner = labels::owner(&docker.installation, summary.labels.as_ref()?);
        let tag = owner.tag().filter(|tag| tag.component == Component::Service)?;
        Some((tag.instance.clone(), summary.id?))
    };
    Ok(listed.into_iter().filter_map(service).collect())
}

/// Groups of these containers; those that are met for the first time are inspected for their process.
async fn groups(docker: &Docker, running: &[(InstanceName, String)]) -> Result<HashMap<String, Group>, EdgeError> {
    let known = {
        let mut known = docker.groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ids: BTreeSet<&String> = running.iter().map(|(_, id)| id).collect();
        known.retain(|id, _| ids.contains(id));
        known.clone()
    };
    let mut found = HashMap::new();
    for (_, id) in running.iter().filter(|(_, id)| !known.contains_key(id)) {
        let seen = container::inspect(docker, id).await?;
        let process = seen.and_then(|seen| seen.state?.pid).filter(|process| *process > 0);
        let text = match process {
            Some(process) => tokio::fs::read_to_string(format!("/proc/{process}/cgroup")).await.unwrap_or_default(),
            None => continue,
        };
        found.extend(Group::of(Path::new(CGROUPS), &text, id).map(|group| (id.clone(), group)));
    }
    let mut kept = docker.groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    kept.extend(found);
    Ok(kept.clone())
}

fn forget<'a>(docker: &Docker, ids: impl Iterator<Item = &'a String>) {
    let mut kept = docker.groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ids.for_each(|id| drop(kept.remove(id)));
}

impl Group {
    /// Reads `/proc/<pid>/cgroup` (cgroups(7)): `4:memory:/docker/<id>` or `0::/system.slice/docker-<id>.scope`. None
    /// where the process is no longer the container's, or is seen from another namespace.
    fn of(root: &Path, text: &str, id: &str) -> Option<Self> {
        let path_of = |controller: &str| {
            let line = text.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                controllers.split(',').any(|name| name == controller).then_some(path)
            });
            line.filter(|path| path.contains(id)).map(|path| path.trim_start_matches('/'))
        };
        match (path_of("cpuacct"), path_of("memory"), path_of("")) {
            (Some(cpu), Some(memory), _) => {
                Some(Self::Split { cpu: root.join("cpuacct").join(cpu), memory: root.join("memory").join(memory) })
            }
            (_, _, Some(path)) => Some(Self::Unified(root.join(path))),
            _ => None,
        }
    }

    /// What the kernel counted up to now (Linux, "Control Group v2", `cpu.stat`, `memory.stat`; for the split hierarchy
    /// `cpuacct.usage` and "Memory Resource Controller"). Files that are only cached are taken off, as `docker stats` does.
    fn read(&self) -> io::Result<ServiceUsage> {
        let (cpu_time, used, limit, cached, kills) = match self {
            Self::Unified(dir) => (
                Duration::from_micros(entry(&dir.join("cpu.stat"), "usage_usec")?),
                number(&dir.join("memory.current"))?,
                number(&dir.join("memory.max"))?,
                entry(&dir.join("memory.stat"), "inactive_file")?,
                entry(&dir.join("memory.events"), "oom_kill"),
            ),
            Self::Split { cpu, memory } => (
                Duration::from_nanos(number(&cpu.join("cpuacct.usage"))?),
                number(&memory.join("memory.usage_in_bytes"))?,
                number(&memory.join("memory.limit_in_bytes"))?,
                entry(&memory.join("memory.stat"), "total_inactive_file")?,
                entry(&memory.join("memory.oom_control"), "oom_kill"),
            ),
        };
        Ok(ServiceUsage {
            cpu_time,
            memory_bytes: used.saturating_sub(cached),
            memory_limit_bytes: limited(limit),
            // Kernels before 4.13 do not count them.
            memory_kills: kills.unwrap_or_default(),
        })
    }
}

/// No limit is told as `max`, or as the largest number of whole pages.
fn limited(bytes: u64) -> u64 {
    if bytes >= 1 << 62 { 0 } else { bytes }
}

fn number(file: &Path) -> io::Result<u64> {
    match std::fs::read_to_string(file)?.trim() {
        "max" => Ok(u64::MAX),
        text => text.parse().map_err(io::Error::other),
    }
}

/// The number behind `key` in a file of `key number` lines.
fn entry(file: &Path, key: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let value = text.lines().find_map(|line| line.split_once(' ').filter(|(name, _)| *name == key));
    let (_, value) = value.ok_or_else(|| io::Error::other(format!("{} has no {key}", file.display())))?;
    value.trim().parse().map_err(io::Error::other)
}

/// The engine's own statistics of one container, without the second that it would otherwise wait for a difference.
async fn statistics(docker: &Docker, id: &str) -> Result<Option<ServiceUsage>, EdgeError> {
    let engine = docker.client.docker().await?;
    let options = StatsOptions { stream: false, one_shot: true };
    let mut answer = Box::pin(engine.stats(id, Some(options)));
    let first = async { super::client::found(answer.next().await.transpose()) };
    let told = call(format!("could not read the statistics of the container {id}"), first).await?;
    Ok(told.flatten().as_ref().and_then(of_statistics))
}

fn of_statistics(told: &ContainerStatsResponse) -> Option<ServiceUsage> {
    let cpu = told.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
    let memory = told.memory_stats.as_ref()?;
    let ContainerMemoryStats { usage, limit, stats, .. } = memory;
    let cached = |key: &str| stats.as_ref().and_then(|stats| stats.get(key)).copied();
    let cached = cached("inactive_file").or_else(|| cached("total_inactive_file")).unwrap_or_default();
    Some(ServiceUsage {
        cpu_time: Duration::from_nanos(cpu),
        memory_bytes: (*usage)?.saturating_sub(cached),
        memory_limit_bytes: limited(limit.unwrap_or_default()),
        // The engine's statistics do not have it.
        memory_kills: 0,
    })
}

/// Bytes that files and directories below `root` take on disk, each counted once. Links are not followed; what vanishes
/// meanwhile is not counted.
fn bytes_below(root: &Path) -> Result<u64, EdgeError> {
    let mut directories = vec![root.to_owned()];
    let (mut bytes, mut entries, mut shared) = (0_u64, 0_u64, BTreeSet::new());
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let told = |error: io::Error| EdgeError::new(Edge::Engine, ErrorKind::Failed, "could not read a directory", error);
    while let Some(directory) = directories.pop() {
        let listed = match std::fs::read_dir(&directory) {
            Err(error) if gone(&error) && directory != root => continue,
            listed => listed.map_err(told)?,
        };
        for entry in listed {
            let entry = entry.map_err(told)?;
            let found = match entry.metadata() {
                Err(error) if gone(&error) => continue,
                found => found.map_err(told)?,
            };
            entries += 1;
            if entries > VOLUME_ENTRIES_MAX {
                return Err(failed(format!("there are more than {VOLUME_ENTRIES_MAX} files")));
            }
            if found.is_dir() {
                directories.push(entry.path());
            } else if found.nlink() > 1 && !shared.insert((found.dev(), found.ino())) {
                continue;
            }
            bytes = bytes.saturating_add(found.blocks().saturating_mul(BLOCK_BYTES));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef";

    fn write(dir: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(dir).unwrap();
        files.iter().for_each(|(file, text)| std::fs::write(dir.join(file), text).unwrap());
    }

    #[test]
    fn the_unified_hierarchy_is_read() {
        let root = tempfile::tempdir().unwrap();
        let text = format!("0::/system.slice/docker-{ID}.scope\n");
        let group = Group::of(root.path(), &text, ID).unwrap();
        write(
            &root.path().join(format!("system.slice/docker-{ID}.scope")),
            &[
                ("cpu.stat", "usage_usec 2500000\nuser_usec 2000000\n"),
                ("memory.current", "1000\n"),
                ("memory.max", "max\n"),
                ("memory.stat", "anon 600\ninactive_file 300\nactive_file 100\n"),
                ("memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill 3\n"),
            ],
        );
        let cpu_time = Duration::from_millis(2_500);
        let usage = ServiceUsage { cpu_time, memory_bytes: 700, memory_limit_bytes: 0, memory_kills: 3 };
        assert_eq!(group.read().unwrap(), usage);
    }

    #[test]
    fn the_split_hierarchies_are_read() {
        let root = tempfile::tempdir().unwrap();
        let text = format!("9:name=systemd:/docker/{ID}\n4:memory:/docker/{ID}\n2:cpu,cpuacct:/docker/{ID}\n0::/\n");
        let group = Group::of(root.path(), &text, ID).unwrap();
        write(&root.path().join(format!("cpuacct/docker/{ID}")), &[("cpuacct.usage", "7000000000\n")]);
        write(
            &root.path().join(format!("memory/docker/{ID}")),
            &[
                ("memory.usage_in_bytes", "1000\n"),
                ("memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory.stat", "inactive_file 1\ntotal_inactive_file 400\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ],
        );
        let cpu_time = Duration::from_secs(7);
        let usage = ServiceUsage { cpu_time, memory_bytes: 600, memory_limit_bytes: 0, memory_kills: 1 };
        assert_eq!(group.read().unwrap(), usage);
    }

    #[test]
    fn a_process_that_is_another_ones_by_now_is_not_taken_for_the_containers() {
        let root = Path::new("/sys/fs/cgroup");
        assert_eq!(Group::of(root, "0::/user.slice/session-1.scope\n", ID), None);
        assert_eq!(Group::of(root, "", ID), None);
    }

    #[test]
    fn what_lies_below_is_counted_once_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("big"), vec![1; 1 << 20]).unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::fs::write(root.path().join("a/b/file"), vec![1; 1 << 18]).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("a/out")).unwrap();
        let before = bytes_below(root.path()).unwrap();
        assert!((1 << 18..1 << 19).contains(&before), "{before}");
        std::fs::hard_link(root.path().join("a/b/file"), root.path().join("again")).unwrap();
        assert_eq!(bytes_below(root.path()).unwrap(), before);
        assert!(bytes_below(&root.path().join("missing")).is_err());
    }
}
