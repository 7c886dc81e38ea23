//! What a customer's container reaches of this host, asked from inside: a container that lives for seconds, on the
//! installation's network, of an image that is there.

use super::client::{call, failed, within};
use super::{Docker, container, labels, logs};
use crate::edges::EdgeError;
use bollard::models::{ContainerCreateBody, HostConfig, NetworkInspect};
use bollard::query_parameters::{CreateContainerOptions, InspectNetworkOptions, WaitContainerOptionsBuilder};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A port that drops what comes is given up by the script after two seconds, all ports at once.
const PROBE_DEADLINE: Duration = Duration::from_secs(60);
/// Each address that takes a connection is a line. Any image of Odoo has Python.
const SCRIPT: &str = "\
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def ask(text):
    host, port = text.rsplit(':', 1)
    try:
        socket.create_connection((host.strip('[]'), int(port)), 2).close()
        return text
    except OSError:
        return None
with ThreadPoolExecutor(64) as pool:
    for text in pool.map(ask, sys.argv[1:]):
        if text:
            print('open', text)
print('asked')
";
/// The last line of a probe that came to its end.
const ENDED: &str = "asked";
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const MEMORY_BYTES_MAX: i64 = 128 << 20;

/// The bridge that all containers of the installation are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The host's interface: `br-0123456789ab`.
    pub interface: String,
    /// The host's own address on it.
    pub gateway: Option<IpAddr>,
}

/// The bridge; none before there is a network.
pub(super) async fn bridge(docker: &Docker) -> Result<Option<Bridge>, EdgeError> {
    let Some(id) = super::network::look(docker).await?.id else { return Ok(None) };
    let engine = docker.client.docker().await?;
    let doing = format!("could not inspect the network {}", docker.network);
    let network = call(doing, engine.inspect_network(&id, None::<InspectNetworkOptions>)).await?;
    Ok(Some(Bridge { interface: interface(&network, &id), gateway: gateway(&network) }))
}

/// Those of `addresses` to which a container on the installation's network can connect.
pub(super) async fn reached(
    docker: &Docker,
    image: &str,
    addresses: &BTreeSet<SocketAddr>,
) -> Result<BTreeSet<SocketAddr>, EdgeError> {
    let engine = docker.client.docker().await?;
    let doing = "could not try what containers reach";
    let made =
        call(doing, engine.create_container(None::<CreateContainerOptions>, body(docker, image, addresses))).await?;
    let output = async {
        container::start(docker, &made.id).await?;
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let end = async { Ok(engine.wait_container(&made.id, Some(options)).next().await) };
        within(PROBE_DEADLINE, doing, end).await?;
        logs::tail(docker, &made.id).await
    };
    let output = output.await;
    container::remove(docker, &made.id).await?;
    let output = output?;
    if !output.lines().any(|line| line == ENDED) {
        return Err(failed(format!("{doing}: the probe says {:?}", output.lines().last().unwrap_or_default())));
    }
    Ok(output.lines().filter_map(|line| line.strip_prefix("open ")?.parse().ok()).collect())
}

fn body(docker: &Docker, image: &str, addresses: &BTreeSet<SocketAddr>) -> ContainerCreateBody {
    let script = ["-c".to_owned(), SCRIPT.to_owned()];
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["python3".to_owned()]),
        cmd: Some(script.into_iter().chain(addresses.iter().map(ToString::to_string)).collect()),
        labels: Some(labels::of_installation(&docker.installation, labels::IMAGE_PROBE)),
        host_config: Some(HostConfig {
            network_mode: Some(docker.network.clone()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            memory: Some(MEMORY_BYTES_MAX),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// As Docker names it where nobody asked for another name.
fn interface(network: &NetworkInspect, id: &str) -> String {
    let named = network.options.as_ref().and_then(|options| options.get(BRIDGE_NAME));
    named.cloned().unwrap_or_else(|| format!("br-{}", id.get(..12).unwrap_or(id)))
}

fn gateway(network: &NetworkInspect) -> Option<IpAddr> {
    let pools = network.ipam.as_ref()?.config.as_ref()?;
    pools.iter().find_map(|pool| pool.gateway.as_deref()?.parse().ok())
}
