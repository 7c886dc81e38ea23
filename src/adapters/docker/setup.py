# Makes true inside Odoo what /etc/odoo/setup.json says. Run by `odoo shell` (Odoo 14 to 19), which provides `env`.
#
# The first run applies everything. Each later run applies only the fields that differ from what the last run applied:
# what the customer changed inside Odoo meanwhile stays. Each field has a savepoint of its own: one that Odoo refuses is
# said in a line of its own and the others are applied. All of it is one transaction; `innkeeper.setup` is written last.
import datetime
import json

import psycopg2
from odoo.exceptions import UserError, ValidationError

FILE = "/etc/odoo/setup.json"
# What the last run made true, as JSON; read by Innkeeper as well.
APPLIED = "innkeeper.setup"
# How a line begins that says what was refused; read by Innkeeper.
REFUSED = "refused: "
# A website that is older was not made by the installation before this run: its languages are the customer's.
WEBSITE_IS_NEW = datetime.timedelta(days=1)
# The basis on which the trigram indexes were last seen to be complete; read by Innkeeper as well.
INDEXED = "innkeeper.indexed"
# What trigram indexes are made with: which pg_trgm it is, and whether unaccent() may stand in an index. The same query as
# in Innkeeper's look into the database.
BASIS = """
    SELECT e.oid::text || ' ' || coalesce((SELECT min(p.provolatile::text) FROM pg_proc p
               JOIN pg_namespace n ON n.oid = p.pronamespace
              WHERE p.proname = 'unaccent' AND p.pronargs = 1 AND n.nspname = 'public'), '-')
      FROM pg_extension e WHERE e.extname = 'pg_trgm'"""
# Present once the administrator was given the first password: it is never given again.
FIRST_PASSWORD = "innkeeper.first_password_given"


def flat(setup):
    """The fields of a set-up, each under a name of its own."""
    company = setup.get("company", {})
    return {
        "name": company.get("name"),
        "country": company.get("country"),
        "language": company.get("language"),
        "timezone": company.get("timezone"),
        "admin_login": setup.get("admin_login"),
        "base_url": setup.get("base_url"),
        "report_url": setup.get("report_url") or None,
        "website": company.get("language") if setup.get("website") else None,
    }


# The fields as the file calls them.
KEYS = {
    "name": "company.name",
    "country": "company.country",
    "language": "company.language",
    "timezone": "company.timezone",
    "admin_login": "admin.email",
    "base_url": "the address",
    "report_url": "report.url",
    "website": "the website's language",
}


def say(text):
    print("innkeeper: " + text)


class Refused(Exception):
    """Odoo cannot have this value; the text says why and what to do."""


def main_company():
    return env.ref("base.main_company")


def set_name(name):
    others = env["res.company"].with_context(active_test=False).search([("name", "=", name)]) - main_company()
    if others:
        raise Refused("another company in this database has that name (record %d): rename that one inside Odoo, or "
                      "choose another name in the file" % others[0].id)
    main_company().write({"name": name})


def set_country(code):
    country = env["res.country"].search([("code", "=", code)], limit=1)
    if not country:
        raise Refused("this Odoo knows no country with that code: choose another one in the file")
    company = main_company()
    if company.country_id == country:
        # Somebody chose it inside Odoo, and a currency with it.
        return
    company.write({"country_id": country.id})
    currency = country.currency_id
    if not currency or company.currency_id == currency:
        return
    former = company.currency_id.name
    if not currency.active:
        currency.write({"active": True})
    try:
        company.write({"currency_id": currency.id})
        flush()
    except (UserError, ValidationError) as refusal:
        # Accounting keeps the currency once there are entries.
        raise Refused("it brings the currency %s, and the books are kept in %s (%s): put the former country back into "
                      "the file, or choose the new one inside Odoo under Settings, Companies, which keeps the currency, "
                      "and run innkeeper retry" % (currency.name, former, sentence(refusal)))


def set_language(code):
    known = env["res.lang"].with_context(active_test=False).search([("code", "=", code)], limit=1)
    if not known:
        raise Refused("this Odoo knows no language with that code: choose another one in the file")
    if not known.active:
        env["res.lang"]._activate_lang(code)
        modules = env["ir.module.module"].search([("state", "=", "installed")])
        modules._update_translations([code])
    env["ir.default"].set("res.partner", "lang", code)
    main_company().partner_id.write({"lang": code})
    of_admin({"lang": code})


def set_timezone(name):
    env["ir.default"].set("res.partner", "tz", name)
    of_admin({"tz": name})


