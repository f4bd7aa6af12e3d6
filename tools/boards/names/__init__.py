"""What names the firmware uses, who else does, and which of them may be others on boards: see ../short_names.py."""
