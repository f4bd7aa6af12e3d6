#define MICROPY_HW_BOARD_NAME               "Charging ticket reader, ESP32"
#define MICROPY_HW_MCU_NAME                 "ESP32"

// The firmware lies in the partition "romfs" of partitions.csv and is run in place.
#define MICROPY_VFS_ROM                     (1)
