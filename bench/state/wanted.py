"""The state that bench/noop.py compares: 10 packages, 20 rendered files, 5 accounts, 5 services."""

PACKAGES = ["cron", "curl", "git", "htop", "jq", "less", "nginx-light", "rsync", "tmux", "vim-tiny"]
FILES = {
    f"/etc/bench/{number:02}.conf": f"# file {number} of the benchmark\nvalue = {number * number}\n" * 20 for number in range(20)
}
ACCOUNTS = [f"bench{number}" for number in range(5)]
SERVICES = ["cron.service", "dbus.service", "nginx.service", "ssh.service", "systemd-journald.service"]
