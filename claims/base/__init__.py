"""What every room uses: errors, units, texts, files, canonical bytes, keys."""
