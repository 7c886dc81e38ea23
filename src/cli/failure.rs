//! What a command ends with: an exit code, or a failure that says what, where, why and what to do.

use crate::model::problem::Problem;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// `status --check`: something does not serve.
    NotReady = 3,
    /// No such instance, plan or backup.
    NoSuch = 4,
    /// The daemon, Docker, PostgreSQL or nginx cannot be reached.
    Unreachable = 5,
    /// Files have problems.
    Invalid = 6,
    /// Some of it was applied.
    Partly = 7,
    /// Refused by a guard, or not confirmed.
    Refused = 8,
    /// Timed out waiting; the work goes on.
    TimedOut = 9,
    /// `plan --detailed-exitcode`: changes are pending.
    Pending = 10,
}

impl Exit {
    /// All of them, in a few words.
    pub(crate) const ALL: [(Self, &str); 11] = [
        (Self::Done, "done, or nothing to do"),
        (Self::Failed, "failed"),
        (Self::Usage, "the command line cannot be understood"),
        (Self::NotReady, "not ready (status --check, is-running, is-healthy)"),
        (Self::NoSuch, "no such instance, plan or backup"),
        (Self::Unreachable, "daemon, Docker, PostgreSQL or nginx unreachable"),
        (Self::Invalid, "files have problems"),
        (Self::Partly, "partly applied"),
        (Self::Refused, "refused by a guard, or not confirmed"),
        (Self::TimedOut, "timed out waiting; the work goes on"),
        (Self::Pending, "changes pending (plan --detailed-exitcode)"),
    ];
}

