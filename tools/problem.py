"""What goes wrong at a command line, in words for the person at the keyboard."""


class Problem(Exception):
    """One line that says what is wrong and what to do about it. Ends a command with exit code 2."""


debugging = False  # set by --debug: what is unforeseen is then raised, not put into words
