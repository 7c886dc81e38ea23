//! An nginx of the test's own, held to the promises.

use super::bench::{BASE, Bench, wait_until};
use crate::contract::promises::Side;
use crate::contract::promises::proxy::{Sites, proxy};
use innkeeper::edges::Proxy;
use innkeeper::model::name::Domain;
use innkeeper::model::site::SiteRow;

proxy!(Bench);

impl Side for Bench {
    fn hold(promised: impl AsyncFnOnce(&Self)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Self::start_with("include conf.d/*.conf;");
        std::fs::create_dir(bench.at("conf.d")).unwrap();
        runtime.block_on(promised(&bench));
    }
}

impl Sites for Bench {
    fn proxy(&self) -> &dyn Proxy {
        &self.proxy
    }

    fn row(&self, instance: &str) -> SiteRow {
        Bench::row(self, instance)
    }

    fn serve_as_somebody_else(&self, host: &Domain) {
        let server = format!("server {{ listen 127.0.0.1:1; server_name {host}; }}");
        std::fs::write(self.at("conf.d/somebody.conf"), server).unwrap();
    }

    fn edit(&self, row: &SiteRow) {
        let text = std::fs::read_to_string(self.shared_file()).unwrap();
        let line = format!("{}.{BASE} 127.0.0.1:{};", row.instance, row.ports.http);
        assert!(text.contains(&line), "{text}");
        let edited = text.replacen(&line, &format!("{}.{BASE} 127.0.0.1:1;", row.instance), 1);
        std::fs::write(self.shared_file(), edited).unwrap();
    }

    fn close_websockets(&self, _row: &SiteRow) {
        // The bench's server opens none.
    }

    fn stop(&self) {
        let master = std::fs::read_to_string(&self.settings.pid_file).unwrap().trim().parse().unwrap();
        let id = rustix::process::Pid::from_raw(master).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        // The master ends after its workers, and takes its file with it.
        wait_until("nginx has ended", || !self.settings.pid_file.exists());
    }
}