/// Every kind of failure of the command line itself. Faults in files have the codes of [`crate::spec::codes`].
macro_rules! troubles {
    ($($name:ident = $code:literal, $exit:ident, $title:literal, $text:literal;)*) => {
        /// A kind of failure, with its code and exit code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Trouble {
            $(#[doc = $title] $name,)*
        }

        impl Trouble {
            /// All of them, in the order of their codes.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code for `innkeeper explain`.
            pub(crate) fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The exit code it ends with.
            pub(crate) fn exit(self) -> Exit {
                match self { $(Self::$name => Exit::$exit,)* }
            }

            /// One line.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The long text of `innkeeper explain`.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

troubles! {
    Usage = "IK0001", Usage, "the command line cannot be understood",
        "A command, flag or value is not one that Innkeeper knows. `innkeeper --help` lists the commands, `innkeeper COMMAND --help` the flags of one.";
    Failed = "IK0002", Failed, "something failed that has no code of its own",
        "The message says what was being done and why it failed. Nothing else can be said in general; run the command again with -vv to see more.";
    Files = "IK0003", Failed, "a file cannot be read or written",
        "The operating system refused: the path does not exist, is not a file, or the disk is full. The message names the path and the reason.";
    Forbidden = "IK0004", Failed, "permission denied",
        "Settings, state and secrets belong to the user that the daemon runs as, usually root. Run the command as that user (`sudo innkeeper …`).\nThe installation key is readable by its owner alone, on purpose: whoever reads it can derive every password of the installation.";
    NoFleet = "IK0005", Invalid, "there is no fleet in this directory",
        "A fleet is a directory with `innkeeper.toml` (the settings of this host), `plans.toml`, `instances.d/` and `nginx-templates/`.\nCommands look in --fleet DIR, then in $INNKEEPER_FLEET, then in the current directory. `innkeeper init DIR` writes a new one.";
    InvalidFiles = "IK0006", Invalid, "files have problems",
        "The instances' files could be read, but some cannot be obeyed: their last good versions stay in force. `innkeeper check` prints all problems with line and column.";
    Preferences = "IK0007", Invalid, "the dashboard's own file has problems",
        "`innkeeper top` reads keys and theme from `$XDG_CONFIG_HOME/innkeeper/top.toml` (or --preferences FILE, $INNKEEPER_TOP). Actions are named as in the help of the dashboard (?); a key does one thing in each view; what a customer would notice has no key. Correct the file or move it away.";
    NoSuchInstance = "IK0201", NoSuch, "no such instance",
        "An instance is called as its file in `instances.d/` is, without `.toml`. `innkeeper status` lists all of them; `innkeeper new NAME …` writes the file of a new one.";
    NoSuchPlan = "IK0202", NoSuch, "no such service plan",
        "Service plans are the tables of `plans.toml`. `innkeeper plans` lists them with their limits and free places.";
    NoSuchCode = "IK0203", NoSuch, "no such code",
        "`innkeeper explain` without a code lists all that there are.";
    NotConfirmed = "IK0301", Refused, "not confirmed",
        "`apply` shows what it would do and asks for `yes` on a terminal. Without a terminal nobody can be asked: give --yes, or a plan saved before with `plan --out FILE` and reviewed.\n`retire` takes the instance's name twice, so that nobody retires a customer by a slip: `innkeeper retire acme --confirm acme`.";
    Exists = "IK0302", Refused, "a file is in the way",
        "`init` and `new` never overwrite a file. Choose another name or directory, or edit the file that is there.";
    StalePlan = "IK0303", Refused, "the saved plan is stale",
        "A saved plan holds the hash of what it was made from: the files and what was found running. One of them changed since, so applying it could do something that nobody looked at. Make a new one with `plan --out FILE`.";
    Guarded = "IK0304", Refused, "the guard against mass changes refused",
        "Something that cannot be taken back at once was refused: more instances would be retired, stopped or purged within an hour, or changed at once, than `[guard]` in innkeeper.toml allows; or files are gone while customers are known; or an instance is protected. Nothing was done to those that are named.\nIf the number is what you meant: `innkeeper apply --max-destroy N --confirm NAME…`, or `--confirm-all N` with the very number that is waiting. It lets them through once. Missing files are put back; no flag helps against a fleet without any valid file.";
    NoDaemon = "IK0401", Unreachable, "the daemon cannot be reached",
        "The daemon (`innkeeper run`) answers on `control.sock` in the state directory. It is not running, still starting, or this user may not use its socket.";
    NoDocker = "IK0402", Unreachable, "Docker cannot be reached",
        "The address is `docker.host` in innkeeper.toml. See whether the engine runs (`systemctl status docker`, `docker info`) and whether this user may use its socket.\nNothing is removed or made while Docker cannot be seen; the daemon goes on when it answers again.";
    NoPostgres = "IK0403", Unreachable, "PostgreSQL cannot be reached",
        "The address is `postgres.url` in innkeeper.toml, the password stands in `postgres.password_file`. `innkeeper doctor` says which part of it fails.\nNo database is made or touched while PostgreSQL cannot be seen; the daemon goes on when it answers again.";
    NoNginx = "IK0404", Unreachable, "nginx cannot be reached",
        "nginx does not run, or its configuration lacks the line `include <config_dir>/current/*.conf;` within `http { }`. `innkeeper doctor` says which.";
    NoAuthority = "IK0405", Unreachable, "the certificate store or the certificate authority cannot be reached",
        "The authority's address is `acme.directory` in innkeeper.toml, certificates stand in `secrets/certificates` of the state directory. Sites that have a certificate keep it.";
    NoArchive = "IK0409", Unreachable, "the archive of backups cannot be read",
        "Backups stand below `backup.directory` in innkeeper.toml. The directory is there and cannot be read: see who owns it, and whether its disk is mounted.\nNothing is deleted while its backup cannot be seen.";
    NoSystem = "IK0408", Unreachable, "a system cannot be reached",
        "Docker, PostgreSQL, nginx or the certificate authority did not answer while the work was going on. `innkeeper doctor` says which and how to mend it.";
    Locked = "IK0406", Failed, "another Innkeeper works on this installation",
        "Only one daemon or one-shot `apply` may change an installation at a time. The message says who holds the lock; `innkeeper apply` hands itself over to a running daemon.";
    KeyMissing = "IK0407", Failed, "the installation cannot be opened",
        "The state directory or the installation key in it (`secrets/installation.key`) cannot be used. Every password of the installation is derived from that key: a lost one is restored from your backup, never made anew.";
    PartlyApplied = "IK0501", Partly, "some of it was applied",
        "Some instances are as their files ask, others are not. Those that are not are listed with the reason; `innkeeper info NAME` and `innkeeper events NAME` say more. A daemon tries again by itself.";
    NotApplied = "IK0502", Failed, "nothing was applied",
        "Not one of the instances could be brought to what its file asks. They are listed with the reason; `innkeeper info NAME` and `innkeeper events NAME` say more.";
    WillNotCome = "IK0503", Failed, "it cannot come to what is waited for",
        "A step failed in a way that trying again does not mend, the file asks for another state than the one waited for, or a restart was asked for of one that is retired. `innkeeper info NAME` says what is wrong; once the file or the host is corrected it goes on.";
    NeverSeen = "IK0504", Failed, "the instance was never brought up",
        "An instance gets its identity, from which its passwords are derived, when the daemon (or `apply`) first sees its file. Before that there is nothing to restart and no credentials.";
    TimedOut = "IK0601", TimedOut, "timed out waiting",
        "The time given by --timeout passed. The work goes on in the daemon; wait again, or look at it with `innkeeper info NAME`.";
    Unwatched = "IK0602", Failed, "no longer watched",
        "The command was interrupted. A daemon goes on with the work; what a one-shot `apply` left in the middle is taken up by the next one, without damage.";
    Unwell = "IK0701", Failed, "doctor found something to mend",
        "Each line that says FAIL names what is wrong and how to mend it.";
}

/// Why a command failed. Printed once, by [`super::run`].
#[derive(Debug)]
pub(crate) struct Failure {
    /// Its kind. Where files have problems, the first problem's code is told instead of its own.
    pub(crate) trouble: Trouble,
    /// What the program ends with.
    pub(crate) exit: Exit,
    /// What, where and why, as a sentence without a full stop. Where files have problems: what they mean for the
    /// command.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The file it is about.
    pub(crate) file: Option<PathBuf>,
    /// All faults found in files, when that is why.
    pub(crate) problems: Vec<Problem>,
    /// The answer with this error in it was already written: only the text for people is still to be printed.
    pub(crate) answered: bool,
    /// Nothing is to be said any more: it was said, or whoever read stdout went away.
    pub(crate) silent: bool,
}

impl Failure {
    /// A failure of one kind.
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self {
            trouble,
            exit: trouble.exit(),
            message: message.into(),
            hint: None,
            file: None,
            problems: Vec::new(),
            answered: false,
            silent: false,
        }
    }

    /// Says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which file it is about.
    pub(crate) fn file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Remembers that the answer on stdout already holds this failure.
    pub(crate) fn answered(mut self) -> Self {
        self.answered = true;
        self
    }

    /// Faults in files, and what they mean for the command ("nothing was written").
    pub(crate) fn of_problems(problems: Vec<Problem>, so: &str) -> Self {
        Self { problems, ..Self::new(Trouble::InvalidFiles, so) }
    }

    /// Reading or writing `path` failed.
    pub(crate) fn of_file(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        let trouble = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Trouble::Forbidden,
            _ => Trouble::Files,
        };
        let failure = Self::new(trouble, format!("could not {doing} {}: {error}", path.display())).file(path);
        match trouble {
            Trouble::Forbidden => failure.hint("run it as the user that owns the file, usually root"),
            _ => failure,
        }
    }

    /// Writing the answer failed. A reader that went away (`| head`) is no failure.
    pub(crate) fn of_stdout(error: &std::io::Error) -> Self {
        let mut failure = Self::new(Trouble::Files, format!("could not write the answer to stdout: {error}"));
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            failure.silent = true;
            failure.exit = Exit::Done;
        }
        failure
    }

    /// The `error` member of a JSON document: the first problem where files have problems.
    pub(crate) fn member(&self) -> ErrorMember<'_> {
        let place = |number: u32| (number > 0).then_some(number);
        match self.problems.first() {
            Some(first) => ErrorMember {
                code: &first.code,
                message: &first.message,
                hint: first.hint.as_deref(),
                file: Some(&first.file),
                line: place(first.line),
                column: place(first.column),
                problems: &self.problems,
            },
            None => ErrorMember {
                code: self.trouble.code(),
                message: &self.message,
                hint: self.hint.as_deref(),
                file: self.file.as_deref(),
                line: None,
                column: None,
                problems: &[],
            },
        }
    }

    /// The whole JSON document of a command that has no other answer.
    pub(crate) fn document(&self) -> ErrorDocument<'_> {
        ErrorDocument { schema: crate::model::status::SCHEMA, error: self.member() }
    }
}

/// `{"schema":1,"error":{…}}`
#[derive(Debug, Serialize)]
pub(crate) struct ErrorDocument<'a> {
    schema: u32,
    error: ErrorMember<'a>,
}

/// The `error` member of a document.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorMember<'a> {
    code: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
    file: Option<&'a Path>,
    line: Option<u32>,
    column: Option<u32>,
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    problems: &'a [Problem],
}
