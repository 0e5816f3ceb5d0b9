"""The query language: a text becomes a tree (parser.py), which every store compiles (tree.py)."""
