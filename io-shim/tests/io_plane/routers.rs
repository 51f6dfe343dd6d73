//! Routers on loopback, honest and dishonest: one speaks PCP and NAT-PMP, one UPnP.
//!
//! Each has its own address in 127/8.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use io_shim::sockets::port_map::{MapConfig, Pace, Way};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::AbortHandle,
};

/// Port of PCP and NAT-PMP (RFC 6887 §19.1).
const PMP_PORT: u16 = 5351;
/// Port where UPnP's devices are searched.
const SSDP_PORT: u16 = 1900;
/// The external address that honest routers tell.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
/// How often to check what a router was asked.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long to check.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a router behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Does what it is asked, by PCP or UPnP.
    Willing,
    /// The same, but it knows NAT-PMP only.
    Old,
    /// Maps another port than the requested one.
    Another(u16),
    /// Grants permanent leases only.
    ForEver,
    /// Refuses.
    Refuses,
    /// Never answers.
    Stalls,
    /// Answers every request with these bytes.
    Says(Vec<u8>),
    /// Names another host.
    Names(String),
}

/// What a router was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To map this port.
    Map { tcp: bool, port: u16 },
    /// To remove the mapping.
    Unmap { tcp: bool, port: u16 },
}

pub(crate) struct FakeRouter {
    pub(crate) ip: Ipv4Addr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: Vec<AbortHandle>,
}

impl Drop for FakeRouter {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// An address that no other test uses.
pub(crate) fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] =
        u16::try_from(std::process::id() % 60_000).expect("a small number").to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 128, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A mapping through a router at this address, with short timeouts.
pub(crate) fn way_by(gateway: Ipv4Addr) -> MapConfig {
    let searched = vec![(gateway, SSDP_PORT).into()];
    let pace = Pace {
        first_wait: Duration::from_millis(40),
        search: Duration::from_millis(600),
        lease: Duration::from_secs(2),
        least: Duration::from_millis(100),
        retry: Duration::from_millis(200),
    };
    MapConfig {
        enabled: true,
        way: Some(Way { gateway, own: Ipv4Addr::LOCALHOST, searched }),
        pace,
    }
}

impl FakeRouter {
    fn new(manner: Manner) -> Self {
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::default());
        Self { ip: address(), manner, asked, tasks: Vec::new() }
    }

    /// A router with PCP and NAT-PMP.
    pub(crate) async fn pmp(manner: Manner) -> Self {
        let mut router = Self::new(manner);
        let socket = UdpSocket::bind((router.ip, PMP_PORT)).await.expect("an address of its own");
        let (manner, asked) = (Arc::clone(&router.manner), Arc::clone(&router.asked));
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let manner = manner.lock().expect("unpoisoned").clone();
                if let Some(answer) = pmp_answer(&manner, &buffer[..length], &asked) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        router.tasks.push(task.abort_handle());
        router
    }

    /// A router with UPnP.
    pub(crate) async fn upnp(manner: Manner) -> Self {
        let mut router = Self::new(manner);
        let socket = UdpSocket::bind((router.ip, SSDP_PORT)).await.expect("an address of its own");
        let listener = TcpListener::bind((router.ip, 0)).await.expect("an address of its own");
        let here = listener.local_addr().expect("bound");
        let manner = Arc::clone(&router.manner);
        let searched = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
                let manner = manner.lock().expect("unpoisoned").clone();
                if let Some(answer) = ssdp_answer(&manner, here) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        let (manner, asked) = (Arc::clone(&router.manner), Arc::clone(&router.asked));
        let served = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&manner), Arc::clone(&asked)));
            }
        });
        router.tasks.extend([searched.abort_handle(), served.abort_handle()]);
        router
    }

    pub(crate) fn way(&self) -> MapConfig {
        way_by(self.ip)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().expect("unpoisoned") = manner;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("unpoisoned").clone()
    }

    /// Waits until the router was asked this.
    pub(crate) async fn until(&self, what: Asked) {
        let found = async {
            while !self.asked().contains(&what) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, found).await;
        assert!(in_time.is_ok(), "it was never asked for {what:?}, but {:?}", self.asked());
    }
}

fn note(asked: &Mutex<Vec<Asked>>, tcp: bool, port: u16, lifetime: u32) {
    let what = if lifetime == 0 { Asked::Unmap { tcp, port } } else { Asked::Map { tcp, port } };
    asked.lock().expect("unpoisoned").push(what);
}

fn pmp_answer(manner: &Manner, request: &[u8], asked: &Mutex<Vec<Asked>>) -> Option<Vec<u8>> {
    match manner {
        Manner::Stalls => return None,
        Manner::Says(bytes) => return Some(bytes.clone()),
        _ => {}
    }
    match request {
        [2, 1, ..] if *manner == Manner::Old => Some(vec![0, 0x81, 0, 1, 0, 0, 0, 9]),
        [2, 1, ..] if request.len() >= 60 => Some(pcp_answer(manner, request, asked)),
        [0, 0] => Some([&[0, 128, 0, 0, 0, 0, 0, 9], &OUTSIDE.octets()[..]].concat()),
        [0, op @ (1 | 2), _, _, ports @ .., a, b, c, d] if ports.len() == 4 => {
            let lifetime = u32::from_be_bytes([*a, *b, *c, *d]);
            let internal = u16::from_be_bytes([ports[0], ports[1]]);
            note(asked, *op == 2, internal, lifetime);
            let result = u8::from(*manner == Manner::Refuses) * 2;
            let external = external(manner, u16::from_be_bytes([ports[2], ports[3]]));
            let mut answer = vec![0, 128 + op, 0, result, 0, 0, 0, 9];
            answer.extend(&ports[..2]);
            answer.extend(if lifetime == 0 { 0 } else { external }.to_be_bytes());
            answer.extend(lifetime.to_be_bytes());
            Some(answer)
        }
        _ => None,
    }
}

