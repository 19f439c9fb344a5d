"""All machines of the lab, each with all that its groups make of it."""

from pyinfra import local

local.include("deploys/xmldb.py")
local.include("deploys/web.py")
local.include("deploys/hpc.py")
local.include("deploys/ocr.py")
local.include("deploys/compute.py")
local.include("deploys/base.py")