def set_admin_login(login):
    admin = env.ref("base.user_admin", raise_if_not_found=False)
    users = env["res.users"].with_context(active_test=False).search([("login", "=", login)])
    others = users - admin if admin else users
    if others:
        raise Refused("another user of this database logs in with it (%s, record %d): change that user's login inside "
                      "Odoo, or choose another address in the file" % (others[0].name, others[0].id))
    of_admin({"login": login, "email": login})


def set_base_url(url):
    parameters = env["ir.config_parameter"]
    parameters.set_param("web.base.url", url)
    parameters.set_param("web.base.url.freeze", "True")


def set_report_url(url):
    """Where wkhtmltopdf fetches styles and pictures of a report: from inside the container the public address may not
    be reachable."""
    parameters = env["ir.config_parameter"]
    if parameters.get_param("report.url"):
        say("report.url stays as it is")
    else:
        parameters.set_param("report.url", url)


def set_website_language(code):
    """A website that was just made speaks English, alone or beside the company's language."""
    if "website" not in env:
        return
    lang = env["res.lang"].search([("code", "=", code)], limit=1)
    for site in env["website"].search([("company_id", "=", main_company().id)]):
        is_new = datetime.datetime.now() - site.create_date < WEBSITE_IS_NEW
        if not lang or (site.default_lang_id == lang and (BEFORE.get("website") or not is_new)):
            continue
        if site.default_lang_id.code == BEFORE.get("website"):
            # It was given by the last run, and the file has another one now.
            site.write({"language_ids": [(4, lang.id)], "default_lang_id": lang.id})
        elif is_new:
            site.write({"language_ids": [(6, 0, [lang.id])], "default_lang_id": lang.id})
        else:
            say("the languages of the website %s stay as they are" % site.name)


def of_admin(values):
    admin = env.ref("base.user_admin", raise_if_not_found=False)
    if not admin:
        say("the first administrator was deleted: %s not set" % ", ".join(sorted(values)))
        return
    admin.with_context(no_reset_password=True).write(values)


SETTERS = [
    ("name", set_name),
    ("country", set_country),
    ("language", set_language),
    ("timezone", set_timezone),
    ("admin_login", set_admin_login),
    ("base_url", set_base_url),
    ("report_url", set_report_url),
    ("website", set_website_language),
]
# What the last run made true, by field.
BEFORE = {}


def flush():
    if hasattr(env, "flush_all"):
        env.flush_all()
    else:
        env["base"].flush()


def forget():
    """What is in memory of records that were rolled back."""
    if hasattr(env, "invalidate_all"):
        env.invalidate_all()
    else:
        env["base"].invalidate_cache()


def sentence(error):
    """An error of Odoo's in one line."""
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")


def apply(field, setter, value):
    """True when Odoo took the value. An error that may pass by itself ends the run."""
    try:
        with env.cr.savepoint():
            setter(value)
            flush()
    except (Refused, UserError, ValidationError, ValueError, psycopg2.IntegrityError) as refusal:
        forget()
        say(REFUSED + "%s = %s: %s" % (KEYS[field], json.dumps(value, ensure_ascii=False), sentence(refusal)))
        return False
    say("%s set" % field)
    return True


def with_former(setup, last, refused):
    """What is true now: the wish, with what the last run made true in place of what was refused. None where there is
    nothing to put there: then the next run begins anew."""
    if not refused:
        return setup
    if not last:
        return None
    made = json.loads(json.dumps(setup))
    for field in refused:
        if field == "website":
            made["website"] = last.get("website", False)
        elif field in ("admin_login", "base_url", "report_url"):
            made[field] = last.get(field)
        else:
            made["company"][field] = last["company"].get(field)
    return made


def inits_that_ask_for_trigrams(model):
    """Methods that make indexes of their own where there are trigrams, for phone numbers say."""
    for kind in type(model).__mro__:
        init = kind.__dict__.get("init")
        if init and "has_trigram" in init.__code__.co_names:
            yield init


