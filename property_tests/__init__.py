"""The claims of the derivations, as attacks that run on any implementation of DDPM."""
