//! Asks where names point. Nothing is remembered: each question goes out anew.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The port of DNS (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;
/// Addresses of one name that are looked at; a name with more is not a customer's site.
pub(super) const ADDRESSES_MAX: usize = 8;

/// Why a name could not be resolved.
#[derive(Debug, thiserror::Error)]
pub(super) enum DnsError {
    #[error("it has no address in the DNS")]
    NoAddress,
    #[error("the DNS did not answer within {0:?}")]
    Silent(Duration),
    #[error("the DNS could not be asked: {0}")]
    Failed(String),
}

/// Asks one DNS.
#[derive(Debug, Clone)]
pub(super) struct Dns {
    asked: Asked,
    /// One question may take so long.
    limit: Duration,
}

/// Which DNS is asked.
#[derive(Debug, Clone)]
enum Asked {
    /// What every program of this host asks, `/etc/hosts` included.
    System,
    /// One server.
    Server(SocketAddr),
}

impl Dns {
    /// Takes `[acme] resolver`: an address, with or without a port; none is the system's. None when it is neither.
    pub(super) fn parse(resolver: Option<&str>, limit: Duration) -> Option<Self> {
        let Some(text) = resolver else { return Some(Self { asked: Asked::System, limit }) };
        let with_port = text.parse::<SocketAddr>().ok();
        let address = with_port.or_else(|| text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)));
        address.map(|address| Self { asked: Asked::Server(address), limit })
    }

    /// The addresses of `name`, [`ADDRESSES_MAX`] at most, never none.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        let mut found = match self.asked {
            Asked::System => self.bounded(system_addresses(name)).await?,
            Asked::Server(_) => self.bounded(self.server_addresses(name)).await?,
        };
        found.sort_unstable();
        found.dedup();
        found.truncate(ADDRESSES_MAX);
        if found.is_empty() { Err(DnsError::NoAddress) } else { Ok(found) }
    }

    /// The TXT records of `name`; none when there are none.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        self.bounded(async {
            let answer = self.resolver()?.txt_lookup(absolute(name)).await;
            let records = match answer {
                Ok(answer) => answer,
                Err(e) if e.is_no_records_found() => return Ok(Vec::new()),
                Err(e) => return Err(failed(&e)),
            };
            let texts = records.answers().iter().filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.to_string()),
                _ => None,
            });
            Ok(texts.collect())
        })
        .await
    }

    async fn server_addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        match self.resolver()?.lookup_ip(absolute(name)).await {
            Ok(answer) => Ok(answer.iter().collect()),
            Err(e) if e.is_no_records_found() => Err(DnsError::NoAddress),
            Err(e) => Err(failed(&e)),
        }
    }

    /// A new resolver each time: what an earlier one remembers may be what the operator just corrected.
    fn resolver(&self) -> Result<TokioResolver, DnsError> {
        let mut builder = match self.asked {
            Asked::System => TokioResolver::builder_tokio().map_err(|e| failed(&e))?,
            Asked::Server(address) => {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (address.port(), address.port());
                let server = NameServerConfig::new(address.ip(), true, vec![udp, tcp]);
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map_err(|e| failed(&e))
    }

    async fn bounded<T>(&self, question: impl Future<Output = Result<T, DnsError>>) -> Result<T, DnsError> {
        tokio::time::timeout(self.limit, question).await.unwrap_or(Err(DnsError::Silent(self.limit)))
    }
}

impl std::fmt::Display for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.asked {
            Asked::System => f.write_str("this host's DNS"),
            Asked::Server(address) => write!(f, "the DNS server {address}"),
        }
    }
}

async fn system_addresses(name: &str) -> Result<Vec<IpAddr>, DnsError> {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => Ok(found.map(|address| address.ip()).collect()),
        Err(e) => Err(DnsError::Failed(e.to_string())),
    }
}

/// With the final dot no search list is tried.
fn absolute(name: &str) -> String {
    format!("{name}.")
}

fn failed(error: &NetError) -> DnsError {
    DnsError::Failed(error.to_string())
}
