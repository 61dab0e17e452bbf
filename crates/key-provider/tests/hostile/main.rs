//! A hostile Key Provider, and someone on the path without a key: no reply is taken for that of another request, and every call ends when
//! it times out, is cancelled or the client is closed. With each TLS stack.

mod path;
mod provider;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rustls::SupportedProtocolVersion;
use skip_client::transport::UreqTransport;
use skip_client::{Advice, CancelToken, Client, ClientBuilder, Error, ErrorCode, Psk, SystemId};
use skip_key_provider::{KeyProviderPair, PairOptions};
use socket2::{Domain, Socket, Type};

use path::Path;
use provider::{Behind, Provider, Reply};

/// The two libraries, with certificates; pre-shared keys use OpenSSL too.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stack {
    Rustls,
    OpenSsl,
    Psk,
}

const STACKS: [Stack; 3] = [Stack::Rustls, Stack::OpenSsl, Stack::Psk];

/// One for all tests: its certificates serve the hostile Key Provider too.
fn pair() -> &'static KeyProviderPair {
    static PAIR: OnceLock<KeyProviderPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyProviderPair::start(PairOptions::default()).expect("the pair starts"))
}

fn builder(stack: Stack, address: SocketAddr) -> ClientBuilder {
    let builder = Client::builder(&format!("https://{address}"))
        .expect("a URL")
        .check_remote(false);
    match stack {
        Stack::Psk => {
            let psk = std::fs::read(pair().psk()).expect("psk.txt");
            builder.psk(Psk::from_file_content(&psk, None).expect("one key"))
        }
        _ => builder
            .ca_pem(std::fs::read(pair().ca()).expect("ca.pem"))
            .legacy(stack == Stack::OpenSsl),
    }
}

/// The development Key Provider's address for a stack.
fn honest(stack: Stack) -> SocketAddr {
    match stack {
        Stack::Psk => pair().alice().psk_address,
        _ => pair().alice().address,
    }
}

fn bob() -> SystemId {
    "Bob".parse().expect("an id")
}

fn replies() -> impl Strategy<Value = Reply> {
    let interim = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec((100..200_u16).prop_filter("101 is final", |status| *status != 101), 1..10),
    ];
    let status = prop_oneof![8 => Just(200), 1 => Just(101), 1 => 0..100_u16];
    // around the sizes of a client's and of rustls's read buffers
    let length = prop_oneof![
        Just(0),
        Just(1024),
        Just(4096),
        960..1100_usize,
        4000..4200_usize,
        100..9000_usize
    ];
    let behind = prop_oneof![
        3 => Just(Behind::Nothing),
        2 => Just(Behind::Reply),
        2 => Just(Behind::Record),
        2 => (1..200_usize).prop_map(Behind::PartOfRecord),
        2 => Just(Behind::CloseNotify),
    ];
    (interim, status, length, behind, any::<bool>()).prop_map(|(interim, status, length, behind, cut)| Reply {
        interim,
        status,
        length,
        behind,
        cut,
        ..Reply::default()
    })
}

/// Each call gets the key that was made for it, or an error that is `told` for its reply.
fn each_call_gets_its_own_reply(
    version: &'static SupportedProtocolVersion,
    builder: impl FnOnce(SocketAddr) -> ClientBuilder,
    replies: &[Reply],
    told: impl Fn(&Reply, &Error) -> bool,
) {
    let provider = Provider::start(pair().dir(), version, 2);
    let client = builder(provider.address).build().expect("a client");
    for (number, reply) in replies.iter().enumerate() {
        provider.will(reply.clone());
        let remote = format!("Remote{number}").parse().expect("an id");
        let made = || provider.made(&format!("/key?remoteSystemID=Remote{number}"));
        match client.new_key(&remote) {
            Ok(key) => assert_eq!(Some(key.key_id().as_str()), made().as_deref(), "{reply:?}"),
            Err(error) => assert!(told(reply, &error), "{reply:?}: {error:?}"),
        }
    }
    drop(client);
    assert_eq!(provider.faults(), [""; 0]);
}

fn with(stack: Stack, tls12: bool, replies: &[Reply]) {
    let version = if tls12 {
        &rustls::version::TLS12
    } else {
        &rustls::version::TLS13
    };
    let told = |reply: &Reply, error: &Error| {
        (reply.interim.len() > 8 || reply.status != 200) && error.code() == ErrorCode::UnexpectedStatus
    };
    each_call_gets_its_own_reply(version, |address| builder(stack, address), replies, told);
}

