"""The settings of every service: where this control plane departs from upstream's defaults, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.cloud.control.place import FOLDER_VARIABLE, HOST, REGION, SERVICE, Place

NODE = "node"  # the one host of everything
BACKEND = "files"  # of volumes
# How neutron finds a driver that no installed package brings.
PLUGINS = {
    "METADATA": "Metadata-Version: 2.1\nName: stand-ins\nVersion: 1\n",
    "entry_points.txt": "[neutron.ml2.mechanism_drivers]\nstand_in = tests.cloud.control.drivers.network:Network\n",
}
Sections = Mapping[str, Mapping[str, object]]


def files(place: Place, prefix: Path) -> dict[str, str]:
    """File name -> text. `prefix` is the virtual environment, where the packages put their pipelines."""
    made = {
        "keystone.conf": _keystone(place),
        "placement.conf": _placement(place),
        "glance-api.conf": _glance(place, prefix),
        "neutron.conf": _neutron(place, prefix),
        "nova.conf": _nova(place),
        "cinder.conf": _cinder(place, prefix),
    }
    return {name: _text(sections) for name, sections in made.items()}


def environment(place: Place, prefix: Path) -> dict[str, str]:
    """Where the services look for them."""
    folder = str(place.settings)
    return {
        FOLDER_VARIABLE: str(place.folder),
        "PYTHONPATH": str(place.folder / "plugins"),
        "OS_KEYSTONE_CONFIG_DIR": folder,
        "OS_PLACEMENT_CONFIG_DIR": folder,
        "OS_GLANCE_CONFIG_DIR": folder,
        "OS_NEUTRON_CONFIG_DIR": folder,
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        "OS_NOVA_CONFIG_DIR": folder,
        "OS_NOVA_CONFIG_FILES": f"{prefix}/etc/nova/api-paste.ini;nova.conf",
        "OS_CINDER_DISABLE_EVENTLET_PATCHING": "1",
        "XDG_CACHE_HOME": str(place.folder / "cache"),
    }


def _keystone(place: Place) -> Sections:
    return {
        "DEFAULT": {**_log(place, "keystone"), "public_endpoint": place.base("keystone")},
        "database": _database(place, "keystone"),
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": place.keys / "fernet"},
        "credential": {"key_repository": place.keys / "credential"},
        "cache": {"enabled": "true", "backend": "dogpile.cache.memory"},
        "identity": {"password_hash_rounds": 4},  # the fewest there may be: nothing here is worth guarding
    }


def _placement(place: Place) -> Sections:
    return {
        "DEFAULT": _log(place, "placement"),
        "placement_database": {**_database(place, "placement"), "sync_on_startup": "true"},
        "api": {"auth_strategy": "keystone"},
        **_tokens(place),
    }


def _glance(place: Place, prefix: Path) -> Sections:
    return {
        "DEFAULT": {
            **_log(place, "glance"),
            "enabled_backends": "files:file",
            "enabled_import_methods": "[glance-direct]",
            "worker_self_reference_url": place.base("glance"),
        },
        "database": _database(place, "glance"),
        "glance_store": {"default_backend": "files"},
        "files": {"filesystem_store_datadir": place.folder / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": place.folder / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": place.folder / "tasks"},
        "paste_deploy": {"flavor": "keystone", "config_file": prefix / "etc/glance/glance-api-paste.ini"},
        **_tokens(place),
        **_locks(place),
        **_SILENT,
    }


def _neutron(place: Place, prefix: Path) -> Sections:
    return {
        "DEFAULT": {
            **_log(place, "neutron"),
            **_node(place, "neutron"),
            "api_paste_config": prefix / "etc/neutron/api-paste.ini",
            "core_plugin": "ml2",
            "service_plugins": "router",
            "auth_strategy": "keystone",
            "dhcp_agent_notification": "false",
            "rpc_response_timeout": 5,
            "notify_nova_on_port_status_changes": "true",
            "notify_nova_on_port_data_changes": "true",
        },
        "database": _database(place, "neutron"),
        "nova": _account(place),
        "placement": _account(place),
        "quotas": {"quota_rbac_policy": -1},  # one for every way out, and all are the administrator's
        "ml2": {
            "type_drivers": "flat,vxlan",
            "tenant_network_types": "vxlan",
            "mechanism_drivers": "stand_in",
            "extension_drivers": "port_security",
        },
        "ml2_type_flat": {"flat_networks": "*"},
        "ml2_type_vxlan": {"vni_ranges": "1:4000"},
        **_tokens(place),
        **_locks(place),
        **_SILENT,
    }


def _nova(place: Place) -> Sections:
    return {
        "DEFAULT": {
            **_log(place, "nova"),
            **_node(place, "nova"),
            "instances_path": place.folder / "nova" / "instances",
            "my_ip": HOST,
            "compute_driver": "stand_in.Machines",
            "allow_resize_to_same_host": "true",
            "vif_plugging_is_fatal": "false",
            "vif_plugging_timeout": 0,
            "sync_power_state_interval": -1,
            "update_resources_interval": 60,
            "periodic_fuzzy_delay": 0,
            "rpc_response_timeout": 30,
            "initial_cpu_allocation_ratio": 16,
            "initial_ram_allocation_ratio": 16,
        },
        "api": {"auth_strategy": "keystone"},
        "api_database": _database(place, "nova_api"),
        "database": _database(place, "nova_cell1"),
        "placement": _account(place),
        "neutron": _account(place),
        "cinder": {"catalog_info": "block-storage::publicURL", "os_region_name": REGION, **_account(place)},
        "glance": _account(place),
        "vnc": {"enabled": "false"},
        "spice": {"enabled": "false"},
        **_tokens(place),
        **_sent_along(place),
        **_locks(place),
        **_SILENT,
    }


def _cinder(place: Place, prefix: Path) -> Sections:
    return {
        "DEFAULT": {
            **_log(place, "cinder"),
            **_node(place, "cinder"),
            "api_paste_config": prefix / "etc/cinder/api-paste.ini",
            "resource_query_filters_file": prefix / "etc/cinder/resource_filters.json",
            "auth_strategy": "keystone",
            "enabled_backends": BACKEND,
            "default_volume_type": "__DEFAULT__",
            "my_ip": HOST,
            "glance_api_servers": place.base("glance"),
            "periodic_fuzzy_delay": 0,
            "scheduler_driver_init_wait_time": 1,
            "scheduler_default_filters": "AvailabilityZoneFilter,CapacityFilter,CapabilitiesFilter",
        },
        BACKEND: {
            "volume_driver": "tests.cloud.control.drivers.volumes.Volumes",
            "volume_backend_name": BACKEND,
            "volumes_folder": place.folder / "volumes",
        },
        "database": _database(place, "cinder"),
        "coordination": {"backend_url": f"file://{place.folder}/locks"},
        "nova": _account(place),
        **_tokens(place),
        **_sent_along(place),
        **_locks(place),
        **_SILENT,
    }


_SILENT: Sections = {"oslo_messaging_notifications": {"driver": "noop"}}


def _log(place: Place, service: str) -> dict[str, object]:
    return {"log_file": place.logs / f"{service}.log", "use_stderr": "false"}


def _node(place: Place, service: str) -> dict[str, object]:
    return {"host": NODE, "transport_url": "fake://", "state_path": place.folder / service}


def _database(place: Place, name: str) -> dict[str, object]:
    return {"connection": place.connection(name), "sqlite_synchronous": "false", "max_retries": 3}


def _account(place: Place) -> dict[str, object]:
    return {
        "auth_type": "password",
        "auth_url": place.endpoint("keystone"),
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "project_name": SERVICE,
        "username": SERVICE,
        "password": SERVICE,
        "region_name": REGION,
    }


def _tokens(place: Place) -> Sections:
    return {
        "keystone_authtoken": {
            "www_authenticate_uri": place.endpoint("keystone"),
            **_account(place),
            "service_token_roles": "service",
            "service_token_roles_required": "true",
            "token_cache_time": 300,
        }
    }


def _sent_along(place: Place) -> Sections:
    return {"service_user": {"send_service_user_token": "true", **_account(place)}}


def _locks(place: Place) -> Sections:
    return {"oslo_concurrency": {"lock_path": place.folder / "locks"}}


def _text(sections: Sections) -> str:
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in values.items()), ""]
    return "\n".join(lines)
