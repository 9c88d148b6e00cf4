"""S(N) in other proof systems, side by side with Standstill: `python -m bench peers`. README.md in this folder has the method."""