/// The certificate of the pair's CA, for ureq.
fn ca() -> Vec<ureq::tls::Certificate<'static>> {
    let pem = std::fs::read(pair().ca()).expect("ca.pem");
    vec![ureq::tls::Certificate::from_pem(&pem).expect("a certificate")]
}

/// A transport over an agent of ureq that trusts these CAs.
fn transport(address: SocketAddr, ca: &[ureq::tls::Certificate<'static>]) -> Box<UreqTransport> {
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(ca))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let agent = ureq::Agent::config_builder().tls_config(tls).build().new_agent();
    Box::new(UreqTransport::new(agent, &format!("https://{address}")).expect("a URL"))
}

fn over_ureq(address: SocketAddr) -> ClientBuilder {
    Client::over(transport(address, &ca())).check_remote(false)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_reply_belongs_to_its_request_with_rustls(tls12: bool, replies in prop::collection::vec(replies(), 1..7)) {
        with(Stack::Rustls, tls12, &replies);
    }

    #[test]
    fn a_reply_belongs_to_its_request_with_openssl(tls12: bool, replies in prop::collection::vec(replies(), 1..7)) {
        with(Stack::OpenSsl, tls12, &replies);
    }

    #[test]
    fn a_reply_belongs_to_its_request_over_ureq(replies in prop::collection::vec(replies(), 1..7)) {
        // ureq does not read past interim replies
        let told = |reply: &Reply, _: &Error| !reply.interim.is_empty() || reply.status != 200;
        each_call_gets_its_own_reply(&rustls::version::TLS13, over_ureq, &replies, told);
    }
}

/// How a long call is ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Time,
    Token,
    Close,
    Caller,
}

/// A call that would take many seconds, or forever, ends as it should, with the right error.
fn ends(by: By, builder: ClientBuilder, place: &str) {
    let builder = match by {
        By::Time => builder
            .timeout(Duration::from_millis(400))
            .connect_timeout(Duration::from_millis(400)),
        _ => builder
            .timeout(Duration::from_mins(1))
            .connect_timeout(Duration::from_mins(1)),
    };
    let client = builder.build().expect("a client");
    let token = CancelToken::new();
    let begun = std::time::Instant::now();
    let enough = || by == By::Caller && begun.elapsed() > Duration::from_millis(150);
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(150));
            match by {
                By::Token => token.cancel(),
                By::Close => client.close(),
                By::Time | By::Caller => {}
            }
        });
        client.call().cancel(&token).interrupted(&enough).new_key(&bob()).err()
    });
    let code = error.unwrap_or_else(|| panic!("{place}, {by:?}: a key")).code();
    let expected = match by {
        By::Time => ErrorCode::TimedOut,
        By::Token | By::Caller => ErrorCode::ConnectionLost,
        By::Close => ErrorCode::InvalidArgument,
    };
    assert_eq!(code, expected, "{place}, {by:?}");
}

const WAYS: [By; 4] = [By::Time, By::Token, By::Close, By::Caller];

#[test]
fn a_call_ends_while_tcp_connects() {
    // nothing accepts, and the backlog is full
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .expect("a port");
    full.listen(0).expect("listens");
    let address = full.local_addr().expect("an address").as_socket().expect("of IP");
    let _waiting: Vec<_> = (0..2)
        .map(|_| {
            let one = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            one.set_nonblocking(true).expect("a flag");
            let _ = one.connect(&address.into());
            one
        })
        .collect();
    for stack in STACKS {
        for by in WAYS {
            ends(by, builder(stack, address), "TCP");
        }
    }
}

#[test]
fn a_call_ends_whoever_drips() {
    // in the handshake, and after it; a byte at a time, or nothing at all
    thread::scope(|scope| {
        for stack in STACKS {
            // the hostile Key Provider has no pre-shared keys
            for fast in [0, 300, 4500]
                .into_iter()
                .filter(|fast| stack != Stack::Psk || *fast <= 300)
            {
                scope.spawn(move || {
                    for piece in [1, 0] {
                        for by in WAYS {
                            let provider;
                            let path = if fast > 300 {
                                // the reply arrives slowly: too much of it for the timeout
                                provider = Provider::start(pair().dir(), &rustls::version::TLS13, 1);
                                provider.will(Reply {
                                    length: 9000,
                                    ..Reply::default()
                                });
                                Path::start(provider.address, fast, piece)
                            } else {
                                Path::start(honest(stack), fast, piece)
                            };
                            ends(by, builder(stack, path.address), &format!("{stack:?} {fast} {piece}"));
                        }
                    }
                });
            }
        }
    });
}

