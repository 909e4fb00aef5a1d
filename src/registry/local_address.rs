//! Local addresses, which a redirect must not lead to: loopback, link-local and unspecified addresses.
//!
//! Such a redirect could reach services that trust every local client, such as a cloud's metadata service. Private
//! addresses are allowed, because object storage often has one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use url::Url;

use super::phase::{Phase, enter};
use crate::host::address_of;
use crate::sanitize::Sanitized;

/// Returns which kind of local address that is; `None` if it is not local.
fn kind_of(address: IpAddr) -> Option<&'static str> {
    // Systems connect to `::ffff:127.0.0.1` as to `127.0.0.1`.
    let address = match address.to_canonical() {
        // A gateway of the network connects to the address inside (NAT64, RFC 6052).
        IpAddr::V6(address) if address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = address.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        address => address,
    };
    match address {
        _ if address.is_loopback() => Some("a loopback address"),
        IpAddr::V4(address) if address.is_link_local() => Some("a link-local address"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("a link-local address"),
        // Linux connects to itself; the whole of 0.0.0.0/8 means "this network" (RFC 1122, 3.2.1.3).
        IpAddr::V4(address) if address.octets()[0] == 0 => Some("an unspecified address"),
        _ if address.is_unspecified() => Some("an unspecified address"),
        _ => None,
    }
}

/// Returns whether an address is loopback, link-local or unspecified.
pub(super) fn is_local(address: IpAddr) -> bool {
    kind_of(address).is_some()
}

/// A redirect to an address that it must not lead to.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the redirect leads to {host}, {is}{kind}", is = if *.is_name { "which resolves to " } else { "" })]
pub(crate) struct LocalTarget {
    host: Sanitized,
    kind: &'static str,
    /// Whether the host is a name that was resolved.
    is_name: bool,
}

impl LocalTarget {
    /// Checks the host of a URL if it is an IP address, because clients do not resolve those.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let kind = kind_of(address_of(url)?)?;
        Some(Self { host: Sanitized::new(url.host_str()?), kind, is_name: false })
    }
}

/// Resolves names as the system does.
pub(super) struct Resolver {
    /// Whether local addresses are removed. The client connects to one of the remaining addresses, so that a name
    /// cannot resolve to another address after the check.
    pub(super) rejects_local: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rejects_local = self.rejects_local;
        Box::pin(async move {
            enter(Phase::Resolving);
            let addresses: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            enter(Phase::Connecting);
            let allowed = if rejects_local { without_local(name.as_str(), addresses)? } else { addresses };
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn without_local(name: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, LocalTarget> {
    let kind = addresses.iter().find_map(|address| kind_of(address.ip()));
    let allowed: Vec<SocketAddr> = addresses.into_iter().filter(|address| !is_local(address.ip())).collect();
    match kind {
        Some(kind) if allowed.is_empty() => Err(LocalTarget { host: Sanitized::new(name), kind, is_name: true }),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_link_local_addresses_are_local_and_private_ones_are_not() {
        let local = "127.0.0.1 127.9.9.9 2130706433 0x7f.1 0177.0.0.1 127.0.0.1. 0.0.0.0 0.1.2.3 169.254.169.254 [::1] [::] \
                     [fe80::1] [febf::1] [::ffff:127.0.0.1] [::ffff:169.254.169.254] [::ffff:0:0] [64:ff9b::169.254.169.254]";
        let others = "10.0.0.1 192.168.1.1 172.17.0.1 100.64.0.1 [fd00::1] [2001:db8::1] [fec0::1] h";
        for (hosts, is_local) in [(local, true), (others, false)] {
            for host in hosts.split(' ') {
                let url = Url::parse(&format!("http://{host}:81/x")).expect("a URL");
                assert_eq!(LocalTarget::of(&url).is_some(), is_local, "{host}");
            }
        }
    }

    #[test]
    fn local_addresses_are_removed_and_a_name_with_only_local_ones_is_rejected() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().expect("an address"), 0)).collect()
        };
        let resolved = |texts: &[&str]| {
            let allowed = without_local("host", addresses(texts)).map_err(|error| error.to_string())?;
            Ok::<_, String>(allowed.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(resolved(&["fe80::1", "10.0.0.1", "127.0.0.1"]), Ok(vec!["10.0.0.1".to_owned()]));
        let rejected = "the redirect leads to host, which resolves to a link-local address".to_owned();
        assert_eq!(resolved(&["169.254.169.254", "::1"]), Err(rejected));
        assert_eq!(resolved(&[]), Ok(vec![]));
    }
}