def missing_indexes():
    """What Odoo itself would make now, as (name, table, definition): it leaves trigram indexes out without a word where
    pg_trgm is missing, and never comes back to them."""
    import warnings

    import odoo.tools.sql as sql

    found = []

    def note(cr, indexname, tablename, expressions, method="btree", where="", **more):
        condition = " WHERE %s" % where if where else ""
        found.append((indexname, tablename, "USING %s (%s)%s" % (method, ", ".join(expressions), condition)))

    def instead(scope, work):
        """Does the work while `create_index` only notes what it is asked for."""
        make = scope.get("create_index")
        if make:
            scope["create_index"] = note
        try:
            work()
        finally:
            if make:
                scope["create_index"] = make

    with warnings.catch_warnings():
        # It says for each index that unaccent() may not stand in it, which Innkeeper's `doctor` says once.
        warnings.simplefilter("ignore")
        instead(vars(sql), lambda: env.registry.check_indexes(env.cr, list(env.registry.models)))
    for model in (env[name] for name in env.registry.models):
        if not model._auto or model._abstract:
            continue
        for init in inits_that_ask_for_trigrams(model):
            try:
                with env.cr.savepoint():
                    instead(init.__globals__, lambda: instead(vars(sql), lambda: init(model)))
            except psycopg2.Error as refusal:
                say("an index of %s is left out: %s" % (model._name, sentence(refusal)))
        # From Odoo 19 on.
        for thing in getattr(model, "_table_objects", {}).values():
            define = getattr(thing, "_index_definition", None)
            definition = define(env.registry) if callable(define) else None
            if definition:
                found.append((thing.full_name(model), model._table, str(definition)))
    return found


def without_unaccent(cr):
    """Trigram indexes of Odoo's that no search uses any more, since each search goes through unaccent() now."""
    names = set()
    for model in env.registry.models.values():
        if model._auto and not model._abstract:
            for field in model._fields.values():
                if field.index == "trigram":
                    names.update("%s%s%s_index" % (model._table, sep, field.name) for sep in ("_", "__"))
    cr.execute(
        """SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
            WHERE a.amname = 'gin' AND c.relnamespace = current_schema::regnamespace AND c.relname = ANY (%s)
              AND pg_get_indexdef(i.indexrelid) NOT LIKE '%%unaccent(%%'""",
        [sorted(names)],
    )
    return [name for (name,) in cr.fetchall()]


def make_indexes():
    """Makes trigram indexes that are missing, without keeping anybody from writing meanwhile, and has the running Odoo
    load anew what it knows of the database's extensions."""
    import odoo

    env.cr.execute(BASIS)
    row = env.cr.fetchone()
    parameters = env["ir.config_parameter"].sudo()
    if not row or parameters.get_param(INDEXED) == row[0]:
        return
    # CONCURRENTLY waits for every older transaction, ours too, and cannot be part of one.
    env.cr.commit()
    with odoo.sql_db.db_connect(env.cr.dbname).cursor() as cr:
        cr._cnx.autocommit = True
        # What an interrupted run left is no index, and has its name.
        cr.execute(
            """SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                WHERE NOT i.indisvalid AND c.relnamespace = current_schema::regnamespace"""
        )
        broken = [name for (name,) in cr.fetchall()]
        if row[0].endswith(" i"):
            broken += without_unaccent(cr)
        for name in broken:
            cr.execute('DROP INDEX CONCURRENTLY IF EXISTS "%s"' % name)
        made = missing_indexes()
        env.cr.commit()
        for name, table, definition in made:
            try:
                cr.execute('CREATE INDEX CONCURRENTLY IF NOT EXISTS "%s" ON "%s" %s' % (name, table, definition))
            except psycopg2.Error as refusal:
                say("the index %s is left out: %s" % (name, sentence(refusal)))
        cr._cnx.autocommit = False
    parameters.set_param(INDEXED, row[0])
    env.registry.registry_invalidated = True
    env.registry.signal_changes()


def main():
    with open(FILE, encoding="utf-8") as file:
        wish = json.load(file)
    parameters = env["ir.config_parameter"].sudo()
    applied = parameters.get_param(APPLIED)
    if not parameters.get_param(FIRST_PASSWORD):
        # A new identity: a database made from a template carries the template's.
        parameters.init(force=True)
        of_admin({"password": wish["admin_password"]})
        parameters.set_param(FIRST_PASSWORD, "True")
    last = json.loads(applied) if applied else None
    BEFORE.update(flat(last) if last else {})
    wanted = flat(wish["setup"])
    refused = set()
    for field, setter in SETTERS:
        if wanted[field] is not None and wanted[field] != BEFORE.get(field):
            if not apply(field, setter, wanted[field]):
                refused.add(field)
    made = with_former(wish["setup"], last, refused)
    if made:
        text = json.dumps(made, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        parameters.set_param(APPLIED, text)
    env.cr.commit()
    make_indexes()
    env.cr.commit()
    say("done")


main()
