//! `AsyncClient`: the effects of dropping a future at any point, and the cost of many queued calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skip_client::transport::{Control, Response, Transport, TransportError, WipedBuffer};
use skip_client::{
    AsyncClient, BitLength, Client, Error, ErrorCode, Headers, Psk, Request, RequestKind, Result, SystemId,
};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The state of a call when its future is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The call is queued.
    Queued,
    /// No byte of the request has left.
    Connecting,
    /// The request was sent, and no reply has arrived.
    Sent,
    /// The reply has arrived, but was not delivered.
    Replied,
}

/// A Key Provider that pauses at a point and reports it.
struct Model {
    stop: Mutex<Option<Point>>,
    reached: UnboundedSender<Point>,
    requests: AtomicUsize,
    ended: AtomicUsize,
    go_on: AtomicBool,
}

impl Model {
    fn client() -> (AsyncClient, Arc<Self>, UnboundedReceiver<Point>) {
        let (reached, points) = unbounded_channel();
        let model = Arc::new(Self {
            stop: Mutex::new(None),
            reached,
            requests: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            go_on: AtomicBool::new(false),
        });
        let client = Client::over(Box::new(Shared(Arc::clone(&model))))
            .check_remote(false)
            .build()
            .expect("a client");
        (AsyncClient::from(client).max_calls(1), model, points)
    }

