//! The codes of all faults that a file can have, listed once: the readers name them, `innkeeper explain` prints them.

/// One kind of fault, for `innkeeper explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `IK0107`.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it means, why it is a rule, what to do: a paragraph.
    pub text: &'static str,
}

/// The codes of faults in files: `IK01xx`.
pub fn codes() -> &'static [Code] {
    ALL
}

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal, $text:literal;)*) => {
        $(pub(super) static $name: Code = Code { code: $code, title: $title, text: $text };)*
        static ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    UNREADABLE = "IK0101", "file cannot be read",
        "The file is there, but the system refused to open or read it; the message holds the system's own words. Check \
         its owner and mode: Innkeeper's user must be able to read it. Until then the last good version stays in force.";
    NOT_A_FILE = "IK0102", "not a regular file",
        "A directory, a socket, a pipe, a device or a symlink that leads nowhere or in a circle stands where a file is \
         expected. Only regular files (or symlinks to them) are read. Remove it or give it a name without `.toml`.";
    FILE_NAME = "IK0103", "file name is not an instance name",
        "A file's name without `.toml` is the instance's name and its one identifier. It becomes part of the names of \
         database, volume and container, so it holds 1 to 40 lower-case letters, digits and hyphens, with no hyphen at \
         either end. Rename the file; before it was ever applied this has no other effect.";
    TOO_LARGE = "IK0104", "file is too large",
        "Files over 1 MiB are refused unread. An instance file has about 1 KiB: this one is probably something else.";
    NOT_TEXT = "IK0105", "file is not text",
        "The file holds bytes that are not UTF-8, or zero bytes. Save it as plain UTF-8 text.";
    EMPTY = "IK0106", "file is empty",
        "An empty file is taken for one that is still being written, never for a wish to remove anything. The last good \
         version stays in force. To retire an instance, set `state = \"absent\"`.";
    SYNTAX = "IK0107", "not TOML",
        "The text breaks TOML's grammar (https://toml.io) at the place given. Usual causes: a text without quotes, a \
         missing quote at the end, a bracket that is not closed, a file that was only half written.";
    DUPLICATE_KEY = "IK0108", "key given twice",
        "A key or table stands twice in the same file. Which of them was meant cannot be known. Remove one.";
    UNKNOWN_KEY = "IK0109", "unknown key",
        "The key or table is not one that Innkeeper reads. It is refused, not ignored, because a misspelt `protected` \
         would protect nothing. `innkeeper schema instance|plans|settings` lists all keys.";
    UNKNOWN_PLAN = "IK0110", "unknown plan",
        "The plan that the instance names is not a table of plans.toml. `innkeeper plans` lists the plans.";
    WRONG_TYPE = "IK0111", "value of the wrong type",
        "TOML tells texts (in quotes), numbers, true/false, lists and tables apart; this key wants another of them.";
    MISSING = "IK0112", "required key is missing",
        "The file cannot be obeyed without this key, and there is no default that would be right for everyone.";
    BAD_NAME = "IK0113", "not a valid name",
        "Names reach databases, containers, nginx and certificates, so each kind has a short list of allowed \
         characters, given in the message. Nothing is escaped or corrected silently.";
    BAD_TEXT = "IK0114", "text with characters that do not print",
        "Free text (titles, names of companies and people) is carried through byte for byte, quotes, markup and all. \
         Refused are only characters that cannot be seen and that deceive: control characters and line breaks, marks \
         that turn the reading direction, characters of no width. At most 200 characters.";
    OUT_OF_RANGE = "IK0115", "number out of range",
        "The number or size is understood, but lies outside the limits given in the message.";
    BAD_SIZE = "IK0116", "not a size",
        "Sizes are written as a whole number and a binary unit: \"512 MiB\", \"5 GiB\". Units: B, KiB, MiB, GiB, TiB.";
    BAD_DURATION = "IK0117", "not a duration",
        "Durations are written as numbers with units, largest first: \"14d\", \"2h15m\", \"30s\". Units: w, d, h, m, s.";
    BAD_SCHEDULE = "IK0118", "not a schedule",
        "Schedules have the five fields of cron: minute, hour, day of month, month, day of week, in the fleet's time \
         zone. \"0 2 * * *\" is each night at two. A schedule that never comes (31 February) is refused too.";
    BAD_TIMEZONE = "IK0119", "unknown time zone",
        "Time zones are names of the IANA database, spelled exactly so: \"Asia/Ho_Chi_Minh\", \"Europe/Berlin\", \"UTC\".";
    BAD_LANGUAGE = "IK0120", "unknown language",
        "Languages are codes of Odoo's own language list, such as \"en_US\", \"vi_VN\" or \"sr@latin\".";
    BAD_COUNTRY = "IK0121", "unknown country",
        "Countries are the two upper-case letters of ISO 3166-1, such as \"VN\" (and \"XK\" for Kosovo), because Odoo \
         finds country and currency by them.";
    BAD_CHOICE = "IK0122", "not one of the choices",
        "The key takes one of a few words, in lower case; the message lists them.";
    BAD_ADDRESS = "IK0123", "not a valid path, address or reference",
        "Paths, URLs, hosts, port ranges and image references reach programs and configuration files of other systems, \
         so only plain characters are taken: letters, digits and a few signs, no blanks, no quotes.";
    SECRET_IN_FILE = "IK0124", "secret in a file",
        "Passwords do not belong into the fleet's files: they end up in version control. Put the password into a file \
         of mode 0600 outside the fleet and name it with `password_file`.";
    REPEATED = "IK0125", "entry given twice in one list",
        "The list names the same thing twice; one of the two was probably meant to be something else. Remove or correct it.";
    UNKNOWN_RELEASE = "IK0126", "unknown Odoo release",
        "The settings name no image for this release. Add it to `odoo.images` in innkeeper.toml, or use one that is there.";
    RESERVED = "IK0127", "subdomain is reserved",
        "Names such as `www`, `mail` or `admin` are kept for the operator: on a customer's site they would mislead. The \
         list is built in; `fleet.reserved_subdomains` adds to it. Choose another `subdomain`.";
    DOMAIN_TAKEN = "IK0128", "domain is used by another instance",
        "A subdomain or domain leads to one instance only. The instance that has it keeps it, also while its file is \
         missing; among new ones the first by name gets it. This file waits until the other gives the name up.";
    DOMAIN_BELOW_BASE = "IK0129", "custom domain below the base domain",
        "Names below `fleet.base_domain` are given by `subdomain`, one to an instance, so that they share the \
         certificate and cannot collide. `domains` is for domains that the customer owns.";
    PLAN_FULL = "IK0130", "plan is full",
        "The plan has as many instances as its `max_instances` allows. Those that are on it stay; the newest file waits. \
         Raise the number in plans.toml, choose another plan, or retire an instance.";
    HOST_TOO_LONG = "IK0131", "host name is too long",
        "Subdomain and base domain together may have 253 characters (RFC 1035).";
    DIRECTORY_UNREADABLE = "IK0132", "instances.d cannot be listed",
        "Without the list of files nothing is known about what is wanted, so nothing is concluded from it: all \
         instances stay as they are. Restore the directory; an empty one is not the same as none.";
    TOO_MANY_FILES = "IK0133", "too many instance files",
        "More files stand in instances.d than one installation can serve. Nothing is concluded from a list that was cut.";
    TOO_MANY_PROBLEMS = "IK0134", "too many problems in one file",
        "The file has more problems than are listed one by one. Correct the first ones and check again.";
    NO_PLANS = "IK0135", "no plan",
        "plans.toml holds no plan, so no instance could be on one. Add at least one table, such as [starter].";
    TEMPLATE = "IK0136", "template cannot be used",
        "A template in nginx-templates/ has a mistake. While it has one, nginx keeps serving what it has; of a template that \
         single sites name only these are held back. `innkeeper check` renders all of them; whether nginx takes what they \
         give is tried before it is loaded. Texts of pages are templates too: what one language file lacks or says wrongly is \
         said in English.";
    FOREIGN_PRIMARY = "IK0137", "primary is not a name of the instance",
        "`[site] primary` chooses one of the instance's own names, <subdomain>.<base_domain> or an entry of `domains`, as \
         the one that links carry and that the others lead to. Add the name to `domains`, or correct it.";
    NOT_TAKEN = "IK0138", "not taken for an instance's file",
        "Something stands in instances.d that is no instance's file, for its name does not end in `.toml` or it is a directory. It \
         is passed over, so nobody is served because of it. Dot files, what editors leave, README and *.md are never told.";
    CONF_OWN = "IK0140", "line of odoo.conf that is not to be chosen",
        "Some lines of odoo.conf are Innkeeper's own: they keep customers apart, or must agree with the database, the \
         container and nginx. The hint says what does instead what you may want. `[conf]` takes the others: `innkeeper schema \
         instance` lists them.";
    CONF_RELEASE = "IK0141", "line of odoo.conf that this release does not know",
        "An instance's `[conf]` names an option that its Odoo does not have yet, so the line would do nothing. In a plan such \
         a line is left out for the instances on older releases.";
}
