"""Kraken on Debian 13: torch and whatever else Debian has as its packages, the rest as wheels."""

from __future__ import annotations

PYTHON = "3.13"  # trixie's
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")
# Of the lock file's distributions, those that the Debian packages below bring.
PROVIDED = (
    "certifi", "charset-normalizer", "click", "cloudpickle", "filelock", "fsspec", "idna", "imageio", "jinja2", "joblib",
    "jsonschema", "jsonschema-specifications", "lazy-loader", "lxml", "markdown", "markdown-it-py", "markupsafe", "mdurl",
    "mpmath", "networkx", "numpy", "packaging", "pillow", "platformdirs", "protobuf", "pygments", "python-dateutil",
    "pyyaml", "referencing", "regex", "requests", "rich", "rpds-py", "scikit-image", "scipy", "setuptools", "shapely",
    "sympy", "threadpoolctl", "tifffile", "torch", "torchvision", "typing-extensions", "tzdata", "urllib3",
    # Kraken names it, and only its training would use it.
    "scikit-learn",
    # For graphics cards, of which a container has none: 2.6 GB.
    "cuda-bindings", "cuda-pathfinder", "cuda-toolkit", "nvidia-cublas", "nvidia-cuda-cupti", "nvidia-cuda-nvrtc",
    "nvidia-cuda-runtime", "nvidia-cudnn-cu13", "nvidia-cufft", "nvidia-cufile", "nvidia-curand", "nvidia-cusolver",
    "nvidia-cusparse", "nvidia-cusparselt-cu13", "nvidia-nccl-cu13", "nvidia-nvjitlink", "nvidia-nvshmem-cu13",
    "nvidia-nvtx", "triton",
)  # fmt: skip
PYTHON_PACKAGES = (
    "python3-click", "python3-dateutil", "python3-jinja2", "python3-jsonschema", "python3-lxml", "python3-markdown",
    "python3-numpy", "python3-packaging", "python3-pil", "python3-platformdirs", "python3-protobuf", "python3-regex",
    "python3-requests", "python3-rich", "python3-scipy", "python3-shapely", "python3-skimage", "python3-threadpoolctl",
    "python3-torch", "python3-torchvision", "python3-venv",
)  # fmt: skip