    /// Waits at a point until the call is cancelled or the test continues.
    fn pass(&self, point: Point, control: &Control<'_>) -> bool {
        if *self.stop.lock().expect("unlocked") != Some(point) {
            return true;
        }
        self.reached.send(point).expect("the test listens");
        while !self.go_on.load(Ordering::SeqCst) {
            if control.check().is_err() {
                self.ended.fetch_add(1, Ordering::SeqCst);
                return point == Point::Replied;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

struct Shared(Arc<Model>);

impl Transport for Shared {
    fn exchange(&self, request: &Request, control: &Control<'_>) -> std::result::Result<Response, TransportError> {
        assert_eq!(request.kind(), RequestKind::NewKey);
        let cancelled = |sent| TransportError {
            error: Error::invalid_argument("call", "was cancelled", ""),
            sent,
        };
        if !self.0.pass(Point::Connecting, control) {
            return Err(cancelled(false));
        }
        self.0.requests.fetch_add(1, Ordering::SeqCst);
        if !self.0.pass(Point::Sent, control) {
            return Err(cancelled(true));
        }
        let key = "1f".repeat(16) + &"2e".repeat(16);
        let body = WipedBuffer::copy_of(format!(r#"{{"keyId": "{}", "key": "{key}"}}"#, "0a".repeat(16)).as_bytes());
        self.0.pass(Point::Replied, control);
        Ok(Response {
            status: 200,
            headers: Headers::default(),
            body,
        })
    }

    fn url(&self) -> &'static str {
        "model"
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_future_ends_its_call_at_every_point_and_repeats_nothing() {
    let bob: SystemId = "Bob".parse().expect("an id");
    for point in [Point::Queued, Point::Connecting, Point::Sent, Point::Replied] {
        let (kp, model, mut points) = Model::client();
        let stop = if point == Point::Queued { Point::Sent } else { point };
        *model.stop.lock().expect("unlocked") = Some(stop);
        let first = Box::pin(kp.new_key(&bob));
        let mut first = until(first, points.recv()).await;
        let mut sent = usize::from(point != Point::Connecting);
        if point == Point::Queued {
            let second = Box::pin(kp.new_key(&bob));
            let second = until(second, tokio::time::sleep(Duration::from_millis(50))).await;
            drop(second);
            model.go_on.store(true, Ordering::SeqCst);
            first.as_mut().await.expect("a key");
        } else {
            drop(first);
            while model.ended.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(model.requests.load(Ordering::SeqCst), sent, "{point:?}");

        // the only slot is free again
        *model.stop.lock().expect("unlocked") = None;
        kp.new_key(&bob).await.expect("a key");
        sent += 1;
        assert_eq!(model.requests.load(Ordering::SeqCst), sent, "{point:?}");
    }
}

/// Polls a call until another future completes; the call must not complete first.
async fn until<'a, T>(
    mut call: Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>,
    other: impl Future,
) -> Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>> {
    tokio::select! {
        _ = &mut call => panic!("the call is over"),
        _ = other => call,
    }
}

fn clients(pair: &KeyProviderPair) -> [AsyncClient; 2] {
    let patient = |builder: skip_client::ClientBuilder| {
        let long = Duration::from_mins(1);
        AsyncClient::from(builder.timeout(long).connect_timeout(long).build().expect("a client"))
    };
    let ca = std::fs::read(pair.ca()).expect("ca.pem");
    let psk = Psk::from_file_content(&std::fs::read(pair.psk()).expect("psk.txt"), None).expect("a key");
    [
        patient(Client::builder(&pair.alice().url).expect("a URL").ca_pem(ca)),
        patient(Client::builder(&pair.alice().psk_url).expect("a URL").psk(psk)),
    ]
}

fn pair(faults: Vec<Fault>) -> KeyProviderPair {
    KeyProviderPair::start(PairOptions {
        faults,
        ..PairOptions::default()
    })
    .expect("a pair")
}

/// Real connections, dropped at any time: each call requests a key at most once, and later calls work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn futures_dropped_at_any_time_break_nothing() {
    const CALLS: u64 = 150;
    let pair = pair(Vec::new());
    let bob: SystemId = "Bob".parse().expect("an id");
    for kp in clients(&pair) {
        kp.capabilities().await.expect("capabilities");
        let before = pair.stats();
        let mut got = 0;
        for call in 0..CALLS {
            let patience = Duration::from_micros(fastrand::u64(0..3000) * (call % 4));
            if let Ok(key) = tokio::time::timeout(patience, kp.new_key(&bob)).await {
                assert_eq!(key.expect("a key").bits(), 256);
                got += 1;
            }
        }
        let all = (0..200).map(|_| {
            let (kp, bob) = (kp.clone(), bob.clone());
            tokio::spawn(async move { kp.call().size(BitLength::new(128)?).new_key(&bob).await })
        });
        for key in all.collect::<Vec<_>>() {
            assert_eq!(key.await.expect("no panic").expect("a key").bits(), 128);
        }
        let issued = pair.stats().keys_issued - before.keys_issued;
        assert!(
            (got + 200..=CALLS + 200).contains(&issued),
            "{issued} keys for {got} answers"
        );
        assert_eq!(pair.stats().refused, before.refused);
    }
}

#[tokio::test]
async fn errors_are_those_of_the_blocking_client() {
    let bob: SystemId = "Bob".parse().expect("an id");
    for fault in [Fault::AllZeroKey, Fault::Key500] {
        let pair = pair(vec![fault]);
        let ca = std::fs::read(pair.ca()).expect("ca.pem");
        let make = || {
            Client::builder(&pair.alice().url)
                .expect("a URL")
                .ca_pem(ca.clone())
                .build()
                .expect("a client")
        };
        let kp = make();
        let expected = tokio::task::spawn_blocking(move || kp.new_key(&"Bob".parse()?))
            .await
            .expect("no panic")
            .err();
        let kp = AsyncClient::from(make());
        assert_eq!(kp.new_key(&bob).await.err(), expected);
        assert!(expected.is_some());
        kp.close();
        let closed = kp.new_key(&bob).await.expect_err("closed");
        assert_eq!(closed.code(), ErrorCode::InvalidArgument);
    }
}

#[tokio::test]
async fn timeouts_and_close_end_calls() {
    let pair = pair(vec![Fault::Stall]);
    for kp in clients(&pair) {
        let call = kp.call().timeout(Duration::from_millis(300));
        let error = call.new_key(&"Bob".parse().expect("an id")).await.expect_err("stalls");
        assert_eq!(error.code(), ErrorCode::TimedOut);
        let other = kp.clone();
        let call = tokio::spawn(async move { other.new_key(&"Bob".parse()?).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        kp.close();
        let ended = call.await.expect("no panic").expect_err("closed");
        assert_eq!(ended.code(), ErrorCode::InvalidArgument);
    }
}
