# The firmware in the image itself, and no console on any port: what an attacker with a cable gets is nothing.
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)

list(APPEND MICROPY_DEF_BOARD
    MICROPY_HW_ENABLE_UART_REPL=0
)
