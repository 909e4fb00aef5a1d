//! The public address of a version, derived from the page URL that the server returns.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::redirect::is_plain;
use crate::host::{is_loopback, is_unspecified};
use crate::package::{PublicAddress, ServerUrl, Target};

/// The longest accepted URL of a page, in bytes. Names have at most 255 characters.
const LONGEST: usize = 2048;

/// Returns whether links can use an address. A server without a configured base URL returns `localhost`, or `http`
/// behind an `https` proxy.
pub(super) fn is_usable(address: &PublicAddress, target: &Target) -> bool {
    let is_own = |server: &ServerUrl| is_loopback(server.as_url()) || is_unspecified(server.as_url());
    let is_elsewhere = is_own(&address.server) && !is_own(&target.server);
    let is_downgrade = target.server.is_https() && !address.server.is_https();
    !is_elsewhere && !is_downgrade
}

/// Returns the public address of a version from the URL of its page, with each path segment re-encoded; `None` if
/// that is not the page of this version, or if its host has shell metacharacters. The part before the known path is
/// the base URL.
pub(super) fn address_by_page(address: &Url, target: &Target) -> Option<PublicAddress> {
    // First, because it limits the length.
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
    // Servers ignore case in all of these, and return the version in lower case (recorded).
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
    let root = ServerUrl::new(root);
    let server = ServerUrl::new(root.join(segments[..start].iter().map(AsRef::as_ref)));
    Some(PublicAddress { page: root.join(segments.iter().map(AsRef::as_ref)), server })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Owner, PackageName, Version};

    #[test]
    fn a_page_is_taken_in_any_case_and_encoded_anew_and_a_server_may_not_know_its_public_address() {
        for (server, version, page, encoded, is_usable) in [
            ("https://host", "1", "https://other/acme/-/packages/generic/widget/1", None, true),
            ("http://host", "1", "https://other/acme/-/packages/generic/widget/1", None, true),
            ("https://host", "1", "http://host/acme/-/packages/generic/widget/1", None, false),
            ("https://host", "1", "https://localhost:3000/acme/-/packages/generic/widget/1", None, false),
            ("http://host", "1", "http://0.0.0.0:3000/acme/-/packages/generic/widget/1", None, false),
            ("http://127.0.0.1:3000", "1", "http://localhost:3000/acme/-/packages/generic/widget/1", None, true),
            ("http://host", "1.0-RC1", "http://h:81/git/Acme/-/packages/generic/WIDGET/1.0-rc1", None, true),
            ("http://host", "a/b", "http://[::1]/acme/-/packages/generic/widget/a%2Fb", None, false),
            (
                "http://host",
                "b;c",
                "http://h/acme/-/packages/generic/widget/b;c",
                Some("http://h/acme/-/packages/generic/widget/b%3Bc"),
                true,
            ),
        ] {
            let target = Target {
                server: ServerUrl::new(Url::parse(server).expect("a URL")),
                owner: Owner::parse("acme").expect("an owner"),
                package: PackageName::parse("widget").expect("a package"),
                version: Version::parse(version).expect("a version"),
            };
            let public = address_by_page(&Url::parse(page).expect("a URL"), &target).expect("a page");
            assert_eq!(public.page.as_str(), encoded.unwrap_or(page));
            assert_eq!(super::is_usable(&public, &target), is_usable, "{server} {page}");
        }
    }
}
