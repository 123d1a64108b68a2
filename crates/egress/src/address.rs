//! Which addresses may be reached. A service that connects to names typed by its users must not become a
//! way into the network it stands in (server-side request forgery).
//!
//! The decision is about resolved addresses, never about names alone: a public name may resolve to
//! `127.0.0.1`. Ranges are those of the IANA special-purpose address registries (RFC 6890 and updates).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Who may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Everything: the person at the command line decides.
    Any,
    /// Public addresses, and what an administrator has listed.
    Guarded {
        /// Exceptions: hosts whose loopback or private addresses are fine, and ranges that are fine as such.
        allow: Vec<AllowEntry>,
    },
}

/// One exception of [`AddressPolicy::Guarded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowEntry {
    /// A host name, lower-case. It may resolve to private and loopback addresses, but never to link-local
    /// ones, where cloud metadata services live: those need a range.
    Host(String),
    /// `*.suffix`: every host below it, on the terms of [`Self::Host`].
    Suffix(String),
    /// An address range; also the ones that no host entry opens.
    Range {
        /// Any address of the range.
        address: IpAddr,
        /// Length of the network prefix in bits.
        prefix: u8,
    },
}

/// A text that is neither a host, `*.suffix`, an address nor a CIDR range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("allowed address {0:?} is neither a host, *.suffix, an IP address nor a range such as 10.0.0.0/8")]
pub struct AllowEntryError(String);

/// What an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Globally reachable.
    Public,
    /// Loopback, private or shared space: open to hosts that are listed.
    Private,
    /// Link-local, cloud metadata, multicast, reserved or an unmappable tunnel: open to listed ranges only.
    Reserved,
}

