//! The page of a version, at the address that the server names.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::fetch::is_plain;
use crate::package::{ServerUrl, Target};

/// The longest address of a page that is taken, in characters. Names have 255 at most.
const LONGEST: usize = 2048;

/// The page of the version at the address that the server names, with each segment of its path encoded anew; `None`
/// if that is not the page of this version, or if its host has characters that a shell could run.
pub(super) fn page_at(address: &Url, target: &Target) -> Option<Url> {
    // First of all, because it bounds the length.
    if address.as_str().len() > LONGEST
        || !is_plain(address)
        || address.query().is_some()
        || address.fragment().is_some()
    {
        return None;
    }
    let segments: Vec<_> =
        address.path_segments()?.map(|one| percent_decode_str(one).decode_utf8()).collect::<Result<_, _>>().ok()?;
    let tail = [target.owner.as_str(), "-", "packages", "generic", target.package.as_str(), target.version.as_str()];
    let start = segments.len().checked_sub(tail.len())?;
    // Servers regard no case in any of these, and name the version in lower case (recorded).
    let is_its_page =
        segments[start..].iter().zip(tail).all(|(one, wanted)| one.to_lowercase() == wanted.to_lowercase());
    let has_plain_host = match address.host()? {
        Host::Domain(name) => name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    if !(is_its_page && has_plain_host) {
        return None;
    }
    let mut root = address.clone();
    root.set_path("");
    Some(ServerUrl::new(root).join(segments.iter().map(AsRef::as_ref)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Owner, PackageName, Version};

    fn target(version: &str) -> Target {
        Target {
            server: ServerUrl::new(Url::parse("https://host").expect("a URL")),
            owner: Owner::parse("acme").expect("an owner"),
            package: PackageName::parse("widget").expect("a package"),
            version: Version::parse(version).expect("a version"),
        }
    }

    #[test]
    fn the_page_that_a_server_names_is_taken_if_it_is_that_of_the_version_and_encoded_anew() {
        let page = |version: &str, address: &str| {
            let address = Url::parse(address).expect("a URL");
            page_at(&address, &target(version)).map(|page| page.to_string())
        };
        for (version, address, wanted) in [
            (
                "1.0",
                "https://other/acme/-/packages/generic/widget/1.0",
                "https://other/acme/-/packages/generic/widget/1.0",
            ),
            (
                "1.0-RC1",
                "http://h:81/Acme/-/packages/generic/WIDGET/1.0-rc1",
                "http://h:81/Acme/-/packages/generic/WIDGET/1.0-rc1",
            ),
            (
                "a/b;c",
                "http://[::1]/acme/-/packages/generic/widget/a%2Fb;c",
                "http://[::1]/acme/-/packages/generic/widget/a%2Fb%3Bc",
            ),
            (
                "1",
                "http://h/$(id)/`x`/acme/-/packages/generic/widget/1",
                "http://h/%24%28id%29/%60x%60/acme/-/packages/generic/widget/1",
            ),
        ] {
            assert_eq!(page(version, address).as_deref(), Some(wanted), "{address}");
        }
        for address in [
            "http://h/",
            "http://h/acme/-/packages/generic/widget/2.0",
            "http://h/acme/-/packages/generic/widget/1.0/",
            "http://h/acme/-/packages/generic/gadget/1.0",
            "http://h/acme/-/packages/generic/widget%2F1.0",
            "http://h/bob/-/packages/generic/widget/1.0",
            "http://h/%FF/acme/-/packages/generic/widget/1.0",
            "http://$(id)/acme/-/packages/generic/widget/1.0",
            "http://a;b/acme/-/packages/generic/widget/1.0",
        ] {
            assert_eq!(page("1.0", address), None, "{address}");
        }
    }
}
