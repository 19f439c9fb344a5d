"""What stands in for a hypervisor, for network agents and for storage. Runs inside nova, neutron and cinder.

What they do not do, no test may claim: nothing filters packets (security groups are rows), nothing routes in the API tier.
"""
