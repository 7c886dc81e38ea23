//! Images: whether one is there, and which numeric user it runs as. Nothing is ever pulled.
//!
//! The number behind `USER odoo` differs between builds of Odoo's image, and Docker does not tell it: it is read out of
//! the image's own `/etc/passwd`, through a container of ours that was made from it, or else through one that is made for
//! it, never started, and removed at once. What was read is kept by image id, which stands for the same bytes for ever.

use super::client::{call, failed, found, within};
use super::{Docker, container, labels, tar};
use crate::edges::EdgeError;
use crate::model::live::ImageLive;
use crate::model::service::ImageUser;
use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig, ImageInspect};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptions, DownloadFromContainerOptionsBuilder,
};
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::time::Duration;

/// `/etc/passwd` of an image is a few kilobytes.
const FILE_BYTES_MAX: usize = 1 << 20;
const READ_DEADLINE: Duration = Duration::from_secs(super::client::CALL_DEADLINE_S_MAX);
/// A probe lives for less than a second. One of this age was left behind by a crash.
const PROBE_AGE_S_MAX: i64 = 600;
const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// What is known of an image for as long as this process lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// `USER` as the image says it.
    pub(super) text: String,
    /// The numbers that it stands for.
    user: ImageUser,
}

/// Images that were asked for, by reference; missing ones are not in the answer.
pub(super) async fn look<'a>(
    docker: &Docker,
    references: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeMap<String, ImageLive>, EdgeError> {
    let mut images = BTreeMap::new();
    for reference in references {
        if let Some(image) = inspect(docker, reference).await? {
            let id = image.id.clone().unwrap_or_default();
            images.insert(reference.clone(), ImageLive { user: known(docker, &id, &image).await?.user, id });
        }
    }
    Ok(images)
}

/// `USER` of an image as it says it; none when it was not looked at yet.
pub(super) async fn user_text(docker: &Docker, image_id: &str) -> Option<String> {
    docker.images.lock().await.get(image_id).map(|known| known.text.clone())
}

/// Removes the probes that a crash left behind, of this installation alone.
pub(super) async fn remove_stale_probes(docker: &Docker, listed: &[ContainerSummary]) {
    for probe in listed.iter().filter(|container| is_stale_probe(docker, container)) {
        let id = probe.id.as_deref().unwrap_or_default();
        if let Err(error) = container::remove(docker, id).await {
            tracing::warn!(id, "a leftover container stays: {}", crate::model::status::chain(&error));
        }
    }
}

/// True for the short-lived containers of this module.
pub(super) fn is_probe(found: &labels::Labels) -> bool {
    found.get(labels::COMPONENT).is_some_and(|component| component == labels::IMAGE_PROBE)
}

fn is_stale_probe(docker: &Docker, summary: &ContainerSummary) -> bool {
    let age_s = super::now().as_second() - summary.created.unwrap_or(i64::MAX);
    let is_ours = |found: &labels::Labels| labels::is_of(&docker.installation, found) && is_probe(found);
    summary.labels.as_ref().is_some_and(is_ours) && age_s > PROBE_AGE_S_MAX
}

async fn inspect(docker: &Docker, reference: &str) -> Result<Option<ImageInspect>, EdgeError> {
    let engine = docker.client.docker().await?;
    let answer = async { found(engine.inspect_image(reference).await) };
    call(format!("could not inspect the image {reference}"), answer).await
}

async fn known(docker: &Docker, id: &str, image: &ImageInspect) -> Result<Known, EdgeError> {
    // Held while the image is read, so that many looks at once read it once.
    let mut images = docker.images.lock().await;
    if let Some(known) = images.get(id) {
        return Ok(known.clone());
    }
    let text = image.config.as_ref().and_then(|config| config.user.clone()).unwrap_or_default();
    let user = match numbers(&text) {
        Some(user) => user,
        None => read_user(docker, id, &text).await?,
    };
    let known = Known { text, user };
    images.insert(id.to_owned(), known.clone());
    Ok(known)
}

async fn read_user(docker: &Docker, image_id: &str, text: &str) -> Result<ImageUser, EdgeError> {
    let doing = format!("could not read the user of the image {image_id}");
    if let Some(container) = made_from(docker, image_id).await?
        && let Ok(user) = read_user_in(docker, &container, text, &doing).await
    {
        return Ok(user);
    }
    let probe = make_probe(docker, image_id, &doing).await?;
    let user = read_user_in(docker, &probe, text, &doing).await;
    container::remove(docker, &probe).await?;
    user
}

async fn make_probe(docker: &Docker, image_id: &str, doing: &str) -> Result<String, EdgeError> {
    let engine = docker.client.docker().await?;
    let body = ContainerCreateBody {
        image: Some(image_id.to_owned()),
        labels: Some(labels::of_installation(&docker.installation, labels::IMAGE_PROBE)),
        // It never runs; an image without a command of its own can be looked into, too.
        cmd: Some(vec!["true".to_owned()]),
        ..ContainerCreateBody::default()
    };
    Ok(call(doing, engine.create_container(None::<CreateContainerOptions>, body)).await?.id)
}

