"""An OpenStack control plane on this computer: keystone, placement, glance, neutron, nova and cinder as they are published.

API, policy, quota, scheduler, databases and state machines are upstream's. What stands in for something is in `drivers`:
the hypervisor, the network agents and the storage. Messages stay inside each process, databases are sqlite; no root needed.
"""
