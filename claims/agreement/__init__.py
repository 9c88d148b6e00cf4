"""The agreement: model, file, canonical bytes, signatures, life."""
