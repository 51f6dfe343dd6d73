//! One router: asks it for a mapping, renews the mapping, and removes it.
//!
//! Owns the order of the protocols: PCP (RFC 6887), NAT-PMP (RFC 6886) and UPnP's Internet Gateway
//! Device. Keeps no time and no table. A router may stall, lie and answer nonsense, so each of its
//! answers is an error or within bounds. Only the gateway's answers count.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    time::Duration,
};

use crab_nat::{
    InternetProtocol, PortMappingOptions, PortMappingType, TimeoutConfig, natpmp,
    pcp::{self, BaseMapRequest, Nonce},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use igd_next::{
    AddPortError, GatewayIpVersion, PortMappingProtocol, SearchOptions,
    aio::{
        Gateway,
        tokio::{Tokio, search_gateway},
    },
};
use shared_proto::io::{MappedBy, Mapping, OpError, OpErrorKind};

use super::gateway::Way;
use super::target::{Pace, Target, Transport};
use crate::files::error::op_error;
use crate::policy::dial;

/// A mapping that a router agreed to.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) mapping: Mapping,
    /// The lifetime that the router names.
    pub(super) lifetime: Duration,
    how: How,
}

/// What renewing the mapping needs.
#[derive(Debug)]
enum How {
    Pcp { nonce: Nonce, external: IpAddr },
    NatPmp,
    Upnp(Box<Gateway<Tokio>>),
}

/// A conversation with a router about one port.
pub(super) struct Router {
    way: Way,
    target: Target,
    port: NonZeroU16,
    pace: Pace,
}

impl Router {
    /// `None` for port 0, which cannot be mapped.
    pub(super) fn new(way: Way, target: Target, pace: Pace) -> Option<Self> {
        Some(Self { way, target, port: NonZeroU16::new(target.port)?, pace })
    }

    /// The router.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Renews the former mapping, or tries all protocols.
    ///
    /// # Errors
    /// [`OpErrorKind::Network`] with a phrase for a person.
    pub(super) async fn map(&self, before: Option<&Lease>) -> Result<Lease, OpError> {
        if let Some(lease) = before
            && let Ok(lease) = self.renew(lease).await
        {
            return Ok(lease);
        }
        let by_datagram = match self.pcp(None).await {
            Ok(lease) => return Ok(lease),
            // Nothing listens there, so it need not be asked again.
            Err(pcp::Failure::Socket(_)) => None,
            Err(failure) => match self.nat_pmp().await {
                Ok(lease) => return Ok(lease),
                Err(natpmp::Failure::Timeout | natpmp::Failure::UnsupportedVersion(_)) => {
                    refusal(&failure)
                }
                Err(natpmp::Failure::Socket(_)) => None,
                Err(failure) => Some(failure.to_string()),
            },
        };
        match (self.upnp().await, by_datagram) {
            (Ok(lease), _) => Ok(lease),
            (Err(None), None) => Err(op_error(OpErrorKind::Network, "the router does not answer")),
            (Err(Some(words)), _) | (Err(None), Some(words)) => {
                Err(op_error(OpErrorKind::Network, format!("the router forwards no port: {words}")))
            }
        }
    }

