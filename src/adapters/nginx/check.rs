//! What nginx's own test lets through: names served twice, and syntax smuggled in where a name should stand.

use super::syntax::statements;
use crate::model::name::{Domain, InstanceName};
use crate::model::site::{CertificateName, SiteRow};
use std::collections::{BTreeMap, BTreeSet};

/// Ports below are the system's; a row that names one is damaged.
const PORT_MIN: u16 = 1024;

/// Rows that must not be rendered, with the reason.
pub(super) type Faults = BTreeMap<InstanceName, String>;

/// Puts `wanted` over `old`, except what is not sound, serves a name that nginx serves for others already, or serves a
/// name twice: there the present owner keeps the name. What is refused stays as it was.
pub(super) fn merge(
    old: &BTreeMap<InstanceName, SiteRow>,
    wanted: &BTreeMap<InstanceName, SiteRow>,
    base_domain: &str,
    foreign: &BTreeSet<String>,
) -> (BTreeMap<InstanceName, SiteRow>, Faults) {
    let mut faults = Faults::new();
    let mut rows = old.clone();
    for (name, row) in wanted {
        let problem = unsound(name, row, base_domain).or_else(|| served_elsewhere(row, foreign));
        match problem {
            Some(problem) => {
                faults.insert(name.clone(), problem);
            }
            None => {
                rows.insert(name.clone(), row.clone());
            }
        }
    }
    while let Some((name, problem)) = served_twice(&rows, old) {
        // What was there before and still cannot stay has nothing better to go back to.
        if rows.get(&name) == old.get(&name) {
            rows.remove(&name);
        } else {
            restore(&mut rows, old, &name);
        }
        faults.insert(name, problem);
    }
    (rows, faults)
}

/// Puts the row of `name` back to what it was.
pub(super) fn restore(
    rows: &mut BTreeMap<InstanceName, SiteRow>,
    old: &BTreeMap<InstanceName, SiteRow>,
    name: &InstanceName,
) {
    match old.get(name) {
        Some(row) => rows.insert(name.clone(), row.clone()),
        None => rows.remove(name),
    };
}

/// Why a row cannot be rendered. Rows are made of checked words, except where they were read back from disk or built by
/// hand; nothing that means something to nginx may pass.
fn unsound(name: &InstanceName, row: &SiteRow, base_domain: &str) -> Option<String> {
    if row.instance != *name {
        return Some(format!("the row names another instance, {}", row.instance));
    }
    if row.hosts.is_empty() {
        return Some("the row has no host".to_owned());
    }
    if row.ports.http < PORT_MIN || row.ports.http == u16::MAX {
        return Some(format!("{} is no port for an instance", row.ports.http));
    }
    row.hosts.iter().find_map(|(host, certificate)| {
        if !serves(certificate, host, base_domain) {
            return Some(format!("{:?} is not the name of a certificate for {host}", certificate.0));
        }
        Domain::parse(host.as_str()).err().map(|error| error.to_string())
    })
}

fn serves(certificate: &CertificateName, host: &Domain, base_domain: &str) -> bool {
    match certificate.0.strip_prefix("*.") {
        Some(base) => {
            let label = host.as_str().strip_suffix(base).and_then(|rest| rest.strip_suffix('.'));
            base == base_domain && label.is_some_and(|label| !label.contains('.'))
        }
        None => Domain::parse(&certificate.0).is_ok(),
    }
}

fn served_elsewhere(row: &SiteRow, foreign: &BTreeSet<String>) -> Option<String> {
    let host = row.hosts.keys().find(|host| foreign.contains(host.as_str()))?;
    Some(format!("nginx already serves {host} from a file that is not Innkeeper's"))
}

/// The first instance that wants a name which another one has.
fn served_twice(
    rows: &BTreeMap<InstanceName, SiteRow>,
    old: &BTreeMap<InstanceName, SiteRow>,
) -> Option<(InstanceName, String)> {
    let mut owners: BTreeMap<&Domain, &InstanceName> = BTreeMap::new();
    let had = |name: &InstanceName, host: &Domain| old.get(name).is_some_and(|row| row.hosts.contains_key(host));
    for (name, host) in rows.iter().flat_map(|(name, row)| row.hosts.keys().map(move |host| (name, host))) {
        let Some(other) = owners.insert(host, name) else { continue };
        let (owner, late) = if had(name, host) && !had(other, host) { (name, other) } else { (other, name) };
        return Some((late.clone(), format!("{host} is served by {owner} already")));
    }
    None
}

