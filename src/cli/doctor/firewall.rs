//! What customers' containers reach of this host besides PostgreSQL: a customer's Odoo runs code of the customer's choice,
//! and a service that listens for the host alone trusts whoever reaches it.

use super::Finding;
use crate::adapters::docker::{Bridge, Docker};
use crate::model::settings::Settings;
use crate::model::status::chain;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const NAME: &str = "firewall";
/// Where clouds hand out a host's own credentials.
const METADATA: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
/// Listening, in `/proc/net/tcp`.
const LISTEN: &str = "0A";
/// So many ports are named.
const NAMED_MAX: usize = 12;

/// Tries from a container what it reaches.
pub(super) async fn check(docker: &Docker, image: Option<&String>, settings: &Settings) -> Finding {
    let bridge = docker.bridge().await;
    let (image, bridge) = match (image, bridge) {
        (Some(image), Ok(Some(bridge))) => (image, bridge),
        (_, Err(error)) => return not_tried(&chain(&error)),
        (None, _) => return not_tried("no image of Odoo is on this host yet"),
        (_, Ok(None)) => return not_tried("there is no network yet, for no customer was made yet"),
    };
    let allowed = allowed(settings);
    let addresses = addresses(&bridge, &listening(), &allowed);
    match docker.reached(image, &addresses).await {
        Err(error) => not_tried(&chain(&error)),
        Ok(open) if open.is_empty() => Finding::ok(
            NAME,
            format!(
                "of {} that a container was made to try, it reaches none",
                super::count(addresses.len(), "address", "addresses")
            ),
        ),
        Ok(open) => Finding::warn(NAME, told(&open), commands(&bridge.interface, &allowed)),
    }
}

fn not_tried(why: &str) -> Finding {
    Finding::warn(
        NAME,
        format!("what containers reach of this host was not tried: {why}"),
        "run `innkeeper doctor` again when a customer runs",
    )
}

fn told(open: &BTreeSet<SocketAddr>) -> String {
    let ports: Vec<String> =
        open.iter().filter(|address| **address != METADATA).map(|address| address.port().to_string()).collect();
    let mut texts = Vec::new();
    if !ports.is_empty() {
        let more = ports.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        texts.push(format!(
            "ports of this host that are not for them ({}{more})",
            ports[..ports.len().min(NAMED_MAX)].join(", ")
        ));
    }
    if open.contains(&METADATA) {
        texts.push(format!(
            "the cloud's metadata service ({}), which may hand out this host's credentials",
            METADATA.ip()
        ));
    }
    format!("customers' containers reach {}", texts.join(", and "))
}

/// Ports that containers may use: the database, and sites of this host.
fn allowed(settings: &Settings) -> BTreeSet<u16> {
    [settings.postgres.port(), settings.nginx.http_port, settings.nginx.https_port].into()
}

/// The two rules: link-local addresses are forwarded to nobody, and the host takes new connections from the bridge only at
/// the allowed ports. The last command's rule stands first.
pub(crate) fn commands(interface: &str, allowed: &BTreeSet<u16>) -> String {
    let ports: Vec<String> = allowed.iter().map(u16::to_string).collect();
    [
        format!("iptables -I DOCKER-USER -i {interface} -d 169.254.0.0/16 -j REJECT"),
        format!("iptables -I INPUT -i {interface} -m conntrack --ctstate NEW -j REJECT"),
        format!("iptables -I INPUT -i {interface} -p tcp -m multiport --dports {} -j ACCEPT", ports.join(",")),
    ]
    .join(" && ")
}

/// What is worth trying: whatever listens on more than the loopback, as a container would address it.
fn addresses(bridge: &Bridge, listening: &BTreeSet<u16>, allowed: &BTreeSet<u16>) -> BTreeSet<SocketAddr> {
    let of_host = bridge
        .gateway
        .into_iter()
        .flat_map(|gateway| listening.difference(allowed).map(move |port| SocketAddr::new(gateway, *port)));
    of_host.chain([METADATA]).collect()
}

/// Ports at which this host listens for others than itself.
fn listening() -> BTreeSet<u16> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(listening_port).collect()
}

/// `  0: 0100007F:1538 00000000:0000 0A …` (proc_net_tcp): address and port in hexadecimal, the address word by word in the
/// host's byte order.
fn listening_port(line: &str) -> Option<u16> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    let (address, port) = local.split_once(':')?;
    let loopback = match address.len() {
        8 => address.ends_with("7F"),
        _ => address == "00000000000000000000000001000000" || address.ends_with("0000FFFF0100007F"),
    };
    (state == LISTEN && !loopback).then(|| u16::from_str_radix(port, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_for_the_host_alone_is_not_tried() {
        for (line, port) in [
            ("   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000", None),
            ("   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000", Some(22)),
            ("   2: 010011AC:1538 00000000:0000 0A 00000000:00000000 00:00000000", Some(5432)),
            ("   3: 00000000:0016 0200000A:D431 01 00000000:00000000 00:00000000", None),
            (
                "   4: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000",
                Some(8080),
            ),
            ("   5: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000", None),
            ("  sl  local_address rem_address   st", None),
        ] {
            assert_eq!(listening_port(line), port, "{line}");
        }
    }

    #[test]
    fn the_commands_are_those_of_the_page() {
        let page = include_str!("../../../docs/OPERATING.md");
        let given = commands("br-0123456789ab", &[5432, 80, 443].into());
        for command in given.split(" && ") {
            // The page names the ports in the order in which people read them.
            let on_page = command.replace("80,443,5432", "5432,80,443");
            assert!(page.contains(&format!("$ {on_page}")), "{command}");
        }
    }

    #[test]
    fn what_is_open_is_told_with_its_ports() {
        let open: BTreeSet<SocketAddr> = [METADATA, "172.20.0.1:22".parse().unwrap()].into();
        assert_eq!(
            told(&open),
            "customers' containers reach ports of this host that are not for them (22), and the cloud's metadata service \
             (169.254.169.254), which may hand out this host's credentials"
        );
    }
}
