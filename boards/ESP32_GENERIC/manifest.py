# The frozen build (variant HARDENED). `make build` comes first: it makes pins.py of pins.csv.
include("../manifest.py")
module("pins.py", base_path="../../build/ESP32_GENERIC/frozen", opt=3)
