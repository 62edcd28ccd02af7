"""The page of a denoiser or an autoencoder."""
