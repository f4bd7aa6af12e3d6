#define MICROPY_HW_BOARD_NAME               "Charging ticket reader, ESP32-C3"
#define MICROPY_HW_MCU_NAME                 "ESP32-C3"

// The firmware lies in the partition "romfs" of partitions.csv and is run in place.
#define MICROPY_VFS_ROM                     (1)

// The console is on the chip's own USB, so that UART 0 is free for the controller's bus.
#define MICROPY_HW_ENABLE_UART_REPL         (0)
