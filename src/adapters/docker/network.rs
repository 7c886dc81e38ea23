//! The installation's one network and the instances' volumes. A volume is removed only by name, and only its owner's.

use super::client::{call, conflict, found, refused};
use super::labels::{self, component_text};
use super::{Docker, labels::Labels};
use crate::edges::EdgeError;
use crate::model::live::NetworkLive;
use crate::model::service::{Component, Owner, Tag};
use bollard::models::{Network, NetworkCreateRequest, Volume, VolumeCreateRequest};
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptions, RemoveVolumeOptions};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The bridge's option that lets containers on it reach each other (inter-container communication).
const ICC: &str = "com.docker.network.bridge.enable_icc";
const DRIVER: &str = "bridge";

/// The installation's network as found: with its id, to which containers are tied.
#[derive(Default)]
pub(super) struct FoundNetwork {
    /// What is told of it; none when it does not exist.
    pub(super) live: Option<NetworkLive>,
    /// Docker's id.
    pub(super) id: Option<String>,
}

/// Finds the network by its exact name: Docker's name filter matches substrings.
pub(super) async fn look(docker: &Docker) -> Result<FoundNetwork, EdgeError> {
    let engine = docker.client.docker().await?;
    let filters = HashMap::from([("name", vec![docker.network.as_str()])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let listed = call("could not list Docker's networks", engine.list_networks(Some(options))).await?;
    let mut named = listed.into_iter().filter(|network| network.name.as_deref() == Some(docker.network.as_str()));
    let Some(network) = named.next() else {
        return Ok(FoundNetwork::default());
    };
    // Two networks of one name cannot be told apart when a container joins by name: neither is usable.
    let is_only = named.next().is_none();
    let live = NetworkLive { ours: is_ours(docker, &network), isolated: is_isolated(&network) && is_only };
    Ok(FoundNetwork { live: Some(live), id: network.id })
}

/// Makes the network. Called from many turns at once: they take turns, because Docker would make two of one name.
pub(super) async fn ensure(docker: &Docker) -> Result<(), EdgeError> {
    let _turn = docker.making_network.lock().await;
    let name = &docker.network;
    match look(docker).await?.live {
        None => create(docker).await,
        Some(NetworkLive { ours: false, .. }) => {
            Err(conflict(format!("a network that is not of this installation stands on the name {name}: remove it")))
        }
        Some(NetworkLive { isolated: false, .. }) => Err(refused(format!(
            "containers on the network {name} can reach each other, or there are two networks of that name: \
             remove it (`docker network rm {name}`), then it is made anew"
        ))),
        Some(_) => Ok(()),
    }
}

async fn create(docker: &Docker) -> Result<(), EdgeError> {
    let engine = docker.client.docker().await?;
    let request = NetworkCreateRequest {
        name: docker.network.clone(),
        driver: Some(DRIVER.into()),
        options: Some(HashMap::from([(ICC.into(), "false".into())])),
        labels: Some(labels::of_installation(&docker.installation, component_text(Component::Network))),
        ..NetworkCreateRequest::default()
    };
    call(format!("could not create the network {}", docker.network), engine.create_network(request)).await.map(drop)
}

fn is_ours(docker: &Docker, network: &Network) -> bool {
    network.labels.as_ref().is_some_and(|labels| labels::is_of(&docker.installation, labels))
}

fn is_isolated(network: &Network) -> bool {
    let icc = network.options.as_ref().and_then(|options| options.get(ICC));
    network.driver.as_deref() == Some(DRIVER) && icc.is_some_and(|icc| icc == "false")
}

/// Volumes of ours, and those that stand on one of `names`.
pub(super) async fn volumes(
    docker: &Docker,
    is_asked: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Owner>, EdgeError> {
    let engine = docker.client.docker().await?;
    let listed = call("could not list Docker's volumes", engine.list_volumes(None::<ListVolumesOptions>)).await?;
    let owned = |volume: Volume| (owner(docker, &volume.labels), volume.name);
    let all = listed.volumes.unwrap_or_default().into_iter().map(owned);
    Ok(all.filter(|(owner, name)| owner.tag().is_some() || is_asked(name)).map(|(owner, name)| (name, owner)).collect())
}

/// Makes a volume, or finds it made.
pub(super) async fn ensure_volume(docker: &Docker, volume: &str, tag: &Tag) -> Result<(), EdgeError> {
    if inspect_volume(docker, volume).await?.is_none() {
        let engine = docker.client.docker().await?;
        let request = VolumeCreateRequest {
            name: Some(volume.to_owned()),
            driver: Some("local".into()),
            labels: Some(labels::of_tag(&docker.installation, tag)),
            ..VolumeCreateRequest::default()
        };
        call(format!("could not create the volume {volume}"), engine.create_volume(request)).await?;
    }
    // Docker answers "created" for a volume that was there before, whoever made it: only its labels tell.
    require_volume(docker, volume, tag).await
}

/// Succeeds when the volume is there and belongs to the instance. A container that mounts a volume which is missing
/// would silently get a new, empty one.
///
/// # Errors
/// `Conflict` for a foreign volume, `Refused` for a missing one.
pub(super) async fn require_volume(docker: &Docker, volume: &str, tag: &Tag) -> Result<(), EdgeError> {
    let Some(found) = inspect_volume(docker, volume).await? else {
        return Err(refused(format!("the volume {volume} does not exist: an empty one is not made in its place")));
    };
    let why = match owner(docker, &found.labels) {
        Owner::Ours(owner) if owner.uid == tag.uid && owner.component == Component::Volume => return Ok(()),
        Owner::Ours(owner) => format!("instance {} with uid {}", owner.instance, owner.uid),
        Owner::Foreign(why) => why,
    };
    Err(conflict(format!("a volume that is not of this instance stands on the name {volume} ({why})")))
}

/// Removes the volume; absent is success. Docker itself refuses one that a container mounts.
pub(super) async fn remove_volume(docker: &Docker, volume: &str, tag: &Tag) -> Result<(), EdgeError> {
    if inspect_volume(docker, volume).await?.is_none() {
        return Ok(());
    }
    require_volume(docker, volume, tag).await?;
    let engine = docker.client.docker().await?;
    let removed = async { found(engine.remove_volume(volume, None::<RemoveVolumeOptions>).await) };
    call(format!("could not remove the volume {volume}"), removed).await.map(drop)
}

/// Where a volume's files are on this host; none when there is no such volume of the instance.
pub(super) async fn mount_point(docker: &Docker, volume: &str, tag: &Tag) -> Result<Option<PathBuf>, EdgeError> {
    let found = inspect_volume(docker, volume).await?;
    let ours = found.filter(|found| owner(docker, &found.labels).tag().is_some_and(|owner| owner.uid == tag.uid));
    Ok(ours.map(|found| PathBuf::from(found.mountpoint)))
}

async fn inspect_volume(docker: &Docker, volume: &str) -> Result<Option<Volume>, EdgeError> {
    let engine = docker.client.docker().await?;
    let answer = async { found(engine.inspect_volume(volume).await) };
    call(format!("could not inspect the volume {volume}"), answer).await
}

fn owner(docker: &Docker, labels: &Labels) -> Owner {
    labels::owner(&docker.installation, labels)
}
