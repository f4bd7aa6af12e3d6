#define MICROPY_HW_BOARD_NAME               "Charging ticket reader, ESP32-S3"
#define MICROPY_HW_MCU_NAME                 "ESP32-S3"

// The firmware lies in the partition "romfs" of partitions.csv and is run in place.
#define MICROPY_VFS_ROM                     (1)

#ifndef MICROPY_HW_ENABLE_UART_REPL
// Boards of this chip may have nothing but a bridge on UART 0.
#define MICROPY_HW_ENABLE_UART_REPL         (1)
#endif