    /// Removes the mapping.
    pub(super) async fn unmap(&self, lease: &Lease) {
        let timing = Some(self.timing());
        let gateway = self.way.gateway.into();
        let done = match &lease.how {
            How::Pcp { nonce, .. } => {
                let range = pcp::DropMappingRange::Single {
                    internal_port: self.port,
                    protocol: self.target.transport.pmp(),
                };
                let dropped =
                    pcp::try_drop_mapping(gateway, self.way.own.into(), *nonce, range, timing)
                        .await;
                dropped.map_err(|error| error.to_string())
            }
            How::NatPmp => {
                let dropped = natpmp::try_drop_mapping(
                    gateway,
                    self.target.transport.pmp(),
                    Some(self.port),
                    timing,
                )
                .await;
                dropped.map_err(|error| error.to_string())
            }
            How::Upnp(gateway) => {
                let removed =
                    gateway.remove_port(self.target.transport.upnp(), lease.mapping.port).await;
                removed.map_err(|error| error.to_string())
            }
        };
        if let Err(error) = done {
            tracing::debug!(error, "the port mapping was not removed");
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease, OpError> {
        let lost = |_| op_error(OpErrorKind::Network, "lost");
        match &lease.how {
            How::Pcp { nonce, external } => {
                self.pcp(Some((*nonce, *external, lease.mapping.port))).await.map_err(|_| lost(()))
            }
            How::NatPmp => self.nat_pmp().await.map_err(|_| lost(())),
            How::Upnp(gateway) => {
                self.add((**gateway).clone(), lease.mapping.port).await.map_err(|_| lost(()))
            }
        }
    }

    async fn pcp(&self, before: Option<(Nonce, IpAddr, u16)>) -> Result<Lease, pcp::Failure> {
        let base = BaseMapRequest::new(
            self.way.gateway.into(),
            self.way.own.into(),
            self.target.transport.pmp(),
            self.port,
        );
        let (nonce, external) = before.map(|(nonce, external, _)| (nonce, external)).unzip();
        let wanted = before.and_then(|(.., port)| NonZeroU16::new(port)).unwrap_or(self.port);
        let mapped = pcp::port_mapping(base, nonce, external, self.options(wanted)).await?;
        let PortMappingType::Pcp { nonce, external_ip, .. } = mapped.mapping_type() else {
            return Err(pcp::Failure::UnsupportedProtocol);
        };
        Ok(Lease {
            mapping: Mapping {
                port: mapped.external_port().get(),
                address: seen(external_ip),
                by: MappedBy::Pcp,
            },
            lifetime: Duration::from_secs(mapped.lifetime().into()),
            how: How::Pcp { nonce, external: external_ip },
        })
    }

    async fn nat_pmp(&self) -> Result<Lease, natpmp::Failure> {
        let gateway = self.way.gateway.into();
        let protocol = self.target.transport.pmp();
        let mapped =
            natpmp::port_mapping(gateway, protocol, self.port, self.options(self.port)).await?;
        let address = natpmp::external_address(gateway, Some(self.timing())).await.ok();
        Ok(Lease {
            mapping: Mapping {
                port: mapped.external_port().get(),
                address: address.and_then(|address| seen(address.into())),
                by: MappedBy::NatPmp,
            },
            lifetime: Duration::from_secs(mapped.lifetime().into()),
            how: How::NatPmp,
        })
    }

    /// Asks with UPnP.
    ///
    /// # Errors
    /// Why the router refuses; `None` when no router answers.
    async fn upnp(&self) -> Result<Lease, Option<String>> {
        let mut searches: FuturesUnordered<_> =
            self.way.searched.iter().map(|to| self.search(*to)).collect();
        while let Some(found) = searches.next().await {
            match found {
                Ok(gateway) if gateway.addr.ip() == IpAddr::V4(self.way.gateway) => {
                    drop(searches);
                    return self.add(gateway, self.port.get()).await.map_err(Some);
                }
                Ok(_) => tracing::debug!("an answer did not come from the gateway"),
                Err(error) => tracing::debug!(%error, "no router found with UPnP"),
            }
        }
        Err(None)
    }

    async fn search(&self, to: SocketAddr) -> Result<Gateway<Tokio>, igd_next::SearchError> {
        let mut options = SearchOptions::default();
        options.bind_addr = (self.way.own, 0).into();
        options.broadcast_address = to;
        options.timeout = Some(self.pace.search);
        options.gateway_ip_version = GatewayIpVersion::V4;
        options.allowed_gateway_ips = vec![self.way.gateway.into()];
        search_gateway(options).await
    }

    /// Asks for this external port, or for any.
    async fn add(&self, gateway: Gateway<Tokio>, wanted: u16) -> Result<Lease, String> {
        let own = SocketAddr::from((self.way.own, self.port.get()));
        let protocol = self.target.transport.upnp();
        let mut lifetime = seconds(self.pace.lease);
        let mut added = gateway.add_port(protocol, wanted, own, lifetime, crate::SERVICE).await;
        if matches!(added, Err(AddPortError::OnlyPermanentLeasesSupported)) {
            lifetime = 0;
            added = gateway.add_port(protocol, wanted, own, lifetime, crate::SERVICE).await;
        }
        let port = match added {
            Ok(()) => wanted,
            Err(AddPortError::PortInUse) => {
                let any = gateway.add_any_port(protocol, own, lifetime, crate::SERVICE).await;
                any.map_err(|error| plain(&error))?
            }
            Err(error) => return Err(plain(&error)),
        };
        if port == 0 {
            return Err("its answer makes no sense".into());
        }
        let address = gateway.get_external_ip().await.ok().and_then(seen);
        Ok(Lease {
            mapping: Mapping { port, address, by: MappedBy::Upnp },
            lifetime: self.pace.lease,
            how: How::Upnp(Box::new(gateway)),
        })
    }

    fn options(&self, external: NonZeroU16) -> PortMappingOptions {
        PortMappingOptions {
            external_port: Some(external),
            lifetime_seconds: Some(seconds(self.pace.lease)),
            timeout_config: Some(self.timing()),
        }
    }

    fn timing(&self) -> TimeoutConfig {
        TimeoutConfig {
            initial_timeout: self.pace.first_wait,
            max_retries: 2,
            max_retry_timeout: None,
        }
    }
}

impl Transport {
    fn pmp(self) -> InternetProtocol {
        match self {
            Self::Tcp => InternetProtocol::Tcp,
            Self::Udp => InternetProtocol::Udp,
        }
    }

    fn upnp(self) -> PortMappingProtocol {
        match self {
            Self::Tcp => PortMappingProtocol::TCP,
            Self::Udp => PortMappingProtocol::UDP,
        }
    }
}

fn seconds(lease: Duration) -> u32 {
    u32::try_from(lease.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// An address at which others could reach this machine. A router behind another one may have a
/// private address.
fn seen(address: IpAddr) -> Option<IpAddr> {
    dial::is_dialable(address).then_some(address)
}

/// Why PCP failed, if the router said so itself.
fn refusal(failure: &pcp::Failure) -> Option<String> {
    use pcp::Failure;
    let is_silence =
        matches!(failure, Failure::Timeout | Failure::UnsupportedVersion(_) | Failure::Socket(_));
    (!is_silence).then(|| failure.to_string())
}

/// The message of a UPnP error, without the router's own pages.
fn plain(error: &(impl std::error::Error + 'static)) -> String {
    use igd_next::RequestError;
    let source = error.source().and_then(|source| source.downcast_ref::<RequestError>());
    match source {
        Some(RequestError::ErrorCode(code, _)) => format!("error {code}"),
        Some(RequestError::InvalidResponse(_)) => "its answer makes no sense".into(),
        Some(RequestError::UnsupportedAction(_)) => "it can't".into(),
        Some(_) => "the conversation failed".into(),
        None => error.to_string(),
    }
}
