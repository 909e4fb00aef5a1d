//! Hosts that every machine and every container has for itself.

use std::net::IpAddr;

use url::{Host, Url};

/// Returns whether the host of a URL is the machine itself: `localhost`, a loopback or an unspecified address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let address: IpAddr = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            return name == "localhost" || name.ends_with(".localhost");
        }
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        None => return false,
    };
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_itself_is_recognized_in_each_spelling() {
        for (host, is_itself) in [
            ("localhost", true),
            ("Forge.LOCALHOST.", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("0.0.0.0", true),
            ("[::1]", true),
            ("[::]", true),
            ("[::ffff:127.0.0.1]", true),
            ("notlocalhost", false),
            ("10.0.0.1", false),
            ("[fd00::1]", false),
        ] {
            let url = Url::parse(&format!("http://{host}:81/x")).expect("a URL");
            assert_eq!(is_loopback(&url), is_itself, "{host}");
        }
    }
}
