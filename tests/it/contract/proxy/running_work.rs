//! What runs on is not cut while sites are changed: slow readers, slow writers, long requests and websockets over ten
//! reloads, on a server behind nginx that treats its sockets as Odoo's workers do.

use super::bench::{Bench, ReservedPorts, encrypted, wait_until};
use innkeeper::edges::Proxy;
use rustix::net::sockopt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;
use tokio::time::Instant;

const HOST: &str = "acme.fleet.test";
/// One site more each.
const RELOADS: usize = 10;
const BETWEEN_RELOADS: Duration = Duration::from_millis(700);
/// A worker of Odoo gives a socket so long to take or to give bytes, where nothing else is set.
const SOCKET_PATIENCE: Duration = Duration::from_secs(2);
/// Each answers one request at a time.
const WORKERS: usize = 8;
const FILE_BYTES: usize = 24 << 20;
/// What the kernel keeps for a sender or reader who waits; without a bound most of the file would lie in there.
const SOCKET_BYTES: usize = 128 << 10;
/// Longer than all reloads together, and than the ten seconds that were once given to old workers.
const LONG_REQUEST: Duration = Duration::from_secs(19);
/// Reading or writing one file takes as long.
const FILE_TAKES: Duration = Duration::from_secs(19);
const CHUNK_BYTES: usize = 64 << 10;
/// How long a reader in a tunnel takes nothing.
const TUNNEL: Duration = Duration::from_secs(5);
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves as Odoo does: a few workers at `port`, websockets at its neighbour.
fn serve_as_odoo(port: u16) {
    let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
    for _ in 0..WORKERS {
        let listener = Arc::clone(&listener);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away is what its own test notices.
                drop(work(stream));
            }
        });
    }
    let gevent = TcpListener::bind((Ipv4Addr::LOCALHOST, port + 1)).unwrap();
    std::thread::spawn(move || {
        for stream in gevent.incoming().flatten() {
            std::thread::spawn(move || drop(talk(stream)));
        }
    });
}

/// One request, as a worker of Odoo handles it.
fn work(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SOCKET_PATIENCE))?;
    stream.set_write_timeout(Some(SOCKET_PATIENCE))?;
    sockopt::set_socket_send_buffer_size(&stream, SOCKET_BYTES)?;
    let head = head(&mut stream)?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: u64 = length.map_or(0, |length| length.parse().unwrap());
    let taken = std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink())?;
    let bytes = if head.starts_with("GET /web/content/") { FILE_BYTES } else { 0 };
    if head.starts_with("POST /web/long") {
        sleep(LONG_REQUEST);
    }
    let text = format!("took {taken}");
    let length = bytes + text.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")?;
    stream.write_all(&vec![b'x'; bytes])
}

/// A websocket, as far as nginx knows: after the upgrade bytes go either way, here back to who sent them.
fn talk(mut stream: TcpStream) -> std::io::Result<()> {
    head(&mut stream)?;
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")?;
    let mut byte = [0];
    while stream.read(&mut byte)? > 0 {
        stream.write_all(&byte)?;
    }
    Ok(())
}

fn head(stream: &mut impl Read) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Sends `request` and gives back its answer's head.
fn ask(stream: &mut (impl Read + Write), request: &str) -> Result<String, String> {
    let request = format!("{request}\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).and_then(|()| head(stream)).map_err(|error| error.to_string())
}

/// Takes the file; `due` tells when so many bytes may have been taken.
fn read_slowly(port: u16, begun: &AtomicUsize, due: impl Fn(usize) -> Duration) -> Result<(), String> {
    let mut stream = encrypted(port, HOST)?;
    sockopt::set_socket_recv_buffer_size(stream.get_ref(), SOCKET_BYTES).unwrap();
    let head = ask(&mut stream, "GET /web/content/1 HTTP/1.1\r\nConnection: close")?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).ok_or(head.clone())?;
    begun.fetch_add(1, Ordering::Relaxed);
    let (mut taken, mut chunk, began) = (0, vec![0; CHUNK_BYTES], Instant::now());
    loop {
        sleep(due(taken).saturating_sub(began.elapsed()));
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(some) => taken += some,
            Err(error) => return Err(format!("{error} after {taken} of {length} bytes")),
        }
    }
    (taken.to_string() == length).then_some(()).ok_or_else(|| format!("{taken} of {length} bytes"))
}

