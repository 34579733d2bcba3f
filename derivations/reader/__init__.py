"""Site of the derivations: each equation beside its code and its tests; opens from disk."""
