"""S(N) in other proof systems, side by side with Standstill: `python -m bench peers`. bench/README.md has the method."""