/// Sends the file over [`FILE_TAKES`].
fn write_slowly(port: u16, begun: &AtomicUsize) -> Result<(), String> {
    let mut stream = encrypted(port, HOST)?;
    let begin = format!("POST /web/binary/upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {FILE_BYTES}\r\n");
    let mut send = |bytes: &[u8]| stream.write_all(bytes).map_err(|error| error.to_string());
    send(format!("{begin}Connection: close\r\n\r\n").as_bytes())?;
    begun.fetch_add(1, Ordering::Relaxed);
    let chunks = FILE_BYTES / CHUNK_BYTES;
    for sent in 0..chunks {
        send(&[b'y'; CHUNK_BYTES]).map_err(|error| format!("{error} after {sent} of {chunks} pieces"))?;
        sleep(FILE_TAKES / u32::try_from(chunks).unwrap());
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    answer.ends_with(&format!("took {FILE_BYTES}")).then_some(()).ok_or(answer)
}

/// A request that Odoo works on for [`LONG_REQUEST`].
fn wait_long(port: u16, begun: &AtomicUsize) -> Result<(), String> {
    let mut stream = encrypted(port, HOST)?;
    stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    begun.fetch_add(1, Ordering::Relaxed);
    let head = ask(&mut stream, "POST /web/long HTTP/1.1\r\nContent-Length: 0\r\nConnection: close")?;
    head.starts_with("HTTP/1.1 200").then_some(()).ok_or(head)
}

/// A websocket over which something is said until `over`, and once more then.
fn stay(port: u16, over: &AtomicBool) -> Result<(), String> {
    let mut stream = encrypted(port, HOST)?;
    let head = ask(&mut stream, "GET /websocket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket")?;
    if !head.starts_with("HTTP/1.1 101") {
        return Err(head);
    }
    let mut last = false;
    loop {
        let mut byte = [0];
        let echoed = stream.write_all(b"p").and_then(|()| stream.read_exact(&mut byte));
        echoed.map_err(|error| format!("closed: {error}"))?;
        if last {
            return Ok(());
        }
        last = over.load(Ordering::Relaxed);
        sleep(Duration::from_millis(200));
    }
}

type Work = (&'static str, JoinHandle<Result<(), String>>);

/// Counts itself when it has begun, and fails when it was cut.
type Task = Box<dyn FnOnce(&AtomicUsize) -> Result<(), String> + Send>;

/// Everything that runs from before the first reload on.
fn begin_all(port: u16) -> Vec<Work> {
    let begun = Arc::new(AtomicUsize::new(0));
    let steadily = |taken: usize| FILE_TAKES.mul_f64(taken as f64 / FILE_BYTES as f64);
    // The first one right behind the head, while most of the file is still with Odoo.
    let through_tunnels = |taken: usize| TUNNEL * u32::try_from(1 + taken / (FILE_BYTES / 3)).unwrap();
    let mut all: Vec<Work> = Vec::new();
    let mut begin = |kind, work: Task| {
        let begun = Arc::clone(&begun);
        all.push((kind, std::thread::spawn(move || work(&begun))));
    };
    for _ in 0..2 {
        begin("downloads", Box::new(move |begun| read_slowly(port, begun, steadily)));
        begin("downloads", Box::new(move |begun| read_slowly(port, begun, through_tunnels)));
        begin("uploads", Box::new(move |begun| write_slowly(port, begun)));
        begin("long_requests", Box::new(move |begun| wait_long(port, begun)));
    }
    wait_until("all have begun", || begun.load(Ordering::Relaxed) == all.len());
    all
}

/// Memory of nginx's old workers, of which the kernel knows how many share each page: KiB.
fn old_workers(bench: &Bench) -> Vec<u64> {
    let master = std::fs::read_to_string(&bench.settings.pid_file).unwrap();
    let master = master.trim();
    let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    let share = |pid: &str| {
        let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let pages = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let share = pages.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().trim_end_matches(" kB");
        title.contains("shutting down").then(|| share.parse().unwrap())
    };
    children.split_whitespace().filter_map(share).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_reloads_cut_no_download_upload_long_request_or_websocket() {
    let mut bench = Bench::start();
    let ports = ReservedPorts::new();
    let mut acme = bench.row("acme");
    acme.ports.http = ports.port(0);
    serve_as_odoo(acme.ports.http);
    assert_eq!(bench.put(&[acme]).await, super::NOTHING);
    let (port, over) = (bench.settings.https_port, Arc::new(AtomicBool::new(false)));
    let websocket = || -> Work {
        let over = Arc::clone(&over);
        ("websockets", std::thread::spawn(move || stay(port, &over)))
    };

    let began = Instant::now();
    let mut works = begin_all(port);
    works.push(websocket());
    let reloads = bench.proxy.reloads();
    for number in 0..RELOADS {
        assert_eq!(bench.put(&[bench.row(&format!("other{number}"))]).await, super::NOTHING);
        works.push(websocket());
        sleep(BETWEEN_RELOADS);
    }
    let (reloads, reloading) = (bench.proxy.reloads() - reloads, began.elapsed());
    let (old, draining) = (old_workers(&bench), bench.proxy.draining().await);
    assert_eq!(draining, old.len(), "one worker each");
    for (_, work) in works.iter().filter(|(kind, _)| *kind != "websockets") {
        wait_until_done(work);
    }
    over.store(true, Ordering::Relaxed);
    tell(works, reloads, reloading, &old);
    wait_until("the old workers have ended", || old_workers(&bench).is_empty());
    assert_eq!(bench.proxy.draining().await, 0);
    bench.stop_nginx();
}

fn wait_until_done(work: &JoinHandle<Result<(), String>>) {
    let began = Instant::now();
    while !work.is_finished() {
        assert!(began.elapsed() < PATIENCE, "work does not end");
        sleep(Duration::from_millis(50));
    }
}

/// Prints what was cut; nothing may be.
#[expect(clippy::print_stdout, reason = "the figures are what this test is read for")]
fn tell(works: Vec<Work>, reloads: u64, reloading: Duration, old: &[u64]) {
    println!("running_work_reloads {reloads} reloads");
    println!("running_work_reloading {:.1} s", reloading.as_secs_f64());
    println!("running_work_old_workers {} workers", old.len());
    println!("running_work_old_workers_memory {} KiB", old.iter().sum::<u64>());
    let done: Vec<(&str, Result<(), String>)> =
        works.into_iter().map(|(kind, work)| (kind, work.join().unwrap())).collect();
    for kind in ["downloads", "uploads", "long_requests", "websockets"] {
        let all = done.iter().filter(|(of, _)| *of == kind);
        let cut = all.clone().filter(|(_, end)| end.is_err()).count();
        println!("running_work_{kind}_cut {cut} of {}", all.count());
    }
    let cut: Vec<_> = done.iter().filter_map(|(kind, end)| Some((kind, end.as_ref().err()?))).collect();
    assert!(cut.is_empty(), "{cut:#?}");
    assert!(reloads >= RELOADS as u64, "{reloads} reloads");
    assert!(!old.is_empty(), "no old worker was left with anything to do: nothing was shown");
}