/// Azure's platform address: outside every special range, yet a metadata service.
const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Sorts an address into one of the three classes. Addresses that carry an IPv4 address (mapped, 6to4,
/// NAT64) are what their inner address is.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| classify_v6(v6), classify_v4),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        _ if address == AZURE_PLATFORM => AddressClass::Reserved,
        // Alibaba Cloud keeps its metadata service in shared address space (RFC 6598).
        (100, 100, 100) => AddressClass::Reserved,
        (10 | 127, _, _) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => AddressClass::Private,
        (0 | 224..=255, _, _)
        | (169, 254, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let [a, b, ..] = address.segments();
    match (a, b) {
        _ if address.is_loopback() => AddressClass::Private,
        // AWS' metadata service, inside the unique local range.
        (0xfd00, 0x0ec2) => AddressClass::Reserved,
        (0xfc00..=0xfdff, _) => AddressClass::Private,
        // IETF protocol assignments with Teredo, documentation.
        (0x2001, 0..=0x01ff | 0x0db8) | (0x3fff, 0..=0x0fff) => AddressClass::Reserved,
        // All unicast space that was ever given out.
        (0x2000..=0x3fff, _) => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

/// The IPv4 address inside a mapped (RFC 4291), compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056) address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        // `::` and `::1` are addresses of their own, not compatible ones.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

impl AddressPolicy {
    /// True when `address`, to which `host` resolved, may be connected to.
    pub fn permits(&self, host: &str, address: IpAddr) -> bool {
        let Self::Guarded { allow } = self else { return true };
        let class = classify(address);
        class == AddressClass::Public || allow.iter().any(|entry| entry.opens(host, address, class))
    }

    /// True when nothing needs to be checked.
    pub const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

impl AllowEntry {
    fn opens(&self, host: &str, address: IpAddr, class: AddressClass) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match self {
            Self::Host(name) => class == AddressClass::Private && host == *name,
            Self::Suffix(suffix) => {
                class == AddressClass::Private
                    && host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            Self::Range { address: network, prefix } => contains(*network, *prefix, address.to_canonical()),
        }
    }
}

fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32u32.saturating_sub(u32::from(prefix));
            let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128u32.saturating_sub(u32::from(prefix));
            let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

impl FromStr for AllowEntry {
    type Err = AllowEntryError;

    fn from_str(text: &str) -> Result<Self, AllowEntryError> {
        let error = || AllowEntryError(text.chars().take(120).collect());
        let trimmed = text.trim().trim_end_matches('.').to_ascii_lowercase();
        if let Some((network, prefix)) = trimmed.split_once('/') {
            let address: IpAddr = network.parse().map_err(|_| error())?;
            let prefix: u8 = prefix.parse().map_err(|_| error())?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            return if prefix <= longest { Ok(Self::Range { address, prefix }) } else { Err(error()) };
        }
        let bare = trimmed.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(&trimmed);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let prefix = if address.is_ipv4() { 32 } else { 128 };
            return Ok(Self::Range { address, prefix });
        }
        let (suffix, name) =
            trimmed.strip_prefix("*.").map_or((false, trimmed.as_str()), |rest| (true, rest));
        let label = |l: &str| {
            !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(error());
        }
        Ok(if suffix { Self::Suffix(name.to_owned()) } else { Self::Host(name.to_owned()) })
    }
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*.{suffix}"),
            Self::Range { address, prefix } => write!(f, "{address}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, class: AddressClass) {
        assert_eq!(classify(address.parse().unwrap()), class, "{address}");
    }

    #[test]
    fn sorts_addresses() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.63.0.1",
            "192.167.1.1",
            "2606:4700::1",
            "2a00::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "::8.8.8.8",
            "223.255.255.254",
        ] {
            check(public, AddressClass::Public);
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
        ] {
            check(private, AddressClass::Private);
        }
        for reserved in [
            "0.0.0.0",
            "169.254.169.254",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "168.63.129.16",
            "100.100.100.200",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "2001::1",
            "2001:db8::1",
            "64:ff9b:1::1",
            "::ffff:169.254.169.254",
            "2002:a9fe:a9fe::1",
            "64:ff9b::a9fe:a9fe",
            "fec0::1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ] {
            check(reserved, AddressClass::Reserved);
        }
    }

    fn permitted(allow: &[&str], host: &str, address: &str) -> bool {
        let allow = allow.iter().map(|entry| entry.parse().unwrap()).collect();
        AddressPolicy::Guarded { allow }.permits(host, address.parse().unwrap())
    }

    #[test]
    fn opens_only_what_is_listed() {
        assert!(permitted(&[], "example.com", "1.1.1.1"));
        assert!(!permitted(&[], "example.com", "127.0.0.1"));
        assert!(permitted(&["registry.corp"], "Registry.corp.", "10.0.0.7"));
        assert!(!permitted(&["registry.corp"], "other.corp", "10.0.0.7"));
        assert!(permitted(&["*.corp"], "a.b.corp", "10.0.0.7"));
        assert!(!permitted(&["*.corp"], "evilcorp", "10.0.0.7"));
        assert!(!permitted(&["*.corp"], "corp", "10.0.0.7"));
        assert!(!permitted(&["registry.corp"], "registry.corp", "169.254.169.254"));
        assert!(permitted(&["169.254.169.254"], "registry.corp", "169.254.169.254"));
        assert!(permitted(&["10.0.0.0/8"], "x", "10.255.0.1"));
        assert!(permitted(&["10.0.0.0/8"], "x", "::ffff:10.255.0.1"));
        assert!(
            !permitted(&["10.0.0.0/8"], "x", "11.0.0.1")
                || classify("11.0.0.1".parse().unwrap()) == AddressClass::Public
        );
        assert!(!permitted(&["10.1.0.0/16"], "x", "10.2.0.1"));
        assert!(permitted(&["0.0.0.0/0"], "x", "127.0.0.1"));
        assert!(!permitted(&["0.0.0.0/0"], "x", "::1"));
        assert!(permitted(&["fd00::/8"], "x", "fd12::1"));
        assert!(permitted(&["[::1]"], "x", "::1"));
        assert!(AddressPolicy::Any.permits("x", "169.254.169.254".parse().unwrap()));
    }

    #[test]
    fn refuses_texts_that_are_no_entries() {
        for bad in ["", "10.0.0.0/33", "::/129", "a b", "http://x", "*.", "*", "a..b", "/8", "10.0.0.0/"] {
            assert!(bad.parse::<AllowEntry>().is_err(), "{bad}");
        }
        assert_eq!("*.Corp.".parse::<AllowEntry>().unwrap().to_string(), "*.corp");
    }
}
