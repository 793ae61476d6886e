"""The only door to AWS. ``store.py`` files and the composition root come through here, nobody else."""
