"""All machines of the lab, each with all that its groups make of it."""

from pyinfra import local

local.include("deploys/web.py")
local.include("deploys/base.py")
