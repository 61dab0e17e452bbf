//! A contestant in Rust. Reads `warm N`, `cold N` or `many THREADS N` from stdin and prints a JSON line with the
//! nanoseconds of each request; for `many` the total of all threads comes first.
//!
//! `skip-client-bench NAME URL CA [PSK_FILE]`, or `skip-client-bench serve GROUP CERTIFICATE KEY`: see `server.rs`.

mod server;

use std::error::Error;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream, SslVerifyMode, SslVersion};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use skip_client::{Client, Psk, SystemId};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A connection, or the equivalent, and a request over it.
trait Contestant: Send {
    fn request(&mut self) -> Result<()>;
}

/// Creates a contestant, without connecting.
type Make = Arc<dyn Fn() -> Result<Box<dyn Contestant>> + Send + Sync>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, group, certificate, key] = arguments.as_slice()
        && command == "serve"
    {
        return server::serve(group, certificate, key);
    }
    let make = make(&arguments)?;
    let mut warm = make()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>();
        let times = match words[0] {
            "warm" => times(number(1)?, || warm.request())?,
            "cold" => times(number(1)?, || make()?.request())?,
            "many" => many(&make, number(1)?, number(2)?)?,
            other => return Err(format!("no command is called {other}").into()),
        };
        println!("{times:?}");
    }
    Ok(())
}

fn times(n: usize, mut request: impl FnMut() -> Result<()>) -> Result<Vec<u128>> {
    (0..n)
        .map(|_| {
            let started = Instant::now();
            request()?;
            Ok(started.elapsed().as_nanos())
        })
        .collect()
}

fn many(make: &Make, threads: usize, each: usize) -> Result<Vec<u128>> {
    let start = Arc::new(Barrier::new(threads + 1));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (make, start) = (Arc::clone(make), Arc::clone(&start));
            std::thread::spawn(move || {
                let mut contestant = make().expect("a contestant");
                contestant.request().expect("a first request");
                start.wait();
                times(each, || contestant.request()).expect("requests")
            })
        })
        .collect();
    start.wait();
    let started = Instant::now();
    let mut calls = Vec::new();
    for worker in workers {
        calls.extend(worker.join().map_err(|_| "a worker failed")?);
    }
    calls.insert(0, started.elapsed().as_nanos());
    Ok(calls)
}

fn make(arguments: &[String]) -> Result<Make> {
    let [name, url, ca, rest @ ..] = arguments else {
        return Err("NAME URL CA [PSK_FILE]".into());
    };
    let (url, ca) = (url.clone(), std::fs::read(ca)?);
    let psk = rest.first().map(std::fs::read).transpose()?;
    let address = url.strip_prefix("https://").ok_or("an https URL")?.to_owned();
    Ok(match (name.as_str(), psk) {
        ("floor", None) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(&ca)?)?;
            let provider = Arc::new(rustls::crypto::CryptoProvider {
                kx_groups: vec![
                    rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768,
                    rustls::crypto::aws_lc_rs::kx_group::X25519,
                    rustls::crypto::aws_lc_rs::kx_group::SECP256R1,
                ],
                ..rustls::crypto::aws_lc_rs::default_provider()
            });
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
            let config = Arc::new(config);
            Arc::new(move || {
                let session = ClientConnection::new(Arc::clone(&config), ServerName::try_from("127.0.0.1")?)?;
                Ok(Box::new(Floor(StreamOwned::new(session, connect(&address)?))))
            })
        }
        ("floor", Some(psk)) => {
            let psk = Psk::from_file_content(&psk, None)?;
            let mut context = SslContext::builder(SslMethod::tls_client())?;
            context.set_min_proto_version(Some(SslVersion::TLS1_3))?;
            context.set_verify(SslVerifyMode::PEER);
            let shared = skip_tls_psk::Psk::new(psk.identity().as_bytes(), psk.key().expose());
            skip_tls_psk::offer(&mut context, shared, Some(skip_tls_psk::Hash::Sha384))?;
            let context = context.build();
            Arc::new(move || {
                let mut stream = SslStream::new(Ssl::new(&context)?, connect(&address)?)?;
                stream.connect()?;
                Ok(Box::new(Floor(stream)))
            })
        }
        ("skip-client" | "skip-client-openssl", psk) => {
            let openssl = name == "skip-client-openssl";
            let psk = psk.map(|psk| Psk::from_file_content(&psk, None)).transpose()?;
            Arc::new(move || {
                let builder = Client::builder(&url)?.check_remote(false).legacy(openssl);
                let builder = match &psk {
                    Some(psk) => builder.psk(psk.clone()),
                    None => builder.ca_pem(ca.clone()),
                };
                Ok(Box::new(Skip(builder.build()?, "Bob".parse()?)))
            })
        }
        ("ureq", None) => Arc::new(move || {
            let roots = ureq::tls::RootCerts::new_with_certs(&[ureq::tls::Certificate::from_pem(&ca)?.to_owned()]);
            let agent = ureq::Agent::config_builder()
                .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
                .timeout_global(Some(Duration::from_secs(10)))
                .build()
                .new_agent();
            Ok(Box::new(Ureq(agent, format!("{url}/key?remoteSystemID=Bob"))))
        }),
        ("reqwest", None) => Arc::new(move || {
            let client = reqwest::blocking::Client::builder()
                .tls_certs_only([reqwest::Certificate::from_pem(&ca)?])
                .timeout(Duration::from_secs(10))
                .build()?;
            Ok(Box::new(Reqwest(client, format!("{url}/key?remoteSystemID=Bob"))))
        }),
        (other, _) => return Err(format!("no contestant is called {other}").into()),
    })
}

fn connect(address: &str) -> Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Fixed bytes out and in over a TLS stream: no HTTP library, no parsing, no wiping.
struct Floor<S>(S);

impl<S: Read + Write + Send> Contestant for Floor<S> {
    fn request(&mut self) -> Result<()> {
        const REQUEST: &[u8] =
            b"GET /key?remoteSystemID=Bob HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\
            Cache-Control: no-store\r\nUser-Agent: skip-client/0.1.0\r\n\r\n";
        self.0.write_all(REQUEST)?;
        let mut reply = [0; 4096];
        let mut filled = 0;
        // headers and body may arrive in two records
        while !reply[..filled].ends_with(b"}") && !reply[..filled].ends_with(b"}\n") {
            filled += match self.0.read(&mut reply[filled..])? {
                0 => return Err("closed".into()),
                n => n,
            };
        }
        Ok(())
    }
}

struct Skip(Client, SystemId);

impl Contestant for Skip {
    fn request(&mut self) -> Result<()> {
        assert_eq!(self.0.new_key(&self.1)?.bits(), 256);
        Ok(())
    }
}

struct Ureq(ureq::Agent, String);

impl Contestant for Ureq {
    fn request(&mut self) -> Result<()> {
        assert!(
            self.0
                .get(&self.1)
                .call()?
                .body_mut()
                .read_to_string()?
                .contains("keyId")
        );
        Ok(())
    }
}

struct Reqwest(reqwest::blocking::Client, String);

impl Contestant for Reqwest {
    fn request(&mut self) -> Result<()> {
        assert!(self.0.get(&self.1).send()?.text()?.contains("keyId"));
        Ok(())
    }
}
