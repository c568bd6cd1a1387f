"""What the one decoder in `spoolfarm.images` is made of: formats, headers, samples, colours and which way is up."""
