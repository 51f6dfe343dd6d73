//! Describes how peers can reach this computer.

use engine_wasm::view::{MappedBy, MappingState, PortMappingView};

/// Returns the description; `None` without a listen port or before the router has answered.
pub(crate) fn words(port: Option<u16>, mapping: Option<&PortMappingView>) -> Option<String> {
    let port = port?;
    let here = format!("Listening for peers on port {port}");
    let Some(mapping) = mapping else { return Some(here) };
    match mapping.state {
        MappingState::Asking => None,
        MappingState::Failed => {
            let why = mapping.message.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            Some(format!("{here}; the router does not forward it{why}"))
        }
        MappingState::Mapped => {
            let port = mapping.port.unwrap_or(port);
            let by = mapping.by.map(|by| format!(" ({})", name(by))).unwrap_or_default();
            Some(match &mapping.address {
                Some(address) if address.contains(':') => {
                    format!("Peers can reach this computer at [{address}]:{port}{by}")
                }
                Some(address) => format!("Peers can reach this computer at {address}:{port}{by}"),
                None => format!("The router forwards port {port} to this computer{by}"),
            })
        }
    }
}

fn name(by: MappedBy) -> &'static str {
    match by {
        MappedBy::Pcp => "PCP",
        MappedBy::NatPmp => "NAT-PMP",
        MappedBy::Upnp => "UPnP",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Checks the description for port 6881, given these changes to the usual mapping.
    fn check(more: Value, expected: Option<&str>) {
        let mut mapping = json!({
            "state": "asking", "port": null, "address": null, "by": null, "message": null,
        });
        mapping.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mapping = serde_json::from_value(mapping).unwrap();
        assert_eq!(words(Some(6881), Some(&mapping)).as_deref(), expected);
    }

    #[test]
    fn the_address_for_peers_is_described_once_known() {
        assert_eq!(words(None, None), None);
        assert_eq!(words(Some(6881), None).unwrap(), "Listening for peers on port 6881");
        check(json!({}), None);
        let mapped =
            json!({ "state": "mapped", "port": 40000, "address": "192.0.2.1", "by": "nat_pmp" });
        check(mapped, Some("Peers can reach this computer at 192.0.2.1:40000 (NAT-PMP)"));
        let mapped =
            json!({ "state": "mapped", "port": 40000, "address": "2001:db8::1", "by": "pcp" });
        check(mapped, Some("Peers can reach this computer at [2001:db8::1]:40000 (PCP)"));
        let without_address = json!({ "state": "mapped", "port": 40000, "by": "upnp" });
        check(without_address, Some("The router forwards port 40000 to this computer (UPnP)"));
        let failed = json!({ "state": "failed", "message": "no gateway" });
        check(
            failed,
            Some("Listening for peers on port 6881; the router does not forward it (no gateway)"),
        );
    }
}
