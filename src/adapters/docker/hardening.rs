//! How every container of ours is locked in: written in one place, and held against what an inspection shows in another
//! function right below, so that the two cannot drift apart unseen.
//!
//! Nothing here may depend on a setting or on a limit of the service plan: a container whose hardening misses is
//! re-created, and a new version of Innkeeper must re-create nothing. For the same reason only what every supported
//! engine reports as it was asked for is looked at (`MemorySwap`, which engines without swap accounting drop, is not).

use crate::model::service::Ports;
use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigLogConfig, Mount, MountPoint,
    MountTmpfsOptions, MountType, PortBinding, PortMap, RestartPolicyNameEnum,
};
use std::collections::{BTreeSet, HashMap};

/// Processes and threads of one container. Odoo with 16 workers, their threads and a few wkhtmltopdf stays under 200.
const PIDS_MAX: i64 = 512;
/// `/tmp`: the largest upload is 128 MiB (Odoo's own limit), and a report may be made beside it. Counts as memory.
const TMP_BYTES_MAX: i64 = 256 << 20;
/// `/mnt/extra-addons` stays empty; a tmpfs keeps the image's VOLUME from leaving anonymous volumes behind.
const EXTRA_ADDONS_BYTES_MAX: i64 = 64 << 10;
/// Log files of a container: three of this size.
const LOG_FILE_BYTES_MAX: &str = "10m";
const LOG_FILES_MAX: &str = "3";
/// Time for Odoo to end its requests after SIGTERM; Docker kills it then.
pub(super) const STOP_GRACE_S: i64 = 30;
/// Where the configuration directory is mounted.
pub(super) const CONFIG_TARGET: &str = "/etc/odoo";
pub(super) const DATA_TARGET: &str = "/var/lib/odoo";
const EXTRA_ADDONS_TARGET: &str = "/mnt/extra-addons";
const TMP_TARGET: &str = "/tmp";
const LOOPBACK: &str = "127.0.0.1";
const HTTP_PORT: &str = "8069/tcp";
const GEVENT_PORT: &str = "8072/tcp";
const NO_NEW_PRIVILEGES: &str = "no-new-privileges";
/// Reads as text with `docker logs` as well as through the API, and can be capped.
const LOG_DRIVER: &str = "json-file";

/// What a container of ours is tied to.
pub(super) struct Ties<'a> {
    /// The installation's network, by name: the only one it is on.
    pub(super) network: &'a str,
    /// The host's directory that becomes `/etc/odoo`.
    pub(super) config_dir: &'a str,
    /// The filestore's volume.
    pub(super) volume: &'a str,
}

