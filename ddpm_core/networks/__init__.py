"""Networks: images and times in, one image out. No diffusion mathematics in here."""
