"""The embedded index: one writer (writer.py), many readers (reader.py), a folder of parts."""
