"""Pictures made on this machine by pipelines of diffusers.

- `backend`: a Request for a picture to a pipeline, Events back
- `pipeline`: loading and unloading a pipeline, and the memory it takes
"""
