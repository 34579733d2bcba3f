"""The pages as a site that opens from disk: the derivation beside the code and its tests."""
