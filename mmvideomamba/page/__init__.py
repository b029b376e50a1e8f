"""A web page to try models on: upload a clip, read the answer, look inside.

limits   how long an uploaded video may be, and how long its file stays
models   the models to choose from
samples  clips to begin with
answers  what is said and drawn of a clip
layout   the page, by Gradio: the extra `page`; the others do without
"""
