"""Pure rendering: values in, text out; nothing is read, asked or printed here."""
