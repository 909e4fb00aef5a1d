//! Hosts that mean the machine or the container itself.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether the host of a URL is `localhost` or a loopback address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        _ => address_of(url).is_some_and(|address| address.is_loopback()),
    }
}

/// Whether the host of a URL is an address to listen on, such as `0.0.0.0`, and not one to connect to.
pub(crate) fn is_unspecified(url: &Url) -> bool {
    address_of(url).is_some_and(|address| address.is_unspecified())
}

/// Returns the host of a URL if it is an address, which clients do not resolve.
pub(crate) fn address_of(url: &Url) -> Option<IpAddr> {
    let address: IpAddr = match url.host()? {
        Host::Domain(_) => return None,
        Host::Ipv4(address) => address.into(),
        Host::Ipv6(address) => address.into(),
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_itself_is_recognized_in_each_spelling() {
        for (host, expected) in [
            ("localhost", (true, false)),
            ("Forge.LOCALHOST.", (true, false)),
            ("127.0.0.1", (true, false)),
            ("127.9.9.9", (true, false)),
            ("[::1]", (true, false)),
            ("[::ffff:127.0.0.1]", (true, false)),
            ("0.0.0.0", (false, true)),
            ("[::]", (false, true)),
            ("notlocalhost", (false, false)),
            ("10.0.0.1", (false, false)),
            ("[fd00::1]", (false, false)),
        ] {
            let url = Url::parse(&format!("http://{host}:81/x")).expect("a URL");
            assert_eq!((is_loopback(&url), is_unspecified(&url)), expected, "{host}");
        }
    }
}
