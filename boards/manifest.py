# What a frozen build holds beside MicroPython itself: the firmware, and asyncio. Included by the boards' manifests.
import os

freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")

for name in sorted(os.listdir("../firmware")):
    if name.endswith(".py"):
        module(name, base_path="../firmware", opt=3)
    elif os.path.isdir("../firmware/" + name):
        package(name, base_path="../firmware", opt=3)