fn pcp_answer(manner: &Manner, request: &[u8], asked: &Mutex<Vec<Asked>>) -> Vec<u8> {
    let lifetime = u32::from_be_bytes([request[4], request[5], request[6], request[7]]);
    note(asked, request[36] == 6, u16::from_be_bytes([request[40], request[41]]), lifetime);
    let mut answer = vec![2, 0x81, 0, u8::from(*manner == Manner::Refuses) * 2];
    answer.extend(lifetime.to_be_bytes());
    answer.extend([0, 0, 0, 9]);
    answer.extend([0; 12]);
    answer.extend(&request[24..42]);
    answer.extend(external(manner, u16::from_be_bytes([request[42], request[43]])).to_be_bytes());
    answer.extend(OUTSIDE.to_ipv6_mapped().octets());
    answer
}

fn external(manner: &Manner, wanted: u16) -> u16 {
    if let Manner::Another(port) = manner { *port } else { wanted }
}

fn ssdp_answer(manner: &Manner, here: SocketAddr) -> Option<Vec<u8>> {
    let location = match manner {
        Manner::Says(bytes) => return Some(bytes.clone()),
        Manner::Names(location) => location.clone(),
        _ => format!("http://{here}/root.xml"),
    };
    let service = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
    Some(
        format!(
            "HTTP/1.1 200 OK\r\nST: {service}\r\nUSN: uuid:1::{service}\r\nLOCATION: \
        {location}\r\n\r\n"
        )
        .into(),
    )
}

async fn serve(mut stream: TcpStream, manner: Arc<Mutex<Manner>>, asked: Arc<Mutex<Vec<Asked>>>) {
    while let Some((path, body)) = read_request(&mut stream).await {
        let manner = manner.lock().expect("unpoisoned").clone();
        let (status, body) = match (path.as_str(), &manner) {
            (_, Manner::Stalls) => std::future::pending().await,
            ("/root.xml", _) => (200, DEVICE.to_owned()),
            ("/service.xml", _) => (200, service()),
            _ => soap(&manner, &body, &asked),
        };
        let head = format!("HTTP/1.1 {status} it\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.split_whitespace().nth(1)?.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

const DEVICE: &str = "<?xml version=\"1.0\"?>\
    <root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>\
    <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>\
    <deviceList><device><serviceList><service>\
    <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
    <SCPDURL>/service.xml</SCPDURL><controlURL>/control</controlURL>\
    </service></serviceList></device></deviceList></device></root>";

fn service() -> String {
    let argument =
        |name: &str| format!("<argument><name>{name}</name><direction>in</direction></argument>");
    let action = |name: &str, arguments: &[&str]| {
        let arguments: String = arguments.iter().map(|name| argument(name)).collect();
        format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
    };
    let whole = [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ];
    let actions = [
        action("AddPortMapping", &whole),
        action("AddAnyPortMapping", &whole),
        action("DeletePortMapping", &whole[..3]),
        action("GetExternalIPAddress", &[]),
    ];
    format!(
        "<scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><actionList>{}</actionList></scpd>",
        actions.concat()
    )
}

fn field<'a>(body: &'a str, name: &str) -> &'a str {
    let after = body.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    after.split_once("</").map_or("", |(value, _)| value)
}

fn soap(manner: &Manner, body: &str, asked: &Mutex<Vec<Asked>>) -> (u16, String) {
    let envelope = |inner: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\
             <s:Body>{inner}</s:Body></s:Envelope>"
        )
    };
    let answer = |action: &str, inner: &str| {
        let service = "urn:schemas-upnp-org:service:WANIPConnection:1";
        (
            200,
            envelope(&format!(
                "<u:{action}Response xmlns:u=\"{service}\">{inner}</u:{action}Response>"
            )),
        )
    };
    let fault = |code: u16| {
        let error = format!("<errorCode>{code}</errorCode><errorDescription>no</errorDescription>");
        (
            500,
            envelope(&format!(
                "<s:Fault><detail><UPnPError>{error}</UPnPError></detail></s:Fault>"
            )),
        )
    };
    let tcp = field(body, "NewProtocol") == "TCP";
    let number = |name: &str| field(body, name).parse::<u32>().unwrap_or(0);
    let port = u16::try_from(number("NewExternalPort")).unwrap_or(0);
    if *manner == Manner::Refuses {
        return fault(606);
    }
    if body.contains("GetExternalIPAddress") {
        answer(
            "GetExternalIPAddress",
            &format!("<NewExternalIPAddress>{OUTSIDE}</NewExternalIPAddress>"),
        )
    } else if body.contains("DeletePortMapping") {
        note(asked, tcp, port, 0);
        answer("DeletePortMapping", "")
    } else if *manner == Manner::ForEver && number("NewLeaseDuration") != 0 {
        fault(725)
    } else if let Manner::Another(another) = manner {
        if body.contains("AddAnyPortMapping") {
            note(asked, tcp, *another, 1);
            return answer(
                "AddAnyPortMapping",
                &format!("<NewReservedPort>{another}</NewReservedPort>"),
            );
        }
        if port == *another { answer("AddPortMapping", "") } else { fault(718) }
    } else {
        note(asked, tcp, port, 1);
        answer("AddPortMapping", "")
    }
}
