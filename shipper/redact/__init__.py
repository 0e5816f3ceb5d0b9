"""Secrets and personal data are taken out of records before they leave the reading thread."""
