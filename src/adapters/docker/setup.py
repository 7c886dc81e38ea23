# Makes true inside Odoo what /etc/odoo/setup.json says. Run by `odoo shell` (Odoo 14 to 19), which provides `env`.
#
# The first run applies everything. Each later run applies only the fields that differ from what the last run applied:
# what the customer changed inside Odoo meanwhile stays. All of it is one transaction; `innkeeper.setup` is written last.
import json

FILE = "/etc/odoo/setup.json"
# What the last run made true, as JSON; read by Innkeeper as well.
APPLIED = "innkeeper.setup"
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
    }


def say(text):
    print("innkeeper: " + text)


def set_name(name):
    env.ref("base.main_company").write({"name": name})


def set_country(code):
    country = env["res.country"].search([("code", "=", code)], limit=1)
    if not country:
        raise ValueError("Odoo knows no country with the code %s" % code)
    company = env.ref("base.main_company")
    company.write({"country_id": country.id})
    currency = country.currency_id
    if not currency or company.currency_id == currency:
        return
    if not currency.active:
        currency.write({"active": True})
    try:
        with env.cr.savepoint():
            company.write({"currency_id": currency.id})
    except Exception as refusal:
        # Accounting refuses another currency once there are entries. The country is right, the books stay as they are.
        say("the currency stays %s: %s" % (company.currency_id.name, refusal))


def set_language(code):
    known = env["res.lang"].with_context(active_test=False).search([("code", "=", code)], limit=1)
    if not known:
        raise ValueError("Odoo knows no language with the code %s" % code)
    if not known.active:
        env["res.lang"]._activate_lang(code)
        modules = env["ir.module.module"].search([("state", "=", "installed")])
        modules._update_translations([code])
    env["ir.default"].set("res.partner", "lang", code)
    env.ref("base.main_company").partner_id.write({"lang": code})
    of_admin({"lang": code})


def set_timezone(name):
    env["ir.default"].set("res.partner", "tz", name)
    of_admin({"tz": name})


def set_admin_login(login):
    of_admin({"login": login, "email": login})


def set_base_url(url):
    parameters = env["ir.config_parameter"]
    parameters.set_param("web.base.url", url)
    parameters.set_param("web.base.url.freeze", "True")


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
]


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
    before = flat(json.loads(applied)) if applied else {}
    wanted = flat(wish["setup"])
    for field, setter in SETTERS:
        if wanted[field] is not None and wanted[field] != before.get(field):
            setter(wanted[field])
            say("%s set" % field)
    text = json.dumps(wish["setup"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    parameters.set_param(APPLIED, text)
    env.cr.commit()
    say("done")


main()
