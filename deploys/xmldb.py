"""The XML database machine: BaseX in Jetty, its databases, users and applications."""

from pyinfra import host, local

from operations.artifacts import artifacts, artifacts_fetched, artifacts_part
from operations.engine import announce, first_time
from operations.releases import releases, releases_part
from operations.sources import sources_found
from operations.stamp import stamp
from operations.trees import tree, tree_part
from operations.units import units, units_part
from operations.xmldb import databases, databases_part, users_part, xml_users
from operations.xmldb_server import administrator, server_part
from operations.xmldb_upgrade import in_force_part, programs_linked, programs_upgraded
from recettes.roles import blueprints_of, identity_of, secrets_of
from recettes.roles.contents import xml_sources_of
from recettes.roles.dumps import copies_missing
from recettes.xmldb.contents import APPS, PACKAGES, SOURCES, app_releases, package_releases, source_releases
from recettes.xmldb.databases import databases_of
from recettes.xmldb.names import ADMIN_SECRET, user_secret
from recettes.xmldb.programs import programs
from recettes.xmldb.users import accounts_of

lab = host.data.lab

if "xmldb" in host.groups and first_time("xmldb"):
    lab.ensure_secrets(secrets_of(lab, host.name))
    wishes = lab.wishes
    wanted = blueprints_of(lab, host.name)["xmldb"]
    unpacked = programs(wishes.lab.xmldb)
    password = lab.secret(ADMIN_SECRET)
    sources = xml_sources_of(wishes.xml_databases, wishes.xml_packages, wishes.xml_apps)
    texts = source_releases(wishes.xml_databases, sources.databases)
    packages = package_releases(wishes.xml_packages, sources.packages)
    apps = app_releases(wishes.xml_apps, sources.apps)
    made = databases_of(wishes.xml_databases, wishes.xml_apps, wishes.xml_users, texts)
    passwords = {user.name: lab.secret(user_secret(user.name)) for user in wishes.xml_users}
    accounts = accounts_of(wishes.xml_apps, wishes.xml_users, passwords)

    announce([
        artifacts_part(unpacked),
        in_force_part(unpacked),
        server_part(password),
        *(tree_part(one) for one in wanted.trees.values()),
        units_part(wanted.units),
        releases_part(texts, SOURCES),
        databases_part(made),
        users_part(accounts),
        releases_part(packages, PACKAGES),
        releases_part(apps, APPS),
    ])  # fmt: skip

    if remark := copies_missing(lab, host.name):
        host.log(f"  {remark}")
    sources_found(name="Contents of the databases and applications can be had", problem=sources.problem)
    artifacts_fetched(name="Programs can be had", wanted=unpacked)
    local.include("deploys/base.py")
    artifacts(name="Programs", wanted=unpacked, today=lab.today)
    programs_linked(name="Programs in force", wanted=unpacked)
    administrator(name="BaseX's administrator", password=password)
    for one in wanted.trees.values():
        tree(name=f"Configuration of {one.subsystem}", wanted=one)
    programs_upgraded(name="Upgrade of the server", wanted=unpacked)
    units(name="XML database units", wanted=wanted.units)
    releases(name="Files of the databases", wanted=texts, sources=sources.databases, root=SOURCES)
    databases(name="Databases", wanted=made)
    xml_users(name="BaseX's users", wanted=accounts)
    releases(name="Packages", wanted=packages, sources=sources.packages, root=PACKAGES, told=True)
    releases(name="Applications", wanted=apps, sources=sources.apps, root=APPS, told=True)
    units(name="The server reads packages and applications", wanted=wanted.units)
    stamp(name="Stamp, again", wanted=identity_of(lab, host.name), checkout=lab.checkout)
