//! People who visit sites while others are changed: some with a connection for each request, some who keep theirs.

use crate::contract::proxy::bench::{Reply, connect, exchange};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslStream};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::Instant;

/// A visitor leaves after so many requests, or so long, whatever happens.
const REQUESTS_MAX: u64 = 50_000;
const STAY_MAX: Duration = Duration::from_secs(120);
/// Between two requests of one visitor.
const PAUSE: Duration = Duration::from_millis(10);
/// Of failures so many are told.
const FAILURES_MAX: usize = 20;

/// What visitors met.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// Answered requests on a connection of their own.
    pub(super) fresh: u64,
    /// Answered requests on a connection that was kept.
    pub(super) kept: u64,
    /// Kept connections that nginx had closed while nobody used them: the request was sent again on a new one, as every
    /// client does (RFC 9112, section 9.3.1).
    pub(super) renewed: u64,
    /// What was not the login page.
    pub(super) failed: Vec<String>,
}

/// Two visitors of each kind.
pub(super) struct Visitors {
    leaving: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Visits>>,
}

impl Visitors {
    /// They visit `hosts` in turn from now on.
    pub(super) fn come(hosts: &[String], port: u16) -> Self {
        let leaving = Arc::new(AtomicBool::new(false));
        let threads = [false, true, false, true].map(|keeps| {
            let (leaving, hosts) = (Arc::clone(&leaving), hosts.to_vec());
            std::thread::spawn(move || visit(&hosts, port, keeps, &leaving))
        });
        Self { leaving, threads: threads.into() }
    }

    /// All that they met.
    pub(super) fn leave(self) -> Visits {
        self.leaving.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).fold(Visits::default(), |mut all, visits| {
            all.fresh += visits.fresh;
            all.kept += visits.kept;
            all.renewed += visits.renewed;
            all.failed.extend(visits.failed);
            all
        })
    }
}

fn visit(hosts: &[String], port: u16, keeps: bool, leaving: &AtomicBool) -> Visits {
    // No roots are loaded and nothing is verified: which certificate is right is not what is tested here.
    let (tls, began) = (SslContextBuilder::new(SslMethod::tls_client()).unwrap().build(), Instant::now());
    let mut connections: Vec<Option<SslStream<TcpStream>>> = hosts.iter().map(|_| None).collect();
    let mut visits = Visits::default();
    for number in 0..REQUESTS_MAX {
        if leaving.load(Ordering::Relaxed) || began.elapsed() > STAY_MAX || visits.failed.len() >= FAILURES_MAX {
            break;
        }
        let at = usize::try_from(number).unwrap() % hosts.len();
        let visitor = Visitor { host: &hosts[at], port, tls: &tls };
        let answer = match keeps {
            true => visitor.kept(&mut connections[at], &mut visits),
            false => {
                visitor.fresh("close").map(|(reply, _)| visits.fresh += check(&reply, &visitor, &mut visits.failed))
            }
        };
        if let Err(error) = answer {
            visits.failed.push(format!("{}: {error}", hosts[at]));
        }
        std::thread::sleep(PAUSE);
    }
    visits
}

/// 1 for the login page.
fn check(reply: &Reply, visitor: &Visitor<'_>, failed: &mut Vec<String>) -> u64 {
    let is_whole = reply.header("content-length") == reply.body.len().to_string();
    let is_right = reply.status == 200 && is_whole && reply.body.contains("csrf_token");
    if !is_right {
        failed.push(format!("{}: {} {}", visitor.host, reply.status, reply.body));
    }
    u64::from(is_right)
}

struct Visitor<'a> {
    host: &'a str,
    port: u16,
    tls: &'a SslContext,
}

impl Visitor<'_> {
    fn request(&self, connection: &str) -> String {
        format!("GET /web/login HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n\r\n", self.host)
    }

    /// Over a new connection, which is given back.
    fn fresh(&self, connection: &str) -> Result<(Reply, SslStream<TcpStream>), String> {
        let mut tls = Ssl::new(self.tls).unwrap();
        tls.set_hostname(self.host).unwrap();
        let mut stream = tls.connect(connect(self.port)).map_err(|error| error.to_string())?;
        let reply = exchange(&mut stream, &self.request(connection))?;
        Ok((reply, stream))
    }

    /// Over the connection that was kept, or over a new one where nginx closed it meanwhile.
    fn kept(&self, kept: &mut Option<SslStream<TcpStream>>, visits: &mut Visits) -> Result<(), String> {
        let used = kept.take().map(|mut stream| (exchange(&mut stream, &self.request("keep-alive")), stream));
        let (reply, stream, was_kept) = match used {
            Some((Ok(reply), stream)) => (reply, stream, true),
            // Not one byte of an answer came.
            Some((Err(_), _)) => {
                visits.renewed += 1;
                let (reply, stream) = self.fresh("keep-alive")?;
                (reply, stream, false)
            }
            None => {
                let (reply, stream) = self.fresh("keep-alive")?;
                (reply, stream, false)
            }
        };
        let right = check(&reply, self, &mut visits.failed);
        if was_kept {
            visits.kept += right
        } else {
            visits.fresh += right
        }
        if reply.header("connection") != "close" {
            *kept = Some(stream);
        }
        Ok(())
    }
}
