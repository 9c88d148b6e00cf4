"""The lab's books: store, registry, meters, witness, proof."""
