"""Property tests of the derivations, for any implementation of DDPM."""
