"""A page to play with a model: sliders, a map of the latent space, walks, pictures of your own.

`graph.py` turns a network into a list of operations, which network.js computes in the browser; `content.py` collects
what page.html shows; `page.py` writes one file that needs no server; `server.py` serves the page from a running model,
which then computes in its place.
"""