/// True when one of `paths` is in the image.
pub(super) async fn has_any(docker: &Docker, image_id: &str, paths: &[&str]) -> Result<bool, EdgeError> {
    let doing = format!("could not look into the image {image_id}");
    if let Some(container) = made_from(docker, image_id).await? {
        return has_any_in(docker, &container, paths, &doing).await;
    }
    let probe = make_probe(docker, image_id, &doing).await?;
    let has = has_any_in(docker, &probe, paths, &doing).await;
    container::remove(docker, &probe).await?;
    has
}

async fn has_any_in(docker: &Docker, container: &str, paths: &[&str], doing: &str) -> Result<bool, EdgeError> {
    let engine = docker.client.docker().await?;
    for path in paths {
        let options = ContainerArchiveInfoOptionsBuilder::default().path(path).build();
        let answer = async { found(engine.get_container_archive_info(container, Some(options)).await) };
        if call(doing, answer).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A container of ours that was made from the image and whose root is read-only, so that its files are the image's:
/// reading there leaves a converged host without a single change.
async fn made_from(docker: &Docker, image_id: &str) -> Result<Option<String>, EdgeError> {
    let is_ours = |found: &labels::Labels| labels::is_of(&docker.installation, found) && !is_probe(found);
    let listed = super::look::list(docker).await?;
    let found = listed.into_iter().find(|container| {
        container.image_id.as_deref() == Some(image_id) && container.labels.as_ref().is_some_and(is_ours)
    });
    let Some(id) = found.and_then(|container| container.id) else { return Ok(None) };
    let inspected = container::inspect(docker, &id).await?;
    let is_read_only = |host: HostConfig| host.readonly_rootfs == Some(true);
    Ok(inspected.and_then(|container| container.host_config).is_some_and(is_read_only).then_some(id))
}

async fn read_user_in(docker: &Docker, container: &str, text: &str, doing: &str) -> Result<ImageUser, EdgeError> {
    let passwd = read_file(docker, container, PASSWD).await?;
    // Only a USER with a group by name needs the second file.
    let group = match text.contains(':') {
        true => read_file(docker, container, GROUP).await?,
        false => String::new(),
    };
    resolve(text, &passwd, &group)
        .ok_or_else(|| failed(format!("{doing}: its USER {text:?} is not in its {PASSWD} or {GROUP}")))
}

async fn read_file(docker: &Docker, container: &str, path: &str) -> Result<String, EdgeError> {
    let engine = docker.client.docker().await?;
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let doing = format!("could not read {path} of an image");
    let archive = engine.download_from_container(container, Some(options)).take(FILE_BYTES_MAX).try_fold(
        Vec::new(),
        |mut all, part| async move {
            all.extend_from_slice(&part[..part.len().min(FILE_BYTES_MAX.saturating_sub(all.len()))]);
            Ok(all)
        },
    );
    let archive = within(READ_DEADLINE, doing.as_str(), archive).await?;
    let file = tar::first_file(&archive).ok_or_else(|| failed(format!("{doing}: the archive has no such file")))?;
    Ok(String::from_utf8_lossy(file).into_owned())
}

/// A `USER` that needs no file: `100:101`, or none at all, which is root.
fn numbers(text: &str) -> Option<ImageUser> {
    if text.is_empty() {
        return Some(ImageUser { uid: 0, gid: 0 });
    }
    let (uid, gid) = text.split_once(':')?;
    Some(ImageUser { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

/// `USER` by the image's own files: name or number, with or without a group (Dockerfile reference, USER).
fn resolve(text: &str, passwd: &str, group: &str) -> Option<ImageUser> {
    let (user, group_text) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let row = row_of(passwd, user);
    let uid = user.parse().ok().or_else(|| number(row.as_ref()?.get(2)?))?;
    let gid = match group_text {
        Some(name) => name.parse().ok().or_else(|| number(row_of(group, name)?.get(2)?))?,
        // A user that the image does not list runs with the root group.
        None => row.map_or(Some(0), |row| number(row.get(3)?))?,
    };
    Some(ImageUser { uid, gid })
}

fn row_of<'a>(table: &'a str, name_or_number: &str) -> Option<Vec<&'a str>> {
    let rows = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = rows.filter(|row| row.first() == Some(&name_or_number) || row.get(2) == Some(&name_or_number));
    named.next()
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nodoo:x:100:101::/var/lib/odoo:/usr/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nodoo:x:101:\nstaff:x:50:\n";

    fn check(user: &str, expected: Option<(u32, u32)>) {
        let found = numbers(user).or_else(|| resolve(user, PASSWD, GROUP));
        assert_eq!(found.map(|user| (user.uid, user.gid)), expected, "{user}");
    }

    #[test]
    fn every_way_to_write_a_user_gives_its_numbers() {
        check("", Some((0, 0)));
        check("odoo", Some((100, 101)));
        check("100", Some((100, 101)));
        check("odoo:staff", Some((100, 50)));
        check("100:101", Some((100, 101)));
        check("1000", Some((1000, 0)));
        check("nobody", None);
        check("odoo:nobody", None);
    }
}