/// A container without capabilities, ports, restart policy or processor limit, ready to be completed.
pub(super) fn body(ties: &Ties, image_id: &str, mut command: Vec<String>, memory_bytes: u64) -> ContainerCreateBody {
    let arguments = command.split_off(1);
    ContainerCreateBody {
        image: Some(image_id.to_owned()),
        entrypoint: Some(command),
        cmd: Some(arguments),
        stop_timeout: Some(STOP_GRACE_S),
        host_config: Some(host_config(ties, memory_bytes)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(ties: &Ties, memory_bytes: u64) -> HostConfig {
    let memory = i64::try_from(memory_bytes).unwrap_or(i64::MAX);
    HostConfig {
        readonly_rootfs: Some(true),
        cap_drop: Some(texts(&["ALL"])),
        security_opt: Some(texts(&[NO_NEW_PRIVILEGES])),
        pids_limit: Some(PIDS_MAX),
        // A small init reaps what Odoo leaves behind and passes SIGTERM on to jobs, which have no handler of their own.
        init: Some(true),
        ipc_mode: Some("private".into()),
        network_mode: Some(ties.network.to_owned()),
        memory: Some(memory),
        memory_swap: Some(memory),
        log_config: Some(HostConfigLogConfig {
            typ: Some(LOG_DRIVER.into()),
            config: Some(HashMap::from([
                ("max-size".into(), LOG_FILE_BYTES_MAX.into()),
                ("max-file".into(), LOG_FILES_MAX.into()),
            ])),
        }),
        mounts: Some(vec![
            mount(MountType::BIND, Some(ties.config_dir), CONFIG_TARGET, true),
            mount(MountType::VOLUME, Some(ties.volume), DATA_TARGET, false),
            tmpfs(TMP_TARGET, TMP_BYTES_MAX, 0o1777),
            tmpfs(EXTRA_ADDONS_TARGET, EXTRA_ADDONS_BYTES_MAX, 0o555),
        ]),
        ..HostConfig::default()
    }
}

/// Both of Odoo's ports, on loopback only.
pub(super) fn port_bindings(ports: Ports) -> PortMap {
    let binding =
        |port: u16| Some(vec![PortBinding { host_ip: Some(LOOPBACK.into()), host_port: Some(port.to_string()) }]);
    PortMap::from([(HTTP_PORT.into(), binding(ports.http)), (GEVENT_PORT.into(), binding(ports.gevent()))])
}

/// The loopback ports that a container was made with; none when it publishes none or others than ours.
pub(super) fn ports(host: &HostConfig) -> Option<Ports> {
    let bindings = host.port_bindings.as_ref()?;
    let port = |name: &str| match bindings.get(name)?.as_deref()? {
        [only] if only.host_ip.as_deref() == Some(LOOPBACK) => only.host_port.as_deref()?.parse::<u16>().ok(),
        _ => None,
    };
    let found = Ports { http: port(HTTP_PORT)? };
    (bindings.len() == 2 && port(GEVENT_PORT)? == found.gevent()).then_some(found)
}

/// All ports of the host that a container was made to publish, on whatever address.
pub(super) fn published(host: &HostConfig) -> BTreeSet<u16> {
    let bindings = host.port_bindings.iter().flat_map(HashMap::values).flatten().flatten();
    bindings.filter_map(|binding| binding.host_port.as_deref()?.parse().ok()).filter(|port| *port != 0).collect()
}

/// Which parts of the hardening a service's container misses, as words for the log; none for one that is as we make it.
/// `network_id` is the network's present id: a container tied to a removed network of the same name cannot start.
pub(super) fn missing(
    container: &ContainerInspectResponse,
    ties: &Ties,
    network_id: Option<&str>,
    image_user: Option<&str>,
) -> Vec<&'static str> {
    let default = HostConfig::default();
    let host = container.host_config.as_ref().unwrap_or(&default);
    let checks = [
        ("read-only root", host.readonly_rootfs == Some(true)),
        ("no capabilities", is_only(&host.cap_drop, "ALL") && none(&host.cap_add) && host.privileged != Some(true)),
        ("no new privileges", is_only(&host.security_opt, NO_NEW_PRIVILEGES)),
        ("process limit", host.pids_limit.is_some_and(|pids| (1..=PIDS_MAX).contains(&pids))),
        ("no namespaces of the host", namespaces_are_private(host)),
        ("no devices", none(&host.devices) && none(&host.device_requests) && none(&host.device_cgroup_rules)),
        ("loopback ports", ports(host).is_some() && host.publish_all_ports != Some(true)),
        ("our network alone", on_our_network_alone(container, host, ties.network, network_id)),
        ("our mounts alone", mounts_are_ours(container, host, ties)),
        ("the image's user", image_user_stands(container.config.as_ref(), image_user)),
        ("log size cap", logs_are_capped(host)),
        ("restart policy", restarts(host)),
        // Once a period is set Docker refuses to change NanoCpus: the limit could not be updated.
        ("processor limit by NanoCpus", is_zero(host.cpu_period) && is_zero(host.cpu_quota)),
    ];
    checks.into_iter().filter(|(_, kept)| !kept).map(|(what, _)| what).collect()
}

fn namespaces_are_private(host: &HostConfig) -> bool {
    let own = |mode: &Option<String>| mode.as_deref().is_none_or(|mode| mode.is_empty() || mode == "private");
    own(&host.ipc_mode) && own(&host.pid_mode) && own(&host.uts_mode) && own(&host.userns_mode)
}

fn on_our_network_alone(
    container: &ContainerInspectResponse,
    host: &HostConfig,
    network: &str,
    network_id: Option<&str>,
) -> bool {
    let Some(joined) = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref()) else {
        return false;
    };
    let id_stands = |id: &str| id.is_empty() || network_id == Some(id);
    host.network_mode.as_deref() == Some(network)
        && joined.len() == 1
        && joined.get(network).is_some_and(|end| id_stands(end.network_id.as_deref().unwrap_or_default()))
}

fn mounts_are_ours(container: &ContainerInspectResponse, host: &HostConfig, ties: &Ties) -> bool {
    let as_made = |mount: &MountPoint| match mount.destination.as_deref() {
        Some(CONFIG_TARGET) => mount.source.as_deref() == Some(ties.config_dir) && mount.rw == Some(false),
        Some(DATA_TARGET) => mount.name.as_deref() == Some(ties.volume),
        Some(TMP_TARGET | EXTRA_ADDONS_TARGET) => mount.typ.as_deref() == Some("tmpfs"),
        _ => false,
    };
    let mounts = container.mounts.as_deref().unwrap_or_default();
    none(&host.binds) && none(&host.volumes_from) && mounts.len() == 4 && mounts.iter().all(as_made)
}

fn image_user_stands(config: Option<&ContainerConfig>, image_user: Option<&str>) -> bool {
    let user = config.and_then(|config| config.user.as_deref()).unwrap_or_default();
    image_user.is_none_or(|expected| expected == user)
}

fn logs_are_capped(host: &HostConfig) -> bool {
    let log = host.log_config.as_ref();
    log.and_then(|log| log.config.as_ref()).is_some_and(|options| options.contains_key("max-size"))
}

fn restarts(host: &HostConfig) -> bool {
    host.restart_policy.as_ref().and_then(|policy| policy.name) == Some(RestartPolicyNameEnum::UNLESS_STOPPED)
}

fn mount(typ: MountType, source: Option<&str>, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(typ),
        source: source.map(str::to_owned),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

fn tmpfs(target: &str, size_bytes: i64, mode: i64) -> Mount {
    let options = MountTmpfsOptions { size_bytes: Some(size_bytes), mode: Some(mode), options: None };
    Mount { tmpfs_options: Some(options), ..mount(MountType::TMPFS, None, target, false) }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn is_only(list: &Option<Vec<String>>, word: &str) -> bool {
    matches!(list.as_deref(), Some([only]) if only == word)
}

fn none<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

fn is_zero(number: Option<i64>) -> bool {
    number.unwrap_or_default() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{EndpointSettings, NetworkSettings, RestartPolicy};

    const TIES: Ties = Ties { network: "ik-0123456789ab", config_dir: "/secrets/acme", volume: "ik-acme-data" };

    /// What Docker shows of a container that was made by [`body`].
    fn as_made() -> ContainerInspectResponse {
        let made = body(&TIES, "sha256:1", texts(&["odoo"]), 1 << 30);
        let mut host = made.host_config.unwrap();
        host.port_bindings = Some(port_bindings(Ports { http: 20_000 }));
        host.restart_policy =
            Some(RestartPolicy { name: Some(RestartPolicyNameEnum::UNLESS_STOPPED), maximum_retry_count: None });
        let point = |mount: &Mount| MountPoint {
            typ: mount.typ.map(|typ| typ.to_string()),
            name: mount.source.clone(),
            source: mount.source.clone(),
            destination: mount.target.clone(),
            rw: Some(mount.read_only != Some(true)),
            ..MountPoint::default()
        };
        ContainerInspectResponse {
            mounts: Some(host.mounts.iter().flatten().map(point).collect()),
            host_config: Some(host),
            config: Some(ContainerConfig { user: Some("odoo".into()), ..ContainerConfig::default() }),
            network_settings: Some(NetworkSettings {
                networks: Some(HashMap::from([(
                    TIES.network.into(),
                    EndpointSettings { network_id: Some("n1".into()), ..EndpointSettings::default() },
                )])),
                ..NetworkSettings::default()
            }),
            ..ContainerInspectResponse::default()
        }
    }

    fn check(change: impl FnOnce(&mut HostConfig), expected: &[&str]) {
        let mut container = as_made();
        change(container.host_config.as_mut().unwrap());
        assert_eq!(missing(&container, &TIES, Some("n1"), Some("odoo")), expected);
    }

    #[test]
    fn every_single_loosening_is_seen() {
        check(|_| (), &[]);
        check(|host| host.readonly_rootfs = Some(false), &["read-only root"]);
        check(|host| host.cap_drop = None, &["no capabilities"]);
        check(|host| host.cap_add = Some(texts(&["NET_ADMIN"])), &["no capabilities"]);
        check(|host| host.privileged = Some(true), &["no capabilities"]);
        check(|host| host.security_opt = None, &["no new privileges"]);
        check(
            |host| host.security_opt = Some(texts(&[NO_NEW_PRIVILEGES, "seccomp=unconfined"])),
            &["no new privileges"],
        );
        check(|host| host.pids_limit = Some(0), &["process limit"]);
        check(|host| host.pid_mode = Some("host".into()), &["no namespaces of the host"]);
        check(|host| host.port_bindings = None, &["loopback ports"]);
        check(|host| host.publish_all_ports = Some(true), &["loopback ports"]);
        check(|host| host.network_mode = Some("host".into()), &["our network alone"]);
        check(|host| host.binds = Some(texts(&["/:/host"])), &["our mounts alone"]);
        check(|host| host.log_config = None, &["log size cap"]);
        check(|host| host.restart_policy = None, &["restart policy"]);
        check(|host| host.cpu_quota = Some(50_000), &["processor limit by NanoCpus"]);
    }

    #[test]
    fn a_port_beyond_loopback_is_not_ours() {
        check(
            |host| {
                let everywhere = PortBinding { host_ip: Some("0.0.0.0".into()), host_port: Some("20000".into()) };
                host.port_bindings.as_mut().unwrap().insert(HTTP_PORT.into(), Some(vec![everywhere]));
            },
            &["loopback ports"],
        );
    }

    #[test]
    fn another_user_network_or_mount_is_seen() {
        let mut container = as_made();
        assert_eq!(missing(&container, &TIES, Some("n2"), Some("odoo")), ["our network alone"]);
        assert_eq!(missing(&container, &TIES, None, Some("odoo")), ["our network alone"]);
        assert_eq!(missing(&container, &TIES, Some("n1"), Some("root")), ["the image's user"]);
        container.mounts.as_mut().unwrap()[0].rw = Some(true);
        assert_eq!(missing(&container, &TIES, Some("n1"), None), ["our mounts alone"]);
    }

    #[test]
    fn ports_are_read_back_and_all_published_ones_are_told() {
        let host = as_made().host_config.unwrap();
        assert_eq!(ports(&host), Some(Ports { http: 20_000 }));
        assert_eq!(published(&host), BTreeSet::from([20_000, 20_001]));
        assert_eq!(ports(&HostConfig::default()), None);
    }
}