/// Why the file of a site with a template of its own must not join the others: it takes names that are not its own.
pub(super) fn foreign_names(text: &str, row: &SiteRow) -> Option<String> {
    let own = |name: &str| row.hosts.keys().any(|host| host.as_str() == name);
    let served = statements(text);
    let mut words = served.iter().filter(|s| s.name() == "server_name").flat_map(|s| s.arguments());
    let name = words.find(|name| !own(name))?;
    Some(format!("its template serves {name:?}, which is not a name of this site"))
}

#[cfg(test)]
mod tests {
    use super::{foreign_names, merge};
    use crate::model::name::{Domain, InstanceName, Uid};
    use crate::model::service::Ports;
    use crate::model::site::{CertificateName, SitePage, SiteRow};
    use std::collections::{BTreeMap, BTreeSet};

    type Rows = BTreeMap<InstanceName, SiteRow>;

    fn rows(sites: &[(&str, &[&str])]) -> Rows {
        let row = |(name, hosts): &(&str, &[&str])| {
            let instance = InstanceName::parse(name).unwrap();
            let hosts = hosts.iter().map(|host| Domain::parse(host).unwrap());
            let row = SiteRow {
                instance: instance.clone(),
                uid: Uid(uuid::Uuid::nil()),
                hosts: hosts.map(|host| (host.clone(), CertificateName::host(&host))).collect(),
                ports: Ports { http: 20000 },
                gevent: true,
                page: SitePage::Serve,
                template: None,
                language: None,
                redirect: None,
            };
            (instance, row)
        };
        sites.iter().map(row).collect()
    }

    fn check(old: &Rows, wanted: &Rows) -> Vec<String> {
        let foreign = BTreeSet::from(["shop.example".to_owned()]);
        let (_, faults) = merge(old, wanted, "example.com", &foreign);
        faults.into_iter().map(|(name, problem)| format!("{name}: {problem}")).collect()
    }

    #[test]
    fn the_present_owner_keeps_a_name_that_another_wants() {
        let old = rows(&[("zoo", &["a.example.com"])]);
        let wanted = rows(&[("ape", &["a.example.com"]), ("bee", &["b.example.com"])]);
        assert_eq!(check(&old, &wanted), ["ape: a.example.com is served by zoo already"]);
    }

    #[test]
    fn a_name_that_is_given_up_may_be_taken_in_the_same_change() {
        let old = rows(&[("ape", &["a.example.com"])]);
        let wanted = rows(&[("ape", &["c.example.com"]), ("bee", &["a.example.com"])]);
        assert_eq!(check(&old, &wanted), Vec::<String>::new());
    }

    #[test]
    fn of_two_newcomers_the_second_waits() {
        let wanted = rows(&[("ape", &["a.example.com"]), ("bee", &["a.example.com"])]);
        assert_eq!(check(&Rows::new(), &wanted), ["bee: a.example.com is served by ape already"]);
    }

    #[test]
    fn a_name_that_the_host_serves_itself_is_left_to_it() {
        assert_eq!(
            check(&Rows::new(), &rows(&[("ape", &["shop.example"])])),
            ["ape: nginx already serves shop.example from a file that is not Innkeeper's"]
        );
    }

    #[test]
    fn what_means_something_to_nginx_does_not_pass_as_a_name() {
        for certificate in ["x; root /etc;", "../../etc/x", "$host", "*.other.com", "a.example.com\n}"] {
            let mut wanted = rows(&[("ape", &["a.example.com"])]);
            for row in wanted.values_mut() {
                row.hosts.values_mut().for_each(|name| *name = CertificateName(certificate.to_owned()));
            }
            let faults = check(&Rows::new(), &wanted);
            assert!(faults.len() == 1 && faults[0].contains("is not the name of a certificate"), "{faults:?}");
        }
    }

    #[test]
    fn a_port_of_the_system_does_not_pass() {
        let mut wanted = rows(&[("ape", &["a.example.com"])]);
        wanted.values_mut().for_each(|row| row.ports.http = 22);
        assert_eq!(check(&Rows::new(), &wanted), ["ape: 22 is no port for an instance"]);
    }

    #[test]
    fn a_template_of_one_site_cannot_take_the_names_of_another() {
        let wanted = rows(&[("ape", &["a.example.com"])]);
        let row = wanted.values().next().unwrap();
        assert_eq!(foreign_names("server { server_name a.example.com; }", row), None);
        for name in ["b.example.com", "*.example.com", "_", "~^.*$"] {
            let text = format!("server {{ server_name a.example.com {name}; }}");
            assert!(foreign_names(&text, row).is_some(), "{name}");
        }
    }
}
