"""Rules over stored or written records: backtests and unit tests of rules."""
