"""What a batch of rows can be asked for; the batch key, known to routes and engine alike."""

from enum import StrEnum


class Ask(StrEnum):
    """Rows of different asks never share a batch."""

    LOG_VALUES = "log_values"  # ln(zone in mm), (n_rows,)
    CONTRIBUTIONS = "contributions"  # TreeSHAP of it, (n_rows, n_columns + 1), base value last