#[test]
fn a_call_ends_although_key_updates_or_tickets_do_not() {
    thread::scope(|scope| {
        for stack in [Stack::Rustls, Stack::OpenSsl] {
            scope.spawn(move || {
                for by in WAYS {
                    // rustls accepts at most 32 of them
                    if stack == Stack::OpenSsl {
                        let provider = Provider::start(pair().dir(), &rustls::version::TLS13, 2);
                        provider.will(Reply {
                            endless: true,
                            ..Reply::default()
                        });
                        ends(by, builder(stack, provider.address), "key updates");
                    }
                    let provider = Provider::start(pair().dir(), &rustls::version::TLS13, 400);
                    let path = Path::start(provider.address, 4000, 100);
                    ends(by, builder(stack, path.address), "tickets");
                }
            });
        }
    });
}

#[test]
fn a_call_over_ureq_ends_in_time_and_by_closing() {
    for by in [By::Time, By::Close] {
        // a byte at a time in the handshake, and in the reply
        ends(
            by,
            over_ureq(Path::start(honest(Stack::Rustls), 0, 1).address),
            "handshake",
        );
        let provider = Provider::start(pair().dir(), &rustls::version::TLS13, 1);
        provider.will(Reply {
            length: 9000,
            ..Reply::default()
        });
        ends(by, over_ureq(Path::start(provider.address, 4500, 1).address), "reply");
    }
}

#[test]
fn an_agent_of_ureq_gets_keys_and_the_true_cause() {
    let kp = over_ureq(honest(Stack::Rustls)).build().expect("a client");
    let key = kp.new_key(&bob()).expect("a key");
    let at_bob = over_ureq(pair().bob().address).build().expect("a client");
    assert!(
        at_bob
            .key_by_id(key.key_id(), &"Alice".parse().expect("an id"))
            .expect("its key")
            == key
    );
    let again = at_bob.key_by_id(key.key_id(), &"Alice".parse().expect("an id"));
    assert_eq!(again.expect_err("given once").code(), ErrorCode::Rejected);

    let dead = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    dead.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .expect("a port");
    let dead = dead.local_addr().expect("an address").as_socket().expect("of IP");
    let error = over_ureq(dead)
        .build()
        .expect("a client")
        .new_key(&bob())
        .expect_err("nobody");
    assert_eq!(
        (error.code(), error.advice()),
        (ErrorCode::ConnectFailed, Advice::SameRequest)
    );
    // nothing was sent, so the next one may be asked
    over_ureq(dead)
        .or_over(transport(honest(Stack::Rustls), &ca()))
        .build()
        .expect("a client")
        .new_key(&bob())
        .expect("from the second");

    let trusts_nobody = Client::over(transport(honest(Stack::Rustls), &[]));
    let error = trusts_nobody
        .build()
        .expect("a client")
        .new_key(&bob())
        .expect_err("an unknown CA");
    assert_eq!(error.code(), ErrorCode::TlsFailed);
}

#[test]
fn a_length_over_the_limit_is_not_waited_for() {
    for length in ["65537", "99999999999999999999999", "-1", "1e3", "0x10", ""] {
        for stack in [Stack::Rustls, Stack::OpenSsl] {
            let provider = Provider::start(pair().dir(), &rustls::version::TLS13, 2);
            provider.will(Reply {
                content_length: Some(length.to_owned()),
                ..Reply::default()
            });
            let client = builder(stack, provider.address)
                .timeout(Duration::from_secs(10))
                .build()
                .expect("a client");
            let code = client.new_key(&bob()).expect_err("no key").code();
            assert!(
                matches!(code, ErrorCode::ResponseTooLarge | ErrorCode::MalformedResponse),
                "{length}: {code:?}"
            );
            client.new_key(&bob()).expect("the next one");
        }
    }
}
