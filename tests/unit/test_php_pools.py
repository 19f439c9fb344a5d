"""PHP-FPM: each site an account, a pool and folders of its own."""

from __future__ import annotations

from recettes.declarations.sites import PhpSite, StaticSite
from recettes.declarations.sources import Folder
from recettes.files import File, FileState, FileTable
from recettes.roles.web import web
from recettes.trees import plan_tree
from recettes.web.names import PHP_ROOT
from recettes.web.php import php_accounts, php_folders, php_packages, php_tree
from recettes.web.vhost import Front

HERE = Folder(path="x")
OMEKA = PhpSite(
    name="omeka", host="o.test", source=HERE, uploads=("files", "media/large"), extensions=("xml", "mysql"), upload="2g"
)
OTHER = PhpSite(name="other", host="p.test", source=HERE, runs_programs=True)


def pool(site: PhpSite) -> dict[str, str]:
    content = php_tree([site]).files[f"pool.d/{site.name}.conf"].content or b""
    pairs = (line.partition(" = ") for line in content.decode().splitlines())
    return {key: value for key, _, value in pairs if value}


def test_a_pool_runs_as_its_sites_account_and_only_nginx_may_ask_it() -> None:
    settings = pool(OMEKA)
    assert (settings["user"], settings["group"]) == ("www-omeka", "www-omeka")
    assert (settings["listen"], settings["listen.group"], settings["listen.mode"]) == ("/run/php/omeka.sock", "www-data", "0660")


def test_a_pool_sees_its_own_site_and_no_name_that_begins_alike() -> None:
    allowed = pool(OMEKA)["php_admin_value[open_basedir]"].split(":")
    assert allowed == ["/srv/www/omeka/", "/var/lib/recettes/php/omeka/", "/usr/share/php/"]


def test_programs_are_only_started_where_that_is_declared() -> None:
    assert "exec" in pool(OMEKA)["php_admin_value[disable_functions]"].split(",")
    assert "exec" not in pool(OTHER)["php_admin_value[disable_functions]"].split(",")
    assert "dl" in pool(OTHER)["php_admin_value[disable_functions]"].split(",")


def test_a_request_has_room_for_the_largest_upload() -> None:
    settings = pool(OMEKA)
    assert settings["php_admin_value[upload_max_filesize]"] == "2G"
    assert settings["php_admin_value[post_max_size]"] == f"{2 * 1024 * 1024 + 1024}K"


def test_a_new_extension_changes_the_tree_so_that_php_reads_it() -> None:
    more = OMEKA.model_copy(update={"extensions": ("xml", "mysql", "gd")})
    assert php_packages([OMEKA]) == {"php8.4-fpm", "php8.4-xml", "php8.4-mysql"}
    assert php_packages([more]) - php_packages([OMEKA]) == {"php8.4-gd"}
    assert php_tree([more]).files["php-fpm.conf"] != php_tree([OMEKA]).files["php-fpm.conf"]


def test_nginx_is_in_the_group_of_each_site_and_no_site_in_that_of_another() -> None:
    accounts = php_accounts([OMEKA, OTHER])
    assert accounts["www-data"].groups == {"www-omeka", "www-other"}
    assert accounts["www-omeka"].groups == accounts["www-other"].groups == frozenset()
    assert not accounts["www-omeka"].locked, "an account that is locked is not made"


def test_a_site_writes_in_its_upload_folders_sessions_and_temporary_files_and_nowhere_else() -> None:
    writable = {path for path, folder in php_folders(OMEKA).items() if folder.owner == "www-omeka"}
    assert writable == {
        "/srv/www/omeka/data/files",
        "/srv/www/omeka/data/media/large",
        "/var/lib/recettes/php/omeka",
        "/var/lib/recettes/php/omeka/sessions",
        "/var/lib/recettes/php/omeka/tmp",
    }


def test_the_folder_of_a_site_is_closed_to_other_sites() -> None:
    files = web([OMEKA, StaticSite(name="plain", host="s.test", source=HERE)], Front(), lambda name: None).files
    assert files["/srv/www/omeka"] == File(None, "root", "www-omeka", 0o750)
    assert files["/srv/www/plain"] == File(None, "root", "www-data", 0o750)


def test_the_last_php_site_takes_the_daemon_with_it() -> None:
    before, after = (web(sites, Front(), lambda name: None) for sites in ([OMEKA], []))
    assert before.units["php8.4-fpm.service"].wanted and not after.units["php8.4-fpm.service"].wanted
    pools = {path: FileState("f", "root", "root", 0o644) for path in before.trees[PHP_ROOT].wanted()}
    planned = [(change.action, change.item) for change in plan_tree(FileTable(pools), after.trees[PHP_ROOT])]
    assert planned == [("remove", PHP_ROOT)]
